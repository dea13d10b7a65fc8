//! Keys and messages that the tests share. The keys are those of PROTOCOL.md, "Test keys".

use ed25519_dalek::Signer as _;
use postern_protocol::{
    ClockState, DeviceKey, Door, Epoch, Hello, IssuerKeys, KeyId, LockerId, LockerKeys, Operation,
    OperationNonce, Operations, Request, Timestamp, TokenId, carry, delegation::Delegation, issue::Issuer,
    locker_side::Greeting, phone::Greeted, token::Claims,
};
use sha2::{Digest, Sha256};

/// SHA-256 of `postern test ` and a name.
pub(crate) fn bytes(name: &str) -> [u8; 32] {
    Sha256::digest(format!("postern test {name}")).into()
}

pub(crate) fn first<const N: usize>(name: &str) -> [u8; N] {
    bytes(name)[..N].try_into().expect("N is at most 32")
}

pub(crate) fn locker() -> LockerKeys {
    LockerKeys::from_seed(LockerId(first("locker id")), &bytes("locker seed"))
}

pub(crate) fn issuer() -> Issuer {
    Issuer::new(KeyId(1), bytes("issuer"))
}

pub(crate) fn issuers() -> IssuerKeys {
    let mut keys = IssuerKeys::new();
    assert!(keys.insert(KeyId(1), issuer().public()));
    keys
}

/// The hub's public key for carried receipts.
pub(crate) fn carry_key() -> [u8; 32] {
    carry::public(&bytes("hub carry"))
}

/// A device key with its secret.
#[derive(Clone)]
pub(crate) enum Device {
    Ed25519(ed25519_dalek::SigningKey),
    P256(p256::ecdsa::SigningKey),
}

impl Device {
    pub(crate) fn ed25519(name: &str) -> Self {
        Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(&bytes(name)))
    }

    pub(crate) fn p256(name: &str) -> Self {
        Self::P256(p256::ecdsa::SigningKey::from_slice(&bytes(name)).expect("a scalar below the order"))
    }

    pub(crate) fn both(name: &str) -> [Self; 2] {
        [Self::ed25519(name), Self::p256(name)]
    }

    pub(crate) fn public(&self) -> DeviceKey {
        match self {
            Self::Ed25519(key) => DeviceKey::Ed25519(key.verifying_key().to_bytes()),
            Self::P256(key) => {
                let point = key.verifying_key().to_sec1_point(true);
                DeviceKey::P256(point.as_bytes().try_into().expect("33 bytes"))
            }
        }
    }

    /// The bytes of an Ed25519 key.
    pub(crate) fn public_ed25519(&self) -> [u8; 32] {
        match self.public() {
            DeviceKey::Ed25519(key) => key,
            DeviceKey::P256(_) => panic!("not an Ed25519 key"),
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        match self {
            Self::Ed25519(key) => key.sign(message).to_bytes(),
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_bytes().into()
            }
        }
    }
}

pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000);

pub(crate) fn claims(key: DeviceKey) -> Claims {
    Claims {
        key_id: KeyId(1),
        locker: locker().id,
        doors: vec![(Door(7), Epoch(41))],
        operations: [Operation::Collect, Operation::Reopen, Operation::Status].into_iter().collect(),
        not_before: NOW,
        expires: NOW.plus(900),
        issued_at: NOW,
        id: TokenId(first("cti")),
        key,
        uses: 1,
        delegable: true,
        hello_nonce: None,
        carry_key: None,
    }
}

pub(crate) fn token(key: DeviceKey) -> Vec<u8> {
    issuer().sign_token(&claims(key))
}

pub(crate) fn request(key: DeviceKey) -> Request {
    Request {
        operation: Operation::Collect,
        door: Door(7),
        nonce: OperationNonce(first("operation nonce")),
        token: token(key),
        delegation: None,
        bulletin: None,
    }
}

pub(crate) fn delegation(to: DeviceKey) -> Delegation {
    Delegation {
        token: TokenId(first("cti")),
        to,
        doors: vec![Door(7)],
        operations: Operations::NONE.with(Operation::Collect),
        not_before: NOW,
        expires: NOW.plus(600),
        uses: 1,
    }
}

pub(crate) fn hello() -> Hello {
    Hello { version: 1, oldest: 1, boot: 3, clock: ClockState::Set, floor: NOW, capabilities: 0x0003 }
}

/// A greeting with the test keys, and its HELLO.
pub(crate) fn greeting() -> (Greeting, Vec<u8>) {
    Greeting::start(&locker(), &hello(), bytes("locker ephemeral"))
}

pub(crate) fn greeted(message: &[u8]) -> Greeted {
    Greeted::from_hello(&locker().identity(), message).expect("a good HELLO")
}

/// COSE_Sign1 written a second time, for whatever header and payload: what a faulty or hostile issuer could sign.
pub(crate) fn sign1(
    label: &str,
    protected: &[u8],
    unprotected: &[u8],
    payload: &[u8],
    secret: &[u8; 32],
) -> Vec<u8> {
    use crate::cbor::{bstr, head};

    let mut message = head(4, 4);
    message.extend(
        [head(3, 10), b"Signature1".to_vec(), bstr(protected), bstr(label.as_bytes()), bstr(payload)]
            .concat(),
    );
    let signature = ed25519_dalek::SigningKey::from_bytes(secret).sign(&message).to_bytes();
    [head(4, 4), bstr(protected), unprotected.to_vec(), bstr(payload), bstr(&signature)].concat()
}
