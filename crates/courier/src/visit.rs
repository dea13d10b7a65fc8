//! One connection to a locker, one opening.

use std::time::Duration;

use postern_protocol::{
    LockerIdentity, Reply, Request,
    message::{ClockState, DoorEventKind, Refusal},
    phone::{Greeted, Session},
    receipt::{self, Outcome},
};
use postern_radio::{Link, RadioError};
use postern_vault::DeviceKey;
use tokio::time::{Instant, timeout, timeout_at};

use crate::CourierError;

/// How long a locker may take for an answer: two latch pulses and a slow journal.
const PATIENCE: Duration = Duration::from_secs(15);

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

    /// Asks, and waits for the receipt: what came of it, and the door.
    pub(crate) async fn open(
        self,
        key: &dyn DeviceKey,
        request: &Request,
    ) -> Result<(Outcome, OpenDoor), CourierError> {
        let Self { mut link, locker, greeted } = self;
        let asked = async {
            let proof = key.sign(&greeted.challenge(request)).await?;
            let mut ephemeral = [0; 32];
            getrandom::fill(&mut ephemeral).map_err(|error| CourierError::Protocol(error.to_string()))?;
            let (message, mut session) = greeted.open(request, proof, ephemeral)?;
            // A link that ends in here may have carried all of it.
            link.send(&message).await.map_err(|_| CourierError::MayBeOpen)?;
            let deadline = Instant::now() + PATIENCE;
            loop {
                // From here on the locker has been asked.
                let reply =
                    timeout_at(deadline, link.receive()).await.map_err(|_| CourierError::MayBeOpen)?;
                match session.receive(&reply.map_err(|_| CourierError::MayBeOpen)?)? {
                    Reply::Receipt(bytes) => return Ok((outcome(&bytes, &locker, request)?, session, bytes)),
                    Reply::Refused(refusal) => return Err(CourierError::Refused(refusal)),
                    Reply::Event(_) | Reply::Status(_) => {}
                }
            }
        };
        match asked.await {
            Ok((outcome, session, receipt)) => {
                Ok((outcome, OpenDoor { link, session, door: request.door.0, receipt }))
            }
            Err(error) => {
                link.close().await;
                Err(error)
            }
        }
    }
}

/// What the locker's word says of `request`.
fn outcome(bytes: &[u8], locker: &LockerIdentity, request: &Request) -> Result<Outcome, CourierError> {
    let read = receipt::verify(bytes, &locker.receipt_key)
        .map_err(|error| CourierError::Protocol(error.to_string()))?;
    if read.locker != locker.id || read.door != request.door || read.nonce != request.nonce {
        return Err(CourierError::Protocol("a receipt for something else".to_owned()));
    }
    Ok(read.outcome)
}

fn silent() -> RadioError {
    RadioError::Lost("the locker says nothing".to_owned())
}

/// A door that stands open, and the connection over which the locker tells of it.
pub struct OpenDoor {
    link: Box<dyn Link>,
    session: Session,
    /// Door number.
    pub door: u16,
    /// What the locker signed.
    pub receipt: Vec<u8>,
}

impl OpenDoor {
    /// Ends the connection, and waits until the platform has let go of it.
    pub async fn leave(self) {
        self.link.close().await;
    }

    async fn reply(&mut self) -> Result<Reply, CourierError> {
        Ok(self.session.receive(&self.link.receive().await?)?)
    }

    /// Waits until the locker says that the door was closed; false where it does not within `patience`, or the connection
    /// ends.
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
        timeout(patience, closed).await.unwrap_or(false)
    }
}

/// Whether another try may find the locker free.
impl CourierError {
    /// The locker is there and busy.
    #[must_use]
    pub fn means_busy(&self) -> bool {
        matches!(
            self,
            Self::Radio(RadioError::Busy) | Self::Refused(Refusal::Busy | Refusal::Throttled { .. })
        )
    }
}
