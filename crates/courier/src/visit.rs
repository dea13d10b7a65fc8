//! One connection to a locker, one opening, and the receipts that are carried from there.

use std::{sync::Arc, time::Duration};

use postern_protocol::{
    Door, LockerIdentity, Operation, OperationNonce, Reply, Request,
    message::{ClockState, DoorEventKind},
    phone::{Greeted, Session},
    receipt::{self, Outcome, Receipt},
};
use postern_radio::{Link, RadioError};
use postern_vault::DeviceKey;
use tokio::time::{Instant, timeout, timeout_at};

use crate::CourierError;

/// How long a locker may take for an answer: two latch pulses and a slow journal.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long the closing receipt may take after the door was closed: a content sensor settles, and the journal is written.
const CLOSING: Duration = Duration::from_secs(3);
/// Requests in which a locker's whole chain is carried: what it keeps, and some that come meanwhile.
const MOST_PARTS: usize = 200;
/// Seconds by which a locker's clock may be off before the hub is told.
const OFF: u64 = 300;

/// Makes connections to one locker.
#[async_trait::async_trait]
pub trait Dial: Send {
    /// The next connection.
    ///
    /// # Errors
    /// [`CourierError::Radio`].
    async fn dial(&mut self) -> Result<Box<dyn Link>, CourierError>;
}

/// A locker that was heard.
pub(crate) struct Greeting {
    link: Box<dyn Link>,
    locker: LockerIdentity,
    greeted: Greeted,
}

impl Greeting {
    pub(crate) async fn hear(mut link: Box<dyn Link>, locker: &LockerIdentity) -> Result<Self, CourierError> {
        let heard = async {
            let hello = timeout(PATIENCE, link.receive()).await.map_err(|_| silent())??;
            Ok::<_, CourierError>(Greeted::from_hello(locker, &hello)?)
        };
        match heard.await {
            Ok(greeted) => Ok(Self { link, locker: *locker, greeted }),
            Err(error) => {
                link.close().await;
                Err(error)
            }
        }
    }

    /// The nonce that a token must be bound to, where the locker lost the time.
    pub(crate) fn wants_nonce(&self) -> Option<[u8; 16]> {
        (self.greeted.hello().clock == ClockState::Unset).then(|| self.greeted.hello_nonce())
    }

    /// Its nonce, where what the locker says of the time is more than five minutes off `now` (UNIX seconds).
    pub(crate) fn wants_correction(&self, now: u64) -> Option<[u8; 16]> {
        let hello = self.greeted.hello();
        (hello.clock != ClockState::Unset && hello.floor.0.abs_diff(now) > OFF)
            .then(|| self.greeted.hello_nonce())
    }

    /// What the locker says of the time, UNIX seconds.
    pub(crate) fn locker_time(&self) -> Option<i64> {
        i64::try_from(self.greeted.hello().floor.0).ok()
    }

    /// Brings the news, if there is any; asks, and waits for the receipt: what came of it, and the door.
    pub(crate) async fn open(
        self,
        key: &Arc<dyn DeviceKey>,
        request: &Request,
    ) -> Result<(Outcome, OpenDoor), CourierError> {
        let Self { mut link, locker, greeted } = self;
        let asked = async {
            let news = Request { operation: Operation::Status, ..request.clone() };
            let first = if request.bulletin.is_some() { &news } else { request };
            let proof = key.sign(&greeted.challenge(first)).await?;
            let mut ephemeral = [0; 32];
            getrandom::fill(&mut ephemeral).map_err(|error| CourierError::Protocol(error.to_string()))?;
            let (mut message, mut session) = greeted.open(first, proof, ephemeral)?;
            let plain = Request { bulletin: None, ..request.clone() };
            if first.operation != request.operation {
                link.send(&message).await?;
                loop {
                    let reply = timeout(PATIENCE, link.receive()).await.map_err(|_| silent())??;
                    match session.receive(&reply)? {
                        Reply::Status(_) => break,
                        Reply::Refused(refusal) => return Err(CourierError::Refused(refusal)),
                        _ => {}
                    }
                }
                let proof = key.sign(&session.challenge(&plain)).await?;
                message = session.request(&plain, proof)?;
            }
            // A link that ends in here may have carried all of it.
            link.send(&message).await.map_err(|_| CourierError::MayBeOpen)?;
            let deadline = Instant::now() + PATIENCE;
            loop {
                // From here on the locker has been asked.
                let reply =
                    timeout_at(deadline, link.receive()).await.map_err(|_| CourierError::MayBeOpen)?;
                match session.receive(&reply.map_err(|_| CourierError::MayBeOpen)?)? {
                    Reply::Receipt(bytes) => return Ok((read(&bytes, &locker, request)?, session, bytes)),
                    Reply::Refused(refusal) => return Err(CourierError::Refused(refusal)),
                    Reply::Event(_) | Reply::Status(_) | Reply::Closing(_) | Reply::Carried(_) => {}
                }
            }
        };
        match asked.await {
            Ok((read, session, receipt)) => {
                let open = OpenDoor {
                    link,
                    session,
                    key: Arc::clone(key),
                    locker,
                    token: request.token.clone(),
                    nonce: request.nonce,
                    door: request.door.0,
                    receipt,
                    opening: read.sequence,
                    closing: None,
                    receipts_from: None,
                };
                Ok((read.outcome, open))
            }
            Err(error) => {
                link.close().await;
                Err(error)
            }
        }
    }
}

/// What the locker's word says of `request`.
fn read(bytes: &[u8], locker: &LockerIdentity, request: &Request) -> Result<Receipt, CourierError> {
    let read = receipt::verify(bytes, &locker.receipt_key)
        .map_err(|error| CourierError::Protocol(error.to_string()))?;
    if read.locker != locker.id
        || read.door != request.door
        || read.nonce != request.nonce
        || read.operation != request.operation
        || read.outcome.is_closing()
    {
        return Err(CourierError::Protocol("a receipt for something else".to_owned()));
    }
    Ok(read)
}

fn silent() -> RadioError {
    RadioError::Lost("the locker says nothing".to_owned())
}

/// A door that stands open, and the connection over which the locker tells of it.
pub struct OpenDoor {
    link: Box<dyn Link>,
    session: Session,
    key: Arc<dyn DeviceKey>,
    locker: LockerIdentity,
    token: Vec<u8>,
    nonce: OperationNonce,
    /// Door number.
    pub door: u16,
    /// What the locker signed.
    pub receipt: Vec<u8>,
    /// Place of that receipt in the locker's chain: what is said at this door is said of this opening.
    pub opening: u32,
    /// What it signed as the door was closed, and what that says.
    closing: Option<(Vec<u8>, Outcome)>,
    /// The first receipt of this locker that the hub lacks, where this courier may carry.
    pub(crate) receipts_from: Option<u32>,
}

impl OpenDoor {
    /// Ends the connection, and waits until the platform has let go of it.
    pub(crate) async fn hang_up(self) {
        self.link.close().await;
    }

    async fn reply(&mut self) -> Result<Reply, CourierError> {
        let reply = self.session.receive(&self.link.receive().await?)?;
        if let Reply::Closing(bytes) = &reply
            && let Ok(read) = receipt::verify(bytes, &self.locker.receipt_key)
            && (read.locker, read.door, read.nonce) == (self.locker.id, Door(self.door), self.nonce)
            && read.outcome.is_closing()
        {
            self.closing = Some((bytes.clone(), read.outcome));
        }
        Ok(reply)
    }

    /// Which locker.
    pub(crate) fn locker(&self) -> postern_protocol::LockerId {
        self.locker.id
    }

    /// What the locker signed as the door was closed.
    pub(crate) fn closing(&self) -> Option<&[u8]> {
        self.closing.as_ref().map(|(bytes, _)| bytes.as_slice())
    }

    /// What the locker measured as the door was closed: whether something lies inside. None where it was not closed, or
    /// has no sensor for that: then somebody who stands there must say it.
    #[must_use]
    pub fn inside(&self) -> Option<bool> {
        match self.closing.as_ref()?.1 {
            Outcome::ClosedPresent => Some(true),
            Outcome::ClosedAbsent => Some(false),
            _ => None,
        }
    }

    /// Fetches the receipts that the hub lacks, from the one with this sequence on, sealed for the hub.
    pub(crate) async fn carry(&mut self, mut from: u32) -> Result<Vec<Vec<u8>>, CourierError> {
        let mut parts = Vec::new();
        for _ in 0..MOST_PARTS {
            let request = Request {
                operation: Operation::Carry,
                door: Door(self.door),
                nonce: OperationNonce::from_sequence(from),
                token: self.token.clone(),
                delegation: None,
                bulletin: None,
            };
            let proof = self.key.sign(&self.session.challenge(&request)).await?;
            let message = self.session.request(&request, proof)?;
            self.link.send(&message).await?;
            let part = loop {
                match timeout(PATIENCE, self.reply()).await.map_err(|_| silent())?? {
                    Reply::Carried(part) => break part,
                    Reply::Refused(refusal) => return Err(CourierError::Refused(refusal)),
                    _ => {}
                }
            };
            // Nothing new is not worth the way to the hub.
            if part.head != from {
                parts.push(part.sealed);
            }
            if part.next >= part.head || part.next <= from {
                break;
            }
            from = part.next;
        }
        Ok(parts)
    }

    /// Waits until the locker says that the door was closed, and has signed what it measured; false where it does not
    /// within `patience`, or the connection ends.
    pub async fn until_closed(&mut self, patience: Duration) -> bool {
        let door = self.door;
        let closed = async {
            loop {
                match self.reply().await {
                    Ok(Reply::Event(event))
                        if event.door.0 == door && event.kind == DoorEventKind::Closed =>
                    {
                        return true;
                    }
                    Ok(_) => {}
                    Err(_) => return false,
                }
            }
        };
        let closed = timeout(patience, closed).await.unwrap_or(false);
        let signed = async { while self.closing.is_none() && self.reply().await.is_ok() {} };
        if closed {
            // Without it the closing comes with what is carried, by this courier or the next.
            let _ = timeout(CLOSING, signed).await;
        }
        closed
    }
}
