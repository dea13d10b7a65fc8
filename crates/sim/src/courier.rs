//! The courier at the cabinet: a device of its own with a key, signed in at the hub, that opens by the very same protocol
//! as a customer's phone, over a connection of the cabinet. So the locker learns the door's new epoch from the courier's
//! token, as in the field, and what opened the door before is over. It takes the receipts along that the hub lacks.

use std::{sync::Arc, time::Duration};

use postern_api::{
    carrier::{CourierTokenRequest, Deposit, Task},
    token::Operation as Named,
};
use postern_courier::{CourierError, Device, Dial, OpenDoor};
use postern_protocol::{
    Operation,
    frame::{MIN_FRAME, Reassembler, fragments},
};
use postern_radio::{Link, RadioError};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::{
    cabinet::Act,
    hub::{Hub, HubError},
    world::{Admitted, World},
};

/// How long a closed door may take to be noticed, over the slowest air.
const CLOSED: Duration = Duration::from_secs(10);
/// ATT MTU of the courier's device.
const MTU: u16 = 247;

/// Why the errand was not done.
#[derive(Debug, thiserror::Error)]
pub enum ErrandError {
    /// The courier's device.
    #[error(transparent)]
    Courier(#[from] CourierError),
    /// No such cabinet here.
    #[error("no such cabinet")]
    NoCabinet,
}

impl From<HubError> for ErrandError {
    fn from(error: HubError) -> Self {
        Self::Courier(error.into())
    }
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
    /// With the receipts that the hub has not got yet.
    device: Mutex<Option<Device>>,
}

impl Courier {
    /// A courier of the carrier with this API key. Signs in when there is something to do.
    #[must_use]
    pub fn new(hub: Hub, carrier_key: Zeroizing<String>) -> Self {
        Self { hub, carrier_key, device: Mutex::new(None) }
    }

    /// Signs in, unless that is done.
    ///
    /// # Errors
    /// See [`ErrandError`].
    pub async fn sign_in(&self) -> Result<(), ErrandError> {
        self.signed_in(&mut *self.device.lock().await).await.map(drop)
    }

    /// Puts a parcel in. A hub that gives couriers no tokens is told with the carrier's key instead, and so is a hub that
    /// cannot be asked for one certain `door`.
    ///
    /// # Errors
    /// See [`ErrandError`].
    pub async fn deposit(
        &self,
        world: &Arc<World>,
        cabinet: usize,
        parcel: &str,
        door: Option<u16>,
        what: Option<String>,
    ) -> Result<Errand, ErrandError> {
        let id = world.look(cabinet, |cabinet| cabinet.id()).ok_or(ErrandError::NoCabinet)?;
        let mut device = self.device.lock().await;
        catch_up(&mut device).await;
        if door.is_none() {
            let asked = CourierTokenRequest {
                parcel: parcel.to_owned(),
                locker: Some(id.to_string()),
                hello_nonce: None,
                locker_time: None,
            };
            match self.open(&mut device, world, cabinet, &asked, Operation::Deposit).await {
                Ok(open) => {
                    let door = open.door;
                    let inside = what.unwrap_or_else(|| "parcel".to_owned());
                    reach_in(world, cabinet, door, "put", Some(inside));
                    let opening = open.opening;
                    let measured = close(&mut device, world, cabinet, open).await?;
                    if let (None, Some(device)) = (measured, device.as_mut()) {
                        // Nothing measures it, and this courier has put it in.
                        device.say_inside(parcel, (id, opening), true).await?;
                    }
                    let reported = report(&mut device).await?;
                    return Ok(Errand { reference: parcel.to_owned(), door, by_protocol: true, reported });
                }
                Err(ErrandError::Courier(CourierError::Hub(error))) if error.means_no_couriers() => {
                    tracing::info!(%error, "no token for couriers, telling the hub by the carrier's key");
                }
                Err(error) => return Err(error),
            }
        }
        let deposit = Deposit { locker: id.to_string(), door, until: None };
        let idempotency = format!("deposit-{parcel}");
        let parcel = self.hub.deposit(&self.carrier_key, parcel, &deposit, &idempotency).await?;
        let no_door = || HubError::Unreachable("an answer without a door".to_owned());
        let door = parcel.door.ok_or_else(no_door)?;
        let inside = what.unwrap_or_else(|| parcel.reference.clone());
        reach_in(world, cabinet, door, "put", Some(inside));
        Ok(Errand { reference: parcel.reference, door, by_protocol: false, reported: true })
    }

    /// Puts whatever the hub lists as on its way into this cabinet, as far as there is room.
    ///
    /// # Errors
    /// That the hub does not say what is on its way.
    pub async fn deliver(&self, world: &Arc<World>, cabinet: usize) -> Result<Vec<Errand>, ErrandError> {
        let tasks = {
            let mut device = self.device.lock().await;
            catch_up(&mut device).await;
            self.signed_in(&mut device).await?.tasks().await?
        };
        let mut done = Vec::new();
        for task in tasks.tasks.into_iter().filter(|task| task.operation == Named::Deposit) {
            match self.deposit(world, cabinet, &task.parcel.id, None, None).await {
                Ok(errand) => done.push(errand),
                // Another cabinet may have room, or be at its site.
                Err(error) => tracing::debug!(%error, parcel = %task.parcel.id, "not put in"),
            }
        }
        Ok(done)
    }

    /// Takes out of this cabinet whatever the hub lists for it: expired parcels, and returns on their way to the sender.
    ///
    /// # Errors
    /// See [`ErrandError`]; what was taken out before stays so.
    pub async fn collect(&self, world: &Arc<World>, cabinet: usize) -> Result<Vec<Errand>, ErrandError> {
        let id = world.look(cabinet, |cabinet| cabinet.id()).ok_or(ErrandError::NoCabinet)?;
        let mut device = self.device.lock().await;
        catch_up(&mut device).await;
        let tasks = self.signed_in(&mut device).await?.tasks().await?;
        let here = |task: &Task| {
            task.operation == Named::Collect && task.parcel.locker.as_deref() == Some(&*id.to_string())
        };
        let mut done = Vec::new();
        for task in tasks.tasks.into_iter().filter(here) {
            let parcel = task.parcel.id;
            let asked = CourierTokenRequest {
                parcel: parcel.clone(),
                locker: None,
                hello_nonce: None,
                locker_time: None,
            };
            let open = self.open(&mut device, world, cabinet, &asked, Operation::Collect).await?;
            let door = open.door;
            reach_in(world, cabinet, door, "take", None);
            let opening = open.opening;
            let measured = close(&mut device, world, cabinet, open).await?;
            if let (None, Some(device)) = (measured, device.as_mut()) {
                // Nothing measures it, and this courier has taken it out.
                device.say_inside(&parcel, (id, opening), false).await?;
            }
            let reported = report(&mut device).await?;
            done.push(Errand { reference: task.parcel.reference, door, by_protocol: true, reported });
        }
        Ok(done)
    }

    /// The device, signed in.
    async fn signed_in<'a>(&self, slot: &'a mut Option<Device>) -> Result<&'a mut Device, ErrandError> {
        if slot.as_ref().is_none_or(|device| device.hub().is_none()) {
            let mut device = match slot.take() {
                Some(device) => device,
                None => Device::in_memory().await?,
            };
            self.hub.enrol(&self.carrier_key, &mut device).await?;
            *slot = Some(device);
        }
        Ok(slot.as_mut().ok_or(CourierError::NotSignedIn)?)
    }

    /// Fetches a token and opens with it. A device that the hub does not know any more signs in anew with the next
    /// errand; its receipts are another device's to hand in then.
    async fn open(
        &self,
        slot: &mut Option<Device>,
        world: &Arc<World>,
        cabinet: usize,
        asked: &CourierTokenRequest,
        operation: Operation,
    ) -> Result<OpenDoor, ErrandError> {
        let device = self.signed_in(slot).await?;
        let errand = match device.prepare(asked.clone(), operation).await {
            Err(CourierError::NotSignedIn | CourierError::SessionEnded) => {
                self.hub.enrol(&self.carrier_key, device).await?;
                device.prepare(asked.clone(), operation).await?
            }
            other => other?,
        };
        let locker =
            world.look(cabinet, |cabinet| cabinet.keys().locker.identity()).ok_or(ErrandError::NoCabinet)?;
        let mut wire = Wire { world: world.clone(), cabinet };
        Ok(device.open_door(errand, &locker, &mut wire).await?)
    }
}

/// Closes the door, hears what the locker measured, takes its receipts along and goes: whether something lies inside, if
/// anybody measures that.
async fn close(
    slot: &mut Option<Device>,
    world: &World,
    cabinet: usize,
    mut open: OpenDoor,
) -> Result<Option<bool>, ErrandError> {
    if reach_in(world, cabinet, open.door, "close", None) {
        open.until_closed(CLOSED).await;
    }
    let measured = open.inside();
    if let Some(device) = slot {
        device.leave(open).await?;
    }
    Ok(measured)
}

/// Hands the receipts in, now or with the next errand: what was done at the door is done.
async fn report(slot: &mut Option<Device>) -> Result<bool, ErrandError> {
    let Some(device) = slot else { return Ok(false) };
    match device.hand_in().await {
        Ok(()) => Ok(true),
        Err(CourierError::Hub(error)) if error.is_passing() => {
            tracing::warn!(%error, "the receipt waits for the next errand");
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Hands in what is left of earlier errands. That it fails is no reason not to go on the next.
async fn catch_up(slot: &mut Option<Device>) {
    if let Err(error) = report(slot).await {
        tracing::warn!(%error, "receipts of earlier errands");
    }
}

/// A hand at an open door. False where something keeps it from doing so.
pub(crate) fn reach_in(
    world: &World,
    cabinet: usize,
    door: u16,
    did: &'static str,
    inside: Option<String>,
) -> bool {
    let done = world.with(cabinet, |cabinet, now| {
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
    done.unwrap_or(false)
}

/// Where a cabinet is dialled.
struct Wire {
    world: Arc<World>,
    cabinet: usize,
}

#[async_trait::async_trait]
impl Dial for Wire {
    async fn dial(&mut self) -> Result<Box<dyn Link>, CourierError> {
        Ok(Box::new(Line::to(&self.world, self.cabinet)?))
    }
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
    fn to(world: &Arc<World>, cabinet: usize) -> Result<Self, RadioError> {
        let Admitted { link, acts } = world.connect(cabinet, MTU).ok_or(RadioError::Busy)?;
        Ok(Self { world: world.clone(), link, acts, frames: Reassembler::new() })
    }
}

fn lost() -> RadioError {
    RadioError::Lost("the cabinet hung up".to_owned())
}

#[async_trait::async_trait]
impl Link for Line {
    async fn receive(&mut self) -> Result<Vec<u8>, RadioError> {
        loop {
            match self.acts.recv().await {
                Some(Act::Connected { .. }) => {
                    let link = self.link;
                    self.world.on_link(link, |cabinet, now| cabinet.subscribe(link, now));
                }
                Some(Act::Notify { frame, .. }) => {
                    let message = self.frames.push(&frame);
                    if let Some(message) = message.map_err(|e| RadioError::Frame(e.to_string()))? {
                        return Ok(message);
                    }
                }
                Some(Act::Subscribed { .. } | Act::Value { .. } | Act::Written { status: 0, .. }) => {}
                Some(Act::Written { .. } | Act::HangUp { .. }) | None => return Err(lost()),
            }
        }
    }

    async fn send(&mut self, message: &[u8]) -> Result<(), RadioError> {
        let tag = self.frames.tag().ok_or_else(lost)?;
        let link = self.link;
        // The smallest frames pass whatever fate has done to the MTU.
        for frame in fragments(message, tag, MIN_FRAME) {
            self.world.on_link(link, |cabinet, now| cabinet.write(link, frame, now));
        }
        Ok(())
    }

    async fn close(self: Box<Self>) {}
}
