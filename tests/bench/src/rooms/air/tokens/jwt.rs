//! JWT (RFC 7519) with EdDSA, by jsonwebtoken.

use anyhow::Result;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use ed25519_dalek::{SigningKey, pkcs8::EncodePrivateKey};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::{Format, Grant, KEY, LIFE, SECRET, Subject};

pub(super) struct Jwt {
    header: Header,
    secret: EncodingKey,
    trusted: DecodingKey,
    rules: Validation,
}

/// The registered names, `cnf` of RFC 7800, and the grant beside them.
#[derive(Serialize, Deserialize)]
struct Payload {
    exp: u64,
    nbf: u64,
    iat: u64,
    jti: String,
    cnf: Confirmation,
    #[serde(flatten)]
    grant: Grant,
}

#[derive(Serialize, Deserialize)]
struct Confirmation {
    jwk: Jwk,
}

#[derive(Serialize, Deserialize)]
struct Jwk {
    kty: String,
    crv: String,
    x: String,
}

impl Jwt {
    pub(super) fn new() -> Self {
        let key = SigningKey::from_bytes(&SECRET);
        let der = key.to_pkcs8_der().expect("a key can be written");
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(KEY.to_string());
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.validate_nbf = true;
        rules.leeway = 0;
        rules.validate_aud = false;
        Self {
            header,
            secret: EncodingKey::from_ed_der(der.as_bytes()),
            trusted: DecodingKey::from_ed_der(key.verifying_key().as_bytes()),
            rules,
        }
    }
}

impl Format for Jwt {
    fn mint(&self, subject: &Subject) -> Result<Vec<u8>> {
        let payload = Payload {
            exp: subject.now + LIFE,
            nbf: subject.now,
            iat: subject.now,
            jti: BASE64.encode(subject.id),
            cnf: Confirmation {
                jwk: Jwk {
                    kty: "OKP".to_owned(),
                    crv: "Ed25519".to_owned(),
                    x: BASE64.encode(subject.device),
                },
            },
            grant: subject.grant.clone(),
        };
        Ok(jsonwebtoken::encode(&self.header, &payload, &self.secret)?.into_bytes())
    }

    fn verify(&self, token: &[u8]) -> Result<Grant> {
        Ok(jsonwebtoken::decode::<Payload>(token, &self.trusted, &self.rules)?.claims.grant)
    }
}
