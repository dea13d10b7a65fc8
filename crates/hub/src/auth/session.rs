//! Access tokens: opaque to clients, checked without the database, bound to a session and through it to a device key.

use subtle::ConstantTimeEq;

use crate::{random, secrets::Secrets};

/// What an access token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// The session it belongs to.
    pub session: String,
    /// UNIX seconds.
    pub expires: i64,
}

const PURPOSE: &str = "access token";
const SESSION: usize = 26;
const LENGTH: usize = SESSION + 8 + 32;

impl AccessToken {
    /// The text that a client carries.
    #[must_use]
    pub fn seal(&self, secrets: &Secrets) -> String {
        let mut out = Vec::with_capacity(LENGTH);
        out.extend_from_slice(self.session.as_bytes());
        out.extend_from_slice(&self.expires.to_be_bytes());
        let mac = secrets.mac(PURPOSE, &out);
        out.extend_from_slice(&mac);
        random::encode(out)
    }

    /// None where it was not made by this hub, or is over at `now`.
    #[must_use]
    pub fn open(text: &str, secrets: &Secrets, now: i64) -> Option<Self> {
        let bytes = random::decode(text).filter(|bytes| bytes.len() == LENGTH)?;
        let (said, mac) = bytes.split_at(SESSION + 8);
        if !bool::from(secrets.mac(PURPOSE, said).ct_eq(mac)) {
            return None;
        }
        let (session, expires) = said.split_at(SESSION);
        let expires = i64::from_be_bytes(expires.try_into().ok()?);
        let session = String::from_utf8(session.to_vec()).ok()?;
        (now < expires).then_some(Self { session, expires })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_token_ends_to_the_second_and_cannot_be_bent() {
        let secrets = Secrets::new([3; 32]);
        let token = AccessToken { session: random::id(), expires: 1000 };
        let text = token.seal(&secrets);
        assert_eq!(AccessToken::open(&text, &secrets, 999), Some(token));
        assert_eq!(AccessToken::open(&text, &secrets, 1000), None);
        assert_eq!(AccessToken::open(&text, &Secrets::new([4; 32]), 999), None);
        let bytes = random::decode(&text).unwrap();
        for i in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[i] ^= 1;
            assert_eq!(AccessToken::open(&random::encode(bent), &secrets, 0), None);
        }
    }
}
