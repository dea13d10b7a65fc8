//! What a courier's device asks of its hub.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use postern_api::{
    account::{OAuthError, TokenResponse},
    problem::{Code, Problem},
};
use postern_vault::dpop::Prover;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use url::{Host, Url};
use zeroize::Zeroizing;

use crate::CourierError;

/// For one whole exchange.
const PATIENCE: Duration = Duration::from_secs(10);
/// An access token is not used in its last seconds.
const MARGIN: Duration = Duration::from_secs(30);
/// The one client that hubs know.
const CLIENT: &str = "postern-app";

/// Why the hub did not do it.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// No answer, or one that is none.
    #[error("the hub does not answer: {0}")]
    Unreachable(String),
    /// An answer that says no.
    #[error("the hub answered {status}: {detail}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The stable code of its problem document, where it sent one.
        code: Option<Code>,
        /// The error code of its token endpoint (RFC 6749, section 5.2), where that answered.
        oauth: Option<String>,
        /// In the hub's words.
        detail: String,
    },
}

impl HubError {
    /// A hub that knows nothing of couriers, or has none of this carrier.
    #[must_use]
    pub fn means_no_couriers(&self) -> bool {
        matches!(self, Self::Refused { status: 403 | 404 | 405 | 501, .. })
    }

    /// It may go otherwise by and by: nobody answered, the hub has a fault, or asked for patience.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Refused { status, .. } => *status >= 500 || matches!(status, 408 | 429),
        }
    }

    /// The hub has ended the session for good. A wrong clock, a token whose time is over or a proxy's answer is none of that.
    #[must_use]
    pub fn ends_session(&self) -> bool {
        match self {
            Self::Refused { code: Some(Code::DeviceRevoked), .. } => true,
            Self::Refused { oauth, .. } => oauth.as_deref() == Some("invalid_grant"),
            Self::Unreachable(_) => false,
        }
    }

    /// The device is not signed in as the hub sees it.
    #[must_use]
    pub fn means_signed_out(&self) -> bool {
        matches!(self, Self::Refused { status: 401, .. })
    }
}

/// Tokens of a signed-in device.
pub(crate) struct Session {
    pub(crate) refresh: Zeroizing<String>,
    access: Zeroizing<String>,
    until: Instant,
}

impl Session {
    /// One that was kept: its access token is long over.
    pub(crate) fn kept(refresh: String) -> Self {
        Self { refresh: Zeroizing::new(refresh), access: Zeroizing::default(), until: Instant::now() }
    }

    pub(crate) fn is_over(&self) -> bool {
        Instant::now() + MARGIN >= self.until
    }
}

impl From<TokenResponse> for Session {
    fn from(token: TokenResponse) -> Self {
        Self {
            refresh: Zeroizing::new(token.refresh_token),
            access: Zeroizing::new(token.access_token),
            until: Instant::now() + Duration::from_secs(token.expires_in.into()),
        }
    }
}

/// Whether a URL leads to this very machine. What is for it goes through no proxy of the environment: credentials may go there
/// in clear only because they do not leave the machine.
#[must_use]
pub fn is_this_machine(url: &str) -> bool {
    match Url::parse(url).ok().as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A hub, by its base URL.
pub(crate) struct Hub {
    base: String,
    client: reqwest::Client,
}

impl Hub {
    pub(crate) fn new(base: &str) -> Result<Self, HubError> {
        // One process, one provider: a second call finds it installed and that is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder =
            reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none());
        let builder = if is_this_machine(base) { builder.no_proxy() } else { builder };
        let client = builder.build().map_err(|error| HubError::Unreachable(error.to_string()))?;
        Ok(Self { base: base.trim_end_matches('/').to_owned(), client })
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Takes a courier's enrolment code up.
    pub(crate) async fn enrol(
        &self,
        prover: &Prover,
        code: &str,
        name: &str,
    ) -> Result<Session, CourierError> {
        let form = [("grant_type", "enrolment"), ("code", code), ("device_name", name)];
        self.token(prover, &form).await
    }

    /// A new access token; the refresh token is used up by this.
    pub(crate) async fn renew(&self, prover: &Prover, refresh: &str) -> Result<Session, CourierError> {
        self.token(prover, &[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await
    }

    async fn token(&self, prover: &Prover, form: &[(&str, &str)]) -> Result<Session, CourierError> {
        let request = self.proven_form(prover, "/oauth/token", form).await?;
        let token: TokenResponse = answer(request).await?;
        Ok(token.into())
    }

    /// Signs the device out (RFC 7009).
    pub(crate) async fn revoke(&self, prover: &Prover, refresh: &str) -> Result<(), CourierError> {
        let request = self.proven_form(prover, "/oauth/revoke", &[("token", refresh)]).await?;
        accepted(request).await?;
        Ok(())
    }

    async fn proven_form(
        &self,
        prover: &Prover,
        path: &str,
        form: &[(&str, &str)],
    ) -> Result<RequestBuilder, CourierError> {
        let url = format!("{}{path}", self.base);
        let proof = prover.prove("POST", &url, None, None, now()).await?;
        let form: Vec<_> = form.iter().chain(&[("client_id", CLIENT)]).collect();
        Ok(self.client.post(url).header("DPoP", proof).form(&form))
    }

    /// A request as the signed-in device.
    pub(crate) async fn signed(
        &self,
        prover: &Prover,
        session: &Session,
        method: Method,
        path: &str,
    ) -> Result<RequestBuilder, CourierError> {
        let url = format!("{}{}{path}", self.base, postern_api::PREFIX);
        let proof = prover.prove(method.as_str(), &url, Some(&session.access), None, now()).await?;
        let mut request = self
            .client
            .request(method.clone(), url)
            .header("Authorization", format!("DPoP {}", session.access.as_str()))
            .header("DPoP", proof);
        if method != Method::GET {
            let mut key = [0; 16];
            getrandom::fill(&mut key).map_err(|error| HubError::Unreachable(error.to_string()))?;
            request = request.header("Idempotency-Key", BASE64.encode(key));
        }
        Ok(request)
    }
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

/// Sends, and reads the answer.
///
/// # Errors
/// See [`HubError`].
pub async fn answer<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, HubError> {
    accepted(request).await?.json().await.map_err(unreachable)
}

/// As [`answer`]; none where the hub has nothing to say (204).
///
/// # Errors
/// See [`HubError`].
pub async fn answer_if_any<T: DeserializeOwned>(request: RequestBuilder) -> Result<Option<T>, HubError> {
    let response = accepted(request).await?;
    if response.status() == StatusCode::NO_CONTENT {
        return Ok(None);
    }
    response.json().await.map(Some).map_err(unreachable)
}

async fn accepted(request: RequestBuilder) -> Result<reqwest::Response, HubError> {
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let text = response.text().await.unwrap_or_default();
    Err(refusal(status, &text))
}

/// A problem document (RFC 9457), the token endpoint's own form (RFC 6749), or neither.
fn refusal(status: StatusCode, text: &str) -> HubError {
    let (code, oauth, detail) = if let Ok(problem) = serde_json::from_str::<Problem>(text) {
        (Some(problem.code), None, problem.detail.unwrap_or(problem.title))
    } else if let Ok(OAuthError { error, error_description }) = serde_json::from_str(text) {
        let detail = error_description.map_or_else(|| error.clone(), |why| format!("{error}: {why}"));
        (None, Some(error), detail)
    } else {
        (None, None, status.canonical_reason().unwrap_or("no reason given").to_owned())
    };
    HubError::Refused { status: status.as_u16(), code, oauth, detail }
}

fn unreachable(error: reqwest::Error) -> HubError {
    HubError::Unreachable(error.without_url().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_why_in_whatever_form_it_comes() {
        let said = |text: &str| refusal(StatusCode::CONFLICT, text).to_string();
        let problem = serde_json::json!({ "type": "x", "title": "Wrong state", "status": 409, "code": "wrong_state",
                                          "detail": "it lies there already" });
        assert_eq!(said(&problem.to_string()), "the hub answered 409: it lies there already");
        assert_eq!(
            said(r#"{"error":"invalid_grant","error_description":"the code is not valid"}"#),
            "the hub answered 409: invalid_grant: the code is not valid"
        );
        assert_eq!(said("<html>"), "the hub answered 409: Conflict");
    }

    #[test]
    fn only_the_hub_ends_a_session() {
        let ends = |status, text: &str| refusal(status, text).ends_session();
        let problem = |code: &str| {
            serde_json::json!({ "type": "x", "title": "No", "status": 401, "code": code }).to_string()
        };
        assert!(ends(StatusCode::BAD_REQUEST, r#"{"error":"invalid_grant"}"#));
        assert!(ends(StatusCode::UNAUTHORIZED, &problem("device_revoked")));
        // A clock that is wrong, a token whose time is over, a captive portal.
        assert!(!ends(StatusCode::BAD_REQUEST, r#"{"error":"invalid_dpop_proof"}"#));
        for passing in ["unauthenticated", "bad_proof"] {
            assert!(!ends(StatusCode::UNAUTHORIZED, &problem(passing)), "{passing}");
        }
        assert!(!ends(StatusCode::UNAUTHORIZED, "<html>"));
    }
}
