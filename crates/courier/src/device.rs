//! The device: who it is at the hub, and the receipts that the hub has not got yet.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use postern_api::{
    carrier::{Carried, CarriedResults, CourierTokenRequest, Parcel, Tasks},
    reservation::Inside,
    sync::{ReceiptResult, ReceiptResults, ReceiptUpload, UploadedReceipt},
    token::{Grant, Grants},
};
use postern_protocol::{
    Door, LockerId, LockerIdentity, Operation, OperationNonce, Request, receipt::Outcome,
};
use postern_radio::{Link, RadioError};
use postern_vault::{DeviceKey, Opened, Vault, dpop::Prover, keys::StoredKeys, memory::MemorySecrets};
use reqwest::Method;
use serde::{Deserialize, Serialize};

use crate::{
    CourierError, HubError,
    hub::{Hub, Session, answer},
    visit::{Dial, Greeting, OpenDoor},
};

/// How often a locker is dialled that fell silent after it was asked.
const DIALS: u32 = 3;
/// Receipts in one request.
const BATCH: usize = 16;
/// Carried parts in one request.
const PARTS: usize = 100;
/// Longest time for carrying: whoever closed the door wants to go on.
const CARRYING: Duration = Duration::from_secs(30);

/// What the hub has not got yet.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Outbox {
    /// Receipts of this courier's own openings and closings.
    receipts: Vec<UploadedReceipt>,
    /// Other receipts of lockers, sealed for the hub.
    carried: Vec<Carried>,
    /// Answers at doors: parcel, and whether it is inside after which opening.
    inside: Vec<(String, Inside)>,
}

/// What outlives the process, as a secret.
#[derive(Serialize, Deserialize)]
struct Kept {
    hub: String,
    refresh_token: String,
}

struct SignedIn {
    hub: Hub,
    session: Session,
}

/// See the crate. One courier at one hub.
pub struct Device {
    vault: Vault,
    key: Arc<dyn DeviceKey>,
    prover: Prover,
    at: Option<SignedIn>,
    outbox: Outbox,
}

/// One opening, granted and not yet done.
pub struct Errand {
    asked: CourierTokenRequest,
    operation: Operation,
    grant: Grant,
    bulletin: Option<String>,
}

impl Errand {
    /// Door number.
    #[must_use]
    pub fn door(&self) -> Option<u16> {
        self.grant.doors.first().copied()
    }

    /// Locker id, 16 hexadecimal digits.
    #[must_use]
    pub fn locker(&self) -> &str {
        &self.grant.locker
    }

    /// What the locker is asked; the same nonce is the same opening.
    fn request(&self, nonce: [u8; 8]) -> Result<Request, CourierError> {
        let decode = |text: &str| BASE64.decode(text).map_err(|_| odd());
        Ok(Request {
            operation: self.operation,
            door: Door(self.door().ok_or_else(odd)?),
            nonce: OperationNonce(nonce),
            token: decode(&self.grant.token)?,
            delegation: None,
            bulletin: self.bulletin.as_deref().map(decode).transpose()?,
        })
    }
}

/// Why a locker gave no receipt.
enum Asked {
    /// It was asked, and the connection ended. Repeatable: by the same token and nonce.
    Silence { repeatable: bool },
    /// Anything else.
    Failed(CourierError),
}

impl<E: Into<CourierError>> From<E> for Asked {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Device {
    /// With what `opened` holds: a session, and receipts.
    ///
    /// # Errors
    /// [`CourierError::Vault`] where the key cannot be used.
    pub fn open(opened: Opened) -> Result<Self, CourierError> {
        let Opened { vault, state, session, .. } = opened;
        let key = Arc::clone(vault.device_key());
        let prover = Prover::new(Arc::clone(&key))?;
        let kept: Option<Kept> = session.and_then(|session| serde_json::from_slice(&session).ok());
        let at = match kept {
            Some(kept) => {
                Some(SignedIn { hub: Hub::new(&kept.hub)?, session: Session::kept(kept.refresh_token) })
            }
            None => None,
        };
        let outbox = state.last().and_then(|state| serde_json::from_slice(state).ok()).unwrap_or_default();
        Ok(Self { vault, key, prover, at, outbox })
    }

    /// One that ends with the process.
    ///
    /// # Errors
    /// As [`Device::open`].
    pub async fn in_memory() -> Result<Self, CourierError> {
        let keys = StoredKeys::new(Arc::new(MemorySecrets::new()));
        Self::open(Vault::in_memory(Arc::new(keys)).await?)
    }

    /// Base URL of the hub that it is signed in at.
    #[must_use]
    pub fn hub(&self) -> Option<&str> {
        self.at.as_ref().map(|at| at.hub.base())
    }

    /// Receipts and answers that the hub has not got yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.outbox.receipts.len() + self.outbox.carried.len() + self.outbox.inside.len()
    }

    /// Takes the enrolment `code` of a courier up; `name` is what the carrier sees of the device.
    ///
    /// # Errors
    /// [`CourierError::Hub`] where the code is not good, or the hub does not answer.
    pub async fn sign_in(&mut self, hub: &str, code: &str, name: &str) -> Result<(), CourierError> {
        let hub = Hub::new(hub)?;
        let session = hub.enrol(&self.prover, code, name).await?;
        self.at = Some(SignedIn { hub, session });
        self.keep_session().await
    }

    /// Signs out at the hub and forgets everything.
    ///
    /// # Errors
    /// [`CourierError::Vault`] where the keyring does not forget. A hub that cannot be reached is no error: without its
    /// key the session is worthless.
    pub async fn sign_out(self) -> Result<(), CourierError> {
        if let Some(SignedIn { hub, session }) = &self.at
            && let Err(error) = hub.revoke(&self.prover, &session.refresh).await
        {
            tracing::warn!(code = "courier_sign_out", %error, "the hub was not told");
        }
        Ok(self.vault.wipe().await?)
    }

    /// What there is to do.
    ///
    /// # Errors
    /// [`CourierError::NotSignedIn`], [`CourierError::Hub`].
    pub async fn tasks(&mut self) -> Result<Tasks, CourierError> {
        self.ask(Method::GET, "/courier/tasks", None::<&()>).await
    }

    /// A token for one errand; for a deposit the hub picks and keeps a door.
    ///
    /// # Errors
    /// As [`Device::tasks`].
    pub async fn prepare(
        &mut self,
        asked: CourierTokenRequest,
        operation: Operation,
    ) -> Result<Errand, CourierError> {
        let grants: Grants = self.ask(Method::POST, "/courier/tokens", Some(&asked)).await?;
        let grant = grants.grants.into_iter().next().ok_or_else(odd)?;
        let news = grants.bulletins.into_iter().find(|news| news.locker == grant.locker);
        Ok(Errand { asked, operation, grant, bulletin: news.map(|news| news.bulletin) })
    }

    /// Opens the door of `errand` over a connection to its locker that `line` makes, and keeps the receipt for
    /// [`Device::hand_in`]. Where the connection ends after the locker was asked, the very same request is made once more
    /// over another one: a locker that did it answers with the receipt that it has, and moves nothing (PROTOCOL.md, checks).
    ///
    /// # Errors
    /// See [`CourierError`]; [`CourierError::MayBeOpen`] is the one where somebody must look.
    pub async fn open_door(
        &mut self,
        errand: Errand,
        locker: &LockerIdentity,
        line: &mut dyn Dial,
    ) -> Result<OpenDoor, CourierError> {
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce).map_err(|error| CourierError::Protocol(error.to_string()))?;
        let mut asked = self.ask_locker(&errand, nonce, line.dial().await?, locker).await;
        for _ in 1..DIALS {
            asked = match asked {
                // No word yet of what came of it, whatever keeps the locker from giving one now.
                Err(Asked::Silence { repeatable: true }) => match line.dial().await {
                    Ok(link) => match self.ask_locker(&errand, nonce, link, locker).await {
                        Err(Asked::Failed(_)) => Err(Asked::Silence { repeatable: true }),
                        other => other,
                    },
                    Err(_) => Err(Asked::Silence { repeatable: true }),
                },
                // The link ended before the locker was asked for the door.
                Err(Asked::Failed(CourierError::Radio(RadioError::Lost(_)))) => match line.dial().await {
                    Ok(link) => self.ask_locker(&errand, nonce, link, locker).await,
                    Err(error) => Err(Asked::Failed(error)),
                },
                settled => {
                    asked = settled;
                    break;
                }
            };
        }
        let (outcome, door) = match asked {
            Ok(said) => said,
            Err(Asked::Silence { .. }) => return Err(CourierError::MayBeOpen),
            Err(Asked::Failed(error)) => return Err(error),
        };
        // Whatever came of it: the hub wants to know of a latch that did not move as well.
        self.outbox
            .receipts
            .push(UploadedReceipt { locker: locker.id.to_string(), receipt: BASE64.encode(&door.receipt) });
        let kept = self.keep_outbox().await;
        let failed = match (kept, outcome) {
            (Ok(()), Outcome::Opened | Outcome::AlreadyOpen) => return Ok(door),
            (Ok(()), Outcome::Unknown) => CourierError::MayBeOpen,
            (Ok(()), outcome) => CourierError::Closed(outcome),
            (Err(error), _) => error,
        };
        door.hang_up().await;
        Err(failed)
    }

    /// Takes the receipts along that the hub lacks of this locker (of PINs, codes, phones that never came online), keeps
    /// what was signed as the door was closed, and ends the connection. That nothing can be carried is no error: the next
    /// courier comes.
    ///
    /// # Errors
    /// [`CourierError::Vault`] where what was taken along cannot be kept.
    pub async fn leave(&mut self, mut door: OpenDoor) -> Result<(), CourierError> {
        let locker = door.locker().to_string();
        if let Some(from) = door.receipts_from {
            match tokio::time::timeout(CARRYING, door.carry(from)).await {
                Ok(Ok(parts)) => {
                    for parts in parts.chunks(PARTS) {
                        let parts = parts.iter().map(|part| BASE64.encode(part)).collect();
                        self.outbox.carried.push(Carried { locker: locker.clone(), parts });
                    }
                }
                Ok(Err(error)) => tracing::warn!(%error, "receipts were not carried"),
                Err(_) => tracing::warn!("receipts were not carried in time"),
            }
        }
        if let Some(closing) = door.closing() {
            self.outbox.receipts.push(UploadedReceipt { locker, receipt: BASE64.encode(closing) });
        }
        let kept = self.keep_outbox().await;
        door.hang_up().await;
        kept
    }

    /// The answer at the door, where the locker cannot measure it: whether the parcel lies inside after this
    /// [opening](OpenDoor::opening). Handed in with [`Device::hand_in`].
    ///
    /// # Errors
    /// [`CourierError::Vault`].
    pub async fn say_inside(
        &mut self,
        parcel: &str,
        (locker, opening): (LockerId, u32),
        inside: bool,
    ) -> Result<(), CourierError> {
        let said = Inside { inside, opening, locker: Some(locker.to_string()) };
        self.outbox.inside.push((parcel.to_owned(), said));
        self.keep_outbox().await
    }

    async fn ask_locker(
        &mut self,
        errand: &Errand,
        nonce: [u8; 8],
        link: Box<dyn Link>,
        locker: &LockerIdentity,
    ) -> Result<(Outcome, OpenDoor), Asked> {
        let greeting = Greeting::hear(link, locker).await?;
        let (locker_time, lost, wrong) =
            (greeting.locker_time(), greeting.wants_nonce(), greeting.wants_correction(now()));
        let bound_to = |nonce: [u8; 16]| CourierTokenRequest {
            locker: Some(errand.grant.locker.clone()),
            hello_nonce: Some(BASE64.encode(nonce)),
            locker_time,
            ..errand.asked.clone()
        };
        // The locker lost the time: only what is bound to this very greeting is good.
        let bound = match (lost, wrong) {
            (Some(nonce), _) => Some(self.prepare(bound_to(nonce), errand.operation).await?),
            // Its clock is wrong, or ours: the hub knows, and without a hub the token may do as it is.
            (None, Some(nonce)) => self.prepare(bound_to(nonce), errand.operation).await.ok(),
            (None, None) => None,
        };
        let errand = bound.as_ref().unwrap_or(errand);
        let request = errand.request(nonce)?;
        let opened = greeting.open(&self.key, &request).await.map(|(outcome, mut door)| {
            door.receipts_from = errand.grant.receipts_from;
            (outcome, door)
        });
        opened.map_err(|error| match error {
            CourierError::MayBeOpen => Asked::Silence { repeatable: bound.is_none() },
            other => Asked::Failed(other),
        })
    }

    /// Hands in what the hub has not got yet, oldest first. What it refuses is not offered again.
    ///
    /// # Errors
    /// [`CourierError::Hub`]: where that passes ([`HubError::is_passing`]), everything waits for the next time; where it
    /// refused a receipt, the others were taken.
    pub async fn hand_in(&mut self) -> Result<(), CourierError> {
        self.hand_in_receipts().await?;
        while let Some(part) = self.outbox.carried.first().cloned() {
            let answered = self.ask(Method::POST, "/courier/carried", Some(&part)).await;
            let answered: Result<CarriedResults, _> = answered;
            if !is_final(&answered) {
                return answered.map(drop);
            }
            self.outbox.carried.remove(0);
            self.keep_outbox().await?;
            let results = answered?;
            if results.invalid > 0 || results.fork > 0 {
                tracing::warn!(locker = part.locker, ?results, "carried receipts");
            }
        }
        while let Some((parcel, said)) = self.outbox.inside.first().cloned() {
            let path = format!("/courier/parcels/{parcel}/inside");
            let answered: Result<Parcel, _> = self.ask(Method::POST, &path, Some(&said)).await;
            if !is_final(&answered) {
                return answered.map(drop);
            }
            self.outbox.inside.remove(0);
            self.keep_outbox().await?;
            answered?;
        }
        Ok(())
    }

    async fn hand_in_receipts(&mut self) -> Result<(), CourierError> {
        while !self.outbox.receipts.is_empty() {
            let receipts: Vec<_> = self.outbox.receipts.iter().take(BATCH).cloned().collect();
            let count = receipts.len();
            let answered = self.ask(Method::POST, "/receipts", Some(&ReceiptUpload { receipts })).await;
            let answered: Result<ReceiptResults, _> = answered;
            if !is_final(&answered) {
                return answered.map(drop);
            }
            self.outbox.receipts.drain(..count);
            self.keep_outbox().await?;
            for result in answered?.results {
                if matches!(result.known(), Some(ReceiptResult::Invalid | ReceiptResult::Fork)) {
                    let detail = format!("receipt: {result:?}");
                    return Err(HubError::Refused { status: 200, code: None, oauth: None, detail }.into());
                }
            }
        }
        Ok(())
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, CourierError> {
        self.renew_if_over().await?;
        let at = self.at.as_ref().ok_or(CourierError::NotSignedIn)?;
        let request = at.hub.signed(&self.prover, &at.session, method, path).await?;
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        match answer(request).await {
            Err(error) if error.ends_session() => Err(self.end_session().await),
            Err(error) if error.means_signed_out() => Err(CourierError::NotSignedIn),
            other => Ok(other?),
        }
    }

    async fn renew_if_over(&mut self) -> Result<(), CourierError> {
        let at = self.at.as_mut().ok_or(CourierError::NotSignedIn)?;
        if !at.session.is_over() {
            return Ok(());
        }
        match at.hub.renew(&self.prover, &at.session.refresh).await {
            Ok(session) => at.session = session,
            Err(CourierError::Hub(error)) if error.ends_session() => return Err(self.end_session().await),
            Err(CourierError::Hub(HubError::Refused { status: 400 | 401, .. })) => {
                return Err(CourierError::NotSignedIn);
            }
            Err(error) => return Err(error),
        }
        self.keep_session().await
    }

    /// Forgets the session that the hub has ended, and nothing else.
    async fn end_session(&mut self) -> CourierError {
        self.at = None;
        self.vault.save_session(&[]).await.map_or_else(CourierError::from, |()| CourierError::SessionEnded)
    }

    async fn keep_session(&mut self) -> Result<(), CourierError> {
        let Some(SignedIn { hub, session }) = &self.at else { return Ok(()) };
        let kept = Kept { hub: hub.base().to_owned(), refresh_token: session.refresh.as_str().to_owned() };
        let text = zeroize::Zeroizing::new(serde_json::to_vec(&kept).map_err(unreadable)?);
        Ok(self.vault.save_session(&text).await?)
    }

    async fn keep_outbox(&mut self) -> Result<(), CourierError> {
        let text = zeroize::Zeroizing::new(serde_json::to_vec(&self.outbox).map_err(unreadable)?);
        self.vault.replace(&[text]).await?;
        self.vault.settle().await;
        Ok(())
    }
}

/// An answer to this very request, for good.
fn is_final<T>(answered: &Result<T, CourierError>) -> bool {
    match answered {
        Ok(_) => true,
        Err(CourierError::Hub(error)) => !error.is_passing(),
        Err(_) => false,
    }
}

/// UNIX seconds.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn odd() -> HubError {
    HubError::Unreachable("an answer without a token".to_owned())
}

fn unreadable(error: serde_json::Error) -> CourierError {
    CourierError::Protocol(error.to_string())
}
