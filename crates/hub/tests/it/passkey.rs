//! A passkey in software, for everything that does not need a browser.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use p256::ecdsa::{Signature, SigningKey, signature::Signer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// One discoverable credential.
pub(crate) struct Passkey {
    key: SigningKey,
    id: [u8; 16],
    handle: String,
    origin: String,
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn client_data(kind: &str, options: &Value, origin: &str) -> String {
    let challenge = options["publicKey"]["challenge"].as_str().unwrap();
    json!({ "type": kind, "challenge": challenge, "origin": origin, "crossOrigin": false }).to_string()
}

/// RP id hash, flags, counter 0.
fn head(flags: u8) -> Vec<u8> {
    let mut out = Sha256::digest(b"localhost").to_vec();
    out.push(flags);
    out.extend([0; 4]);
    out
}

impl Passkey {
    /// Answers `navigator.credentials.create`.
    pub(crate) fn create(options: &Value, origin: &str) -> (Self, Value) {
        let seed: [u8; 32] = postern_hub::random::bytes();
        let key = SigningKey::from_slice(&seed).unwrap();
        let id = postern_hub::random::bytes::<16>();
        let point = key.verifying_key().to_sec1_point(false);
        let mut cose = Vec::new();
        minicbor::Encoder::new(&mut cose)
            .map(5)
            .and_then(|e| {
                e.i8(1)?.i8(2)?.i8(3)?.i8(-7)?.i8(-1)?.i8(1)?.i8(-2)?.bytes(&point.as_bytes()[1..33])
            })
            .and_then(|e| e.i8(-3)?.bytes(&point.as_bytes()[33..]))
            .unwrap();
        // User present, user verified, attested credential data.
        let mut auth_data = head(0x45);
        auth_data.extend([0; 16]);
        auth_data.extend([0, 16]);
        auth_data.extend(id);
        auth_data.extend(&cose);
        let mut attestation = Vec::new();
        minicbor::Encoder::new(&mut attestation)
            .map(3)
            .and_then(|e| {
                e.str("fmt")?.str("none")?.str("attStmt")?.map(0)?.str("authData")?.bytes(&auth_data)
            })
            .unwrap();
        let client_data = client_data("webauthn.create", options, origin);
        let answer = json!({
            "id": encode(id), "rawId": encode(id), "type": "public-key", "extensions": {},
            "response": { "attestationObject": encode(attestation), "clientDataJSON": encode(client_data) },
        });
        let handle = options["publicKey"]["user"]["id"].as_str().unwrap().to_owned();
        (Self { key, id, handle, origin: origin.to_owned() }, answer)
    }

    /// Answers `navigator.credentials.get`.
    pub(crate) fn get(&self, options: &Value) -> Value {
        self.get_from(options, &self.origin)
    }

    /// The same, on a page of another origin.
    pub(crate) fn get_from(&self, options: &Value, origin: &str) -> Value {
        let auth_data = head(0x05);
        let client_data = client_data("webauthn.get", options, origin);
        let mut message = auth_data.clone();
        message.extend(Sha256::digest(&client_data));
        let signature: Signature = self.key.sign(&message);
        json!({
            "id": encode(self.id), "rawId": encode(self.id), "type": "public-key", "extensions": {},
            "response": {
                "authenticatorData": encode(auth_data), "clientDataJSON": encode(client_data),
                "signature": encode(signature.to_der()), "userHandle": self.handle,
            },
        })
    }
}
