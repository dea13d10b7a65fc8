//! Signing in: authorization code with PKCE in the system browser (RFC 6749, 7636, 8252), bound to the device key
//! (RFC 9449 §10). Everything that comes back is checked; what does not fit is refused and the wait goes on.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use postern_api::account::{HubInfo, PHONE_REDIRECT};
use sha2::{Digest, Sha256};
use url::{Host, Url, form_urlencoded};
use zeroize::Zeroizing;

use crate::{
    cx::Cx,
    effect::{Auth, Effect, HttpRequest, Method},
    event::{HttpFailure, HttpResponse, Ticket},
    line::{Miss, outcome, parse},
    session::{CLIENT_ID, HubAddress, Live, token_request, token_response},
    text,
    view::{ProblemCode, ProblemView},
};

/// The version of the hub's contract that this client speaks.
const API: u32 = 1;
/// How long the customer may take in the browser.
const BROWSER_MS: u64 = 10 * 60 * 1000;
/// How long the redirect listener may take to stand.
const LISTENER_MS: u64 = 10 * 1000;
/// A difference of clocks with which proofs are refused as stale: no use in sending the customer to the browser.
const SKEW_REFUSED_S: i64 = 300;

/// How far a sign-in is.
#[derive(Default)]
enum Stage {
    #[default]
    None,
    Discovering {
        ticket: Ticket,
        base: String,
    },
    Preparing {
        hub: Hub,
        deadline: u64,
    },
    InBrowser {
        hub: Hub,
        expected: Expected,
        url: String,
        deadline: u64,
        problem: Option<ProblemView>,
    },
    Exchanging {
        ticket: Ticket,
        hub: Hub,
    },
}

#[derive(Clone)]
struct Hub {
    address: HubAddress,
    issuer: String,
    authorization_endpoint: Url,
}

/// What must come back.
struct Expected {
    redirect: Url,
    state: Zeroizing<String>,
    verifier: Zeroizing<String>,
}

/// What the window shows of it.
pub(crate) enum Picture<'a> {
    /// No sign-in is under way.
    Idle(Option<&'a ProblemView>),
    /// The browser is open.
    InBrowser(&'a str, Option<&'a ProblemView>),
    /// Talking to the hub.
    Busy,
}

/// The machine.
#[derive(Default)]
pub(crate) struct SignIn {
    stage: Stage,
    claim: Option<String>,
    problem: Option<ProblemView>,
}

fn problem(code: ProblemCode) -> ProblemView {
    let retry = !matches!(code, ProblemCode::VersionMismatch);
    ProblemView { code, retry, wait_seconds: None }
}

impl SignIn {
    /// For the window.
    pub(crate) fn picture(&self) -> Picture<'_> {
        match &self.stage {
            Stage::None => Picture::Idle(self.problem.as_ref()),
            Stage::InBrowser { url, problem, .. } => Picture::InBrowser(url, problem.as_ref()),
            Stage::Discovering { .. } | Stage::Preparing { .. } | Stage::Exchanging { .. } => Picture::Busy,
        }
    }

    /// The customer wants to sign in at this hub, perhaps to take up a claim link.
    pub(crate) fn start(&mut self, base: &str, claim: Option<String>, cx: &mut Cx<'_>) {
        self.cancel(cx);
        self.claim = claim;
        let Some(base) = base_url(base) else {
            self.problem = Some(problem(ProblemCode::WrongHub));
            return;
        };
        let ticket = cx.out.ticket();
        cx.out.push(Effect::Http {
            ticket,
            request: HttpRequest {
                method: Method::Get,
                url: format!("{base}/.well-known/postern"),
                body: None,
                auth: Auth::None,
                idempotency_key: None,
            },
        });
        self.stage = Stage::Discovering { ticket, base };
    }

    /// The customer gave up, or another attempt begins.
    pub(crate) fn cancel(&mut self, cx: &mut Cx<'_>) {
        self.end(None, cx);
    }

    fn end(&mut self, problem: Option<ProblemView>, cx: &mut Cx<'_>) {
        if matches!(self.stage, Stage::Preparing { .. } | Stage::InBrowser { .. }) {
            cx.out.push(Effect::StopListening);
        }
        self.stage = Stage::None;
        self.problem = problem;
    }

    fn fail(&mut self, code: ProblemCode, cx: &mut Cx<'_>) {
        self.end(Some(problem(code)), cx);
    }

    /// Says why there is no session any more.
    pub(crate) fn explain(&mut self, problem: Option<ProblemView>) {
        self.problem = problem;
    }

    /// Whether an HTTP answer is this machine's.
    pub(crate) fn owns(&self, ticket: Ticket) -> bool {
        matches!(&self.stage,
            Stage::Discovering { ticket: own, .. } | Stage::Exchanging { ticket: own, .. } if *own == ticket)
    }

    /// An answer of the hub. Gives the new session where that was the last step.
    pub(crate) fn on_http(
        &mut self,
        result: Result<HttpResponse, HttpFailure>,
        cx: &mut Cx<'_>,
    ) -> Option<Live> {
        match std::mem::take(&mut self.stage) {
            Stage::Discovering { base, .. } => {
                self.on_info(&base, parse(outcome(result)), cx);
                None
            }
            Stage::Exchanging { hub, .. } => match token_response(result) {
                Ok(tokens) => {
                    let live = Live::new(hub.address, tokens, cx.now.unix());
                    if live.is_none() {
                        self.fail(ProblemCode::WrongHub, cx);
                    }
                    live
                }
                Err(miss) => {
                    let code = if let Miss::Refused { .. } = miss {
                        ProblemCode::SignInRefused
                    } else {
                        miss.problem().code
                    };
                    self.fail(code, cx);
                    None
                }
            },
            other => {
                self.stage = other;
                None
            }
        }
    }

    fn on_info(&mut self, base: &str, info: Result<HubInfo, Miss>, cx: &mut Cx<'_>) {
        let info = match info {
            Ok(info) => info,
            Err(Miss::Refused { .. }) => return self.fail(ProblemCode::WrongHub, cx),
            Err(miss) => return self.fail(miss.problem().code, cx),
        };
        if info.api != API {
            return self.fail(ProblemCode::VersionMismatch, cx);
        }
        if cx.now.unix().saturating_sub(info.now).abs() > SKEW_REFUSED_S {
            return self.fail(ProblemCode::ClockSkew, cx);
        }
        let Some(hub) = checked_hub(base, info) else {
            return self.fail(ProblemCode::WrongHub, cx);
        };
        cx.out.push(Effect::ListenForRedirect);
        self.stage = Stage::Preparing { hub, deadline: cx.now.monotonic_ms + LISTENER_MS };
    }

    /// The listener stands: the browser can be sent.
    pub(crate) fn on_listening(&mut self, redirect_uri: &str, thumbprint: &str, cx: &mut Cx<'_>) {
        let Stage::Preparing { hub, .. } = &self.stage else { return };
        let hub = hub.clone();
        let Some(redirect) = Url::parse(redirect_uri).ok().filter(is_our_redirect) else {
            return self.fail(ProblemCode::BrowserFailed, cx);
        };
        let state = BASE64_URL_SAFE_NO_PAD.encode(cx.random::<32>());
        let verifier = BASE64_URL_SAFE_NO_PAD.encode(cx.random::<32>());
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        let mut url = hub.authorization_endpoint.clone();
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("response_type", "code")
                .append_pair("client_id", CLIENT_ID)
                .append_pair("redirect_uri", redirect.as_str())
                .append_pair("state", &state)
                .append_pair("code_challenge", &challenge)
                .append_pair("code_challenge_method", "S256")
                .append_pair("dpop_jkt", thumbprint);
            if let Some(claim) = &self.claim {
                query.append_pair("claim", claim);
            }
        }
        cx.out.push(Effect::OpenBrowser { url: url.to_string() });
        self.stage = Stage::InBrowser {
            hub,
            expected: Expected { redirect, state: Zeroizing::new(state), verifier: Zeroizing::new(verifier) },
            url: url.to_string(),
            deadline: cx.now.monotonic_ms + BROWSER_MS,
            problem: None,
        };
    }

    /// Something came back to the redirect, from the browser or from anybody on this machine.
    pub(crate) fn on_redirected(&mut self, url: &str, device_name: &str, cx: &mut Cx<'_>) {
        let Stage::InBrowser { hub, expected, problem: shown, .. } = &mut self.stage else { return };
        match check_redirect(url, expected, &hub.issuer) {
            Err(NotOurs) => *shown = Some(problem(ProblemCode::SignInMismatch)),
            Ok(Returned::Refused) => self.fail(ProblemCode::SignInRefused, cx),
            Ok(Returned::Code(code)) => {
                let form = form_urlencoded::Serializer::new(String::new())
                    .append_pair("grant_type", "authorization_code")
                    .append_pair("code", &code)
                    .append_pair("redirect_uri", expected.redirect.as_str())
                    .append_pair("client_id", CLIENT_ID)
                    .append_pair("code_verifier", &expected.verifier)
                    .append_pair("device_name", device_name)
                    .finish();
                let ticket = cx.out.ticket();
                let request = token_request(hub.address.token_endpoint.clone(), form);
                cx.out.push(Effect::StopListening);
                cx.out.push(Effect::Http { ticket, request });
                let hub = hub.clone();
                self.stage = Stage::Exchanging { ticket, hub };
            }
        }
    }

    /// The browser could not be opened: the customer may still open the address by hand.
    pub(crate) fn on_browser_failed(&mut self) {
        if let Stage::InBrowser { problem: shown, .. } = &mut self.stage {
            *shown = Some(problem(ProblemCode::BrowserFailed));
        }
    }

    /// When something must happen.
    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        match &self.stage {
            Stage::Preparing { deadline, .. } | Stage::InBrowser { deadline, .. } => Some(*deadline),
            _ => None,
        }
    }

    /// Time passed.
    pub(crate) fn drive(&mut self, cx: &mut Cx<'_>) {
        if self.poll_timeout().is_some_and(|deadline| deadline <= cx.now.monotonic_ms) {
            let code = match self.stage {
                Stage::Preparing { .. } => ProblemCode::BrowserFailed,
                _ => ProblemCode::SignInAbandoned,
            };
            self.fail(code, cx);
        }
    }
}

/// An https base URL, or http on the loopback interface; without credentials, query, fragment and last slash.
pub(crate) fn base_url(text: &str) -> Option<String> {
    let url = Url::parse(text.trim()).ok()?;
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
        && text.len() <= 2048;
    (plain && is_safe(&url)).then(|| url.as_str().trim_end_matches('/').to_owned())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn is_safe(url: &Url) -> bool {
    url.has_host() && (url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url)))
}

/// RFC 8252 §7.3: plain http on the loopback interface with the port that we listen on; §7.1: the link of the phone
/// apps.
fn is_our_redirect(url: &Url) -> bool {
    let listened =
        url.scheme() == "http" && is_loopback(url) && url.port().is_some() && url.query().is_none();
    listened || url.as_str() == PHONE_REDIRECT
}

/// Both endpoints must be where the customer thinks that the hub is.
fn checked_hub(base: &str, info: HubInfo) -> Option<Hub> {
    let asked = Url::parse(base).ok()?;
    let at_the_hub = |text: &str| {
        let url = Url::parse(text).ok().filter(is_safe)?;
        let both_loopback = is_loopback(&url) && is_loopback(&asked) && url.port() == asked.port();
        (url.origin() == asked.origin() || both_loopback).then_some(url)
    };
    let authorization_endpoint = at_the_hub(&info.authorization_endpoint)?;
    let token_endpoint = at_the_hub(&info.token_endpoint)?;
    at_the_hub(&info.issuer)?;
    text::is_id(&info.hub).then(|| Hub {
        address: HubAddress {
            id: info.hub,
            base: info.issuer.trim_end_matches('/').to_owned(),
            token_endpoint: token_endpoint.into(),
        },
        issuer: info.issuer,
        authorization_endpoint,
    })
}

enum Returned {
    Code(Zeroizing<String>),
    Refused,
}

#[derive(Debug)]
struct NotOurs;

/// Scheme, host, port and path must be those that we named, the state ours, the issuer (RFC 9207) the hub, and each
/// parameter there once.
fn check_redirect(text: &str, expected: &Expected, issuer: &str) -> Result<Returned, NotOurs> {
    let url = Url::parse(text).ok().filter(|_| text.len() <= 8192).ok_or(NotOurs)?;
    let mut bare = url.clone();
    bare.set_query(None);
    bare.set_fragment(None);
    if bare != expected.redirect {
        return Err(NotOurs);
    }
    let once = |name: &str| -> Result<Option<Zeroizing<String>>, NotOurs> {
        let mut values = url.query_pairs().filter(|(key, _)| key == name).map(|(_, value)| value);
        let first = values.next().map(|value| Zeroizing::new(value.into_owned()));
        if values.next().is_some() { Err(NotOurs) } else { Ok(first) }
    };
    let state = once("state")?.ok_or(NotOurs)?;
    // Digests are compared, so that the time taken says nothing about the state itself.
    if Sha256::digest(state.as_bytes()) != Sha256::digest(expected.state.as_bytes()) {
        return Err(NotOurs);
    }
    if once("iss")?.is_some_and(|iss| iss.trim_end_matches('/') != issuer.trim_end_matches('/')) {
        return Err(NotOurs);
    }
    match (once("code")?, once("error")?) {
        (Some(code), None) if !code.is_empty() => Ok(Returned::Code(code)),
        (None, Some(_)) => Ok(Returned::Refused),
        _ => Err(NotOurs),
    }
}
