//! The way of an opening, in the order that power failures cannot break: intent, latch, door, outcome, answer.

use alloc::vec::Vec;

use postern_protocol::{
    Door, DoorEvent, DoorEventKind, Operation, Reply,
    receipt::{self, Outcome, Receipt, Source},
};

use crate::{
    Connection, Hardware, LocalAnswer, Locker, Notice, Output, Reason, Uptime,
    access::{Holder, Wish},
    clock::Reading,
    doors::{DoorWatch, Happening},
    links::State,
    record::{Completion, Intent, Mark, Record},
};

/// How a wish came, and who waits for the answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Channel {
    pub(crate) source: Source,
    /// What the receipt carries of the session; zeros without one.
    pub(crate) handshake: [u8; 16],
    pub(crate) connection: Option<Connection>,
}

impl Channel {
    /// Keypad or scanner.
    pub(crate) const fn local(source: Source) -> Self {
        Self { source, handshake: [0; 16], connection: None }
    }
}

/// Who waits for a door.
pub(crate) struct Opening {
    pub(crate) door: Door,
    pub(crate) waiting: Vec<Connection>,
}

impl<H: Hardware> Locker<H> {
    /// Gives every interrupted opening its outcome.
    pub(crate) fn settle(&mut self, now: Uptime) {
        let pending: Vec<(Door, bool)> =
            self.store.ledger().pending.iter().map(|intent| (intent.door, intent.was_open)).collect();
        for (door, was_open) in pending {
            let open = self.watch(door).and_then(DoorWatch::is_open) == Some(true);
            let outcome = match (open, was_open) {
                (true, true) => Outcome::AlreadyOpen,
                (true, false) => Outcome::Opened,
                (false, _) => Outcome::Unknown,
            };
            self.finish(door, outcome, now);
        }
        // What was closed in the dark.
        for watch in &mut self.watches {
            if watch.is_open() == Some(false) && self.store.ledger().is_unclosed(watch.door()) {
                watch.measure(now);
            }
        }
    }

    /// Persists the intent and drives the latch.
    pub(crate) fn open(
        &mut self,
        holder: &Holder,
        wish: Wish,
        channel: Channel,
        reading: Reading,
        now: Uptime,
    ) -> Result<(), Reason> {
        let ago = self.last_opened_ago(wish.door, reading, now);
        let allowed = holder.may_move(wish, ago, self.store.ledger(), &self.config);
        let begun = allowed.and_then(|()| {
            let was_open = self.hardware.sense(wish.door).open == Some(true);
            let intent = holder.intent(wish, channel, reading, was_open);
            self.begin(intent, channel.connection, now)
        });
        if begun.is_err() {
            self.hear_epochs(holder, |_| true)?;
        }
        begun
    }

    /// Seconds since the door's last opening. Of one that this start did not see the journal knows when it was; of one that
    /// power cut off nobody does, and a start counts as that moment.
    fn last_opened_ago(&self, door: Door, reading: Reading, now: Uptime) -> u64 {
        if let Some(from) = self.watch(door).and_then(DoorWatch::counted_from) {
            return now.since(from) / 1000;
        }
        let last = self.store.ledger().door(door).and_then(|line| line.last);
        last.map_or(u64::MAX, |last| reading.at.since(last.at))
    }

    /// Persists the intent, tells the customer at the cabinet, drives the latch.
    pub(crate) fn begin(
        &mut self,
        intent: Intent,
        waiting: Option<Connection>,
        now: Uptime,
    ) -> Result<(), Reason> {
        let Intent { door, was_open, operation, source, .. } = intent;
        if self.store.ledger().pending_at(door).is_some() {
            return Err(Reason::Busy);
        }
        // Opened in this epoch and not seen closed since, it does stand open.
        let stands_open = was_open && self.stands_open_since(door, intent.epoch);
        let unclosed = self.store.ledger().is_unclosed(door);
        if unclosed && !was_open && self.watch(door).is_some_and(|watch| watch.is_open() == Some(true)) {
            // It is being closed at this moment: that comes first.
            self.look_at_doors(now);
            return Err(Reason::Busy);
        }
        if unclosed && let Some(watch) = self.watches.iter_mut().find(|watch| watch.door() == door) {
            // Closed a moment ago: what lies inside is measured, and its receipt comes, before anything opens it anew.
            if watch.is_being_measured() {
                return Err(Reason::Busy);
            }
            if watch.take_shut() {
                self.close(door, None, now);
            }
        }
        self.commit(&Record::Intent(intent))?;
        self.output.push_back(Output::Notice(Notice::Accepted { connection: waiting, door, operation }));
        self.openings.push(Opening { door, waiting: waiting.into_iter().collect() });
        if source != Source::Radio {
            self.output.push_back(Output::Local(LocalAnswer::Opening(door)));
        }
        let asks_again =
            source != Source::Radio || matches!(operation, Operation::Reopen | Operation::Access);
        if stands_open && !asks_again {
            self.finish(door, Outcome::AlreadyOpen, now);
            return Ok(());
        }
        // A door that claims to be open, and that nobody has opened in this epoch: the sensor may be wrong, and the latch of a
        // door that does stand open moves nothing. So it is where a customer asks again, which at scanner and keypad is known
        // by the code or PIN alone.
        let (hardware, output) = (&mut self.hardware, &mut self.output);
        if let Some(watch) = self.watches.iter_mut().find(|watch| watch.door() == door)
            && let Happening::Latch(attempt) = watch.drive(hardware, was_open, now)
        {
            output.push_back(Output::Notice(Notice::Latch(door, attempt)));
        }
        Ok(())
    }

    /// Persists the outcome, then answers.
    pub(crate) fn finish(&mut self, door: Door, outcome: Outcome, now: Uptime) {
        let reading = self.time(now);
        let Some(intent) = self.store.ledger().pending_at(door).cloned() else { return };
        let ledger = self.store.ledger();
        let sequence = ledger.sequence;
        let signed = receipt::sign(
            &Receipt {
                locker: self.keys.locker.id,
                sequence,
                previous: ledger.previous,
                token: intent.token,
                nonce: intent.nonce,
                door,
                operation: intent.operation,
                outcome,
                at: reading.at,
                clock: reading.state,
                handshake: intent.handshake,
                source: intent.source,
                news: ledger.news,
            },
            &self.keys.locker,
        );
        let completion = Completion {
            token: Mark::of(&intent.token.0),
            nonce: intent.nonce,
            door,
            sequence,
            outcome,
            at: reading.at,
            receipt: signed.clone(),
        };
        let written = self.commit(&Record::Completion(completion)).is_ok();
        let waiting = match self.openings.iter().position(|opening| opening.door == door) {
            Some(index) => self.openings.swap_remove(index).waiting,
            None => Vec::new(),
        };
        if !written {
            // The latch may have moved, and a refusal would say that it did not: the link ends without a word, after
            // which a phone knows that the door may be open.
            for connection in waiting {
                self.refused(connection, Reason::Faulted);
                self.hang_up(connection);
            }
            return;
        }
        let counts =
            outcome.may_be_open() && (intent.operation != Operation::Reopen || outcome == Outcome::Unknown);
        if counts && let Some(watch) = self.watches.iter_mut().find(|watch| watch.door() == door) {
            watch.count_from(now);
        }
        self.output.push_back(Output::Notice(Notice::Receipt(signed.clone())));
        for connection in waiting {
            self.reply(connection, &Reply::Receipt(signed.clone()));
        }
        if intent.source != Source::Radio {
            self.output.push_back(Output::Local(LocalAnswer::Done(door, outcome)));
        }
        // Closed while the latch worked, or in the dark: nothing more will be seen of that closing.
        let shut = outcome.may_be_open()
            && self.hardware.sense(door).open == Some(false)
            && self.watch(door).is_some_and(|watch| watch.is_open() == Some(false));
        if shut && let Some(watch) = self.watches.iter_mut().find(|watch| watch.door() == door) {
            watch.measure(now);
        }
    }

    /// Writes the closing receipt of the last opening, unless that has one; then tells whoever follows the door.
    fn close(&mut self, door: Door, content: Option<bool>, now: Uptime) {
        let reading = self.time(now);
        let ledger = self.store.ledger();
        let opened = ledger.door(door).and_then(|line| line.opened).filter(|opened| opened.closing.is_none());
        let Some(opened) = opened else { return };
        let (sequence, outcome) = (ledger.sequence, Outcome::of_closing(content));
        let signed = receipt::sign(
            &Receipt {
                locker: self.keys.locker.id,
                sequence,
                previous: ledger.previous,
                token: opened.token,
                nonce: opened.nonce,
                door,
                operation: opened.operation,
                outcome,
                at: reading.at,
                clock: reading.state,
                handshake: opened.handshake,
                source: opened.source,
                news: ledger.news,
            },
            &self.keys.locker,
        );
        let completion = Completion {
            token: Mark::of(&opened.token.0),
            nonce: opened.nonce,
            door,
            sequence,
            outcome,
            at: reading.at,
            receipt: signed.clone(),
        };
        // Where it cannot be written the next start writes it.
        if self.commit(&Record::Completion(completion)).is_err() {
            return;
        }
        self.output.push_back(Output::Notice(Notice::Receipt(signed.clone())));
        self.tell_followers(door, &Reply::Closing(signed));
    }

    fn tell_followers(&mut self, door: Door, reply: &Reply) {
        let output = &mut self.output;
        for link in &mut self.links {
            if matches!(&link.state, State::Open(conversation) if conversation.doors.contains(&door)) {
                link.reply(reply, output);
            }
        }
    }

    pub(crate) fn look_at_doors(&mut self, now: Uptime) {
        let mut told: Vec<(Door, Happening)> = Vec::new();
        for watch in &mut self.watches {
            let door = watch.door();
            watch.poll(&mut self.hardware, self.config.held_open, now, |what| told.push((door, what)));
        }
        for (door, what) in told {
            match what {
                Happening::Latch(attempt) => {
                    self.output.push_back(Output::Notice(Notice::Latch(door, attempt)));
                }
                Happening::Finished(outcome) => self.finish(door, outcome, now),
                Happening::Event(kind) => self.event(door, kind),
                Happening::Shut(content) => self.close(door, content, now),
            }
        }
    }

    pub(crate) fn event(&mut self, door: Door, kind: DoorEventKind) {
        self.output.push_back(Output::Notice(Notice::Door(door, kind)));
        if self.store.ledger().pending_at(door).is_some() {
            // The receipt will say it.
            return;
        }
        self.tell_followers(door, &Reply::Event(DoorEvent { door, kind }));
    }
}
