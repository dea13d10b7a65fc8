//! Proofs of possession of the device key towards the hub (RFC 9449), and the key's thumbprint (RFC 7638).

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{Algorithm, DeviceKey, DevicePublic, VaultError};

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The device key is not a point of its curve.
    #[error("the device key is malformed")]
    Malformed,
    /// The key refused (locked, biometrics declined).
    #[error(transparent)]
    Key(#[from] VaultError),
    /// The operating system has no random numbers.
    #[error("no random numbers: {0}")]
    Random(String),
}

/// Makes proofs with one device key.
#[derive(Clone)]
pub struct Prover {
    key: Arc<dyn DeviceKey>,
    jwk: Value,
    algorithm: &'static str,
    thumbprint: String,
}

impl Prover {
    /// With this key.
    ///
    /// # Errors
    /// [`ProofError::Malformed`].
    pub fn new(key: Arc<dyn DeviceKey>) -> Result<Self, ProofError> {
        let public = key.public();
        // Members in lexicographic order: RFC 7638 hashes exactly this text.
        let (jwk, canonical, algorithm) = match public.algorithm {
            Algorithm::Ed25519 => {
                let x = BASE64.encode(&public.bytes);
                let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
                (json!({ "kty": "OKP", "crv": "Ed25519", "x": x }), canonical, "EdDSA")
            }
            Algorithm::P256 => {
                let (x, y) = coordinates(&public)?;
                let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
                (json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y }), canonical, "ES256")
            }
        };
        let thumbprint = BASE64.encode(Sha256::digest(canonical.as_bytes()));
        Ok(Self { key, jwk, algorithm, thumbprint })
    }

    /// RFC 7638, SHA-256, base64url.
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// A proof for one request. `uri` is the request's without query and fragment; `issued_at` UNIX seconds.
    ///
    /// # Errors
    /// [`ProofError::Key`] where the key does not sign, [`ProofError::Random`].
    pub async fn prove(
        &self,
        method: &str,
        uri: &str,
        access_token: Option<&str>,
        nonce: Option<&str>,
        issued_at: i64,
    ) -> Result<String, ProofError> {
        let mut id = [0u8; 16];
        getrandom::fill(&mut id).map_err(|e| ProofError::Random(e.to_string()))?;
        let header = json!({ "typ": "dpop+jwt", "alg": self.algorithm, "jwk": self.jwk });
        let mut claims = json!({ "jti": BASE64.encode(id), "htm": method, "htu": uri, "iat": issued_at });
        if let Some(token) = access_token {
            claims["ath"] = BASE64.encode(Sha256::digest(token.as_bytes())).into();
        }
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        let mut proof =
            format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
        let signature = self.key.sign(proof.as_bytes()).await?;
        proof.push('.');
        BASE64.encode_string(signature, &mut proof);
        Ok(proof)
    }
}

/// Affine coordinates of a compressed P-256 point, base64url.
fn coordinates(public: &DevicePublic) -> Result<(String, String), ProofError> {
    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&public.bytes).map_err(|_| ProofError::Malformed)?;
    let point = key.to_sec1_point(false);
    let (Some(x), Some(y)) = (point.x(), point.y()) else { return Err(ProofError::Malformed) };
    Ok((BASE64.encode(x), BASE64.encode(y)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        DeviceKeys as _,
        keys::{StandInKeys, StoredKeys},
        memory::MemorySecrets,
    };
    use p256::ecdsa::signature::Verifier as _;

    struct Fixed(DevicePublic);

    #[async_trait::async_trait]
    impl DeviceKey for Fixed {
        fn public(&self) -> DevicePublic {
            self.0.clone()
        }
        async fn sign(&self, _: &[u8]) -> Result<[u8; 64], VaultError> {
            Err(VaultError::Locked)
        }
    }

    fn part(proof: &str, index: usize) -> Value {
        let text = BASE64.decode(proof.split('.').nth(index).unwrap()).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    /// RFC 8037, appendix A.3.
    #[test]
    fn the_thumbprint_of_an_ed25519_key_is_that_of_the_rfc() {
        let bytes = BASE64.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let key = Fixed(DevicePublic { algorithm: Algorithm::Ed25519, bytes });
        let prover = Prover::new(Arc::new(key)).unwrap();
        assert_eq!(prover.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[tokio::test]
    async fn an_ed25519_proof_verifies_and_says_what_it_is_for() {
        let keys = StoredKeys::new(Arc::new(MemorySecrets::new()));
        let (key, _) = keys.load_or_create().await.unwrap();
        let public: [u8; 32] = key.public().bytes.try_into().unwrap();
        let prover = Prover::new(key).unwrap();
        let proof = prover
            .prove("GET", "https://hub.example/v1/me", Some("secret"), Some("n1"), 1_700_000_000)
            .await
            .unwrap();

        let (signed, signature) = proof.rsplit_once('.').unwrap();
        let signature = BASE64.decode(signature).unwrap();
        ed25519_dalek::VerifyingKey::from_bytes(&public)
            .unwrap()
            .verify_strict(signed.as_bytes(), &ed25519_dalek::Signature::from_slice(&signature).unwrap())
            .unwrap();
        let header = part(&proof, 0);
        assert_eq!(header["typ"], "dpop+jwt");
        assert_eq!(header["alg"], "EdDSA");
        let claims = part(&proof, 1);
        assert_eq!(claims["htm"], "GET");
        assert_eq!(claims["htu"], "https://hub.example/v1/me");
        assert_eq!(claims["iat"], 1_700_000_000);
        assert_eq!(claims["nonce"], "n1");
        assert_eq!(claims["ath"], BASE64.encode(Sha256::digest(b"secret")));
        assert!(!proof.contains("secret"));
    }

    #[tokio::test]
    async fn a_p256_proof_verifies_with_the_key_it_names() {
        let (key, _) = StandInKeys::new().load_or_create().await.unwrap();
        let prover = Prover::new(key).unwrap();
        let proof = prover.prove("POST", "https://hub.example/oauth/token", None, None, 1).await.unwrap();

        let header = part(&proof, 0);
        assert_eq!(header["alg"], "ES256");
        let mut point = vec![4u8];
        for name in ["x", "y"] {
            point.extend(BASE64.decode(header["jwk"][name].as_str().unwrap()).unwrap());
        }
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).unwrap();
        let (signed, signature) = proof.rsplit_once('.').unwrap();
        let signature = p256::ecdsa::Signature::from_slice(&BASE64.decode(signature).unwrap()).unwrap();
        key.verify(signed.as_bytes(), &signature).unwrap();
        assert_eq!(part(&proof, 1).get("ath"), None);
    }

    #[tokio::test]
    async fn two_proofs_of_the_same_request_differ() {
        let (key, _) = StandInKeys::new().load_or_create().await.unwrap();
        let prover = Prover::new(key).unwrap();
        let first = prover.prove("GET", "https://h/", None, None, 1).await.unwrap();
        let second = prover.prove("GET", "https://h/", None, None, 1).await.unwrap();
        assert_ne!(part(&first, 1)["jti"], part(&second, 1)["jti"]);
    }
}
