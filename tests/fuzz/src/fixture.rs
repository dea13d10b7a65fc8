//! The test keys of PROTOCOL.md, and its frozen vectors as seeds.

use ed25519_dalek::{Signer, SigningKey};
use postern_protocol::{
    ClockState, Hello, IssuerKeys, KeyId, LockerId, LockerKeys, Timestamp, issue::Issuer,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A test secret.
#[must_use]
pub fn secret(name: &str) -> [u8; 32] {
    Sha256::digest(format!("postern test {name}")).into()
}

/// The test locker.
#[must_use]
pub fn locker() -> LockerKeys {
    let mut id = [0; 8];
    id.copy_from_slice(&secret("locker id")[..8]);
    LockerKeys::from_seed(LockerId(id), &secret("locker seed"))
}

/// The test issuer.
#[must_use]
pub fn issuer() -> Issuer {
    Issuer::new(KeyId(1), secret("issuer"))
}

/// A set with the test issuer.
///
/// # Panics
/// Never: the key is usable and the set is empty.
#[must_use]
pub fn issuers() -> IssuerKeys {
    let mut keys = IssuerKeys::new();
    assert!(keys.insert(KeyId(1), issuer().public()));
    keys
}

/// The HELLO of the worked example.
#[must_use]
pub fn hello() -> Hello {
    Hello {
        version: 1,
        oldest: 1,
        boot: 3,
        clock: ClockState::Set,
        floor: Timestamp(1_800_000_000),
        capabilities: 3,
    }
}

/// Signs with a test secret.
#[must_use]
pub fn sign(name: &str, message: &[u8]) -> [u8; 64] {
    SigningKey::from_bytes(&secret(name)).sign(message).to_bytes()
}

fn head(major: u8, length: usize) -> Vec<u8> {
    match length {
        0..24 => vec![major | length as u8],
        24..256 => vec![major | 24, length as u8],
        _ => vec![major | 25, (length >> 8) as u8, length as u8],
    }
}

/// A CBOR byte string.
#[must_use]
pub fn bstr(bytes: &[u8]) -> Vec<u8> {
    [head(0x40, bytes.len()), bytes.to_vec()].concat()
}

/// A COSE_Sign1 with any payload and a good signature: what a mad issuer or locker could make.
#[must_use]
pub fn sign1(label: &str, protected: &[u8], payload: &[u8], secret: &[u8; 32]) -> Vec<u8> {
    let input = [&[0x84, 0x6a][..], b"Signature1", &bstr(protected), &bstr(label.as_bytes()), &bstr(payload)]
        .concat();
    let signature = SigningKey::from_bytes(secret).sign(&input).to_bytes();
    [&[0x84][..], &bstr(protected), &[0xa0], &bstr(payload), &bstr(&signature)].concat()
}

/// Payload of a COSE_Sign1 in the one shape of the protocol, found by its length fields.
///
/// # Panics
/// On anything else: it is for frozen vectors.
#[must_use]
pub fn payload_of(signed: &[u8]) -> Vec<u8> {
    let after_header = 2 + usize::from(signed[1] & 0x1f) + 1;
    let (start, length) = match signed[after_header] {
        0x58 => (after_header + 2, usize::from(signed[after_header + 1])),
        0x59 => (
            after_header + 3,
            usize::from(signed[after_header + 1]) << 8 | usize::from(signed[after_header + 2]),
        ),
        short => (after_header + 1, usize::from(short & 0x1f)),
    };
    signed[start..start + length].to_vec()
}

/// All hex strings (and opening codes) below `key` in a frozen vector file.
///
/// # Panics
/// When the file is not there.
#[must_use]
pub fn vectors(file: &str, key: &str) -> Vec<Vec<u8>> {
    let path = format!("{}/../../crates/protocol/vectors/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the vectors are part of the repository");
    let value: Value = serde_json::from_str(&text).expect("JSON");
    let mut found = vec![];
    collect(&value, key, &mut found);
    found
}

fn collect(value: &Value, key: &str, found: &mut Vec<Vec<u8>>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, key, found)),
        Value::Object(fields) => {
            for (name, field) in fields {
                match field.as_str() {
                    Some(text) if name == key => {
                        found.push(hex::decode(text).unwrap_or_else(|_| text.as_bytes().to_vec()));
                    }
                    _ => collect(field, key, found),
                }
            }
        }
        _ => {}
    }
}
