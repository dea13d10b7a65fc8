//! What phones ask for: from a message to a refusal or an opening.

use alloc::{boxed::Box, vec::Vec};

use postern_protocol::{
    Door, Operation, Refusal, Reply, StatusReport, locker_side::Received, receipt::Source,
};

use crate::{
    Connection, Hardware, Locker, Notice, Output, Reason, Uptime,
    access::{self, Holder, Presented, Wish},
    clock::Reading,
    doors::DoorWatch,
    links::{Conversation, HANDSHAKE, State},
    opening::Channel,
    record::{CHUNK, Record},
};

/// Refused requests of a proven holder in one session before it has to pause.
const REFUSALS: u8 = 5;
/// The pause, in seconds.
const PAUSE: u16 = 30;
/// Seconds by which a signed time must exceed the persisted floor to be worth a write of its own.
const FLOOR_WORTH: u64 = 60;

impl<H: Hardware> Locker<H> {
    pub(crate) fn message(&mut self, connection: Connection, message: &[u8], now: Uptime) {
        let Some(link) = self.link(connection) else { return };
        let received = match &mut link.state {
            State::Connected => return self.drop_link(connection, Reason::Message),
            State::Penalised { .. } => return,
            State::Greeted { at, .. } if now.since(*at) > HANDSHAKE => {
                return self.drop_link(connection, Reason::Late);
            }
            State::Greeted { greeting, .. } => match greeting.take().map(|greeting| greeting.accept(message))
            {
                Some(Ok((session, received))) => {
                    link.state = State::Open(Box::new(Conversation {
                        session,
                        last: now,
                        doors: Vec::new(),
                        refused: 0,
                        throttled: None,
                    }));
                    received
                }
                _ => return self.guessed(connection, Reason::Handshake, now),
            },
            State::Open(conversation) => match conversation.session.receive(message) {
                Ok(received) => {
                    conversation.last = now;
                    received
                }
                Err(_) => return self.guessed(connection, Reason::Handshake, now),
            },
        };
        self.request(connection, &received, now);
    }

    pub(crate) fn request(&mut self, connection: Connection, received: &Received, now: Uptime) {
        let Some((nonce, handshake, throttled)) = self.conversation(connection).map(|conversation| {
            let session = &conversation.session;
            (session.hello_nonce(), session.handshake_id(), conversation.throttled)
        }) else {
            return;
        };
        if let Some(until) = throttled.filter(|until| *until > now) {
            self.refused(connection, Reason::Throttled);
            let seconds = u16::try_from(until.since(now).div_ceil(1000)).unwrap_or(u16::MAX);
            return self.reply(connection, &Reply::Refused(Refusal::Throttled { seconds }));
        }
        let request = &received.request;
        let heard = match &request.bulletin {
            Some(bulletin) => self.take_bulletin(bulletin, nonce, now),
            None => Ok(()),
        };
        let wish = Wish { operation: request.operation, door: request.door, nonce: request.nonce };
        let presented = Presented {
            token: &request.token,
            delegation: request.delegation.as_deref(),
            challenge: &received.challenge,
            proof: &received.proof,
        };
        let result = access::authenticate(&presented, &self.store.ledger().issuers).and_then(|holder| {
            heard.and_then(|()| self.serve(connection, &holder, wish, nonce, handshake, now))
        });
        if let Err(reason) = result {
            self.refuse(connection, reason, now);
        }
    }

    /// Does what a proven holder asks for over the radio.
    pub(crate) fn serve(
        &mut self,
        connection: Connection,
        holder: &Holder,
        wish: Wish,
        hello: [u8; 16],
        handshake: [u8; 16],
        now: Uptime,
    ) -> Result<(), Reason> {
        holder.covers(wish, self.keys.locker.id)?;
        if wish.operation == Operation::Status {
            // A report without its receipt would say that it never took place.
            if self.is_untold(wish.door) {
                return Err(Reason::Faulted);
            }
            // The status of a holder whose time is over is confined to the receipts.
            let current = self.judge(holder, wish, Some(hello), now).is_ok();
            let report = self.status(holder, wish, current, now);
            self.reply(connection, &Reply::Status(report));
            return Ok(());
        }
        if let Some(done) = self.store.find(&self.hardware, holder.mark(), wish.nonce) {
            // The same gesture once more: what came of it, whatever has become of the token since. Only who might
            // still open the door hears more of it: it may be somebody else's by now.
            if done.door == wish.door && self.judge(holder, wish, Some(hello), now).is_ok() {
                self.follow(connection, wish.door);
            }
            self.reply(connection, &Reply::Receipt(done.receipt));
            return Ok(());
        }
        if self.is_same_gesture(holder, wish) {
            if self.is_untold(wish.door) {
                return Err(Reason::Faulted);
            }
            if let Some(opening) = self.openings.iter_mut().find(|opening| opening.door == wish.door)
                && !opening.waiting.contains(&connection)
            {
                opening.waiting.push(connection);
            }
            self.follow(connection, wish.door);
            return Ok(());
        }
        let reading = self.judge(holder, wish, Some(hello), now)?;
        let channel = Channel { source: Source::Radio, handshake, connection: Some(connection) };
        self.open(holder, wish, channel, reading, now)?;
        self.follow(connection, wish.door);
        Ok(())
    }

    /// Time, epoch: all that depends on what the locker knows, but for the uses. What the hub signed is taken in.
    pub(crate) fn judge(
        &mut self,
        holder: &Holder,
        wish: Wish,
        hello: Option<[u8; 16]>,
        now: Uptime,
    ) -> Result<Reading, Reason> {
        let reading = self.time(now);
        if holder.tells_time(reading, hello)? {
            self.clock.tell(holder.claims.issued_at, now);
        } else {
            self.clock.raise(holder.claims.issued_at, now);
        }
        let reading = self.time(now);
        let news: Vec<_> = holder
            .claims
            .doors
            .iter()
            .copied()
            .filter(|(door, epoch)| self.store.ledger().door(*door).is_some_and(|line| *epoch > line.epoch))
            // The door that is about to open is written with its intent.
            .filter(|(door, _)| *door != wish.door || wish.operation == Operation::Status)
            .collect();
        for epochs in news.chunks(CHUNK) {
            self.commit(&Record::Epochs(epochs.to_vec()))?;
        }
        if self.store.ledger().floor.plus(FLOOR_WORTH) <= holder.claims.issued_at {
            self.commit(&Record::Floor(reading.at))?;
        }
        holder.is_current(reading.at, self.config.longest_token)?;
        if wish.operation == Operation::Status
            && self
                .store
                .ledger()
                .door(wish.door)
                .is_none_or(|line| holder.claims.epoch_of(wish.door).is_none_or(|epoch| epoch < line.epoch))
        {
            return Err(Reason::Epoch);
        }
        Ok(reading)
    }

    /// Whether this very request is being carried out.
    pub(crate) fn is_same_gesture(&self, holder: &Holder, wish: Wish) -> bool {
        self.store
            .ledger()
            .pending_at(wish.door)
            .is_some_and(|intent| intent.token == holder.claims.id && intent.nonce == wish.nonce)
    }

    /// Whether the door's last opening is over and its outcome could not be written: it is settled at the next start.
    fn is_untold(&self, door: Door) -> bool {
        self.store.ledger().pending_at(door).is_some()
            && !self.openings.iter().any(|opening| opening.door == door)
    }

    pub(crate) fn status(&mut self, holder: &Holder, wish: Wish, current: bool, now: Uptime) -> StatusReport {
        let mark = holder.mark();
        let receipt = self
            .store
            .find(&self.hardware, mark, wish.nonce)
            // The owner's own business is none of the guest's.
            .or_else(|| holder.is_owner().then(|| self.store.last(&self.hardware, mark)).flatten())
            .map(|done| done.receipt);
        let reading = self.time(now);
        StatusReport {
            door: wish.door,
            door_open: if current { self.watch(wish.door).and_then(DoorWatch::is_open) } else { None },
            receipt,
            clock: reading.state,
            at: reading.at,
        }
    }

    pub(crate) fn reply(&mut self, connection: Connection, reply: &Reply) {
        let output = &mut self.output;
        if let Some(link) = self.links.iter_mut().find(|link| link.connection == connection) {
            link.reply(reply, output);
        }
    }

    /// From now on this session hears of the door.
    pub(crate) fn follow(&mut self, connection: Connection, door: Door) {
        if let Some(conversation) = self.conversation(connection)
            && !conversation.doors.contains(&door)
        {
            conversation.doors.push(door);
        }
    }

    pub(crate) fn refused(&mut self, connection: Connection, reason: Reason) {
        self.output.push_back(Output::Notice(Notice::Refused { connection: Some(connection), reason }));
    }

    pub(crate) fn refuse(&mut self, connection: Connection, reason: Reason, now: Uptime) {
        if access::is_guess(reason) {
            return self.guessed(connection, reason, now);
        }
        self.refused(connection, reason);
        let mut refusal = access::refusal(reason);
        if refusal == Refusal::Refused
            && let Some(conversation) = self.conversation(connection)
        {
            conversation.refused += 1;
            if conversation.refused >= REFUSALS {
                conversation.refused = 0;
                conversation.throttled = Some(now.plus(u64::from(PAUSE) * 1000));
                refusal = Refusal::Throttled { seconds: PAUSE };
            }
        }
        self.reply(connection, &Reply::Refused(refusal));
    }

    /// Nothing was proven: the answer, if there is a session to answer in, comes late, and then the connection ends.
    pub(crate) fn guessed(&mut self, connection: Connection, reason: Reason, now: Uptime) {
        self.refused(connection, reason);
        let until = now.plus(self.throttle.guessed(now));
        if let Some(link) = self.link(connection) {
            let word = (reason != Reason::Handshake).then_some(Reply::Refused(Refusal::Refused));
            link.penalise(word.as_ref(), until);
        }
    }

    pub(crate) fn conversation(&mut self, connection: Connection) -> Option<&mut Conversation> {
        match &mut self.link(connection)?.state {
            State::Open(conversation) => Some(conversation),
            _ => None,
        }
    }
}
