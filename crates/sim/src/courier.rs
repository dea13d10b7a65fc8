//! The courier at the cabinet: a device of its own with a key, signed in at the hub, that opens by the very same protocol
//! as a customer's phone, over a connection of the cabinet. So the locker learns the door's new epoch from the courier's
//! token, as in the field, and the customer's PIN works at once.

use std::{sync::Arc, time::Duration};

use postern_api::{
    carrier::{CourierTokenRequest, Deposit, Task},
    token::Operation as Named,
};
use postern_protocol::{
    LockerId, Operation, Reply, Request,
    frame::{MIN_FRAME, Reassembler, fragments},
    phone::Session,
    receipt::{self, Outcome},
};
use tokio::{sync::Mutex, time::timeout};
use zeroize::Zeroizing;

use crate::{
    cabinet::Act,
    customer::Phone,
    hub::{Device, Hub, HubError},
    world::{Admitted, World},
};

/// ATT MTU of the courier's device.
const MTU: u16 = 247;
/// How long a cabinet may take for an answer: two latch pulses and a slow journal.
const PATIENCE: Duration = Duration::from_secs(15);

/// Why the errand was not done.
#[derive(Debug, thiserror::Error)]
pub enum CourierError {
    /// The hub.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// No such cabinet here.
    #[error("no such cabinet")]
    NoCabinet,
    /// The cabinet takes no connection.
    #[error("the cabinet takes no connection")]
    TurnedAway,
    /// The connection ended, or the cabinet fell silent.
    #[error("the connection to the cabinet ended")]
    Lost,
    /// What came was not what the protocol says.
    #[error("the cabinet broke the protocol: {0}")]
    Protocol(String),
    /// The cabinet said no.
    #[error("the cabinet refused: {0}")]
    Refused(String),
    /// The door did not open.
    #[error("the door did not open: {0:?}")]
    Closed(Outcome),
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errand {
    /// The carrier's tracking number.
    pub reference: String,
    /// Which door.
    pub door: u16,
    /// By the protocol, or only by word to the hub.
    pub by_protocol: bool,
    /// The hub knows of it. Where it could not be reached, the receipt is handed in with the next errand.
    pub reported: bool,
}

/// See the module. One account at the hub for as long as this lives.
pub struct Courier {
    hub: Hub,
    carrier_key: Zeroizing<String>,
    device: Mutex<Option<Device>>,
    /// Receipts that the hub has not got yet.
    outbox: Mutex<Vec<(LockerId, Vec<u8>)>>,
}

impl Courier {
    /// A courier of the carrier with this API key. Signs in when there is something to do.
    #[must_use]
    pub fn new(hub: Hub, carrier_key: Zeroizing<String>) -> Self {
        Self { hub, carrier_key, device: Mutex::new(None), outbox: Mutex::new(Vec::new()) }
    }

    /// Puts a parcel in. A hub that gives couriers no tokens is told with the carrier's key instead, and so is a hub that
    /// cannot be asked for one certain `door`.
    ///
    /// # Errors
    /// See [`CourierError`].
    pub async fn deposit(
        &self,
        world: &Arc<World>,
        cabinet: usize,
        parcel: &str,
        door: Option<u16>,
        what: Option<String>,
    ) -> Result<Errand, CourierError> {
        let id = world.look(cabinet, |cabinet| cabinet.id()).ok_or(CourierError::NoCabinet)?;
        self.catch_up().await;
        if door.is_none() {
            let asked = CourierTokenRequest {
                parcel: parcel.to_owned(),
                locker: Some(id.to_string()),
                hello_nonce: None,
            };
            match self.open(world, cabinet, &asked, Operation::Deposit).await {
                Ok((door, receipt)) => {
                    let inside = what.unwrap_or_else(|| "parcel".to_owned());
                    reach_in(world, cabinet, door, "put", Some(inside));
                    reach_in(world, cabinet, door, "close", None);
                    let reported = self.report(id, receipt).await?;
                    return Ok(Errand { reference: parcel.to_owned(), door, by_protocol: true, reported });
                }
                Err(CourierError::Hub(error)) if error.means_no_couriers() => {
                    tracing::info!(%error, "no token for couriers, telling the hub by the carrier's key");
                }
                Err(error) => return Err(error),
            }
        }
        let deposit = Deposit { locker: id.to_string(), door, until: None };
        let idempotency = format!("deposit-{parcel}");
        let parcel = self.hub.deposit(&self.carrier_key, parcel, &deposit, &idempotency).await?;
        let door = parcel.door.ok_or_else(|| CourierError::Refused("the hub named no door".to_owned()))?;
        let inside = what.unwrap_or_else(|| parcel.reference.clone());
        reach_in(world, cabinet, door, "put", Some(inside));
        Ok(Errand { reference: parcel.reference, door, by_protocol: false, reported: true })
    }

    /// Takes out of this cabinet whatever the hub lists for it: expired parcels, and returns on their way to the sender.
    ///
    /// # Errors
    /// See [`CourierError`]; what was taken out before stays so.
    pub async fn collect(&self, world: &Arc<World>, cabinet: usize) -> Result<Vec<Errand>, CourierError> {
        let id = world.look(cabinet, |cabinet| cabinet.id()).ok_or(CourierError::NoCabinet)?;
        self.catch_up().await;
        let tasks = {
            let mut device = self.device.lock().await;
            self.hub.tasks(self.signed_in(&mut device).await?).await?
        };
        let here = |task: &Task| {
            task.operation == Named::Collect && task.parcel.locker.as_deref() == Some(&*id.to_string())
        };
        let mut done = Vec::new();
        for task in tasks.tasks.into_iter().filter(here) {
            let asked = CourierTokenRequest { parcel: task.parcel.id, locker: None, hello_nonce: None };
            let (door, receipt) = self.open(world, cabinet, &asked, Operation::Collect).await?;
            reach_in(world, cabinet, door, "take", None);
            reach_in(world, cabinet, door, "close", None);
            let reported = self.report(id, receipt).await?;
            done.push(Errand { reference: task.parcel.reference, door, by_protocol: true, reported });
        }
        Ok(done)
    }

    /// The device, signed in.
    async fn signed_in<'a>(&self, device: &'a mut Option<Device>) -> Result<&'a mut Device, HubError> {
        if let Some(old) = device.as_mut().filter(|device| device.expired())
            && let Err(error) = self.hub.renew(old).await
        {
            if matches!(error, HubError::Unreachable(_)) {
                return Err(error);
            }
            tracing::info!(%error, "the courier's device is not known any more");
            *device = None;
        }
        if device.is_none() {
            *device = Some(self.hub.enrol(&self.carrier_key).await?);
        }
        device.as_mut().ok_or_else(|| HubError::Unreachable("not signed in".to_owned()))
    }

    /// Hands a receipt in, now or with the next errand: what was done at the door is done.
    async fn report(&self, locker: LockerId, receipt: Vec<u8>) -> Result<bool, CourierError> {
        self.outbox.lock().await.push((locker, receipt));
        match self.hand_in().await {
            Ok(()) => Ok(true),
            Err(CourierError::Hub(HubError::Unreachable(why))) => {
                tracing::warn!(why, "the receipt waits for the next errand");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Hands in what is left of earlier errands. That it fails is no reason not to go on the next.
    async fn catch_up(&self) {
        if let Err(error) = self.hand_in().await {
            tracing::warn!(%error, "receipts of earlier errands");
        }
    }

    /// Empties the outbox, oldest first. What the hub refuses is not offered again.
    async fn hand_in(&self) -> Result<(), CourierError> {
        let mut outbox = self.outbox.lock().await;
        while let Some((locker, receipt)) = outbox.first() {
            let mut device = self.device.lock().await;
            let answer = self.hub.receipt(self.signed_in(&mut device).await?, *locker, receipt).await;
            if let Err(error @ HubError::Unreachable(_)) = answer {
                return Err(error.into());
            }
            outbox.remove(0);
            answer?;
        }
        Ok(())
    }

    /// Fetches a token and opens with it: the door, and the receipt.
    async fn open(
        &self,
        world: &Arc<World>,
        cabinet: usize,
        asked: &CourierTokenRequest,
        operation: Operation,
    ) -> Result<(u16, Vec<u8>), CourierError> {
        let mut slot = self.device.lock().await;
        let device = self.signed_in(&mut slot).await?;
        let granted = match self.hub.courier_token(device, asked).await {
            Ok(granted) => granted,
            Err(error) => {
                if error.means_signed_out() {
                    *slot = None;
                }
                return Err(error.into());
            }
        };
        let mut request = device.phone().request(operation, granted.door, granted.token);
        request.bulletin = granted.bulletin;
        let receipt = visit(world, cabinet, device.phone(), &request).await?;
        Ok((granted.door, receipt))
    }
}

/// A hand at an open door.
fn reach_in(world: &World, cabinet: usize, door: u16, did: &'static str, inside: Option<String>) {
    world.with(cabinet, |cabinet, now| {
        if did == "close" && cabinet.fate().door(door).obstructed {
            return false;
        }
        cabinet.hand(door, did, now, |compartment, now| match did {
            "close" => {
                compartment.open = false;
                compartment.moved = Some(now.up);
            }
            _ => compartment.inside = inside,
        })
    });
}

/// One connection, one opening: the receipt of a door that is open.
async fn visit(
    world: &Arc<World>,
    cabinet: usize,
    phone: &mut Phone,
    request: &Request,
) -> Result<Vec<u8>, CourierError> {
    let locker =
        world.look(cabinet, |cabinet| cabinet.keys().locker.identity()).ok_or(CourierError::NoCabinet)?;
    let Admitted { link, acts } = world.connect(cabinet, MTU).ok_or(CourierError::TurnedAway)?;
    let line = Line { world: world.clone(), link, acts, frames: Reassembler::new() };
    let talk = async {
        let mut line = line;
        let hello = line.message().await?;
        let protocol = |error: postern_protocol::phone::PhoneError| CourierError::Protocol(error.to_string());
        let (open, mut session): (_, Session) = phone.open(&locker, &hello, request).map_err(protocol)?;
        line.send(&open)?;
        loop {
            match session.receive(&line.message().await?).map_err(protocol)? {
                Reply::Receipt(bytes) => {
                    let read = receipt::verify(&bytes, &locker.receipt_key)
                        .map_err(|error| CourierError::Protocol(error.to_string()))?;
                    let ours = read.door == request.door && read.nonce == request.nonce;
                    return match read.outcome {
                        _ if !ours => Err(CourierError::Protocol("a receipt for something else".to_owned())),
                        Outcome::Opened | Outcome::AlreadyOpen => Ok(bytes),
                        outcome => Err(CourierError::Closed(outcome)),
                    };
                }
                Reply::Refused(refusal) => return Err(CourierError::Refused(format!("{refusal:?}"))),
                Reply::Event(_) | Reply::Status(_) => {}
            }
        }
    };
    timeout(PATIENCE, talk).await.unwrap_or(Err(CourierError::Lost))
}

/// The courier's end of a connection. Dropping it hangs up.
struct Line {
    world: Arc<World>,
    link: u16,
    acts: tokio::sync::mpsc::UnboundedReceiver<Act>,
    frames: Reassembler,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.world.disconnected(self.link);
    }
}

impl Line {
    async fn message(&mut self) -> Result<Vec<u8>, CourierError> {
        loop {
            match self.acts.recv().await {
                Some(Act::Connected { .. }) => {
                    let link = self.link;
                    self.world.on_link(link, |cabinet, now| cabinet.subscribe(link, now));
                }
                Some(Act::Notify { frame, .. }) => {
                    let message = self.frames.push(&frame);
                    if let Some(message) = message.map_err(|e| CourierError::Protocol(e.to_string()))? {
                        return Ok(message);
                    }
                }
                Some(Act::Subscribed { .. } | Act::Value { .. } | Act::Written { status: 0, .. }) => {}
                Some(Act::Written { .. } | Act::HangUp { .. }) | None => return Err(CourierError::Lost),
            }
        }
    }

    fn send(&mut self, message: &[u8]) -> Result<(), CourierError> {
        let tag = self.frames.tag().ok_or(CourierError::Lost)?;
        let link = self.link;
        // The smallest frames pass whatever fate has done to the MTU.
        for frame in fragments(message, tag, MIN_FRAME) {
            self.world.on_link(link, |cabinet, now| cabinet.write(link, frame, now));
        }
        Ok(())
    }
}
