//! What a courier's opening makes of a parcel or a return.

use postern_api::reservation::{Kind, State, TimelineEvent};

use super::{Alarm, By, Door, Event, Facts, Then, Verdict};
use crate::placed::Inside;

/// A courier opened to put a parcel in, and it is not known to lie inside yet.
pub(super) fn deposited(facts: Facts, event: Event, verdict: &mut Verdict) {
    let called_off = facts.state == State::Cancelled || facts.door != Door::Kept;
    if called_off && let Event::Opened { .. } = event {
        verdict.alarm = Some(if facts.door.is_theirs() {
            Alarm::CalledOffDeposit
        } else {
            Alarm::CalledOffDepositElsewhere
        });
    }
    let measured = facts.inside.is_some_and(Inside::is_measured);
    if facts.inside.and_then(Inside::counts) == Some(true) && facts.door.is_theirs() {
        verdict.state = State::Ready;
        verdict.unproven = !measured;
        verdict.begins = true;
        verdict.then = Then::Keep;
        verdict.notes.push((TimelineEvent::Deposited, By::Carrier, measured));
    }
}

/// The courier who put it in opened once more.
pub(super) fn taken_back_out(facts: Facts, event: Event, verdict: &mut Verdict) {
    // It is the customer's by now: they can see who was at it.
    if let Event::Opened { certain, .. } = event {
        verdict.notes.push((TimelineEvent::Opened, By::Carrier, certain));
    }
    match facts.inside {
        // What lies there was put in since, if the locker's clock is right.
        Some(Inside::Absent) if facts.before_report => verdict.alarm = Some(Alarm::EmptyBeforeReport),
        _ if facts.before_report => {}
        Some(Inside::Present) => verdict.unproven = false,
        Some(inside) if inside.counts() == Some(false) => {
            verdict.state = State::InTransit;
            verdict.unproven = false;
            verdict.notes.push((TimelineEvent::InTransit, By::Carrier, inside.is_measured()));
            verdict.alarm = Some(Alarm::TakenBackOut);
        }
        _ => {}
    }
}

/// A courier opened to take something out. An opening shows nothing of what became of it: the locker measures that, or the
/// courier is asked; until then it counts as lying there, and its door is kept.
pub(super) fn taken_out(facts: Facts, event: Event, verdict: &mut Verdict) {
    let holds = facts.door == Door::Kept
        && matches!(
            (facts.kind, facts.state),
            (Kind::Pickup, State::Expired | State::Ready) | (Kind::Return, State::Deposited)
        );
    let is_out = facts.inside.and_then(Inside::counts) == Some(false);
    let errand = facts.took_out.is_some();
    if holds && errand && is_out {
        // Who took it is proven where it was proven to lie there.
        let proven = facts.inside == Some(Inside::Absent) && !(facts.kind == Kind::Return && facts.unproven);
        if facts.state == State::Ready {
            verdict.alarm = Some(Alarm::TakenAfterExtend);
        }
        let what = if facts.kind == Kind::Pickup {
            verdict.state = State::Returned;
            verdict.unproven = !proven;
            TimelineEvent::Returned
        } else {
            TimelineEvent::InTransit
        };
        verdict.notes.push((what, By::Carrier, proven));
        verdict.then = Then::Free;
        return;
    }
    if opened_again(facts, event) {
        return taken_although_opened_again(facts, verdict);
    }
    if let Event::Opened { certain, .. } = event {
        verdict.notes.push((TimelineEvent::Opened, By::Carrier, certain));
        if holds && errand && !certain {
            verdict.alarm = Some(Alarm::MayBeTaken);
        }
    }
    if (facts.kind, facts.state) == (Kind::Pickup, State::Opened) && errand {
        return opened_by_both(facts, event, verdict);
    }
    if facts.inside != Some(Inside::Present) || !errand {
        return;
    }
    // Opened, and left where it was.
    if holds {
        verdict.alarm = Some(Alarm::LeftInside);
    } else if (facts.kind, facts.state) == (Kind::Pickup, State::Returned)
        && facts.here
        && facts.door.is_theirs()
    {
        verdict.state = State::Expired;
        verdict.then = Then::Keep;
        verdict.alarm = Some(Alarm::LeftInside);
    }
}

/// A courier who came to take a parcel out that its customer has opened, too, since there was more time for it.
fn opened_by_both(facts: Facts, event: Event, verdict: &mut Verdict) {
    let is_out = facts.inside.and_then(Inside::counts) == Some(false);
    let first = facts.came_first && facts.door == Door::Kept;
    if first && facts.inside == Some(Inside::Absent) {
        // It was gone when its customer came.
        verdict.state = State::Returned;
        verdict.unproven = false;
        verdict.notes.push((TimelineEvent::Returned, By::Carrier, true));
        verdict.then = Then::Settle;
    }
    // Whoever of the two took it, nothing lies there any more. Where that was known before, the customer has it.
    let unknown = is_out && facts.before.and_then(Inside::counts) != Some(false);
    let opened = matches!(event, Event::Opened { certain: true, .. });
    if unknown || verdict.state == State::Returned || (first && opened) {
        verdict.alarm = Some(Alarm::TakenAfterExtend);
    }
}

/// Whether a return's customer had opened it once more while a courier was on the way to it, and had not said again that it lies
/// there: only what the courier says or the locker measures tells that it did.
fn opened_again(facts: Facts, event: Event) -> bool {
    // Measured to be empty, it may be that its customer took it out; not where the courier says who did.
    let told = event == Event::Said && facts.inside == Some(Inside::Absent);
    facts.kind == Kind::Return
        && matches!(facts.state, State::Booked | State::Cancelled)
        && facts.door.is_theirs()
        && facts.took_out.is_some()
        && (told || matches!(facts.inside, Some(Inside::SaidOut | Inside::SaidIn | Inside::Present)))
}

/// Whether a courier took a return before its customer opened the door once more and found nothing: the courier says so, or the
/// locker had measured that it lay there as the courier came, and that it did not as the courier left.
pub(super) fn found_gone(facts: Facts, event: Event, verdict: &mut Verdict) -> bool {
    let is_gone = facts.before.and_then(Inside::counts) == Some(false);
    let proven = event == Event::Closed && facts.lay_there && facts.inside == Some(Inside::Absent);
    let told = proven || (event == Event::Said && facts.inside.and_then(Inside::counts) == Some(false));
    let is_booked = matches!(facts.state, State::Booked | State::Cancelled);
    if !(is_booked && facts.took_out.is_some() && is_gone && told) {
        return false;
    }
    verdict.state = State::Deposited;
    verdict.unproven = !proven;
    verdict.notes.push((TimelineEvent::InTransit, By::Carrier, proven));
    verdict.alarm = Some(Alarm::TakenAfterExtend);
    if facts.door == Door::Kept {
        verdict.then = Then::Settle;
    }
    true
}

/// A courier found such a return, and took it or left it there.
fn taken_although_opened_again(facts: Facts, verdict: &mut Verdict) {
    let measured = facts.inside.is_some_and(Inside::is_measured);
    verdict.state = State::Deposited;
    let is_out = facts.inside.and_then(Inside::counts) == Some(false);
    verdict.unproven = is_out || !measured;
    if is_out {
        verdict.notes.push((TimelineEvent::InTransit, By::Carrier, false));
        // Its customer may have been given access since.
        verdict.then = Then::Settle;
    } else {
        verdict.notes.push((TimelineEvent::Deposited, By::Carrier, measured));
        verdict.then = Then::Keep;
    }
}

#[cfg(test)]
mod tests {
    use postern_protocol::Operation;

    use super::*;
    use crate::booked::{Who, judge};

    #[test]
    fn what_a_courier_took_before_its_customer_came_is_theirs() {
        let gone = Facts {
            kind: Kind::Return,
            state: State::Booked,
            who: Who::Courier,
            inside: Some(Inside::SaidOut),
            before: Some(Inside::Absent),
            door: Door::Kept,
            here: true,
            opened_by_customer: true,
            took_out: Some(true),
            unproven: false,
            overtaken: true,
            put_in_since: true,
            lay_there: true,
            came_first: false,
            before_report: false,
        };
        let measured = Facts { inside: Some(Inside::Absent), ..gone };
        for (facts, event, state, unproven) in [
            (gone, Event::Said, State::Deposited, true),
            (measured, Event::Closed, State::Deposited, false),
            // Whether it lay there as the courier came is not known: its customer may have taken it.
            (Facts { lay_there: false, ..measured }, Event::Closed, State::Booked, false),
            (Facts { inside: Some(Inside::SaidIn), ..gone }, Event::Said, State::Booked, false),
            (Facts { before: Some(Inside::Present), ..gone }, Event::Said, State::Booked, false),
            (measured, Event::Opened { operation: Operation::Collect, certain: true }, State::Booked, false),
        ] {
            let verdict = judge(facts, event);
            assert_eq!((verdict.state, verdict.unproven), (state, unproven), "{facts:?} {event:?}");
            let taken = state == State::Deposited;
            assert_eq!(verdict.then == Then::Settle, taken);
            assert_eq!(verdict.alarm == Some(Alarm::TakenAfterExtend), taken);
        }
    }
}
