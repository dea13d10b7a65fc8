//! Signing in: authorization code with PKCE in the system browser (RFC 6749, 7636, 8252), bound to the device key
//! (RFC 9449 §10). Everything that comes back is checked; what does not fit is refused and the wait goes on.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use postern_api::account::{HubInfo, PAGE_PATH, PHONE_REDIRECT};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::{Host, Url, form_urlencoded};
use zeroize::Zeroizing;

use crate::{
    cx::Cx,
    effect::{Auth, Effect, HttpRequest, Method},
    event::{HttpFailure, HttpResponse, Ticket},
    homes,
    line::{ANSWER_MS, Miss, outcome, parse},
    session::{CLIENT_ID, HubAddress, Live, Session, token_request, token_response},
    text,
    view::{ProblemCode, ProblemView},
};

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
        deadline: u64,
    },
    Preparing {
        hub: Hub,
        deadline: u64,
    },
    InBrowser {
        expected: Expected,
        url: String,
        deadline: u64,
        problem: Option<ProblemView>,
    },
    Exchanging {
        ticket: Ticket,
        address: HubAddress,
        deadline: u64,
    },
}

#[derive(Clone)]
struct Hub {
    address: HubAddress,
    issuer: String,
    authorization_endpoint: Url,
}

/// What must come back, and to whom it is taken.
struct Expected {
    address: HubAddress,
    issuer: String,
    redirect: Url,
    state: Zeroizing<String>,
    verifier: Zeroizing<String>,
}

impl Expected {
    /// The answer may come to another process of ours than the one that sent the browser.
    fn outlives_us(&self) -> bool {
        is_link(&self.redirect) || is_page(&self.redirect, &self.address.base)
    }
}

/// A sign-in that is behind the browser, as it is kept among the secrets. A phone may end an app there, and starts it
/// again with the browser's answer.
#[derive(Serialize, Deserialize)]
pub(crate) struct Waiting {
    address: HubAddress,
    issuer: String,
    redirect: String,
    state: Zeroizing<String>,
    verifier: Zeroizing<String>,
    url: String,
    /// The browser has been back with this already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<Zeroizing<String>>,
    /// UNIX seconds.
    expires: i64,
}

impl Waiting {
    fn new(expected: &Expected, url: &str, deadline: u64, cx: &Cx<'_>) -> Self {
        let left = deadline.saturating_sub(cx.now.monotonic_ms).min(BROWSER_MS) / 1000;
        Self {
            address: expected.address.clone(),
            issuer: expected.issuer.clone(),
            redirect: expected.redirect.to_string(),
            state: expected.state.clone(),
            verifier: expected.verifier.clone(),
            url: url.to_owned(),
            code: None,
            expires: cx.now.unix() + left.cast_signed(),
        }
    }
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
    /// The claim link that this sign-in is to take up; kept for another attempt where this one failed.
    claim: Option<String>,
    /// Base URL of the hub whose claim link that is.
    claim_of: Option<String>,
    /// Another passkey is to be made.
    adding: bool,
    problem: Option<ProblemView>,
    /// Came before the secrets were open, which say what was awaited.
    early: Vec<String>,
}

/// Most answers that wait for the secrets to open: anybody can send one.
const EARLY: usize = 4;
/// The longest answer of a browser, in bytes.
const ANSWER: usize = 8192;

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
        self.claim_of = base_url(base);
        self.adding = false;
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
        self.stage = Stage::Discovering { ticket, base, deadline: cx.now.monotonic_ms + ANSWER_MS };
    }

    /// The signed-in customer wants another passkey: shows one they have in the browser, makes another, and comes back.
    pub(crate) fn add_passkey(&mut self, base: &str, cx: &mut Cx<'_>) {
        self.start(base, None, cx);
        self.adding = true;
    }

    /// The customer gave up, or another attempt begins.
    pub(crate) fn cancel(&mut self, cx: &mut Cx<'_>) {
        self.end(None, cx);
    }

    fn end(&mut self, problem: Option<ProblemView>, cx: &mut Cx<'_>) {
        // What the customer gave up, or left behind the browser, is not taken up by the next sign-in.
        if problem.is_none() || matches!(self.stage, Stage::InBrowser { .. }) {
            self.claim = None;
        }
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

    /// The claim link that an attempt at this hub left behind by failing. No other hub learns of it.
    pub(crate) fn unfinished_claim(&self, base: &str) -> Option<String> {
        let same = matches!(self.stage, Stage::None) && base_url(base) == self.claim_of;
        self.claim.clone().filter(|_| same)
    }

    /// The claim link that this sign-in, or the next one, takes up, and the hub that it is of.
    pub(crate) fn claim(&self) -> Option<(&str, &str)> {
        self.claim_of.as_deref().zip(self.claim.as_deref())
    }

    /// A claim link that was followed in an earlier process: for the next sign-in at its hub.
    pub(crate) fn remember_claim(&mut self, hub: &str, claim: String) {
        (self.claim_of, self.claim) = (base_url(hub), Some(claim));
    }

    /// A claim link waits here that is written down nowhere.
    pub(crate) fn is_claiming(&self) -> bool {
        self.claim.is_some() && !matches!(self.stage, Stage::InBrowser { .. } | Stage::Exchanging { .. })
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
            Stage::Exchanging { address, .. } => match token_response(result) {
                Ok(tokens) => {
                    let live = Live::new(address, tokens, cx.now.unix());
                    match live {
                        Some(_) => self.claim = None,
                        None => self.fail(ProblemCode::WrongHub, cx),
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
        if !info.speaks(postern_api::VERSION) {
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

    /// The listener stands: the browser can be sent. Where the answer comes by a link, which may find another process of
    /// ours than this one, what must come back is written down before the browser opens.
    pub(crate) fn on_listening(
        &mut self,
        redirect_uri: &str,
        thumbprint: &str,
        session: &mut Session,
        cx: &mut Cx<'_>,
    ) {
        let Stage::Preparing { hub, .. } = &self.stage else { return };
        let hub = hub.clone();
        let ours = |url: &Url| is_our_redirect(url) || is_page(url, &hub.address.base);
        let Some(redirect) = Url::parse(redirect_uri).ok().filter(ours) else {
            return self.fail(ProblemCode::BrowserFailed, cx);
        };
        let state = BASE64_URL_SAFE_NO_PAD.encode(cx.random::<32>());
        let verifier = BASE64_URL_SAFE_NO_PAD.encode(cx.random::<32>());
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        let mut url = hub.authorization_endpoint;
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
            if let Some(claim) = self.claim.as_ref().filter(|claim| homes::code_in(claim).is_none()) {
                query.append_pair("claim", claim);
            }
            if self.adding {
                query.append_pair("add_passkey", "true");
            }
        }
        let (url, deadline) = (url.to_string(), cx.now.monotonic_ms + BROWSER_MS);
        let expected = Expected {
            address: hub.address,
            issuer: hub.issuer,
            redirect,
            state: Zeroizing::new(state),
            verifier: Zeroizing::new(verifier),
        };
        if expected.outlives_us() {
            session.keep_sign_in(Some(Waiting::new(&expected, &url, deadline, cx)), cx);
        }
        cx.out.push(Effect::OpenBrowser { url: url.clone() });
        self.stage = Stage::InBrowser { expected, url, deadline, problem: None };
    }

    /// The secrets are open: goes on with what an earlier process began, where its ten minutes are not over, and looks at
    /// what came back meanwhile.
    pub(crate) fn resume(&mut self, device_name: &str, session: &mut Session, cx: &mut Cx<'_>) {
        let early = std::mem::take(&mut self.early);
        if let Some(waiting) = session.kept_sign_in()
            && matches!(self.stage, Stage::None)
            && let Some(redirect) = Url::parse(&waiting.redirect)
                .ok()
                .filter(|url| is_link(url) || is_page(url, &waiting.address.base))
            && let Ok(left) = u64::try_from(waiting.expires - cx.now.unix())
            && left > 0
        {
            let expected = Expected {
                address: waiting.address.clone(),
                issuer: waiting.issuer.clone(),
                redirect,
                state: waiting.state.clone(),
                verifier: waiting.verifier.clone(),
            };
            let (url, code) = (waiting.url.clone(), waiting.code.clone());
            self.claim = Url::parse(&url).ok().and_then(|url| {
                url.query_pairs().find(|(name, _)| name == "claim").map(|(_, claim)| claim.into_owned())
            });
            self.claim_of = base_url(&waiting.address.base);
            let deadline = cx.now.monotonic_ms + (left * 1000).min(BROWSER_MS);
            match code {
                Some(code) => self.exchange(&expected, &code, device_name, cx),
                None => self.stage = Stage::InBrowser { expected, url, deadline, problem: None },
            }
        }
        for url in early {
            self.on_redirected(&url, device_name, session, cx);
        }
    }

    /// Something came back to the redirect before the secrets were open.
    pub(crate) fn on_early(&mut self, url: String) {
        if url.len() <= ANSWER && self.early.len() < EARLY {
            self.early.push(url);
        }
    }

    /// Something came back to the redirect, from the browser or from anybody on this machine.
    pub(crate) fn on_redirected(
        &mut self,
        url: &str,
        device_name: &str,
        session: &mut Session,
        cx: &mut Cx<'_>,
    ) {
        let (expected, page, deadline, shown) = match &mut self.stage {
            Stage::InBrowser { expected, url, deadline, problem } => (expected, url, *deadline, problem),
            Stage::None => {
                // Nobody waits for it any more: whoever is not signed in, and comes from the browser, is told so.
                let answer = url.starts_with(PHONE_REDIRECT)
                    || Url::parse(url).is_ok_and(|url| is_safe(&url) && url.path() == PAGE_PATH);
                if !session.exists() && answer {
                    self.problem.get_or_insert_with(|| problem(ProblemCode::SignInAbandoned));
                }
                return;
            }
            Stage::Discovering { .. } | Stage::Preparing { .. } | Stage::Exchanging { .. } => return,
        };
        match check_redirect(url, expected) {
            Err(NotOurs) => *shown = Some(problem(ProblemCode::SignInMismatch)),
            Ok(Returned::Refused) => self.fail(ProblemCode::SignInRefused, cx),
            Ok(Returned::Code(code)) => {
                if expected.outlives_us() {
                    let waiting = Waiting::new(expected, page, deadline, cx);
                    session.keep_sign_in(Some(Waiting { code: Some(code.clone()), ..waiting }), cx);
                }
                cx.out.push(Effect::StopListening);
                let Stage::InBrowser { expected, .. } = std::mem::take(&mut self.stage) else { return };
                self.exchange(&expected, &code, device_name, cx);
            }
        }
    }

    /// Takes the code to the hub.
    fn exchange(&mut self, expected: &Expected, code: &str, device_name: &str, cx: &mut Cx<'_>) {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", expected.redirect.as_str())
            .append_pair("client_id", CLIENT_ID)
            .append_pair("code_verifier", &expected.verifier)
            .append_pair("device_name", device_name)
            .finish();
        let ticket = cx.out.ticket();
        let request = token_request(expected.address.token_endpoint.clone(), form);
        cx.out.push(Effect::Http { ticket, request });
        self.stage = Stage::Exchanging {
            ticket,
            address: expected.address.clone(),
            deadline: cx.now.monotonic_ms + ANSWER_MS,
        };
    }

    /// What was kept for another process is worth nothing any more once this is over.
    pub(crate) fn tidy(&self, session: &mut Session, cx: &mut Cx<'_>) {
        if !matches!(self.stage, Stage::InBrowser { .. } | Stage::Exchanging { .. })
            && session.kept_sign_in().is_some()
        {
            session.keep_sign_in(None, cx);
        }
    }

    /// The browser could not be opened: the customer may still open the address by hand. Or there is no way back from
    /// it, which ends this.
    pub(crate) fn on_browser_failed(&mut self, cx: &mut Cx<'_>) {
        match &mut self.stage {
            Stage::InBrowser { problem: shown, .. } => *shown = Some(problem(ProblemCode::BrowserFailed)),
            Stage::Preparing { .. } => self.fail(ProblemCode::BrowserFailed, cx),
            Stage::None | Stage::Discovering { .. } | Stage::Exchanging { .. } => {}
        }
    }

    /// When something must happen.
    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        match &self.stage {
            Stage::None => None,
            Stage::Discovering { deadline, .. }
            | Stage::Preparing { deadline, .. }
            | Stage::InBrowser { deadline, .. }
            | Stage::Exchanging { deadline, .. } => Some(*deadline),
        }
    }

    /// Time passed.
    pub(crate) fn drive(&mut self, cx: &mut Cx<'_>) {
        if self.poll_timeout().is_some_and(|deadline| deadline <= cx.now.monotonic_ms) {
            let code = match self.stage {
                Stage::Preparing { .. } => ProblemCode::BrowserFailed,
                Stage::Discovering { .. } | Stage::Exchanging { .. } => ProblemCode::HubUnreachable,
                Stage::None | Stage::InBrowser { .. } => ProblemCode::SignInAbandoned,
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
    listened || is_link(url)
}

/// The way back is a link that the platform brings to whichever process of ours there is.
fn is_link(url: &Url) -> bool {
    url.as_str() == PHONE_REDIRECT
}

/// The app is a page of this hub's own, in the tab that signs in.
fn is_page(url: &Url, base: &str) -> bool {
    url.as_str().strip_prefix(base) == Some(PAGE_PATH)
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
            air_port: info.test_network.map(|test| test.air_port),
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
fn check_redirect(text: &str, expected: &Expected) -> Result<Returned, NotOurs> {
    let url = Url::parse(text).ok().filter(|_| text.len() <= ANSWER).ok_or(NotOurs)?;
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
    let issuer = expected.issuer.trim_end_matches('/');
    if once("iss")?.is_some_and(|iss| iss.trim_end_matches('/') != issuer) {
        return Err(NotOurs);
    }
    match (once("code")?, once("error")?) {
        (Some(code), None) if !code.is_empty() => Ok(Returned::Code(code)),
        (None, Some(_)) => Ok(Returned::Refused),
        _ => Err(NotOurs),
    }
}
