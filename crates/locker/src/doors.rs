//! One door: its latch's pulse, its debounced sensors, and what they tell.

use postern_protocol::{Door, DoorEventKind, receipt::Outcome};

use crate::{Doors, Sensors, Uptime};

/// How long a latch is energised, in milliseconds.
pub(crate) const LATCH_PULSE: u64 = 400;
/// Within how many milliseconds of the pulse's start the door must come open.
pub(crate) const OPEN_WITHIN: u64 = 1_000;
/// Attempts before an opening is called jammed.
pub(crate) const ATTEMPTS: u8 = 2;
/// How long a sensor must say the same before it is believed, in milliseconds.
pub(crate) const DEBOUNCE: u64 = 30;

/// How long after a door was closed its content sensor is asked what lies inside, in milliseconds …
const CONTENT_AFTER: u64 = 100;
/// … and how long it may take to settle.
const CONTENT_WITHIN: u64 = 1_000;

/// A value that is believed once it has stood for [`DEBOUNCE`].
#[derive(Clone, Copy, Debug)]
struct Debounced<T> {
    stable: T,
    candidate: T,
    since: Uptime,
}

impl<T: Copy + PartialEq> Debounced<T> {
    const fn new(value: T, now: Uptime) -> Self {
        Self { stable: value, candidate: value, since: now }
    }

    /// Takes a raw value; the change if there is one to believe.
    fn feed(&mut self, raw: T, now: Uptime) -> Option<(T, T)> {
        if raw != self.candidate {
            (self.candidate, self.since) = (raw, now);
        }
        if self.candidate == self.stable || now.since(self.since) < DEBOUNCE {
            return None;
        }
        let before = core::mem::replace(&mut self.stable, self.candidate);
        Some((before, self.stable))
    }

    fn settles_at(&self) -> Option<Uptime> {
        (!self.is_settled()).then(|| self.since.plus(DEBOUNCE))
    }

    fn is_settled(&self) -> bool {
        self.candidate == self.stable
    }

    /// When it will have stood for [`DEBOUNCE`], if nothing changes.
    const fn quiet_at(&self) -> Uptime {
        self.since.plus(DEBOUNCE)
    }
}

/// A latch at work.
#[derive(Clone, Copy, Debug)]
struct Motion {
    attempt: u8,
    started: Uptime,
    energised: bool,
    was_open: bool,
}

/// What a door has to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    /// A pulse began: the number of the attempt.
    Latch(u8),
    /// An opening came to its end.
    Finished(Outcome),
    /// The sensors changed.
    Event(DoorEventKind),
    /// The door has been closed, and this is what the content sensor says of it; none without a sensor.
    Shut(Option<bool>),
}

/// One door's state between two polls.
#[derive(Debug)]
pub(crate) struct DoorWatch {
    door: Door,
    open: Debounced<Option<bool>>,
    obstructed: Debounced<bool>,
    content: Debounced<Option<bool>>,
    open_since: Option<Uptime>,
    held: bool,
    /// It was closed at this time, and the content sensor is still to be asked.
    shut: Option<Uptime>,
    motion: Option<Motion>,
    /// From when the time for reopening counts, where that was while this locker ran. A clock may be lost, told and
    /// corrected meanwhile; the uptime goes on.
    counted_from: Option<Uptime>,
    /// Nothing was under way when the sensors were looked at last, as with nearly every door nearly always.
    at_rest: bool,
}

impl DoorWatch {
    /// Begins with the sensors as they are.
    pub(crate) fn new(door: Door, sensors: Sensors, now: Uptime) -> Self {
        Self {
            door,
            open: Debounced::new(sensors.open, now),
            obstructed: Debounced::new(sensors.obstructed, now),
            content: Debounced::new(sensors.content, now),
            open_since: (sensors.open == Some(true)).then_some(now),
            held: false,
            shut: None,
            motion: None,
            counted_from: None,
            at_rest: false,
        }
    }

    /// The time for reopening counts from now.
    pub(crate) const fn count_from(&mut self, now: Uptime) {
        self.counted_from = Some(now);
    }

    /// From when the time for reopening counts; none where the journal's word for it has to do.
    pub(crate) const fn counted_from(&self) -> Option<Uptime> {
        self.counted_from
    }

    /// Which door.
    pub(crate) const fn door(&self) -> Door {
        self.door
    }

    /// Whether it stands open, debounced.
    pub(crate) const fn is_open(&self) -> Option<bool> {
        self.open.stable
    }

    /// Whether it was closed a moment ago, and the content sensor is still to be asked what lies inside.
    pub(crate) fn is_being_measured(&self) -> bool {
        self.shut.is_some() && !(self.content.is_settled() && self.content.stable.is_none())
    }

    /// Whether it was closed, and there is nothing that could be asked. It will not be any more.
    pub(crate) fn take_shut(&mut self) -> bool {
        !self.is_being_measured() && self.shut.take().is_some()
    }

    /// It was closed when nobody looked: the content sensor is asked from now on, as after a closing that was seen.
    pub(crate) const fn measure(&mut self, now: Uptime) {
        if self.shut.is_none() {
            self.shut = Some(now);
        }
        self.at_rest = false;
    }

    /// Whether its latch is at work.
    pub(crate) const fn is_moving(&self) -> bool {
        self.motion.is_some()
    }

    /// Drives the latch. `was_open`: the sensor said open before, so that it can prove nothing now.
    pub(crate) fn drive(&mut self, doors: &mut impl Doors, was_open: bool, now: Uptime) -> Happening {
        if !was_open && self.open.stable == Some(true) {
            // Closed a moment ago. What was believed must not pass for the opening that is to come.
            self.open = Debounced::new(Some(false), now);
            (self.open_since, self.held) = (None, false);
        }
        doors.latch(self.door, true);
        self.motion = Some(Motion { attempt: 1, started: now, energised: true, was_open });
        self.at_rest = false;
        Happening::Latch(1)
    }

    /// Looks at the sensors and the time; calls `tell` for all that happened.
    pub(crate) fn poll(
        &mut self,
        doors: &mut impl Doors,
        held_open: u64,
        now: Uptime,
        mut tell: impl FnMut(Happening),
    ) {
        let raw = doors.sense(self.door);
        let known = (self.open.stable, self.obstructed.stable, self.content.stable);
        if self.at_rest && (raw.open, raw.obstructed, raw.content) == known {
            return;
        }
        if let Some((before, after)) = self.open.feed(raw.open, now) {
            self.open_since = (after == Some(true)).then_some(now);
            self.held = false;
            self.shut = None;
            match (before, after) {
                (_, Some(true)) => tell(Happening::Event(DoorEventKind::Opened)),
                (Some(true), Some(false)) => {
                    self.shut = Some(now);
                    tell(Happening::Event(DoorEventKind::Closed));
                }
                _ => {}
            }
        }
        if let Some((_, true)) = self.obstructed.feed(raw.obstructed, now) {
            tell(Happening::Event(DoorEventKind::Obstructed));
        }
        if let Some((_, Some(present))) = self.content.feed(raw.content, now)
            && self.shut.is_none()
        {
            tell(Happening::Event(content_event(present)));
        }
        if let Some(since) = self.shut
            && now >= self.content_known_at(since)
        {
            self.shut = None;
            if let Some(present) = self.content.stable {
                tell(Happening::Event(content_event(present)));
            }
            tell(Happening::Shut(self.content.stable));
        }
        if let Some(since) = self.open_since
            && !self.held
            && now.since(since) >= held_open
        {
            self.held = true;
            tell(Happening::Event(DoorEventKind::HeldOpen));
        }
        self.advance(doors, now, &mut tell);
        self.at_rest = self.motion.is_none()
            && self.shut.is_none()
            && (self.open_since.is_none() || self.held)
            && self.open.is_settled()
            && self.obstructed.is_settled()
            && self.content.is_settled();
    }

    fn advance(&mut self, doors: &mut impl Doors, now: Uptime, tell: &mut impl FnMut(Happening)) {
        let Some(motion) = &mut self.motion else { return };
        let opened = !motion.was_open && self.open.stable == Some(true);
        let pulse_over = now >= motion.started.plus(LATCH_PULSE);
        if motion.energised && (opened || pulse_over) {
            doors.latch(self.door, false);
            motion.energised = false;
        }
        let outcome = if opened {
            Outcome::Opened
        } else if !pulse_over {
            return;
        } else if motion.was_open {
            Outcome::AlreadyOpen
        } else if now < motion.started.plus(OPEN_WITHIN) || self.open.settles_at().is_some() {
            return;
        } else if self.open.stable.is_none() {
            // Without a sensor nobody knows, and a second pulse would open for certain what may be shut again.
            Outcome::Unknown
        } else if motion.attempt < ATTEMPTS {
            motion.attempt += 1;
            (motion.started, motion.energised) = (now, true);
            doors.latch(self.door, true);
            tell(Happening::Latch(motion.attempt));
            return;
        } else {
            Outcome::Jammed
        };
        self.motion = None;
        tell(Happening::Finished(outcome));
    }

    /// When the content sensor is believed, after the door was closed.
    fn content_known_at(&self, shut: Uptime) -> Uptime {
        let quiet = self.content.quiet_at().max(shut.plus(CONTENT_AFTER));
        quiet.min(shut.plus(CONTENT_WITHIN))
    }

    /// When [`Self::poll`] has something to do at the latest, beside looking at the sensors now and then.
    pub(crate) fn timeout(&self, held_open: u64, poll_moving: u64, now: Uptime) -> Option<Uptime> {
        if self.at_rest {
            return None;
        }
        let settles = [self.open.settles_at(), self.obstructed.settles_at(), self.content.settles_at()];
        let held = self.open_since.filter(|_| !self.held).map(|since| since.plus(held_open));
        // While the latch works the sensor is looked at often: the customer waits for the answer.
        let moving = self.motion.map(|_| now.plus(poll_moving));
        let shut = self.shut.map(|since| self.content_known_at(since));
        settles.into_iter().chain([held, moving, shut]).flatten().min()
    }
}

const fn content_event(present: bool) -> DoorEventKind {
    if present { DoorEventKind::ContentPresent } else { DoorEventKind::ContentAbsent }
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::*;

    /// A door whose sensor and latch a test plays by hand.
    #[derive(Default)]
    struct Bench {
        sensors: Sensors,
        energised: Vec<bool>,
    }

    impl Doors for Bench {
        fn latch(&mut self, _: Door, energised: bool) {
            self.energised.push(energised);
        }

        fn sense(&mut self, _: Door) -> Sensors {
            self.sensors
        }
    }

    fn closed() -> (Bench, DoorWatch) {
        let sensors = Sensors { open: Some(false), ..Sensors::default() };
        (Bench { sensors, ..Bench::default() }, DoorWatch::new(Door(1), sensors, Uptime(0)))
    }

    fn poll(watch: &mut DoorWatch, bench: &mut Bench, now: u64) -> Vec<Happening> {
        let mut told = Vec::new();
        watch.poll(bench, 60_000, Uptime(now), |what| told.push(what));
        told
    }

    #[test]
    fn a_bouncing_sensor_is_believed_when_it_has_settled() {
        let (mut bench, mut watch) = closed();
        watch.drive(&mut bench, false, Uptime(0));
        for now in (10..200).step_by(10) {
            bench.sensors.open = Some(now / 10 % 2 == 0);
            assert_eq!(poll(&mut watch, &mut bench, now), vec![]);
        }
        bench.sensors.open = Some(true);
        assert_eq!(poll(&mut watch, &mut bench, 200), vec![]);
        assert_eq!(
            poll(&mut watch, &mut bench, 230),
            vec![Happening::Event(DoorEventKind::Opened), Happening::Finished(Outcome::Opened)]
        );
        assert_eq!(bench.energised, [true, false]);
    }

    #[test]
    fn a_latch_that_does_not_move_is_driven_twice_and_then_called_jammed() {
        let (mut bench, mut watch) = closed();
        assert_eq!(watch.drive(&mut bench, false, Uptime(0)), Happening::Latch(1));
        let mut told = Vec::new();
        for now in (0..3000).step_by(20) {
            told.extend(poll(&mut watch, &mut bench, now).into_iter().map(|what| (now, what)));
        }
        assert_eq!(told, [(1000, Happening::Latch(2)), (2000, Happening::Finished(Outcome::Jammed))]);
        assert_eq!(bench.energised, [true, false, true, false]);
    }

    #[test]
    fn a_door_without_a_sensor_is_not_claimed_to_have_opened() {
        let mut bench = Bench::default();
        let mut watch = DoorWatch::new(Door(1), bench.sensors, Uptime(0));
        watch.drive(&mut bench, false, Uptime(0));
        assert_eq!(poll(&mut watch, &mut bench, 500), vec![]);
        assert_eq!(poll(&mut watch, &mut bench, 1000), vec![Happening::Finished(Outcome::Unknown)]);
        assert_eq!(bench.energised, [true, false]);
    }

    /// What the content sensor says is told once the door is closed, also where it has not changed, and not before it has
    /// settled; without a sensor the closing is told all the same.
    #[test]
    fn a_closing_is_told_with_what_is_inside() {
        for (content, flickers, told_at) in [(Some(true), 0, 130), (Some(false), 400, 420), (None, 0, 130)] {
            let sensors = Sensors { open: Some(true), content, ..Sensors::default() };
            let mut bench = Bench { sensors, ..Bench::default() };
            let mut watch = DoorWatch::new(Door(1), bench.sensors, Uptime(0));
            poll(&mut watch, &mut bench, 0);
            bench.sensors.open = Some(false);
            let mut told = Vec::new();
            for now in (0..2000).step_by(10) {
                if let Some(present) = content {
                    bench.sensors.content = Some(present ^ (now < flickers && now / 10 % 2 == 0));
                }
                told.extend(poll(&mut watch, &mut bench, now).into_iter().map(|what| (now, what)));
            }
            let mut expected = vec![(30, Happening::Event(DoorEventKind::Closed))];
            expected.extend(content.map(|present| (told_at, Happening::Event(content_event(present)))));
            expected.push((told_at, Happening::Shut(content)));
            assert_eq!(told, expected);
        }
    }

    /// A latch that jams right after the door was closed is not taken to have opened it.
    #[test]
    fn what_was_open_before_proves_nothing() {
        let mut bench = Bench::default();
        bench.sensors.open = Some(true);
        let mut watch = DoorWatch::new(Door(1), bench.sensors, Uptime(0));
        bench.sensors.open = Some(false);
        watch.drive(&mut bench, false, Uptime(10));
        let told: Vec<_> = (10..3000).step_by(20).flat_map(|now| poll(&mut watch, &mut bench, now)).collect();
        assert_eq!(told, [Happening::Latch(2), Happening::Finished(Outcome::Jammed)]);
    }

    #[test]
    fn a_door_left_open_is_reported_once() {
        let (mut bench, mut watch) = closed();
        bench.sensors.open = Some(true);
        let told: Vec<_> =
            (0..130_000).step_by(1000).flat_map(|now| poll(&mut watch, &mut bench, now)).collect();
        assert_eq!(
            told,
            [Happening::Event(DoorEventKind::Opened), Happening::Event(DoorEventKind::HeldOpen)]
        );
        bench.sensors = Sensors { open: Some(true), obstructed: true, content: Some(false) };
        poll(&mut watch, &mut bench, 130_000);
        assert_eq!(
            poll(&mut watch, &mut bench, 130_050),
            [Happening::Event(DoorEventKind::Obstructed), Happening::Event(DoorEventKind::ContentAbsent)]
        );
    }
}
