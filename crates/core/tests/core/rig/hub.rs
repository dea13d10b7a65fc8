//! A hub that keeps what it is told and can be told to misbehave.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use postern_api::{
    account::{Account, Device, HubInfo, OAuthError, TokenResponse},
    growth::Item,
    locker::LockerDescriptor,
    problem::{Code, Problem},
    reservation::Reservation,
    sync::{Changes, LockerNews, ReceiptResult, ReceiptResults, ReceiptUpload},
    token::{BulletinFor, Bulletins, Grant, Grants, NoPin, Operation, TokenBatch},
};
use postern_core::{
    Now,
    effect::{Auth, Body, HttpRequest, Method},
    event::{HttpFailure, HttpResponse},
};
use serde::Serialize;
use url::Url;

use super::HUB;

/// What a request to the hub was.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: String,
    pub(crate) key: Option<String>,
}

/// The hub.
pub(crate) struct Hub {
    pub(crate) online: bool,
    pub(crate) answers_lost: bool,
    pub(crate) account: String,
    pub(crate) reservations: Vec<Reservation>,
    pub(crate) removed: Vec<String>,
    /// States by id that are of a newer contract.
    pub(crate) newer_states: BTreeMap<String, String>,
    pub(crate) lockers: Vec<LockerDescriptor>,
    pub(crate) version: u64,
    pub(crate) page: usize,
    pub(crate) token_life: i64,
    pub(crate) bulletins: Vec<BulletinFor>,
    /// What no receipt has acknowledged.
    pub(crate) news: Vec<LockerNews>,
    /// The occupancy of every door.
    pub(crate) occupancy: u32,
    /// The PIN with which grants come; a `#` stands for the occupancy.
    pub(crate) pin: Option<String>,
    /// Why they come without.
    pub(crate) no_pin: NoPin,
    pub(crate) refuse: BTreeMap<String, (u16, Code)>,
    pub(crate) page_of: BTreeMap<String, Vec<u8>>,
    pub(crate) oauth_error: Option<OAuthError>,
    /// Authorization codes that were taken, where each is taken once.
    pub(crate) codes: Option<BTreeSet<String>>,
    /// The account has ended, and all that it had with it.
    pub(crate) deleted: bool,
    /// Claim links that were taken up, as often as they were.
    pub(crate) claimed: Vec<String>,
    /// What a claim link is for.
    pub(crate) claimable: Option<Reservation>,
    pub(crate) access: u32,
    pub(crate) clock_ahead: i64,
    pub(crate) seen: Vec<Seen>,
    pub(crate) grants_made: u8,
    pub(crate) info: Option<HubInfo>,
    /// What new tokens are good for.
    pub(crate) operations: Vec<Operation>,
}

impl Hub {
    pub(super) fn answer(&mut self, request: &HttpRequest, now: Now) -> Result<HttpResponse, HttpFailure> {
        let body = match &request.body {
            None => String::new(),
            Some(Body::Json(bytes) | Body::Form(bytes)) => String::from_utf8(bytes.to_vec()).unwrap(),
        };
        let url = Url::parse(&request.url).unwrap();
        let path = url.path().to_owned();
        if !self.online {
            return Err(HttpFailure::Unreachable);
        }
        self.seen.push(Seen {
            method: request.method,
            path: request.url.strip_prefix(HUB).unwrap_or(&request.url).to_owned(),
            body: body.clone(),
            key: request.idempotency_key.clone(),
        });
        let response = self.respond(request, &url, &path, &body, now);
        if self.answers_lost { Err(HttpFailure::TimedOut) } else { Ok(response) }
    }

    fn respond(
        &mut self,
        request: &HttpRequest,
        url: &Url,
        path: &str,
        body: &str,
        now: Now,
    ) -> HttpResponse {
        let at = now.unix() + self.clock_ahead;
        if let Some((status, code)) =
            self.refuse.iter().find(|(prefix, _)| path.starts_with(prefix.as_str())).map(|(_, no)| *no)
        {
            return problem(status, code, at);
        }
        if let Some(page) = self.page_of.get(path) {
            return HttpResponse { status: 200, date: None, etag: None, body: page.clone().into() };
        }
        if let Auth::Token(token) = &request.auth
            && (self.deleted || **token != format!("access-{}", self.access))
        {
            return problem(401, Code::Unauthenticated, at);
        }
        match path {
            "/.well-known/postern" => json(
                &self.info.clone().unwrap_or(HubInfo {
                    hub: "hub_1".into(),
                    name: "Test".into(),
                    api: 1,
                    api_min: None,
                    test_network: None,
                    issuer: HUB.into(),
                    authorization_endpoint: format!("{HUB}/authorize"),
                    token_endpoint: format!("{HUB}/oauth/token"),
                    now: at,
                }),
                at,
            ),
            "/oauth/token" => {
                if self.deleted && body.contains("grant_type=refresh_token") {
                    let error = OAuthError { error: "invalid_grant".into(), error_description: None };
                    return HttpResponse { status: 400, ..json(&error, at) };
                }
                if let Some(error) = &self.oauth_error {
                    return HttpResponse { status: 400, ..json(error, at) };
                }
                let code = url::form_urlencoded::parse(body.as_bytes()).find(|(name, _)| name == "code");
                if let (Some(codes), Some((_, code))) = (&mut self.codes, code)
                    && !codes.insert(code.into_owned())
                {
                    let error = OAuthError { error: "invalid_grant".into(), error_description: None };
                    return HttpResponse { status: 400, ..json(&error, at) };
                }
                self.access += 1;
                json(
                    &TokenResponse {
                        access_token: format!("access-{}", self.access),
                        token_type: "DPoP".into(),
                        expires_in: 900,
                        refresh_token: format!("refresh-{}", self.access),
                    },
                    at,
                )
            }
            "/v1/me" if request.method == Method::Delete => {
                self.deleted = true;
                self.reservations.clear();
                json(&serde_json::json!({}), at)
            }
            "/v1/claims" => {
                self.claimed.push(body.to_owned());
                let Some(mut reservation) = self.claimable.clone() else {
                    return json(&serde_json::json!({}), at);
                };
                if !self.reservations.iter().any(|known| known.id == reservation.id) {
                    self.version += 1;
                    reservation.version = self.version;
                    self.reservations.push(reservation.clone());
                }
                json(&reservation, at)
            }
            "/v1/me" => json(
                &Account {
                    id: self.account.clone(),
                    display_name: "Marta".into(),
                    guest: false,
                    device_id: "dev_1".into(),
                    devices: vec![Device {
                        id: "dev_1".into(),
                        name: "Test phone".into(),
                        created_at: at,
                        last_seen_at: at,
                    }],
                    prefers_low_doors: false,
                    number: Some("482 915 0636".into()),
                    email: None,
                    homes: Vec::new(),
                },
                at,
            ),
            "/v1/changes" => {
                let cursor = url.query_pairs().find(|(key, _)| key == "cursor").map(|(_, value)| value);
                let (since, skip) = match cursor {
                    None => (0, 0),
                    Some(cursor) => {
                        let (since, skip) = cursor.split_once('-').unwrap();
                        (since.parse::<u64>().unwrap(), skip.parse::<usize>().unwrap())
                    }
                };
                let changed: Vec<&Reservation> =
                    self.reservations.iter().filter(|reservation| reservation.version > since).collect();
                let page: Vec<Reservation> =
                    changed.iter().skip(skip).take(self.page).map(|one| (*one).clone()).collect();
                let more = skip + page.len() < changed.len();
                let cursor = if more {
                    format!("{since}-{}", skip + page.len())
                } else {
                    format!("{}-0", self.version)
                };
                json(
                    &Changes {
                        cursor,
                        reservations: page.into_iter().map(|one| self.said(one)).collect(),
                        removed: self.removed.clone(),
                        lockers: self.lockers.iter().cloned().map(Item::Known).collect(),
                        news: self.news.clone(),
                        more,
                        now: at,
                    },
                    at,
                )
            }
            "/v1/tokens" => {
                let batch: TokenBatch = serde_json::from_str(body).unwrap();
                json(&self.grants(&batch, at), at)
            }
            "/v1/bulletins" => json(&Bulletins { bulletins: self.bulletins.clone() }, at),
            "/v1/receipts" => {
                let upload: ReceiptUpload = serde_json::from_str(body).unwrap();
                let results = upload.receipts.iter().map(|_| ReceiptResult::Accepted.into()).collect();
                json(&ReceiptResults { results }, at)
            }
            _ => json(&serde_json::json!({}), at),
        }
    }

    /// As it is written, perhaps in words of a newer contract.
    fn said(&self, reservation: Reservation) -> Item<Reservation> {
        match self.newer_states.get(&reservation.id) {
            None => reservation.into(),
            Some(state) => {
                let mut raw = serde_json::to_value(reservation).unwrap();
                raw["state"] = state.as_str().into();
                Item::Newer(raw)
            }
        }
    }

    fn grants(&mut self, batch: &TokenBatch, at: i64) -> Grants {
        let mut grants = vec![];
        for reservation in &self.reservations {
            let Some(compartment) = &reservation.compartment else { continue };
            if !batch.reservations.contains(&reservation.id) && !batch.reservations.is_empty() {
                continue;
            }
            self.grants_made += 1;
            // To the phone a token is opaque; this one is its id and where it is from.
            let id = [self.grants_made; 16];
            grants.push(Grant {
                reservation: reservation.id.clone(),
                locker: compartment.locker.clone(),
                doors: vec![compartment.door],
                operations: self.operations.clone(),
                not_before: at,
                expires: at + self.token_life,
                uses: 1,
                delegable: true,
                token_id: hex::encode(id),
                occupancy: self.occupancy,
                pin: self.pin.as_ref().map(|pin| pin.replace('#', &self.occupancy.to_string())),
                no_pin: self.pin.is_none().then_some(self.no_pin),
                receipts_from: None,
                token: BASE64_URL_SAFE_NO_PAD.encode(
                    [
                        &id[..],
                        reservation.id.as_bytes(),
                        batch.hello_nonce.as_deref().unwrap_or("").as_bytes(),
                    ]
                    .concat(),
                ),
            });
        }
        Grants { grants, bulletins: self.bulletins.clone() }
    }

    pub(crate) fn calls(&self, path: &str) -> Vec<&Seen> {
        self.seen.iter().filter(|seen| seen.path.starts_with(path)).collect()
    }
}

fn json(value: &impl Serialize, at: i64) -> HttpResponse {
    HttpResponse { status: 200, date: Some(at), etag: None, body: serde_json::to_vec(value).unwrap().into() }
}

fn problem(status: u16, code: Code, at: i64) -> HttpResponse {
    let problem = Problem {
        kind: "urn:postern:problem:test".into(),
        title: "no".into(),
        status,
        code,
        detail: None,
        pointer: None,
        retry_after: None,
    };
    HttpResponse { status, ..json(&problem, at) }
}
