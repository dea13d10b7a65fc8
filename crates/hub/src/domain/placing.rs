//! Moves a reservation on by what became known at its door: by a receipt, or by a word of who stood there. The rules are in
//! [`postern_rules::booked`].

use postern_api::{
    problem::Code,
    reservation::{Inside as Said, Kind, State},
};
use postern_rules::{
    booked::{self, By, Door, Event, Facts, Then, Who},
    placed::{self, Answer, Inside, Unsaid},
    settling::Holds,
};

use super::{
    alarms::{self, Alarm},
    doors, ending, parcels,
    reservation::Reservation,
};
use crate::{
    error::{Result, refuse},
    hub::Hub,
    store::{
        Tx,
        chain::{self, At},
    },
};

/// What became known.
#[derive(Clone, Copy, Debug)]
pub struct Happened<'a> {
    /// Whose opening it was.
    pub who: Who,
    /// What.
    pub event: Event,
    /// When, UNIX seconds.
    pub at: i64,
    /// Locker id.
    pub locker: &'a str,
    /// Its door.
    pub door: i64,
}

/// Takes in what happened. The caller saves the reservation.
///
/// # Errors
/// When the database fails.
pub async fn move_on(
    hub: &Hub,
    tx: &mut Tx,
    reservation: &mut Reservation,
    happened: Happened<'_>,
) -> Result<()> {
    let now = hub.clock.now();
    let Happened { who, event, at, locker, door } = happened;
    let place = chain::place(tx, locker, door).await?;
    // A door that was never provisioned: the receipt stands in the chain, and that is all.
    let Some(place) = place else { return Ok(()) };
    let by_courier = who == Who::Courier;
    let links = chain::of_reservation(tx, &reservation.id, (locker, door), by_courier).await?;
    let links = placed::links(links);
    let openings = chain::openings(tx, &reservation.id, (locker, door), by_courier).await?;
    let inside = placed::known(&links, reservation.answer_at(locker, door), place.sensors);
    let others = chain::of_reservation(tx, &reservation.id, (locker, door), !by_courier).await?;
    let others = placed::links(others);
    let overtaken = placed::last_opening(&others) > placed::last_opening(&links);
    let put_in_since = overtaken && {
        let since = placed::known(&others, reservation.answer_at(locker, door), place.sensors);
        let theirs = chain::openings(tx, &reservation.id, (locker, door), !by_courier).await?;
        placed::took_out(&theirs).is_none() || since.and_then(Inside::counts) == Some(true)
    };
    let earlier: Vec<_> = {
        let last = placed::last_opening(&links).unwrap_or_default();
        others.iter().filter(|link| link.sequence < last).copied().collect()
    };
    let lay_there = placed::known(&earlier, reservation.answer_at(locker, door), place.sensors);
    let here = (reservation.locker.as_deref(), reservation.door) == (Some(locker), Some(door));
    match (who, reservation.kind) {
        (_, Kind::Return) if overtaken => {}
        (Who::Customer, _) if here => reservation.opening = placed::last_opening(&links),
        // A courier has been at it since: what lies there is not the customer's to say any more.
        (Who::Courier, Kind::Return) if here => reservation.opening = None,
        _ => {}
    }
    let whose = if place.reservation.as_deref() == Some(&*reservation.id) {
        Door::Kept
    } else if place.settling.as_deref() == Some(&*reservation.id) {
        Door::Settling
    } else if place.free {
        Door::Free
    } else {
        Door::Others
    };
    let facts = Facts {
        kind: reservation.kind,
        state: reservation.state,
        who,
        inside,
        before: reservation.inside,
        door: whose,
        here,
        opened_by_customer: reservation.first_opened.is_some(),
        took_out: placed::took_out(&openings),
        unproven: reservation.unproven,
        overtaken,
        put_in_since,
        lay_there: lay_there == Some(Inside::Present),
        came_first: placed::first_opening(&others) > placed::last_opening(&links),
        before_report: before_report(reservation, event, at),
    };
    let verdict = booked::judge(facts, event);
    tracing::debug!(?facts, ?event, ?verdict, "judged");
    let before = reservation.state;
    // Of a door that is not its own it says nothing of what lies in its own.
    let of_before = facts.before_report || overtaken;
    if (here || whose == Door::Kept || verdict.then == Then::Keep) && !of_before {
        reservation.inside = inside;
    }
    // What power failed at came to be after all.
    if (verdict.state, reservation.first_opened) == (State::Opened, None) {
        reservation.was_opened(at);
    }
    reservation.state = verdict.state;
    reservation.unproven = verdict.unproven;
    let carrier = parcels::carrier_name(tx, &reservation.carrier).await?;
    for (what, by, proven) in verdict.notes {
        let by = match by {
            By::Carrier => Some(carrier.as_str()),
            By::Customer if what == postern_api::reservation::TimelineEvent::Opened => None,
            By::Customer => Some("you"),
        };
        reservation.note(at, what, by, proven);
    }
    match verdict.then {
        Then::Stays => {}
        Then::Keep => {
            doors::keep_again(tx, reservation, locker, door, now).await?;
        }
        Then::Free => doors::free_or_settle(tx, reservation, now).await?,
        Then::Settle => {
            doors::end(tx, reservation, Holds::Nothing, now).await?;
        }
        Then::Hold => {
            let since = placed::last_opening(&links).unwrap_or_default();
            hold(tx, (locker, door), since, Some(&reservation.id), now).await?;
        }
    }
    if verdict.begins {
        reservation.called_off = before == State::Cancelled;
        parcels::begin_window(hub, tx, reservation, at, None).await?;
        // Whoever asked for another token since could open it with that.
        if let Some(opening) = placed::last_opening(&links).filter(|_| before != State::Cancelled)
            && chain::opening(
                tx,
                &reservation.id,
                At { by_courier, account: None, sequence: opening, locker: Some(locker) },
            )
            .await?
            .is_some_and(|of| of.is_of_before)
        {
            doors::revoke(tx, reservation, now).await?;
        }
        ending::pins_that_outlive_shares(tx, reservation, now).await?;
    }
    if let Some(alarm) = verdict.alarm {
        let (kind, reason, repaired) = words(alarm);
        let alarm = Alarm {
            kind,
            locker: Some(locker),
            door: Some(door),
            reservation: Some(&reservation.id),
            reason,
            repaired,
        };
        alarms::raise_once(tx, alarm, now).await?;
    }
    Ok(())
}

/// Whether the parcel lies there by its carrier's report, and this happened before. A courier who says what lies there says so
/// now.
fn before_report(reservation: &Reservation, event: Event, at: i64) -> bool {
    let reported = reservation.unproven && reservation.state == State::Ready && reservation.answer.is_none();
    reported && event != Event::Said && reservation.since.is_some_and(|since| at < since)
}

/// Gives a door that is nobody's to nobody until somebody has looked: something may lie in it since the opening, or closing, at
/// this place in the chain. Whether it is so now.
///
/// # Errors
/// When the database fails.
pub async fn hold(
    tx: &mut Tx,
    (locker, door): (&str, i64),
    since: i64,
    reservation: Option<&str>,
    now: i64,
) -> Result<bool> {
    if !doors::hold(tx, locker, door, since).await? {
        return Ok(false);
    }
    let alarm = Alarm {
        kind: "left_inside",
        locker: Some(locker),
        door: Some(door),
        reservation,
        reason: "something may lie in this compartment, and it is nobody's: it is out of order until somebody has looked, \
                 and clears it",
        repaired: false,
    };
    alarms::raise_once(tx, alarm, now).await?;
    Ok(true)
}

/// A door that was held is anybody's again: its locker has measured since that nothing lies in it.
///
/// # Errors
/// When the database fails.
pub async fn let_go(tx: &mut Tx, (locker, door): (&str, i64), now: i64) -> Result<()> {
    if doors::let_go(tx, locker, door).await? {
        alarms::resolve_of_door(tx, &["left_inside"], (locker, door), now).await?;
    }
    Ok(())
}

fn words(alarm: booked::Alarm) -> (&'static str, &'static str, bool) {
    match alarm {
        booked::Alarm::CalledOffDeposit => (
            "called_off_deposit",
            "a courier opened to put in a parcel that had been called off or moved meanwhile: the door is kept for it",
            true,
        ),
        booked::Alarm::CalledOffDepositElsewhere => (
            "called_off_deposit",
            "a courier opened to put in a parcel that had been called off or moved meanwhile, and the door is not kept for it \
             any more: look at the compartment",
            false,
        ),
        booked::Alarm::TakenAfterExtend => (
            "taken_after_extend",
            "a courier took out a parcel, or found its compartment empty, whose customer had been given more time or had opened \
             it meanwhile",
            false,
        ),
        booked::Alarm::TakenBackOut => (
            "taken_back_out",
            "a courier opened a compartment once more in which a parcel was ready to be collected, and it is not inside any more",
            false,
        ),
        booked::Alarm::EmptyBeforeReport => (
            "empty_before_report",
            "a carrier reported a parcel that no courier's opening put in, and the locker measured the compartment empty \
             before that, by its own clock: if nobody has put it in since, look at the compartment",
            false,
        ),
        booked::Alarm::LeftInside => (
            "left_inside",
            "the door was opened to take out what lies there, and the locker measured something inside when it was closed: \
             look at the compartment, and clear it",
            false,
        ),
        booked::Alarm::MayBeTaken => (
            "unproven",
            "a courier opened to take out what lies there, it is not certain that the door came open (power failed, or its \
             sensor said that it stood open before), and nothing was measured: look at the compartment, and clear it",
            false,
        ),
        booked::Alarm::OpenedAfterBack => (
            "opened_after_back",
            "what was given back was opened once more with the access from before, and nobody knows what lies there now: \
             look at the compartment",
            false,
        ),
        booked::Alarm::PutInElsewhere => (
            "called_off_deposit",
            "a customer put in a return that had been called off meanwhile, and the door is not kept for it any more: look at \
             the compartment",
            false,
        ),
    }
}

/// What somebody at the door said: whether it lies inside, after which opening: of a courier, named by account, one of their own. The
/// caller saves the reservation.
///
/// # Errors
/// `WrongState` where no receipt says that the door was opened then, where it was opened again since, or where the locker
/// measured otherwise.
pub async fn say(
    hub: &Hub,
    tx: &mut Tx,
    reservation: &mut Reservation,
    courier: Option<&str>,
    said: &Said,
) -> Result<()> {
    let who = if courier.is_some() { Who::Courier } else { Who::Customer };
    // A courier who says what is known already, because the answer or the closing came in before.
    if who == Who::Courier && reservation.state == State::Returned && !said.inside {
        return Ok(());
    }
    if !booked::may_say(who, reservation.kind, reservation.state, reservation.lent) {
        return Err(refuse(Code::WrongState, "nothing is to be put in or taken out"));
    }
    let by_courier = who == Who::Courier;
    let at = At {
        by_courier,
        account: courier,
        sequence: i64::from(said.opening),
        locker: said.locker.as_deref(),
    };
    let of = chain::opening(tx, &reservation.id, at)
        .await?
        .ok_or_else(|| refuse(Code::WrongState, "no receipt says that the door was opened then"))?;
    // Whoever asked for another token since could open what lies there with it, once it is the customer's.
    if said.inside
        && of.is_of_before
        && (who, reservation.kind) == (Who::Courier, Kind::Pickup)
        && matches!(reservation.state, State::Announced | State::InTransit)
    {
        return Err(refuse(Code::WrongState, "the door was given anew since: open it again"));
    }
    let links = chain::of_reservation(tx, &reservation.id, (&of.locker, of.door), by_courier).await?;
    let links = placed::links(links);
    let answer = Answer { after: i64::from(said.opening), inside: said.inside };
    let others = chain::of_reservation(tx, &reservation.id, (&of.locker, of.door), !by_courier).await?;
    let others = placed::links(others);
    let since = placed::last_opening(&others).is_some_and(|later| later > answer.after);
    let is_booked = matches!(reservation.state, State::Booked | State::Cancelled);
    let mut found_gone = false;
    if (who, reservation.kind, is_booked) == (Who::Courier, Kind::Return, true) {
        let place = chain::place(tx, &of.locker, of.door).await?;
        let told = place.and_then(|place| {
            placed::known(&others, reservation.answer_at(&of.locker, of.door), place.sensors)
        });
        let is_gone = told.and_then(Inside::counts) == Some(false);
        // The customer came after the courier and found nothing: the courier may well have it.
        found_gone = since && is_gone && !said.inside;
        if is_gone && !found_gone {
            return Err(refuse(Code::WrongState, "the customer has taken it out again"));
        }
    }
    if since && !found_gone {
        return Err(refuse(Code::WrongState, "the door was opened again since"));
    }
    placed::may_say(&links, answer).map_err(|why| match why {
        Unsaid::OpenedAgain => refuse(Code::WrongState, "the door was opened again since"),
        Unsaid::Measured => {
            refuse(Code::WrongState, "the locker measured otherwise when the door was closed")
        }
    })?;
    let before = (reservation.answer, reservation.answered_of.clone());
    reservation.answer = Some(answer);
    reservation.answered_of = Some((of.locker.clone(), of.door));
    let happened = Happened { who, event: Event::Said, at: of.at, locker: &of.locker, door: of.door };
    move_on(hub, tx, reservation, happened).await?;
    if found_gone {
        // What lies there now is told by who was there last.
        (reservation.answer, reservation.answered_of) = before;
    }
    Ok(())
}

/// Whether the customer should be asked what lies inside.
#[must_use]
pub fn is_unsaid(reservation: &Reservation) -> bool {
    booked::may_say(Who::Customer, reservation.kind, reservation.state, reservation.lent)
        && reservation.opening.is_some()
        && matches!(reservation.inside, Some(Inside::Open | Inside::Unknown))
}
