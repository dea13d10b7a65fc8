//! The authorization request (RFC 6749 section 4.1.1, RFC 7636, RFC 8252).

use std::net::{Ipv4Addr, Ipv6Addr};

use postern_api::account::PHONE_REDIRECT;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::{hub::Hub, random, secrets::Sealer};

const PURPOSE: &str = "authorization request";
/// How long the page may stay open, seconds.
const LIFE: i64 = 15 * 60;

/// The query of `GET /authorize`, as sent.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(super) struct Query {
    /// Always `code`.
    #[param(required = true, nullable = false)]
    response_type: Option<String>,
    /// Always `postern-app`.
    #[param(required = true, nullable = false)]
    client_id: Option<String>,
    /// A loopback address with a port, without query (RFC 8252 section 7.3), `postern://signed-in`, or `/app/` of this hub
    /// where it serves the app for browsers.
    #[param(required = true, nullable = false)]
    redirect_uri: Option<String>,
    /// Given back as it came, 8 to 512 characters.
    #[param(required = true, nullable = false)]
    state: Option<String>,
    /// SHA-256 of the verifier, base64url (RFC 7636).
    #[param(required = true, nullable = false)]
    code_challenge: Option<String>,
    /// Always `S256`.
    #[param(required = true, nullable = false)]
    code_challenge_method: Option<String>,
    /// RFC 9449 section 10: binds the code to the device key from the start.
    dpop_jkt: Option<String>,
    /// What the device is to be called, 1 to 64 characters.
    device_name: Option<String>,
    /// The secret of a claim link that is to be taken up.
    claim: Option<String>,
    /// `true`: the customer is to get another passkey.
    add_passkey: Option<String>,
}

/// A request that was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// Where to go back to.
    pub redirect_uri: String,
    /// Given back as it came.
    pub state: String,
    /// SHA-256 of the verifier, base64url.
    pub challenge: String,
    /// Thumbprint of the device key.
    pub thumbprint: Option<String>,
    /// What the app calls its device.
    pub device_name: Option<String>,
    /// The secret of a claim link that is to be taken up.
    pub claim: Option<String>,
    /// Another passkey is to be made, after the customer has shown one they have.
    pub add_passkey: bool,
    expires: i64,
}

/// What is wrong with a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nobody may be sent anywhere: shown on the page.
    Unsafe(&'static str),
    /// Told to the client by redirect (RFC 6749 section 4.1.2.1).
    Redirect(String),
}

/// Loopback with any port (RFC 8252 section 7.3), by address and not by name, or the app's own scheme.
#[must_use]
pub fn redirect_allowed(uri: &str) -> bool {
    if uri == PHONE_REDIRECT {
        return true;
    }
    // The parser forgives what a browser forgives (backslashes, tabs, credentials); a redirect that is not written the
    // plain way is not a native app's.
    let Ok(url) = Url::parse(uri) else { return false };
    let loopback = match url.host() {
        Some(Host::Ipv4(address)) => address == Ipv4Addr::LOCALHOST,
        Some(Host::Ipv6(address)) => address == Ipv6Addr::LOCALHOST,
        _ => false,
    };
    loopback
        && url.scheme() == "http"
        && url.port().is_some_and(|port| port != 0)
        && url.fragment().is_none()
        && url.query().is_none()
        && url.as_str() == uri
        && uri.len() <= 256
        && (uri.starts_with("http://127.0.0.1:") || uri.starts_with("http://[::1]:"))
}

impl Query {
    /// Checks everything.
    ///
    /// `page` is where this hub serves the app for browsers.
    pub(super) fn check(self, now: i64, page: Option<&str>) -> Result<AuthorizationRequest, Fault> {
        if self.client_id.as_deref() != Some(super::CLIENT) {
            return Err(Fault::Unsafe("client_id"));
        }
        let allowed = |uri: &String| redirect_allowed(uri) || page == Some(uri);
        let redirect_uri = self.redirect_uri.filter(allowed).ok_or(Fault::Unsafe("redirect_uri"))?;
        let state = self.state.unwrap_or_default();
        let back =
            |error: &str, why: &str| Fault::Redirect(error_redirect(&redirect_uri, &state, error, why));
        if state.len() > 512 || state.len() < 8 {
            return Err(Fault::Redirect(error_redirect(
                &redirect_uri,
                "",
                "invalid_request",
                "state: 8 to 512 characters",
            )));
        }
        if self.response_type.as_deref() != Some("code") {
            return Err(back("unsupported_response_type", "response_type must be code"));
        }
        if self.code_challenge_method.as_deref() != Some("S256") {
            return Err(back("invalid_request", "code_challenge_method must be S256"));
        }
        let is_hash = |text: &String| random::decode(text).is_some_and(|bytes| bytes.len() == 32);
        let Some(challenge) = self.code_challenge.filter(is_hash) else {
            return Err(back("invalid_request", "code_challenge must be a SHA-256 in base64url"));
        };
        if self.dpop_jkt.as_ref().is_some_and(|jkt| !is_hash(jkt)) {
            return Err(back("invalid_request", "dpop_jkt must be a SHA-256 in base64url"));
        }
        if self.claim.as_ref().is_some_and(|claim| !is_hash(claim)) {
            return Err(back("invalid_request", "claim must be the last segment of a claim link"));
        }
        let add_passkey = match self.add_passkey.as_deref() {
            None => false,
            Some("true") if self.claim.is_none() => true,
            Some(_) => return Err(back("invalid_request", "add_passkey must be true, without claim")),
        };
        let device_name = self.device_name.as_deref().and_then(tidy_name);
        Ok(AuthorizationRequest {
            redirect_uri,
            state,
            challenge,
            thumbprint: self.dpop_jkt,
            device_name,
            claim: self.claim,
            add_passkey,
            expires: now + LIFE,
        })
    }
}

impl AuthorizationRequest {
    /// For the page to carry: nobody can make one up, and the hub keeps nothing for a page that is only looked at.
    pub(super) fn seal(&self, hub: &Hub) -> crate::error::Result<String> {
        let text =
            serde_json::to_vec(self).map_err(|error| crate::error::Error::Internal(error.to_string()))?;
        Ok(random::encode(hub.secrets.seal(PURPOSE, &text)?))
    }

    /// None where it was not made here, or the page stayed open for too long.
    pub(super) fn open(text: &str, hub: &Hub) -> Option<Self> {
        let plain = hub.secrets.open(PURPOSE, &random::decode(text)?).ok()?;
        let request: Self = serde_json::from_slice(&plain).ok()?;
        (hub.clock.now() < request.expires).then_some(request)
    }

    /// Back to the app with a code.
    pub(super) fn success(&self, hub: &Hub, code: &str) -> String {
        // `iss` (RFC 9207): the app notices when the answer is another hub's.
        with_query(&self.redirect_uri, &[("code", code), ("state", &self.state), ("iss", hub.public_url())])
    }
}

fn error_redirect(uri: &str, state: &str, error: &str, why: &str) -> String {
    let mut query = vec![("error", error), ("error_description", why)];
    if !state.is_empty() {
        query.push(("state", state));
    }
    with_query(uri, &query)
}

fn with_query(uri: &str, query: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    format!("{uri}?{query}")
}

/// A name that a person may give: 1 to 64 characters without control characters, spaces folded. None where nothing is
/// left or it is too long.
#[must_use]
pub fn tidy_name(name: &str) -> Option<String> {
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let length = name.chars().count();
    // Direction overrides could make a name read as something else in a list.
    let odd = |c: char| {
        c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    ((1..=64).contains(&length) && !name.contains(odd)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_and_the_apps_own_link_are_redirected_to() {
        for good in [
            "http://127.0.0.1:49152/callback",
            "http://127.0.0.1:1/",
            "http://[::1]:50000/signed-in",
            "postern://signed-in",
        ] {
            assert!(redirect_allowed(good), "{good}");
        }
        for bad in [
            "",
            "http://127.0.0.1/callback",
            "http://127.0.0.1:80/callback",
            "http://127.0.0.1:0/callback",
            "https://127.0.0.1:4000/callback",
            "http://localhost:4000/callback",
            "http://127.0.0.1.example.com:4000/callback",
            "http://127.0.0.1:4000@example.com/callback",
            "http://user@127.0.0.1:4000/callback",
            "http://127.1:4000/callback",
            "http://0x7f000001:4000/callback",
            "http://2130706433:4000/callback",
            "http://127.0.0.2:4000/callback",
            "http://[::ffff:127.0.0.1]:4000/callback",
            "http://[0:0:0:0:0:0:0:1]:4000/callback",
            "http:\\\\127.0.0.1:4000\\callback",
            "http://127.0.0.1:4000/callback#fragment",
            "http://127.0.0.1:4000/callback?x=1",
            "http://127.0.0.1:4000/a/../callback",
            "HTTP://127.0.0.1:4000/callback",
            "postern://signed-in/",
            "postern://signed-in?x=1",
            "postern://elsewhere",
            "postern:signed-in",
            "javascript:alert(1)",
            "data:text/html,hello",
            "//127.0.0.1:4000/callback",
        ] {
            assert!(!redirect_allowed(bad), "{bad}");
        }
    }

    #[test]
    fn names_are_folded_and_tricks_refused() {
        assert_eq!(tidy_name("  Ada \n Lovelace "), Some("Ada Lovelace".to_owned()));
        assert_eq!(tidy_name(""), None);
        assert_eq!(tidy_name(&"x".repeat(65)), None);
        assert_eq!(tidy_name("a\u{202e}b"), None);
        assert_eq!(tidy_name("a\u{7}b"), None);
    }
}
