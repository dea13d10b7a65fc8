//! What phones ask for: from a message to a refusal or an opening.

use alloc::{boxed::Box, vec::Vec};

use postern_protocol::{
    Carried, Door, Operation, Refusal, Reply, StatusReport, bulletin::DoorNews, carry, locker_side::Received,
    receipt::Source,
};
use zeroize::Zeroizing;

use crate::{
    Connection, Hardware, Locker, Notice, Output, Reason, Uptime,
    access::{self, Greeted, Holder, Presented, Wish},
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
            State::Greeted { greeting, at, .. } => {
                match greeting.take().map(|greeting| greeting.accept(message)) {
                    Some(Ok((session, received))) => {
                        let greeted = *at;
                        link.state = State::Open(Box::new(Conversation {
                            session,
                            greeted,
                            last: now,
                            party: None,
                            doors: Vec::new(),
                            refused: 0,
                            throttled: None,
                        }));
                        received
                    }
                    _ => return self.guessed(connection, Reason::Handshake, now),
                }
            }
            State::Open(conversation) => match conversation.session.receive(message) {
                Ok(received) => received,
                Err(_) => return self.guessed(connection, Reason::Handshake, now),
            },
        };
        self.request(connection, &received, now);
    }

    pub(crate) fn request(&mut self, connection: Connection, received: &Received, now: Uptime) {
        let Some((hello, handshake, throttled)) = self.conversation(connection).map(|conversation| {
            let session = &conversation.session;
            let hello = Greeted { nonce: session.hello_nonce(), age: now.since(conversation.greeted) };
            (hello, session.handshake_id(), conversation.throttled)
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
            Some(bulletin) => self.take_bulletin(bulletin, Some(hello), now),
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
            heard.and_then(|()| self.serve(connection, &holder, wish, hello, handshake, now))
        });
        if let Err(reason) = result {
            self.refuse(connection, reason, now);
        }
    }

    /// Does what a proven holder asks for over the radio.
    fn serve(
        &mut self,
        connection: Connection,
        holder: &Holder,
        wish: Wish,
        hello: Greeted,
        handshake: [u8; 16],
        now: Uptime,
    ) -> Result<(), Reason> {
        holder.covers(wish, self.keys.locker.id, self.store.ledger())?;
        match wish.operation {
            Operation::Status => {
                // A report without its receipt would say that it never took place.
                if self.is_untold(wish.door) {
                    return Err(Reason::Faulted);
                }
                // The status of a holder whose time is over is confined to the receipts.
                let current = self.judge(holder, wish, Some(hello), now).is_ok();
                self.mark(connection, current.then_some(holder), now);
                let report = self.status(holder, wish, current, now);
                self.reply(connection, &Reply::Status(report));
                return Ok(());
            }
            Operation::Carry => {
                self.judge(holder, wish, Some(hello), now)?;
                self.mark(connection, Some(holder), now);
                let part = self.carry(holder, wish)?;
                self.reply(connection, &Reply::Carried(part));
                return Ok(());
            }
            Operation::Collect | Operation::Reopen | Operation::Deposit | Operation::Access => {}
        }
        if let Some(done) = self.store.find(&self.hardware, holder.mark(), wish.nonce) {
            // The same gesture once more: what came of it, whatever has become of the token since. Only who might
            // still open the door hears more of it: it may be somebody else's by now.
            let current = self.judge(holder, wish, Some(hello), now).is_ok();
            self.mark(connection, current.then_some(holder), now);
            if current && done.door == wish.door {
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
            self.mark(connection, Some(holder), now);
            self.follow(connection, wish.door);
            return Ok(());
        }
        let judged = self.judge(holder, wish, Some(hello), now);
        self.mark(connection, judged.is_ok().then_some(holder), now);
        let channel = Channel { source: Source::Radio, handshake, connection: Some(connection) };
        self.open(holder, wish, channel, judged?, now)?;
        self.follow(connection, wish.door);
        Ok(())
    }

    /// Time and epoch: all that depends on what the locker knows, but for the uses. What the hub signed is taken in, also
    /// where the request is refused for what comes after. The epoch of the door that is about to open is written with the
    /// intent; where it comes to none, [`Self::hear_epochs`] is for whoever refuses.
    pub(crate) fn judge(
        &mut self,
        holder: &Holder,
        wish: Wish,
        hello: Option<Greeted>,
        now: Uptime,
    ) -> Result<Reading, Reason> {
        let reading = self.time(now);
        let tells = holder.tells_time(reading, hello)?;
        let issued = holder.claims.issued_at;
        if self.clock.vetoes(issued, now) {
            return Err(Reason::Ahead);
        }
        if tells {
            self.clock.tell(issued, now);
        } else {
            self.clock.raise(issued, now);
        }
        let reading = self.time(now);
        if self.store.ledger().floor.plus(FLOOR_WORTH) <= issued {
            self.commit(&Record::Floor(reading.at))?;
        }
        let moves = !matches!(wish.operation, Operation::Status | Operation::Carry);
        self.hear_epochs(holder, |door| !moves || door != wish.door)?;
        let behind = || {
            let line = self.store.ledger().door(wish.door);
            line.is_some_and(|line| holder.is_behind(wish.door, line.epoch))
        };
        let verdict = match holder.is_current(reading.at, self.config.longest_token) {
            Ok(()) if wish.operation != Operation::Carry && behind() => Err(Reason::Epoch),
            verdict => verdict,
        };
        if verdict.is_err() {
            self.hear_epochs(holder, |_| true)?;
        }
        verdict.map(|()| reading)
    }

    /// Notes the epochs of an authentic token for these of its doors.
    pub(crate) fn hear_epochs(
        &mut self,
        holder: &Holder,
        which: impl Fn(Door) -> bool,
    ) -> Result<(), Reason> {
        let news: Vec<_> = holder
            .claims
            .doors
            .iter()
            .filter(|(door, _)| which(*door))
            .map(|(door, epoch)| DoorNews { door: *door, epoch: *epoch, ended_slots: 0 })
            .filter(|news| self.store.ledger().is_news(news))
            .collect();
        for epochs in news.chunks(CHUNK) {
            self.commit(&Record::Epochs(epochs.to_vec()))?;
        }
        Ok(())
    }

    /// A request was useful, by this holder; or of no use.
    fn mark(&mut self, connection: Connection, useful: Option<&Holder>, now: Uptime) {
        if let Some(conversation) = self.conversation(connection) {
            conversation.party = useful.map(Holder::party);
            if useful.is_some() {
                conversation.last = now;
            }
        }
    }

    /// The part of the receipt chain that begins with the wanted sequence, sealed for the hub.
    fn carry(&mut self, holder: &Holder, wish: Wish) -> Result<Carried, Reason> {
        let key = holder.claims.carry_key.ok_or(Reason::Operation)?;
        let first = wish.nonce.sequence().ok_or(Reason::Order)?;
        let head = self.store.ledger().sequence;
        let mut receipts: Vec<Vec<u8>> = Vec::new();
        let mut next = head;
        for (sequence, receipt) in
            self.store.receipts_from(&self.hardware, first).take(carry::MAX_RECEIPTS + 1)
        {
            receipts.push(receipt);
            if carry::fitting(receipts.iter().map(Vec::as_slice)) < receipts.len() {
                receipts.pop();
                next = sequence;
                break;
            }
        }
        let ephemeral = Zeroizing::new(self.ephemeral());
        let sealed = carry::seal(&key, self.keys.locker.id, &receipts, &ephemeral);
        sealed.map(|sealed| Carried { sealed, next, head }).map_err(|_| Reason::Operation)
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

    fn status(&mut self, holder: &Holder, wish: Wish, current: bool, now: Uptime) -> StatusReport {
        let reading = self.time(now);
        let (store, flash) = (&self.store, &self.hardware);
        let (receipt, closing) = match store.find(flash, holder.mark(), wish.nonce) {
            Some(done) => {
                let closing = store.closing(flash, &done).map(|closing| closing.receipt);
                (Some(done.receipt), closing)
            }
            // The owner's own business is none of the guest's.
            None => match holder.is_owner().then(|| holder.last_opening(wish.door, store.ledger())).flatten()
            {
                Some(opened) => {
                    let closing = opened.closing.and_then(|sequence| store.receipt(flash, sequence));
                    (store.receipt(flash, opened.sequence), closing)
                }
                None => (None, None),
            },
        };
        StatusReport {
            door: wish.door,
            door_open: if current { self.watch(wish.door).and_then(DoorWatch::is_open) } else { None },
            receipt,
            clock: reading.state,
            at: reading.at,
            closing,
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
