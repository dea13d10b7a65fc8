//! The keypad and the scanner, for phones that are dead or have no radio.

use alloc::vec::Vec;

use postern_protocol::{
    Door, Epoch, Operation, OperationNonce, Timestamp, TokenId, pin, qr,
    receipt::{Outcome, PinUse, Source},
};

use crate::{
    Hardware, LocalAnswer, Locker, Notice, Output, Reason, Uptime,
    access::{self, Presented, Wish},
    links::Throttle,
    opening::Channel,
    record::{Intent, Record},
};

/// Wrong PINs that cost nothing; and as many a right one forgives, once a day for each door.
const FREE_PINS: u16 = 4;
/// One wrong PIN is forgotten in so many milliseconds of running.
const FORGET: u64 = 3_600_000;
/// How often a right PIN of the same door forgives wrong ones, in milliseconds.
const FORGIVE: u64 = 86_400_000;
/// More wrong PINs are not counted: the pause is the longest by then, and whoever comes after should not wait for days.
const MOST_FAILURES: u16 = FREE_PINS + 7;
/// The first pause of the keypad, in milliseconds; it doubles with every further wrong PIN …
const FIRST_PAUSE: u64 = 60_000;
/// … up to this, so that a guesser has 24 attempts a day.
const LONGEST_PAUSE: u64 = 3_600_000;
/// For so long whoever types the PIN again contradicts the sensor of a door that is said to stand open, milliseconds.
const SAID_OPEN: u64 = 60_000;
/// How long keypad and scanner are deaf.
#[derive(Debug)]
pub(crate) struct Keypad {
    locked_until: Uptime,
    /// Up to when wrong PINs have been forgotten for the time that went by.
    forgotten_to: Uptime,
    /// From when a right PIN of each door forgives again. A start does not bring that nearer.
    forgives_from: Vec<Uptime>,
    scanner_until: Uptime,
    scanner: Throttle,
    /// Who typed the PIN of this door was told that it stands open.
    said_open: Option<(Door, Uptime)>,
}

impl Keypad {
    /// A power cut does not shorten a pause: it begins anew.
    pub(crate) fn at_boot(failures: u16, doors: usize, now: Uptime) -> Self {
        Self {
            locked_until: now.plus(pause(failures)),
            forgotten_to: now,
            forgives_from: alloc::vec![now.plus(FORGIVE); doors],
            scanner_until: now,
            scanner: Throttle::default(),
            said_open: None,
        }
    }

    /// Bytes of heap for so many doors.
    pub(crate) const fn memory(doors: usize) -> usize {
        doors * size_of::<Uptime>()
    }

    /// What is left of so many wrong PINs by now.
    fn remembered(&mut self, failures: u16, now: Uptime) -> u16 {
        let over = now.since(self.forgotten_to) / FORGET;
        self.forgotten_to = self.forgotten_to.plus(over * FORGET);
        failures.min(MOST_FAILURES).saturating_sub(u16::try_from(over).unwrap_or(u16::MAX))
    }

    /// What is left of them after a right PIN of this door. To know one PIN must not buy guesses at others.
    fn forgiven(&mut self, failures: u16, door: usize, now: Uptime) -> u16 {
        match self.forgives_from.get_mut(door) {
            Some(from) if failures > 0 && *from <= now => {
                *from = now.plus(FORGIVE);
                failures.saturating_sub(FREE_PINS)
            }
            _ => failures,
        }
    }
}

const fn pause(failures: u16) -> u64 {
    if failures <= FREE_PINS {
        return 0;
    }
    let doublings = failures - FREE_PINS - 1;
    let pause = FIRST_PAUSE << if doublings < 6 { doublings } else { 6 };
    if pause < LONGEST_PAUSE { pause } else { LONGEST_PAUSE }
}

const fn locked(until: Uptime, now: Uptime) -> LocalAnswer {
    let seconds = until.since(now).div_ceil(1000);
    LocalAnswer::Locked { seconds: if seconds > u32::MAX as u64 { u32::MAX } else { seconds as u32 } }
}

impl<H: Hardware> Locker<H> {
    /// Digits were entered at the keypad. Answered by [`Output::Local`].
    ///
    /// A PIN is good for its slot of the door's highest verified epoch, or of one of the next two, which it then makes
    /// known; as often as its holder wants. Four wrong ones cost nothing; from the fifth on the keypad pauses for a minute,
    /// twice as long after each further one, an hour at most. One is forgotten an hour, and a right PIN forgives four, once a
    /// day for each door. The count survives a power cut: it is written before the digits are compared. At a door that stands
    /// open since an opening of the same epoch nothing moves and no receipt is written, unless the PIN is typed once more within
    /// a minute.
    pub fn pin_entered(&mut self, digits: &str, now: Uptime) {
        let answer = match self.open_by_pin(digits, now) {
            // What becomes of it is told by the opening itself.
            Ok(()) => return,
            Err(Reason::Throttled) => locked(self.keypad.locked_until, now),
            Err(Reason::Busy) => LocalAnswer::Busy,
            Err(reason) => {
                self.push(Output::Notice(Notice::Refused { connection: None, reason }));
                LocalAnswer::Refused
            }
        };
        self.push(Output::Local(answer));
    }

    fn open_by_pin(&mut self, digits: &str, now: Uptime) -> Result<(), Reason> {
        let Some(secret) = self.keys.pin_secret.clone() else { return Err(Reason::Pin) };
        if now < self.keypad.locked_until {
            return Err(Reason::Throttled);
        }
        if digits.len() != pin::DIGITS || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(Reason::Pin);
        }
        let before = self.keypad.remembered(self.store.ledger().pin_failures, now);
        let failures = before.saturating_add(1).min(MOST_FAILURES);
        self.commit(&Record::PinFailures(failures))?;
        self.keypad.locked_until = now.plus(pause(failures));
        // Every door is compared, whichever matches: the time tells nothing.
        let mut matching: Option<(Door, PinUse)> = None;
        let mut matches = 0;
        for line in self.store.ledger().doors() {
            for candidate in pin::candidates(line.epoch, line.ended_slots) {
                let PinUse { epoch, slot } = candidate;
                let expected = pin::derive(&secret, self.keys.locker.id, line.door, epoch, slot);
                if pin::equal(&expected, digits) {
                    matching = Some((line.door, candidate));
                    matches += 1;
                }
            }
        }
        // Two with the same digits: opening either door might be the wrong one.
        let (door, PinUse { epoch, slot }) = matching.filter(|_| matches == 1).ok_or(Reason::Pin)?;
        let index = self.store.ledger().index(door).unwrap_or(usize::MAX);
        let left = self.keypad.forgiven(before, index, now);
        self.commit(&Record::PinFailures(left))?;
        self.keypad.locked_until = now;
        let reading = self.time(now);
        let was_open = self.hardware.sense(door).open == Some(true);
        let said = self.keypad.said_open.take_if(|(other, _)| *other == door);
        if was_open && self.stands_open_since(door, epoch) {
            // Nothing moves, and the receipt of the opening says all that there is: one more would only take the place of
            // another. Whoever is told so and types again says that the sensor is wrong.
            let again = said.is_some_and(|(_, at)| now.since(at) < SAID_OPEN);
            if !again {
                self.keypad.said_open = Some((door, now));
                self.push(Output::Local(LocalAnswer::Done(door, Outcome::AlreadyOpen)));
                return Ok(());
            }
        }
        self.begin(
            Intent {
                token: TokenId::of_pin(epoch, slot),
                expires: Timestamp(0),
                several: false,
                delegation: None,
                door,
                epoch,
                operation: Operation::Collect,
                nonce: OperationNonce([0; 8]),
                handshake: [0; 16],
                source: Source::Pin,
                at: reading.at,
                clock: reading.state,
                was_open,
                interrupted: false,
            },
            None,
            now,
        )
    }

    /// Whether the door was opened in this epoch, has a receipt for it, and has not been seen closed since.
    pub(crate) fn stands_open_since(&self, door: Door, epoch: Epoch) -> bool {
        let ledger = self.store.ledger();
        let opened = ledger.door(door).and_then(|line| line.opened);
        let unclosed = opened.is_some_and(|opened| opened.epoch == epoch && opened.closing.is_none());
        unclosed
            && ledger.pending_at(door).is_none()
            && self.watch(door).is_some_and(|watch| watch.is_open() == Some(true))
    }

    /// The scanner read this text. Answered by [`Output::Local`].
    ///
    /// An opening code is good within 30 s of its time by this locker's clock, and once: neither it nor another of
    /// the same gesture opens again.
    pub fn scanned(&mut self, text: &str, now: Uptime) {
        let answer = match self.open_by_code(text, now) {
            // What becomes of it is told by the opening itself.
            Ok(()) => return,
            Err(Reason::Throttled) => locked(self.keypad.scanner_until, now),
            Err(Reason::Busy) => LocalAnswer::Busy,
            Err(reason) => {
                self.push(Output::Notice(Notice::Refused { connection: None, reason }));
                if access::is_guess(reason) {
                    self.keypad.scanner_until = now.plus(self.keypad.scanner.guessed(now));
                }
                LocalAnswer::Refused
            }
        };
        self.push(Output::Local(answer));
    }

    fn open_by_code(&mut self, text: &str, now: Uptime) -> Result<(), Reason> {
        if now < self.keypad.scanner_until {
            return Err(Reason::Throttled);
        }
        let (code, signature) = qr::parse(text).map_err(|_| Reason::Message)?;
        let presented = Presented {
            token: &code.token,
            delegation: None,
            challenge: &qr::signing_input(&code),
            proof: &signature,
        };
        let holder = access::authenticate(&presented, &self.store.ledger().issuers)?;
        let wish = Wish { operation: code.operation, door: code.door, nonce: code.nonce };
        holder.covers(wish, self.keys.locker.id, self.store.ledger())?;
        if matches!(wish.operation, Operation::Status | Operation::Carry) {
            return Err(Reason::Operation);
        }
        let reading = self.judge(&holder, wish, None, now)?;
        let repeated = self.is_same_gesture(&holder, wish)
            || self.store.find(&self.hardware, holder.mark(), wish.nonce).is_some();
        let unfit = if code.at.plus(qr::VALID_FOR) < reading.at {
            Some(Reason::Expired)
        } else if code.at > reading.at.plus(qr::VALID_FOR) {
            Some(Reason::Early)
        } else {
            repeated.then_some(Reason::Repeated)
        };
        if let Some(reason) = unfit {
            self.hear_epochs(&holder, |_| true)?;
            return Err(reason);
        }
        self.open(&holder, wish, Channel::local(Source::Scanner), reading, now)
    }
}
