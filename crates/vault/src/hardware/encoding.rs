//! From the encodings that keystores speak to those of the device key's port.

use p256::{
    ecdsa::{Signature, VerifyingKey},
    pkcs8::DecodePublicKey as _,
};

use crate::{Algorithm, DevicePublic, VaultError};

/// A public key as Java gives it (X.509 `SubjectPublicKeyInfo`).
#[cfg_attr(any(target_os = "macos", target_os = "ios"), allow(dead_code))]
pub(super) fn public_of_spki(der: &[u8]) -> Result<DevicePublic, VaultError> {
    VerifyingKey::from_public_key_der(der).map(|key| public(&key)).map_err(|_| malformed("public key"))
}

/// A public key as Apple gives it (ANSI X9.63, uncompressed).
#[cfg_attr(not(any(target_os = "macos", target_os = "ios")), allow(dead_code))]
pub(super) fn public_of_point(point: &[u8]) -> Result<DevicePublic, VaultError> {
    VerifyingKey::from_sec1_bytes(point).map(|key| public(&key)).map_err(|_| malformed("public key"))
}

/// A signature as both give it (DER of RFC 3279, `Ecdsa-Sig-Value`).
pub(super) fn signature_of_der(der: &[u8]) -> Result<[u8; 64], VaultError> {
    Signature::from_der(der).map(|signature| signature.to_bytes().into()).map_err(|_| malformed("signature"))
}

fn public(key: &VerifyingKey) -> DevicePublic {
    DevicePublic { algorithm: Algorithm::P256, bytes: key.to_sec1_point(true).as_bytes().to_vec() }
}

fn malformed(what: &str) -> VaultError {
    VaultError::Keyring(format!("the hardware's {what} is malformed"))
}
