//! The session with the hub: tokens bound to the device key (RFC 9449), renewed when they are needed and about to
//! end, and gone when the hub says so. How one is begun is in `sign_in`.

use postern_api::{
    account::{Account, OAuthError, TokenResponse},
    problem::Code,
};
use serde::{Deserialize, Serialize};
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use crate::{
    cx::Cx,
    effect::{Auth, Body, Effect, HttpRequest, Method},
    event::{HttpFailure, HttpResponse, Ticket},
    line::{ANSWER_MS, Miss, outcome, parse},
    sign_in::Waiting,
    text,
};

/// The client id of every Postern app (RFC 8252: public, no secret).
pub(crate) const CLIENT_ID: &str = "postern-app";
/// An access token that ends sooner than this is renewed first.
const RENEW_BEFORE_S: i64 = 30;
/// The layout of the saved session.
const VERSION: u32 = 1;

/// The layout where a sign-in is kept beside it.
const WITH_SIGN_IN: u32 = 2;

/// Where the hub is and what it calls itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HubAddress {
    /// Stable id of the hub.
    pub(crate) id: String,
    /// Base URL without a slash at the end.
    pub(crate) base: String,
    /// Token endpoint.
    pub(crate) token_endpoint: String,
    /// In a network for trying things out: the port on its host where its lockers are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) air_port: Option<u16>,
}

impl HubAddress {
    /// Where the lockers of a network for trying things out are reached over TCP, `host:port`.
    pub(crate) fn air(&self) -> Option<String> {
        let base = Url::parse(&self.base).ok()?;
        Some(format!("{}:{}", base.host_str()?, self.air_port?))
    }
}

/// The secrets of a session.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Live {
    version: u32,
    /// Where it is good.
    pub(crate) hub: HubAddress,
    access_token: Zeroizing<String>,
    /// UNIX seconds by this device's clock.
    expires: i64,
    refresh_token: Zeroizing<String>,
}

impl Live {
    /// From an answer of the token endpoint; none where it is not one that we may use.
    pub(crate) fn new(hub: HubAddress, tokens: TokenResponse, now: i64) -> Option<Self> {
        let fine = tokens.token_type.eq_ignore_ascii_case("DPoP")
            && is_header_text(&tokens.access_token)
            && !tokens.refresh_token.is_empty();
        fine.then(|| Self {
            version: VERSION,
            hub,
            access_token: Zeroizing::new(tokens.access_token),
            expires: now + i64::from(tokens.expires_in),
            refresh_token: Zeroizing::new(tokens.refresh_token),
        })
    }
}

/// A token goes into a header: RFC 6750 `b64token` characters only.
fn is_header_text(token: &str) -> bool {
    (1..=4096).contains(&token.len())
        && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b))
}

/// What a machine above has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Nothing to do.
    None,
    /// Waiting calls can go.
    Renewed,
    /// It cannot be renewed now.
    Stuck(Miss),
    /// The hub ended it: a new sign-in is needed.
    Ended,
    /// The device was removed: wipe.
    Revoked,
}

/// What is kept among the secrets while a sign-in is behind the browser. Without one, the session alone is.
#[derive(Serialize, Deserialize)]
struct Saved<L, W> {
    version: u32,
    live: Option<L>,
    sign_in: W,
}

/// The session, if there is one.
#[derive(Default)]
pub(crate) struct Session {
    live: Option<Live>,
    /// A sign-in behind the browser.
    sign_in: Option<Waiting>,
    account: Option<Account>,
    renewing: Option<Renewal>,
    /// A renewal that took too long. Its answer still counts where it is good: the hub may have taken the refresh token,
    /// and the next one is in it.
    given_up: Option<Ticket>,
    ended: bool,
}

struct Renewal {
    ticket: Ticket,
    /// On the monotonic clock.
    deadline: u64,
}

impl Session {
    /// From the keyring. Bytes that cannot be read are no session.
    pub(crate) fn restore(&mut self, saved: Option<&[u8]>, account: Option<Account>) {
        *self = Self::default();
        let Some(saved) = saved else { return };
        match serde_json::from_slice::<Saved<Live, Waiting>>(saved) {
            Ok(saved) if saved.version == WITH_SIGN_IN => {
                self.live = saved.live;
                self.sign_in = Some(saved.sign_in);
            }
            _ => self.live = serde_json::from_slice(saved).ok(),
        }
        self.live.take_if(|live| live.version != VERSION);
        if self.live.is_some() {
            self.account = account;
        }
    }

    /// A sign-in succeeded.
    pub(crate) fn begin(&mut self, live: Live, cx: &mut Cx<'_>) {
        self.live = Some(live);
        self.sign_in = None;
        self.account = None;
        self.renewing = None;
        self.given_up = None;
        self.ended = false;
        self.save(cx);
    }

    /// Gone.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// There is a session, even one that the hub ended.
    pub(crate) fn exists(&self) -> bool {
        self.live.is_some()
    }

    /// There is one that the hub still takes, as far as we know.
    pub(crate) fn is_usable(&self) -> bool {
        self.live.is_some() && !self.ended
    }

    /// The hub ended it.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Which hub.
    pub(crate) fn hub(&self) -> Option<&HubAddress> {
        self.live.as_ref().map(|live| &live.hub)
    }

    /// Whose.
    pub(crate) fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    /// The hub told whose it is.
    pub(crate) fn set_account(&mut self, mut account: Account) {
        text::clip(&mut account.display_name, text::NAME);
        if let Some(number) = &mut account.number {
            text::clip(number, text::ID);
        }
        for address in account.email.iter_mut().flat_map(|email| [&mut email.address, &mut email.pending]) {
            address.iter_mut().for_each(|address| text::clip(address, 2 * text::NAME));
        }
        account.homes.truncate(100);
        account.homes.retain(|home| text::is_id(&home.site));
        for home in &mut account.homes {
            text::clip(&mut home.name, text::NAME);
            text::clip(&mut home.address, text::ADDRESS);
            text::clip(&mut home.unit, text::NAME);
            home.hindered_by.retain(|id| text::is_id(id));
            home.hindered_by.truncate(500);
        }
        account.devices.truncate(100);
        account.devices.retain(|device| text::is_id(&device.id));
        for device in &mut account.devices {
            text::clip(&mut device.name, text::NAME);
        }
        self.account = Some(account);
    }

    /// Base URL and access token, good now; else begins to renew and gives none.
    pub(crate) fn credentials(&mut self, cx: &mut Cx<'_>) -> Option<(&str, Zeroizing<String>)> {
        if self.renewing.is_some() || self.ended {
            return None;
        }
        if cx.now.unix() + RENEW_BEFORE_S >= self.live.as_ref()?.expires {
            self.renew(cx);
            return None;
        }
        self.live.as_ref().map(|live| (live.hub.base.as_str(), live.access_token.clone()))
    }

    /// The hub no longer takes the access token.
    pub(crate) fn distrust_access_token(&mut self) {
        if let Some(live) = &mut self.live {
            live.expires = 0;
        }
    }

    fn renew(&mut self, cx: &mut Cx<'_>) {
        let Some(live) = &self.live else { return };
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "refresh_token")
            .append_pair("refresh_token", &live.refresh_token)
            .append_pair("client_id", CLIENT_ID)
            .finish();
        let ticket = cx.out.ticket();
        let request = token_request(live.hub.token_endpoint.clone(), form);
        cx.out.push(Effect::Http { ticket, request });
        self.renewing = Some(Renewal { ticket, deadline: cx.now.monotonic_ms + ANSWER_MS });
    }

    /// When a renewal under way is overdue.
    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        self.renewing.as_ref().map(|renewal| renewal.deadline)
    }

    /// Time passed: true where a renewal is awaited no longer, and calls that wait for it neither.
    pub(crate) fn drive(&mut self, cx: &Cx<'_>) -> bool {
        let Some(late) = self.renewing.take_if(|renewal| renewal.deadline <= cx.now.monotonic_ms) else {
            return false;
        };
        self.given_up = Some(late.ticket);
        true
    }

    /// Whether an HTTP answer is the session's.
    pub(crate) fn owns(&self, ticket: Ticket) -> bool {
        self.is_renewal(ticket) || self.given_up == Some(ticket)
    }

    fn is_renewal(&self, ticket: Ticket) -> bool {
        self.renewing.as_ref().is_some_and(|renewal| renewal.ticket == ticket)
    }

    /// The answer of the token endpoint to a renewal.
    pub(crate) fn on_renewal(
        &mut self,
        ticket: Ticket,
        result: Result<HttpResponse, HttpFailure>,
        cx: &mut Cx<'_>,
    ) -> News {
        let answer = token_response(result);
        if !self.is_renewal(ticket) && answer.is_err() {
            // The one that was begun after it decides.
            self.given_up = None;
            return News::None;
        }
        self.renewing = None;
        self.given_up = None;
        match answer {
            Ok(tokens) => {
                let Some(hub) = self.hub().cloned() else { return News::None };
                let Some(live) = Live::new(hub, tokens, cx.now.unix()) else {
                    return News::Stuck(Miss::NotTheHub);
                };
                self.live = Some(live);
                self.save(cx);
                News::Renewed
            }
            Err(Miss::Refused { code: Code::DeviceRevoked, .. }) => News::Revoked,
            Err(miss) if miss.passes() => News::Stuck(miss),
            Err(_) => {
                self.ended = true;
                News::Ended
            }
        }
    }

    /// A sign-in that is behind the browser, of this process or of an earlier one.
    pub(crate) fn kept_sign_in(&self) -> Option<&Waiting> {
        self.sign_in.as_ref()
    }

    /// Keeps it among the secrets, before anything that is wanted later begins; none: forgets it.
    pub(crate) fn keep_sign_in(&mut self, waiting: Option<Waiting>, cx: &mut Cx<'_>) {
        self.sign_in = waiting;
        self.save(cx);
    }

    fn save(&self, cx: &mut Cx<'_>) {
        let serialises = "a session serialises";
        let bytes = match (&self.live, &self.sign_in) {
            (live, Some(sign_in)) => {
                let live = live.as_ref();
                serde_json::to_vec(&Saved { version: WITH_SIGN_IN, live, sign_in }).expect(serialises)
            }
            (Some(live), None) => serde_json::to_vec(live).expect(serialises),
            (None, None) => Vec::new(),
        };
        cx.out.push(Effect::SaveSession(Zeroizing::new(bytes)));
    }
}

/// A request to the token endpoint.
pub(crate) fn token_request(url: String, form: String) -> HttpRequest {
    HttpRequest {
        method: Method::Post,
        url,
        body: Some(Body::Form(Zeroizing::new(form.into_bytes()))),
        auth: Auth::Proof,
        idempotency_key: None,
    }
}

/// What the token endpoint said. Its errors are not problem documents (RFC 6749 §5.2).
pub(crate) fn token_response(result: Result<HttpResponse, HttpFailure>) -> Result<TokenResponse, Miss> {
    if let Ok(response) = &result
        && (400..500).contains(&response.status)
        && let Some(error) = response.body.peek::<OAuthError>()
    {
        let code = match error.error.as_str() {
            "invalid_grant" if error.error_description.as_deref() == Some("device_revoked") => {
                Code::DeviceRevoked
            }
            "invalid_dpop_proof" | "use_dpop_nonce" => Code::BadProof,
            "slow_down" | "temporarily_unavailable" => Code::Unavailable,
            _ => Code::Forbidden,
        };
        return Err(Miss::Refused { code, wait: None });
    }
    parse(outcome(result))
}
