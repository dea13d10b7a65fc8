//! PASETO v4.public, by pasetors.

use std::time::Duration;

use anyhow::{Context, Result};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use ed25519_dalek::SigningKey;
use pasetors::{
    Public,
    claims::{Claims, ClaimsValidationRules},
    footer::Footer,
    keys::{AsymmetricPublicKey, AsymmetricSecretKey},
    public,
    token::UntrustedToken,
    version4::V4,
};
use serde_json::{Value, json};

use super::{Format, Grant, KEY, LIFE, SECRET, Subject};

pub(super) struct Paseto {
    secret: AsymmetricSecretKey<V4>,
    trusted: AsymmetricPublicKey<V4>,
    footer: Footer,
    rules: ClaimsValidationRules,
}

impl Paseto {
    pub(super) fn new() -> Result<Self> {
        let key = SigningKey::from_bytes(&SECRET);
        let mut footer = Footer::new();
        footer.add_additional("key", &KEY.to_string())?;
        Ok(Self {
            secret: AsymmetricSecretKey::from(&key.to_keypair_bytes())?,
            trusted: AsymmetricPublicKey::from(key.verifying_key().as_bytes())?,
            footer,
            rules: ClaimsValidationRules::new(),
        })
    }
}

impl Format for Paseto {
    fn mint(&self, subject: &Subject) -> Result<Vec<u8>> {
        // Its times are RFC 3339 texts; a new set of claims is good from now on.
        let mut claims = Claims::new_expires_in(&Duration::from_secs(LIFE))?;
        claims.token_identifier(&BASE64.encode(subject.id))?;
        claims.add_additional("cnf", BASE64.encode(subject.device))?;
        let Value::Object(grant) = serde_json::to_value(&subject.grant)? else {
            anyhow::bail!("a grant is an object")
        };
        for (name, value) in grant {
            claims.add_additional(&name, value)?;
        }
        Ok(public::sign(&self.secret, &claims, Some(&self.footer), None)?.into_bytes())
    }

    fn verify(&self, token: &[u8]) -> Result<Grant> {
        let token = UntrustedToken::<Public, V4>::try_from(std::str::from_utf8(token)?)?;
        let trusted = public::verify(&self.trusted, &token, &self.rules, Some(&self.footer), None)?;
        let claims = trusted.payload_claims().context("claims")?;
        let claim = |name: &str| claims.get_claim(name).cloned().unwrap_or_default();
        Ok(serde_json::from_value(json!({
            "locker": claim("locker"),
            "doors": claim("doors"),
            "operations": claim("operations"),
            "uses": claim("uses"),
            "delegable": claim("delegable"),
        }))?)
    }
}
