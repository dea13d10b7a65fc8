//! What a receipt, or a word at the door, makes of the reservation that it is about. Never of another: a late one changes the
//! record of what had the door then.

mod courier;

use postern_api::reservation::{Kind, State, TimelineEvent};
use postern_protocol::Operation;

use self::courier::{deposited, found_gone, taken_back_out, taken_out};
use super::placed::Inside;

/// Whose opening it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The owner or a guest.
    Customer,
    /// A courier of the carrier.
    Courier,
}

/// What became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A receipt: the door was opened, or may have been.
    Opened {
        /// What was asked for.
        operation: Operation,
        /// False where power failed between latch and sensor, or the sensor said that the door stood open before.
        certain: bool,
    },
    /// A receipt: the door was closed.
    Closed,
    /// Somebody at the door said what lies inside.
    Said,
}

/// Whose the door is at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Kept for this reservation.
    Kept,
    /// Kept until it is proven what became of this reservation's occupancy.
    Settling,
    /// Nobody's: the next may be given it.
    Free,
    /// Somebody else's.
    Others,
}

impl Door {
    /// Whether it is kept for the reservation, or settles after it.
    #[must_use]
    pub const fn is_theirs(self) -> bool {
        matches!(self, Self::Kept | Self::Settling)
    }
}

/// What is known of the reservation.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Pickup, return or storage.
    pub kind: Kind,
    /// Where it stands.
    pub state: State,
    /// Whose opening it is about.
    pub who: Who,
    /// What is known of the compartment since that one's last opening.
    pub inside: Option<Inside>,
    /// What was known before.
    pub before: Option<Inside>,
    /// Whose the door is.
    pub door: Door,
    /// It is the door that the reservation was last known to have.
    pub here: bool,
    /// A customer has opened it.
    pub opened_by_customer: bool,
    /// Whether it is certain that the door came open as they were last there to take something out; none where they were
    /// never there, or last for something else.
    pub took_out: Option<bool>,
    /// The state rests on a word.
    pub unproven: bool,
    /// The other side, customer or courier, has opened it after this one's last opening: what was known of that one says nothing
    /// of what lies there now.
    pub overtaken: bool,
    /// It was overtaken by an opening to put something in, or something is known to lie there since.
    pub put_in_since: bool,
    /// As this one came last, the locker had measured that it lay there when the other side had closed the door.
    pub lay_there: bool,
    /// This one had been there before the other side opened it at all.
    pub came_first: bool,
    /// The carrier reported since that it was put in by other means, as far as the locker knows the time.
    pub before_report: bool,
}

/// Who did what stands in the chain of custody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// `you`, or nobody for an opening.
    Customer,
    /// The carrier's name.
    Carrier,
}

/// What becomes of the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Nothing.
    Stays,
    /// It is this reservation's again.
    Keep,
    /// It is free; where its latch jammed last, or a customer was given access in the courier's epoch, it settles.
    Free,
    /// It is nobody's until it is proven that nobody has opened it since.
    Settle,
    /// Nobody is given it until somebody has looked.
    Hold,
}

/// What an operator is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// A courier opened to put in a parcel that was called off or moved meanwhile.
    CalledOffDeposit,
    /// The same, and the door is not kept for it any more.
    CalledOffDepositElsewhere,
    /// A courier took out, or found gone, what the customer had been given more time for or had opened meanwhile.
    TakenAfterExtend,
    /// A courier took out again what was ready to be collected.
    TakenBackOut,
    /// A carrier reports that a parcel lies inside, and the locker measured nothing there before, by its clock.
    EmptyBeforeReport,
    /// It was opened to be taken out, and something is measured to be inside still.
    LeftInside,
    /// It is not certain that the door came open as a courier opened to take it out: whether it was, nobody knows.
    MayBeTaken,
    /// A customer put something in after the door had ceased to be theirs.
    PutInElsewhere,
    /// What was given back was opened again, and it is not known any more what lies there.
    OpenedAfterBack,
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The new state.
    pub state: State,
    /// Whether the new state rests on a word.
    pub unproven: bool,
    /// What goes into the chain of custody.
    pub notes: Vec<(TimelineEvent, By, bool)>,
    /// What becomes of the door.
    pub then: Then,
    /// Whom it alarms.
    pub alarm: Option<Alarm>,
    /// The parcel lies inside from now on: its window begins.
    pub begins: bool,
}

/// Whether somebody may answer at the door whether it lies inside: something was to be put in, to be put back, or to be taken
/// out by a courier.
#[must_use]
pub const fn may_say(who: Who, kind: Kind, state: State, lent: bool) -> bool {
    match (who, kind, state) {
        (Who::Customer, Kind::Return, State::Booked | State::Cancelled | State::Deposited)
        | (
            Who::Courier,
            Kind::Pickup,
            State::Announced
            | State::InTransit
            | State::Cancelled
            | State::Ready
            | State::Expired
            | State::Opened,
        )
        | (Who::Courier, Kind::Return, State::Booked | State::Cancelled | State::Deposited) => true,
        (Who::Customer, Kind::Storage, State::Held | State::Ready) => lent,
        _ => false,
    }
}

/// Whether a state that was proven rests on a word from now on, since somebody's latch is said to have jammed: where its sensor
/// sticks, the door came open all the same, and nothing was measured.
#[must_use]
pub fn is_doubted_after_jam(who: Who, kind: Kind, state: State) -> bool {
    (who, kind, state) == (Who::Customer, Kind::Return, State::Deposited)
}

/// What follows from what became known.
#[must_use]
pub fn judge(facts: Facts, event: Event) -> Verdict {
    let mut verdict = Verdict {
        state: facts.state,
        unproven: facts.unproven,
        notes: Vec::new(),
        then: Then::Stays,
        alarm: None,
        begins: false,
    };
    match (facts.who, facts.kind) {
        (Who::Courier, Kind::Return) if facts.overtaken && found_gone(facts, event, &mut verdict) => {}
        (_, Kind::Return) if facts.overtaken => note_whose_opening(facts.who, event, &mut verdict),
        (Who::Customer, Kind::Pickup) => collected(facts, event, &mut verdict),
        (Who::Customer, Kind::Return) => put_in(facts, event, &mut verdict),
        (_, Kind::Storage) => {
            note_opening(event, &mut verdict);
            let changed = facts.inside.and_then(Inside::counts) != facts.before.and_then(Inside::counts)
                || facts.inside == Some(Inside::Unknown);
            if facts.state == State::Released && !facts.door.is_theirs() && changed {
                verdict.alarm = Some(Alarm::OpenedAfterBack);
            }
        }
        (Who::Courier, Kind::Pickup) => match facts.state {
            State::Announced | State::InTransit | State::Cancelled => deposited(facts, event, &mut verdict),
            State::Ready
                if facts.took_out.is_none() && !facts.opened_by_customer && facts.door == Door::Kept =>
            {
                taken_back_out(facts, event, &mut verdict);
            }
            _ => taken_out(facts, event, &mut verdict),
        },
        (Who::Courier, Kind::Return) => taken_out(facts, event, &mut verdict),
    }
    if facts.door == Door::Free
        && (may_hold_something(facts) || verdict.alarm == Some(Alarm::OpenedAfterBack))
    {
        verdict.then = Then::Hold;
    }
    verdict
}

/// Whether something may lie behind a door that is nobody's, as far as its last opening tells: it is said or measured, or
/// something was to be put in and nobody has said otherwise.
fn may_hold_something(facts: Facts) -> bool {
    let puts_in = match (facts.who, facts.kind) {
        (Who::Customer, Kind::Return | Kind::Storage) => true,
        (Who::Courier, Kind::Pickup) => facts.took_out.is_none(),
        _ => false,
    };
    facts.inside.and_then(Inside::counts) == Some(true)
        || (puts_in && matches!(facts.inside, Some(Inside::Open | Inside::Unknown)))
}

fn note_opening(event: Event, verdict: &mut Verdict) {
    note_whose_opening(Who::Customer, event, verdict);
}

fn note_whose_opening(who: Who, event: Event, verdict: &mut Verdict) {
    if let Event::Opened { certain, .. } = event {
        let by = if who == Who::Courier { By::Carrier } else { By::Customer };
        verdict.notes.push((TimelineEvent::Opened, by, certain));
    }
}

/// A customer at the door of a parcel.
fn collected(facts: Facts, event: Event, verdict: &mut Verdict) {
    note_opening(event, verdict);
    if facts.put_in_since {
        return;
    }
    match (facts.state, event) {
        // Of a door that it lay in before, or was to lie in, nothing follows.
        // Where it is not certain that the door came open it may lie there still: it stays theirs to collect, unless
        // the locker has measured that it is gone.
        (State::Ready | State::Expired, Event::Opened { operation, certain })
            if operation != Operation::Deposit
                && facts.door == Door::Kept
                // Where its closing came first, what was measured then counts.
                && facts.inside != Some(Inside::Present)
                && (certain || facts.inside == Some(Inside::Absent)) =>
        {
            verdict.state = State::Opened;
            verdict.unproven = false;
        }
        (State::Ready | State::Expired, Event::Closed)
            // By an opening that is not certain; or by one after which there was more time for it before it was closed.
            if facts.took_out.is_some()
                && facts.door == Door::Kept
                && facts.inside == Some(Inside::Absent) =>
        {
            verdict.state = State::Opened;
            verdict.unproven = false;
        }
        // The customer had taken it before a courier came for it, who found its compartment empty; or before its carrier said so.
        (State::Returned, Event::Closed)
            if facts.here
                && facts.took_out == Some(true)
                && (facts.overtaken || facts.unproven)
                && facts.inside == Some(Inside::Absent) =>
        {
            verdict.state = State::Collected;
            verdict.unproven = false;
            verdict.alarm = Some(Alarm::TakenAfterExtend);
        }
        (State::Returned, Event::Opened { certain: true, .. }) if facts.here => {
            verdict.alarm = Some(Alarm::TakenAfterExtend);
        }
        // It was closed, and the locker measured it inside: it is theirs to collect as before.
        (State::Opened, Event::Closed)
            if facts.door == Door::Kept && facts.inside == Some(Inside::Present) && !facts.overtaken =>
        {
            verdict.state = State::Ready;
            verdict.unproven = false;
        }
        // What was only said is proven now. Whether the door is free is a question of what was left in it.
        (State::Collected, Event::Opened { certain, .. })
            if facts.here && facts.inside != Some(Inside::Present) =>
        {
            verdict.unproven &= !certain;
        }
        (State::Collected, Event::Closed) if facts.here && facts.inside == Some(Inside::Absent) => {
            verdict.unproven = false;
        }
        (State::Collected, Event::Closed) if facts.inside == Some(Inside::Present) && !facts.overtaken => {
            verdict.unproven |= facts.here;
            verdict.alarm = Some(Alarm::LeftInside);
        }
        _ => {}
    }
}

/// A customer at the door of a return.
fn put_in(facts: Facts, event: Event, verdict: &mut Verdict) {
    note_opening(event, verdict);
    let measured = facts.inside.is_some_and(Inside::is_measured);
    match (facts.inside.and_then(Inside::counts), facts.state) {
        (Some(true), State::Booked | State::Cancelled) => {
            verdict.state = State::Deposited;
            verdict.unproven = !measured;
            verdict.notes.push((TimelineEvent::Deposited, By::Customer, measured));
            match facts.door {
                Door::Kept => {}
                Door::Settling => verdict.then = Then::Keep,
                Door::Free | Door::Others => verdict.alarm = Some(Alarm::PutInElsewhere),
            }
        }
        (Some(true), State::Deposited) if measured => verdict.unproven = false,
        // Taken out again by the one who put it in.
        (Some(false), State::Deposited) if facts.door == Door::Kept => {
            verdict.state = State::Booked;
            verdict.unproven = false;
        }
        // Opened again and closed, and nobody has measured or said since what lies there: what was said before says nothing.
        (None, State::Deposited) if facts.inside == Some(Inside::Unknown) && facts.door == Door::Kept => {
            verdict.state = State::Booked;
            verdict.unproven = false;
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(who: Who, kind: Kind, state: State) -> Facts {
        Facts {
            kind,
            state,
            who,
            inside: Some(Inside::Open),
            before: None,
            door: Door::Kept,
            here: true,
            opened_by_customer: false,
            took_out: None,
            unproven: false,
            overtaken: false,
            put_in_since: false,
            lay_there: false,
            came_first: false,
            before_report: false,
        }
    }

    const DEPOSIT: Event = Event::Opened { operation: Operation::Deposit, certain: true };
    const COLLECT: Event = Event::Opened { operation: Operation::Collect, certain: true };

    #[test]
    fn an_opened_return_is_dropped_off_when_something_is_inside() {
        let booked = facts(Who::Customer, Kind::Return, State::Booked);
        for (event, inside, state, unproven) in [
            (DEPOSIT, Inside::Open, State::Booked, false),
            (Event::Closed, Inside::Unknown, State::Booked, false),
            (Event::Closed, Inside::Absent, State::Booked, false),
            (Event::Said, Inside::SaidOut, State::Booked, false),
            (Event::Said, Inside::SaidIn, State::Deposited, true),
            (Event::Closed, Inside::Present, State::Deposited, false),
        ] {
            let verdict = judge(Facts { inside: Some(inside), ..booked }, event);
            assert_eq!((verdict.state, verdict.unproven), (state, unproven), "{event:?} {inside:?}");
        }
        // By PIN it is a collect, and the same.
        let by_pin = judge(Facts { inside: Some(Inside::Present), ..booked }, COLLECT);
        assert_eq!(by_pin.state, State::Deposited);
    }

    #[test]
    fn a_return_that_was_opened_again_is_dropped_off_when_it_is_said_again() {
        let dropped_off = Facts { unproven: true, ..facts(Who::Customer, Kind::Return, State::Deposited) };
        for (event, inside, state) in [
            // Its closing is waited for.
            (COLLECT, Inside::Open, State::Deposited),
            (Event::Closed, Inside::Unknown, State::Booked),
            (Event::Closed, Inside::Absent, State::Booked),
            (Event::Closed, Inside::Present, State::Deposited),
        ] {
            let verdict = judge(Facts { inside: Some(inside), ..dropped_off }, event);
            assert_eq!(verdict.state, state, "{event:?} {inside:?}");
        }
        // A courier has it: what a late receipt says is of before.
        let fetched = Facts { inside: Some(Inside::Unknown), door: Door::Free, ..dropped_off };
        assert_eq!(judge(fetched, Event::Closed).state, State::Deposited);
    }

    #[test]
    fn what_a_customer_did_before_the_courier_says_nothing_of_what_was_fetched() {
        let dropped_off = Facts { unproven: true, ..facts(Who::Customer, Kind::Return, State::Deposited) };
        let late = Facts { inside: Some(Inside::Unknown), overtaken: true, ..dropped_off };
        for event in [COLLECT, Event::Closed] {
            assert_eq!(judge(late, event).state, State::Deposited, "{event:?}");
        }
        // Nor the other way round: what a courier did before the customer put it in.
        let proven = Facts { unproven: false, who: Who::Courier, ..dropped_off };
        let late = Facts { inside: Some(Inside::Absent), overtaken: true, took_out: Some(true), ..proven };
        assert_eq!(judge(late, Event::Closed).then, Then::Stays);
        // It came in before the courier's: the courier's word says what lay there.
        let errand = Facts { took_out: Some(true), ..facts(Who::Courier, Kind::Return, State::Booked) };
        for (inside, state, then) in [
            (Inside::SaidOut, State::Deposited, Then::Settle),
            (Inside::SaidIn, State::Deposited, Then::Keep),
            (Inside::Present, State::Deposited, Then::Keep),
            (Inside::Absent, State::Deposited, Then::Settle),
            (Inside::Unknown, State::Booked, Then::Stays),
        ] {
            let verdict = judge(Facts { inside: Some(inside), ..errand }, Event::Said);
            assert_eq!((verdict.state, verdict.then), (state, then), "{inside:?}");
        }
        assert!(may_say(Who::Courier, Kind::Return, State::Booked, false));
    }

    #[test]
    fn what_a_courier_did_before_the_carriers_report_says_nothing_of_it() {
        let ready = facts(Who::Courier, Kind::Pickup, State::Ready);
        let empty = Facts { inside: Some(Inside::Absent), unproven: true, ..ready };
        assert_eq!(judge(empty, Event::Closed).state, State::InTransit);
        for (inside, alarm) in [
            (Inside::Absent, Some(Alarm::EmptyBeforeReport)),
            (Inside::Present, None),
            (Inside::SaidOut, None),
        ] {
            let facts = Facts { inside: Some(inside), before_report: true, ..empty };
            let before = judge(facts, Event::Closed);
            assert_eq!((before.state, before.unproven, before.alarm), (State::Ready, true, alarm));
        }
        assert!(!judge(Facts { inside: Some(Inside::Present), ..empty }, Event::Closed).unproven);
    }

    /// A customer took it, or left it there, before a courier was at it again.
    #[test]
    fn what_a_customer_did_before_a_courier_says_nothing_of_what_lies_there() {
        let ready = Facts { took_out: Some(true), ..facts(Who::Customer, Kind::Pickup, State::Ready) };
        let late = Facts { overtaken: true, ..ready };
        let put_in = Facts { put_in_since: true, ..late };
        for event in [COLLECT, Event::Closed] {
            let gone = Facts { inside: Some(Inside::Absent), ..put_in };
            assert_eq!(judge(gone, event).state, State::Ready, "{event:?}: it lies there since");
            assert_eq!(judge(Facts { inside: Some(Inside::Absent), ..late }, event).state, State::Opened);
        }
        let left = Facts { inside: Some(Inside::Present), state: State::Opened, ..late };
        assert_eq!(judge(left, Event::Closed).state, State::Opened, "the courier has it");
        let left = judge(Facts { state: State::Collected, ..left }, Event::Closed);
        assert_eq!((left.alarm, left.unproven), (None, false));
    }

    /// Whichever of the two receipts the hub hears first.
    #[test]
    fn what_is_measured_inside_is_still_to_be_collected() {
        let opened = facts(Who::Customer, Kind::Pickup, State::Opened);
        let left = Facts { inside: Some(Inside::Present), ..opened };
        assert_eq!(judge(left, Event::Closed).state, State::Ready);
        assert_eq!(judge(Facts { state: State::Ready, ..left }, COLLECT).state, State::Ready);
        assert_eq!(judge(Facts { state: State::Expired, ..left }, COLLECT).state, State::Expired);
        for inside in [Inside::Absent, Inside::Unknown, Inside::Open] {
            let facts = Facts { inside: Some(inside), ..opened };
            assert_eq!(judge(facts, Event::Closed).state, State::Opened, "{inside:?}");
        }
    }

    #[test]
    fn a_return_that_was_called_off_lies_there_all_the_same() {
        let called_off =
            Facts { inside: Some(Inside::Present), ..facts(Who::Customer, Kind::Return, State::Cancelled) };
        let verdict = judge(Facts { door: Door::Settling, ..called_off }, Event::Closed);
        assert_eq!((verdict.state, verdict.then, verdict.alarm), (State::Deposited, Then::Keep, None));
        let verdict = judge(Facts { door: Door::Others, ..called_off }, Event::Closed);
        assert_eq!((verdict.then, verdict.alarm), (Then::Stays, Some(Alarm::PutInElsewhere)));
    }

    #[test]
    fn a_parcel_is_ready_when_it_lies_inside() {
        let under_way = facts(Who::Courier, Kind::Pickup, State::InTransit);
        assert_eq!(judge(under_way, DEPOSIT).state, State::InTransit);
        for (inside, state, unproven) in [
            (Inside::Absent, State::InTransit, false),
            (Inside::SaidIn, State::Ready, true),
            (Inside::Present, State::Ready, false),
        ] {
            let verdict = judge(Facts { inside: Some(inside), ..under_way }, Event::Closed);
            assert_eq!((verdict.state, verdict.unproven), (state, unproven), "{inside:?}");
            assert_eq!(verdict.begins, state == State::Ready);
        }
        let ready = facts(Who::Courier, Kind::Pickup, State::Ready);
        let back = judge(Facts { inside: Some(Inside::Absent), ..ready }, Event::Closed);
        assert_eq!(back.state, State::InTransit, "the courier took it out again");
        assert_eq!(back.alarm, Some(Alarm::TakenBackOut));
        for event in [DEPOSIT, Event::Opened { operation: Operation::Reopen, certain: true }] {
            let once_more = judge(ready, event);
            assert_eq!(once_more.notes, [(TimelineEvent::Opened, By::Carrier, true)], "{event:?}");
        }
    }

    #[test]
    fn called_off_deposit() {
        let inside = Some(Inside::Present);
        for (state, door, alarm, becomes, then) in [
            (State::Cancelled, Door::Settling, Alarm::CalledOffDeposit, State::Ready, Then::Keep),
            // Moved to another site.
            (State::InTransit, Door::Settling, Alarm::CalledOffDeposit, State::Ready, Then::Keep),
            (State::Cancelled, Door::Others, Alarm::CalledOffDepositElsewhere, State::Cancelled, Then::Stays),
        ] {
            let facts = Facts { door, ..facts(Who::Courier, Kind::Pickup, state) };
            let opened = judge(facts, DEPOSIT);
            assert_eq!((opened.alarm, opened.state), (Some(alarm), state));
            let closed = judge(Facts { inside, ..facts }, Event::Closed);
            assert_eq!(
                (closed.alarm, closed.state, closed.then),
                (None, becomes, then),
                "{state:?} {door:?}"
            );
        }
    }

    #[test]
    fn what_a_courier_takes_out_frees_the_door_when_it_is_gone() {
        for (kind, state, becomes, event) in [
            (Kind::Pickup, State::Expired, State::Returned, TimelineEvent::Returned),
            (Kind::Return, State::Deposited, State::Deposited, TimelineEvent::InTransit),
        ] {
            let there = Facts { took_out: Some(true), ..facts(Who::Courier, kind, state) };
            // An opening is none, and neither is a closed door.
            for (what, inside) in
                [(COLLECT, Inside::Open), (Event::Closed, Inside::Unknown), (Event::Said, Inside::SaidIn)]
            {
                let verdict = judge(Facts { inside: Some(inside), ..there }, what);
                assert_eq!(
                    (verdict.state, verdict.then, verdict.alarm),
                    (state, Then::Stays, None),
                    "{what:?}"
                );
                assert!(verdict.notes.iter().all(|(what, ..)| *what == TimelineEvent::Opened));
            }
            // Measured, whichever receipt comes first; or said, and shown as said.
            for (what, inside, proven) in [
                (Event::Closed, Inside::Absent, true),
                (COLLECT, Inside::Absent, true),
                (Event::Said, Inside::SaidOut, false),
                (Event::Closed, Inside::SaidOut, false),
            ] {
                let gone = judge(Facts { inside: Some(inside), ..there }, what);
                assert_eq!((gone.state, gone.then, gone.alarm), (becomes, Then::Free, None), "{what:?}");
                assert_eq!(gone.unproven, !proven && kind == Kind::Pickup);
                assert_eq!(gone.notes, [(event, By::Carrier, proven)]);
            }
            let left = judge(Facts { inside: Some(Inside::Present), ..there }, Event::Closed);
            assert_eq!((left.state, left.then, left.alarm), (state, Then::Stays, Some(Alarm::LeftInside)));
        }
        // The carrier said so, and the locker measures otherwise.
        let said = Facts { took_out: Some(true), ..facts(Who::Courier, Kind::Pickup, State::Returned) };
        let left = Facts { door: Door::Settling, inside: Some(Inside::Present), ..said };
        let left = judge(left, Event::Closed);
        assert_eq!(
            (left.state, left.then, left.alarm),
            (State::Expired, Then::Keep, Some(Alarm::LeftInside))
        );

        let ready = Facts { took_out: Some(true), ..facts(Who::Courier, Kind::Pickup, State::Ready) };
        assert_eq!(judge(ready, COLLECT).state, State::Ready);
        let extended = judge(Facts { inside: Some(Inside::SaidOut), ..ready }, Event::Said);
        assert_eq!((extended.state, extended.alarm), (State::Returned, Some(Alarm::TakenAfterExtend)));
        let too_late = judge(facts(Who::Courier, Kind::Pickup, State::Collected), COLLECT);
        assert_eq!((too_late.state, too_late.then), (State::Collected, Then::Stays));
    }

    #[test]
    fn where_power_failed_nothing_is_taken_out_unless_measured() {
        const FAILED: Event = Event::Opened { operation: Operation::Collect, certain: false };
        for (kind, state) in [(Kind::Pickup, State::Expired), (Kind::Return, State::Deposited)] {
            let failed = Facts { took_out: Some(false), ..facts(Who::Courier, kind, state) };
            let opened = judge(failed, FAILED);
            assert_eq!(
                (opened.state, opened.then, opened.alarm),
                (state, Then::Stays, Some(Alarm::MayBeTaken))
            );
            assert_eq!(opened.notes, [(TimelineEvent::Opened, By::Carrier, false)]);
            let closed = judge(Facts { inside: Some(Inside::Unknown), ..failed }, Event::Closed);
            assert_eq!((closed.state, closed.then), (state, Then::Stays), "{kind:?}");
            for what in [Event::Closed, FAILED] {
                let gone = judge(Facts { inside: Some(Inside::Absent), ..failed }, what);
                assert_eq!((gone.then, gone.alarm), (Then::Free, None), "{what:?}");
            }
        }
    }

    #[test]
    fn an_opening_at_which_power_failed_leaves_it_to_be_collected() {
        const FAILED: Event = Event::Opened { operation: Operation::Collect, certain: false };
        let ready = Facts { took_out: Some(false), ..facts(Who::Customer, Kind::Pickup, State::Ready) };
        for (inside, event, state) in [
            (Inside::Open, FAILED, State::Ready),
            (Inside::Unknown, FAILED, State::Ready),
            (Inside::Present, FAILED, State::Ready),
            (Inside::Absent, FAILED, State::Opened),
            (Inside::Unknown, Event::Closed, State::Ready),
            (Inside::Present, Event::Closed, State::Ready),
            (Inside::Absent, Event::Closed, State::Opened),
        ] {
            let verdict = judge(Facts { inside: Some(inside), ..ready }, event);
            assert_eq!(verdict.state, state, "{inside:?} {event:?}");
        }
        assert_eq!(judge(ready, FAILED).notes, [(TimelineEvent::Opened, By::Customer, false)]);
        let said = Facts { unproven: true, ..facts(Who::Customer, Kind::Pickup, State::Collected) };
        assert!(judge(said, FAILED).unproven, "it proves nothing of what was said");
    }

    #[test]
    fn what_happens_at_another_door_changes_only_the_record() {
        for door in [Door::Settling, Door::Free, Door::Others] {
            for state in [State::Ready, State::Expired, State::Opened] {
                for inside in [Inside::Open, Inside::Absent, Inside::Unknown, Inside::SaidOut] {
                    for who in [Who::Courier, Who::Customer] {
                        let elsewhere = facts(who, Kind::Pickup, state);
                        let elsewhere = Facts {
                            door,
                            here: false,
                            inside: Some(inside),
                            took_out: Some(true),
                            ..elsewhere
                        };
                        for event in [DEPOSIT, COLLECT, Event::Closed, Event::Said] {
                            let verdict = judge(elsewhere, event);
                            assert_eq!(
                                (verdict.state, verdict.then, verdict.unproven),
                                (state, Then::Stays, false),
                                "{who:?} {door:?} {inside:?} {event:?}"
                            );
                            let noted = verdict.notes.iter().all(|(what, ..)| *what == TimelineEvent::Opened);
                            assert!(noted, "{who:?} {door:?} {inside:?} {event:?}");
                        }
                    }
                }
            }
        }
        let said = Facts {
            unproven: true,
            door: Door::Others,
            here: false,
            ..facts(Who::Customer, Kind::Pickup, State::Collected)
        };
        assert!(judge(said, COLLECT).unproven, "what is said of one door is not proven by another");
    }

    #[test]
    fn late_receipt() {
        for state in [State::Collected, State::Returned, State::Cancelled] {
            let late = Facts { door: Door::Others, ..facts(Who::Customer, Kind::Pickup, state) };
            let verdict = judge(late, COLLECT);
            // Who of the two has it, the operator finds out.
            let alarm = (state == State::Returned).then_some(Alarm::TakenAfterExtend);
            assert_eq!((verdict.state, verdict.then, verdict.alarm), (state, Then::Stays, alarm));
            assert_eq!(verdict.notes, [(TimelineEvent::Opened, By::Customer, true)]);
        }
        // A courier's, of the time before the window ended.
        for operation in [Operation::Deposit, Operation::Reopen] {
            for (state, opened_by_customer) in [(State::Expired, false), (State::Ready, true)] {
                let late = Facts { opened_by_customer, ..facts(Who::Courier, Kind::Pickup, state) };
                let verdict = judge(late, Event::Opened { operation, certain: true });
                assert_eq!((verdict.state, verdict.then, verdict.alarm), (state, Then::Stays, None));
                assert_eq!(verdict.notes, [(TimelineEvent::Opened, By::Carrier, true)]);
                let closed = judge(Facts { inside: Some(Inside::Unknown), ..late }, Event::Closed);
                assert_eq!((closed.state, closed.then), (state, Then::Stays), "{operation:?}");
            }
        }
        let left = facts(Who::Customer, Kind::Pickup, State::Collected);
        let left = judge(Facts { inside: Some(Inside::Present), ..left }, Event::Closed);
        assert_eq!(left.alarm, Some(Alarm::LeftInside));
        let said = Facts { unproven: true, ..facts(Who::Customer, Kind::Pickup, State::Collected) };
        assert!(!judge(said, COLLECT).unproven, "what was said is proven now");
    }

    #[test]
    fn a_door_that_is_nobodys_is_held_where_something_may_lie_in_it() {
        use Inside::{Absent, Open, Present, SaidIn, SaidOut, Unknown};
        for (who, kind, state, inside, then) in [
            (Who::Customer, Kind::Pickup, State::Collected, Present, Then::Hold),
            (Who::Customer, Kind::Pickup, State::Collected, Absent, Then::Stays),
            (Who::Customer, Kind::Pickup, State::Collected, Unknown, Then::Stays),
            (Who::Customer, Kind::Return, State::Cancelled, Present, Then::Hold),
            (Who::Customer, Kind::Return, State::Cancelled, SaidIn, Then::Hold),
            (Who::Customer, Kind::Return, State::Cancelled, Unknown, Then::Hold),
            (Who::Customer, Kind::Return, State::Cancelled, SaidOut, Then::Stays),
            (Who::Courier, Kind::Pickup, State::Cancelled, Present, Then::Hold),
            (Who::Courier, Kind::Pickup, State::InTransit, Unknown, Then::Hold),
            (Who::Courier, Kind::Pickup, State::InTransit, Open, Then::Hold),
            (Who::Customer, Kind::Return, State::Cancelled, Open, Then::Hold),
            (Who::Customer, Kind::Pickup, State::Collected, Open, Then::Stays),
            (Who::Courier, Kind::Return, State::Accepted, Present, Then::Hold),
            (Who::Courier, Kind::Return, State::Accepted, Unknown, Then::Stays),
        ] {
            let took_out = (kind == Kind::Return).then_some(true);
            let at = Facts { inside: Some(inside), took_out, ..facts(who, kind, state) };
            let free = judge(Facts { door: Door::Free, ..at }, Event::Closed);
            assert_eq!(free.then, then, "{who:?} {kind:?} {inside:?}");
            let others = judge(Facts { door: Door::Others, ..at }, Event::Closed);
            assert_eq!(others.then, Then::Stays, "{who:?} {kind:?} {inside:?}");
        }
        let back = Facts { before: Some(Absent), ..facts(Who::Customer, Kind::Storage, State::Released) };
        assert_eq!(judge(Facts { door: Door::Free, ..back }, COLLECT).then, Then::Hold);
    }

    #[test]
    fn a_thing_that_is_taken_again_after_it_was_given_back_is_missed() {
        let back = Facts {
            before: Some(Inside::Present),
            door: Door::Others,
            ..facts(Who::Customer, Kind::Storage, State::Released)
        };
        let access = Event::Opened { operation: Operation::Access, certain: true };
        assert_eq!(judge(back, access).alarm, Some(Alarm::OpenedAfterBack));
        let unknown = Facts { before: None, inside: Some(Inside::Unknown), ..back };
        assert_eq!(judge(unknown, Event::Closed).alarm, Some(Alarm::OpenedAfterBack));
        let freed = judge(Facts { door: Door::Free, ..unknown }, Event::Closed);
        assert_eq!(freed.then, Then::Hold, "nobody measures what lies there");
        let absent = Facts { inside: Some(Inside::Absent), ..back };
        assert_eq!(judge(absent, Event::Closed).alarm, Some(Alarm::OpenedAfterBack));
        let earlier = Facts { inside: Some(Inside::Present), ..back };
        assert_eq!(judge(earlier, access).alarm, None, "an opening of before, whose receipt came late");
    }
}
