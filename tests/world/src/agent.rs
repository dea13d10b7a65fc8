//! Everybody on the air who is not a customer's app: couriers, carriers of bulletins, and those who mean harm. They
//! speak the protocol by hand, so that they can do what the app never would.

use ed25519_dalek::{Signer, SigningKey};
use postern_protocol::{
    ClockState, DeviceKey, Door, LockerIdentity, OperationNonce,
    message::{Operation, Reply, Request},
    phone::{Greeted, Session},
};

use crate::dice::Dice;

/// What somebody came for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// To put the parcel of this booking in.
    Deposit(usize),
    /// To fetch what is given back by this booking.
    Fetch(usize),
    /// To hand a bulletin over.
    Bulletin,
    /// To fetch the parcel of this booking, on what its owner passed on.
    Guest(usize),
    /// To open what is not theirs. Must never come to anything.
    Harm,
    /// To use up what is theirs: may come to no more than it allows.
    Greed,
    /// To hold the connection.
    Hog,
    /// To send these messages, whatever is said.
    Play(Vec<Vec<u8>>),
}

/// One request to make.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What for.
    pub operation: Operation,
    /// Which door.
    pub door: Door,
    /// The token's bytes.
    pub token: Vec<u8>,
    /// What the owner of the token passed on.
    pub delegation: Option<Vec<u8>>,
    /// A bulletin to hand over.
    pub bulletin: Option<Vec<u8>>,
    /// The operation nonce.
    pub nonce: OperationNonce,
}

/// What comes of a message.
pub enum Move {
    /// Send this.
    Send(Vec<u8>),
    /// A signed receipt came.
    Receipt(Vec<u8>),
    /// The door that was opened is closed, by a signed receipt.
    Closed(Vec<u8>),
    /// A sealed part of the receipt chain came.
    Carried(postern_protocol::message::Carried),
    /// The locker refused.
    Refused,
    /// Nothing.
    Wait,
    /// The locker has lost the time and takes only a token that is bound to this HELLO: fetch one, then
    /// [`Agent::with_fresh_token`].
    NeedsFreshToken([u8; 16]),
    /// Hang up.
    Leave,
}

/// Somebody on the air.
pub struct Agent {
    /// What for.
    pub errand: Errand,
    /// With which key.
    pub key: SigningKey,
    locker: LockerIdentity,
    wishes: Vec<Wish>,
    session: Option<Session>,
    waiting: Option<Greeted>,
    greeted: bool,
    /// The bulletin of the request under way.
    handed: Option<Vec<u8>>,
    /// A bulletin that the locker has: it did, authentically, what came with it.
    pub delivered: Option<Vec<u8>>,
    dice: Dice,
}

/// The public half as tokens name it.
pub fn public(key: &SigningKey) -> DeviceKey {
    DeviceKey::Ed25519(key.verifying_key().to_bytes())
}

impl Agent {
    /// Somebody who goes to this locker with these wishes, the last first.
    pub fn new(
        errand: Errand,
        key: SigningKey,
        locker: LockerIdentity,
        wishes: Vec<Wish>,
        seed: u64,
    ) -> Self {
        Self {
            errand,
            key,
            locker,
            wishes,
            session: None,
            waiting: None,
            greeted: false,
            handed: None,
            delivered: None,
            dice: Dice::new(seed),
        }
    }

    fn next(&mut self) -> Option<Request> {
        let wish = self.wishes.pop()?;
        self.handed.clone_from(&wish.bulletin);
        Some(Request {
            operation: wish.operation,
            door: wish.door,
            nonce: wish.nonce,
            token: wish.token,
            delegation: wish.delegation,
            bulletin: wish.bulletin,
        })
    }

    /// A whole message came from the locker.
    pub fn hear(&mut self, message: &[u8]) -> Move {
        if let Errand::Play(messages) = &mut self.errand {
            return messages.pop().map_or(Move::Leave, Move::Send);
        }
        if self.errand == Errand::Hog {
            return Move::Wait;
        }
        if let Some(session) = &mut self.session {
            let reply = session.receive(message);
            if matches!(reply, Ok(Reply::Receipt(_) | Reply::Status(_))) {
                self.delivered = self.handed.take();
            }
            return match reply {
                Ok(Reply::Receipt(receipt)) => Move::Receipt(receipt),
                Ok(Reply::Closing(receipt)) if self.stays() => Move::Closed(receipt),
                Ok(Reply::Event(_) | Reply::Closing(_)) => Move::Wait,
                Ok(Reply::Carried(part)) => Move::Carried(part),
                Ok(Reply::Refused(_)) => Move::Refused,
                Ok(_) => self.go_on(),
                Err(_) => Move::Leave,
            };
        }
        if self.greeted {
            return Move::Wait;
        }
        self.greeted = true;
        let Ok(greeted) = Greeted::from_hello(&self.locker, message) else { return Move::Leave };
        if greeted.hello().clock == ClockState::Unset && self.stays() {
            let nonce = greeted.hello_nonce();
            self.waiting = Some(greeted);
            return Move::NeedsFreshToken(nonce);
        }
        self.open(greeted)
    }

    /// The hub gave a token that is bound to the HELLO.
    pub fn with_fresh_token(&mut self, token: &[u8], bulletin: &[u8]) -> Move {
        for wish in &mut self.wishes {
            wish.token = token.to_vec();
            wish.bulletin = Some(bulletin.to_vec());
        }
        self.waiting.take().map_or(Move::Leave, |greeted| self.open(greeted))
    }

    fn open(&mut self, greeted: Greeted) -> Move {
        let Some(request) = self.next() else { return Move::Leave };
        let proof = self.key.sign(&greeted.challenge(&request)).to_bytes();
        match greeted.open(&request, proof, self.dice.bytes()) {
            Ok((open, session)) => {
                self.session = Some(session);
                Move::Send(open)
            }
            Err(_) => Move::Leave,
        }
    }

    /// A courier, who waits until the door is closed.
    pub fn stays(&self) -> bool {
        matches!(self.errand, Errand::Deposit(_) | Errand::Fetch(_))
    }

    /// One more wish, before all others.
    pub fn wish(&mut self, wish: Wish) {
        self.wishes.push(wish);
    }

    /// The next wish, or away.
    pub fn go_on(&mut self) -> Move {
        let Some(request) = self.next() else { return Move::Leave };
        let Some(session) = &mut self.session else { return Move::Leave };
        let proof = self.key.sign(&session.challenge(&request)).to_bytes();
        session.request(&request, proof).map_or(Move::Leave, Move::Send)
    }
}
