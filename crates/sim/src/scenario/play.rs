//! Plays a scenario in virtual time, with a phone that behaves as `postern-radio` and the core do.

use std::collections::VecDeque;

use postern_protocol::{
    LockerIdentity, LockerKeys, Operation, Refusal, Reply, Request, Timestamp,
    frame::{self, MIN_FRAME, Reassembler},
    receipt,
};

use super::{Collect, Expect, Hand, HandDid, Pin, Scenario, ScenarioError, Step};
use crate::{
    cabinet::{Act, Cabinet, Setup},
    config::Cabinets,
    customer::{Grant, Network, Phone},
    link::TOO_LONG,
    log::What,
    machine::Now,
    words,
};

/// When scenarios begin, UNIX seconds: 2026-06-01, 10:00 UTC.
const BEGIN: u64 = 1_780_308_000;
/// When a phone reads the HELLO that did not come.
const HELLO_PATIENCE: u64 = 300;
/// When a phone gives a link up.
const PATIENCE: u64 = 8_000;
/// Between two links of one gesture.
const BREATH: u64 = 500;

/// What a play came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// One for each step.
    pub steps: Vec<StepReport>,
    /// Hash over everything that was on the air, in order: two runs of one seed agree in it.
    pub fingerprint: [u8; 16],
}

/// What one step came to.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// Virtual milliseconds since the beginning, at its end.
    pub at: u64,
    /// What it did, in words.
    pub did: String,
    /// What was not as it should be.
    pub failures: Vec<String>,
}

impl Report {
    /// Everything was as it should be.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.steps.iter().all(|step| step.failures.is_empty())
    }
}

/// Plays it. `seed` replaces the scenario's own.
///
/// # Errors
/// When it cannot be played; what did not come about is in the report.
pub fn play(scenario: &Scenario, seed: Option<u64>) -> Result<Report, ScenarioError> {
    let mut stage = Stage::new(scenario, seed.unwrap_or(scenario.seed))?;
    let mut steps = Vec::new();
    for (index, step) in scenario.step.iter().enumerate() {
        let did = stage.act(step).map_err(|label| ScenarioError::Door { step: index + 1, label })?;
        let mut failures = Vec::new();
        if let Some(expect) = &step.expect {
            let deadline = stage.now.up + step.within;
            loop {
                failures =
                    stage.check(expect).map_err(|label| ScenarioError::Door { step: index + 1, label })?;
                if failures.is_empty() || stage.now.up >= deadline {
                    break;
                }
                stage.pass(deadline);
            }
        }
        steps.push(StepReport { at: stage.now.up, did, failures });
    }
    Ok(Report { steps, fingerprint: stage.fingerprint })
}

struct Stage {
    cabinet: Cabinet,
    locker: LockerIdentity,
    now: Now,
    network: Network,
    phone: Phone,
    next_link: u16,
    answer: String,
    last: Option<Request>,
    bulletin: Option<Vec<u8>>,
    acts: VecDeque<Act>,
    log_seen: u64,
    counts: std::collections::BTreeMap<String, usize>,
    fingerprint: [u8; 16],
}

impl Stage {
    fn new(scenario: &Scenario, seed: u64) -> Result<Self, ScenarioError> {
        let mut network = Network::new(seed);
        let keys = network.locker();
        let config = scenario.cabinet.clone().unwrap_or_else(|| Cabinets::default().cabinet.remove(0));
        let now = Now { up: 0, wall: BEGIN * 1000 };
        let locker = keys.locker.identity();
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let cabinet =
            Cabinet::new(Setup { config, keys, folder: None, seed: bytes, provisioned_at: 0 }, now)?;
        Ok(Self {
            cabinet,
            locker,
            now,
            network,
            phone: Phone::new(seed),
            next_link: 0,
            answer: String::new(),
            last: None,
            bulletin: None,
            acts: VecDeque::new(),
            log_seen: 0,
            counts: std::collections::BTreeMap::new(),
            fingerprint: [0; 16],
        })
    }

    fn door(&self, label: &str) -> Result<u16, String> {
        let door = self.cabinet.doors().iter().find(|door| door.label == label);
        door.map(|door| door.door).ok_or_else(|| label.to_owned())
    }

    /// Moves time on to whatever happens next, at most to `until`.
    fn pass(&mut self, until: u64) {
        let due = self.cabinet.due().unwrap_or(u64::MAX).max(self.now.up + 1);
        self.go_to(due.min(until.max(self.now.up + 1)));
    }

    fn go_to(&mut self, up: u64) {
        self.now = Now { up, wall: BEGIN * 1000 + up };
        self.cabinet.tick(self.now);
        self.collect_acts();
    }

    fn collect_acts(&mut self) {
        for act in self.cabinet.take_acts() {
            if let Act::Notify { frame, .. } | Act::Value { value: frame, .. } = &act {
                let mut text = self.fingerprint.to_vec();
                text.extend_from_slice(&self.now.up.to_be_bytes());
                text.extend_from_slice(frame);
                self.fingerprint = receipt::hash(&text);
            }
            self.acts.push_back(act);
        }
        for entry in self.cabinet.log().after(self.log_seen) {
            *self.counts.entry(kind(&entry.what)).or_default() += 1;
        }
        self.log_seen = self.cabinet.log().last();
    }

    fn act(&mut self, step: &Step) -> Result<String, String> {
        let mut did = Vec::new();
        if let Some(fate) = &step.fate {
            self.cabinet.set_fate(fate.clone(), self.now);
            did.push("fate".to_owned());
        }
        if let Some(hand) = &step.hand {
            did.push(self.hand(hand)?);
        }
        if let Some(dark) = step.power_off {
            self.cabinet.cut_power(Some(dark), self.now);
            did.push(format!("power off for {dark} ms"));
        }
        for _ in 0..step.idlers.unwrap_or(0) {
            let link = self.link();
            self.cabinet.connect(link, 247, self.now);
            did.push("an idler".to_owned());
        }
        if step.rotate {
            self.cabinet.rotate_address(self.now);
            did.push("new address".to_owned());
        }
        if let Some(revoke) = &step.revoke {
            let door = self.door(&revoke.door)?;
            let at = self.wall();
            self.bulletin = Some(self.network.revocation(self.locker.id, door, revoke.epoch, at));
            did.push(format!("revoke {}", revoke.door));
        }
        if let Some(collect) = &step.collect {
            for _ in 0..collect.customers {
                self.gesture(collect)?;
            }
            did.push(format!("collect from {}: {}", collect.door, self.answer));
        }
        if let Some(pin) = &step.pin {
            let digits = match pin {
                Pin::Digits(digits) => digits.clone(),
                Pin::Of { door, epoch } => self.network.pin(self.locker.id, self.door(door)?, *epoch),
            };
            self.cabinet.type_pin(&digits, self.now);
            did.push("PIN".to_owned());
        }
        if let Some(label) = &step.scan {
            let door = self.door(label)?;
            let now = self.wall();
            let token = self.network.token(&Grant::collect(self.locker.id, door), &self.phone.key(), now);
            let code = self.phone.opening_code(door, Operation::Collect, token, now);
            self.cabinet.scan(&code, self.now);
            did.push(format!("opening code for {label}"));
        }
        if let Some(wait) = step.wait {
            let until = self.now.up + wait;
            while self.now.up < until {
                self.pass(until);
            }
            did.push(format!("{wait} ms"));
        }
        self.collect_acts();
        Ok(did.join(", "))
    }

    fn hand(&mut self, hand: &Hand) -> Result<String, String> {
        let door = self.door(&hand.door)?;
        let what = hand.what.clone().unwrap_or_else(|| "parcel".to_owned());
        let name = match hand.did {
            HandDid::Close => "close",
            HandDid::Take => "take",
            HandDid::Put => "put",
        };
        let obstructed = self.cabinet.fate().door(door).obstructed;
        self.cabinet.hand(door, name, self.now, |compartment, now| match hand.did {
            HandDid::Close if compartment.open && !obstructed => {
                compartment.open = false;
                compartment.moved = Some(now.up);
            }
            HandDid::Close => {}
            HandDid::Take => compartment.inside = None,
            HandDid::Put => compartment.inside = Some(what),
        });
        Ok(format!("{name} {}", hand.door))
    }

    fn wall(&self) -> Timestamp {
        Timestamp(self.now.wall / 1000)
    }

    fn link(&mut self) -> u16 {
        self.next_link += 1;
        self.next_link
    }

    /// One gesture, with as many links as it takes.
    fn gesture(&mut self, collect: &Collect) -> Result<(), String> {
        let door = self.door(&collect.door)?;
        let mut request = match (&self.last, collect.again) {
            (Some(last), true) => last.clone(),
            _ => {
                let token = self.token(door, collect, None);
                self.phone.request(Operation::Collect, door, token)
            }
        };
        request.bulletin = self.bulletin.take();
        let mut small = false;
        for attempt in 0..collect.attempts {
            if attempt > 0 {
                let until = self.now.up + BREATH;
                while self.now.up < until {
                    self.pass(until);
                }
            }
            let (answer, again) = if attempt == 0 && self.cabinet.fate().air.impostor {
                self.visit_impostor(&mut request, door, collect)
            } else {
                self.visit(&mut request, door, collect, &mut small)
            };
            self.answer = answer;
            if !again {
                break;
            }
        }
        self.last = Some(request);
        Ok(())
    }

    fn token(&mut self, door: u16, collect: &Collect, hello_nonce: Option<[u8; 16]>) -> Vec<u8> {
        let mut grant = Grant::collect(self.locker.id, door);
        grant.doors[0].1.0 = collect.epoch;
        grant.hello_nonce = hello_nonce;
        let now = Timestamp(self.wall().0.saturating_add_signed(collect.hub_skew));
        self.network.token(&grant, &self.phone.key(), now)
    }

    /// One link to somebody else, who says that this cabinet is there and does not have its keys.
    fn visit_impostor(&mut self, request: &mut Request, door: u16, collect: &Collect) -> (String, bool) {
        let mut keys = self.cabinet.keys().clone();
        keys.locker = LockerKeys::from_seed(keys.locker.id, &[0x1A; 32]);
        let config = self.cabinet.config().clone();
        let setup = Setup { config, keys, folder: None, seed: [0x1A; 32], provisioned_at: 0 };
        let Ok(impostor) = Cabinet::new(setup, self.now) else { return ("lost".to_owned(), true) };
        let real = std::mem::replace(&mut self.cabinet, impostor);
        let (seen, counts) = (std::mem::take(&mut self.log_seen), self.counts.clone());
        let answer = self.visit(request, door, collect, &mut false);
        // What is counted is of the cabinet that the story is about.
        (self.cabinet, self.log_seen, self.counts) = (real, seen, counts);
        self.go_to(self.now.up);
        answer
    }

    /// One link. The answer, and whether another link may help.
    fn visit(
        &mut self,
        request: &mut Request,
        door: u16,
        collect: &Collect,
        small: &mut bool,
    ) -> (String, bool) {
        let link = self.link();
        self.acts.clear();
        if !self.cabinet.connect(link, 517, self.now) {
            self.collect_acts();
            return ("turned_away".to_owned(), true);
        }
        self.collect_acts();
        let deadline = self.now.up + PATIENCE;
        let mut visit = Visit {
            frames: Reassembler::new(),
            unsent: VecDeque::new(),
            session: None,
            max_frame: MIN_FRAME,
            hello_due: None,
            waiting_for_write: false,
            open: Vec::new(),
        };
        loop {
            while let Some(act) = self.acts.pop_front() {
                match self.on_act(act, link, &mut visit, request, door, collect, *small) {
                    Some(Ok(reply)) => {
                        if let Some((answer, again)) = final_answer(&reply, &self.locker) {
                            self.cabinet.disconnected(link, self.now);
                            self.collect_acts();
                            return (answer, again);
                        }
                    }
                    Some(Err(())) => {
                        // The next link goes with small frames where long ones were not answered.
                        *small = !*small && visit.session.is_some();
                        return ("lost".to_owned(), true);
                    }
                    None => {}
                }
            }
            if let Some(due) = visit.hello_due
                && self.now.up >= due
            {
                visit.hello_due = Some(self.now.up + HELLO_PATIENCE);
                self.cabinet.read(link, self.now);
                self.collect_acts();
                continue;
            }
            if self.now.up >= deadline {
                self.cabinet.disconnected(link, self.now);
                self.collect_acts();
                *small = !*small;
                return ("lost".to_owned(), true);
            }
            self.pass(deadline.min(visit.hello_due.unwrap_or(deadline)));
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one visit, each with its owner")]
    fn on_act(
        &mut self,
        act: Act,
        link: u16,
        visit: &mut Visit,
        request: &mut Request,
        door: u16,
        collect: &Collect,
        small: bool,
    ) -> Option<Result<Reply, ()>> {
        match act {
            Act::Connected { link: of, mtu } if of == link => {
                visit.max_frame = if small { MIN_FRAME } else { usize::from(mtu - 3) };
                self.cabinet.subscribe(link, self.now);
                self.collect_acts();
                visit.hello_due = Some(self.now.up + HELLO_PATIENCE);
                None
            }
            Act::HangUp { link: of } if of == link => Some(Err(())),
            Act::Written { link: of, status } if of == link => {
                visit.waiting_for_write = false;
                if status == TOO_LONG && visit.max_frame > MIN_FRAME {
                    visit.max_frame = MIN_FRAME;
                    visit.unsent = visit.cut();
                } else if status != 0 {
                    self.cabinet.disconnected(link, self.now);
                    self.collect_acts();
                    return Some(Err(()));
                }
                self.write(link, visit);
                None
            }
            Act::Notify { link: of, frame } if of == link => {
                let pushed = visit.frames.push(&frame);
                self.message(pushed.ok().flatten(), link, visit, request, door, collect)
            }
            Act::Value { link: of, value } if of == link && visit.session.is_none() => {
                visit.frames = Reassembler::new();
                let pushed = visit.frames.push(&value);
                self.message(pushed.ok().flatten(), link, visit, request, door, collect)
            }
            _ => None,
        }
    }

    fn message(
        &mut self,
        message: Option<Vec<u8>>,
        link: u16,
        visit: &mut Visit,
        request: &mut Request,
        door: u16,
        collect: &Collect,
    ) -> Option<Result<Reply, ()>> {
        let message = message?;
        if let Some(session) = &mut visit.session {
            return Some(session.receive(&message).map_err(|_| ()));
        }
        visit.hello_due = None;
        if collect.bound {
            let greeted = postern_protocol::phone::Greeted::from_hello(&self.locker, &message).ok()?;
            request.token = self.token(door, collect, Some(greeted.hello_nonce()));
        }
        let Ok((open, session)) = self.phone.open(&self.locker, &message, request) else {
            return Some(Err(()));
        };
        visit.session = Some(session);
        visit.open = open;
        visit.unsent = visit.cut();
        self.write(link, visit);
        None
    }

    fn write(&mut self, link: u16, visit: &mut Visit) {
        if visit.waiting_for_write {
            return;
        }
        if let Some(frame) = visit.unsent.pop_front() {
            visit.waiting_for_write = true;
            self.cabinet.write(link, frame, self.now);
            self.collect_acts();
        }
    }

    fn check(&mut self, expect: &Expect) -> Result<Vec<String>, String> {
        let mut failures = Vec::new();
        let mut fact = |name: &str, is: String, should: Option<String>| {
            if let Some(should) = should
                && is != should
            {
                failures.push(format!("{name}: {is}, not {should}"));
            }
        };
        fact("answer", self.answer.clone(), expect.answer.clone());
        if let Some(label) = &expect.door {
            let door = self.door(label)?;
            if let Some((_, compartment)) = self.cabinet.compartment(door) {
                fact("open", compartment.open.to_string(), expect.open.map(|open| open.to_string()));
                fact(
                    "pulses",
                    compartment.pulses.to_string(),
                    expect.pulses.map(|pulses| pulses.to_string()),
                );
                fact("inside", compartment.inside.unwrap_or_default(), expect.inside.clone());
            }
        }
        let show = |flag: Option<bool>| flag.map(|flag| flag.to_string());
        let chain = self.cabinet.chain();
        fact("receipts", chain.links().len().to_string(), expect.receipts.map(|count| count.to_string()));
        fact("chain_whole", chain.is_whole().to_string(), show(expect.chain_whole));
        fact("on", self.cabinet.is_on().to_string(), show(expect.on));
        fact("links", self.cabinet.links().count().to_string(), expect.links.map(|count| count.to_string()));
        let seen = self.cabinet.advertisement();
        fact("accepting", seen.is_some_and(|seen| seen.accepting).to_string(), show(expect.accepting));
        fact("low_battery", seen.is_some_and(|seen| seen.low_battery).to_string(), show(expect.low_battery));
        fact("clock_unset", seen.is_some_and(|seen| seen.clock_unset).to_string(), show(expect.clock_unset));
        for (kind, count) in &expect.log {
            let is = self.counts.get(kind).copied().unwrap_or(0);
            fact(kind, is.to_string(), Some(count.to_string()));
        }
        Ok(failures)
    }
}

/// The phone's end of one link.
struct Visit {
    frames: Reassembler,
    open: Vec<u8>,
    unsent: VecDeque<Vec<u8>>,
    waiting_for_write: bool,
    session: Option<postern_protocol::phone::Session>,
    max_frame: usize,
    hello_due: Option<u64>,
}

impl Visit {
    fn cut(&self) -> VecDeque<Vec<u8>> {
        self.frames
            .tag()
            .map_or_else(VecDeque::new, |tag| frame::fragments(&self.open, tag, self.max_frame).collect())
    }
}

/// What an answer comes to, and whether the gesture may be repeated.
fn final_answer(reply: &Reply, locker: &LockerIdentity) -> Option<(String, bool)> {
    let (name, again) = match reply {
        Reply::Receipt(bytes) => match receipt::verify(bytes, &locker.receipt_key) {
            Ok(receipt) => (words::outcome(receipt.outcome), false),
            Err(_) => ("forged", false),
        },
        Reply::Refused(Refusal::Refused) => ("refused", false),
        Reply::Refused(Refusal::Throttled { .. }) => ("throttled", false),
        Reply::Refused(Refusal::Busy) => ("busy", true),
        Reply::Refused(Refusal::ClockUnset) => ("clock_unset", false),
        Reply::Refused(Refusal::OutOfOrder) => ("out_of_order", false),
        Reply::Refused(Refusal::Version) => ("version", false),
        Reply::Refused(Refusal::Full) => ("full", false),
        Reply::Event(_) | Reply::Status(_) | Reply::Closing(_) | Reply::Carried(_) => return None,
    };
    Some((name.to_owned(), again))
}

/// The name of an entry's kind, as in the API.
fn kind(what: &What) -> String {
    serde_json::to_value(what)
        .ok()
        .and_then(|value| value.get("what").and_then(|name| name.as_str()).map(str::to_owned))
        .unwrap_or_default()
}
