//! What is to be collected again: left inside, opened by a sensor's word alone, taken by mistake.

use postern_api::reservation::{Action, State};
use postern_core::{
    intent::Intent,
    view::{AccessView, ActionView, OpeningPhase, StateView},
};
use postern_protocol::receipt::Outcome;

use crate::{
    door::offline,
    rig::{Rig, reservation},
};

fn with_pickup(seed: u64, content: Option<bool>) -> Rig {
    let mut rig = Rig::new(seed);
    rig.locker.content = content;
    rig.hub.lockers[0].content_sensors = content.is_some();
    rig.hub.reservations = vec![reservation("r1", 1, State::Ready)];
    rig.sign_in();
    rig.advance(1_000);
    rig
}

/// What the locker measured inside as the door was closed is to be collected as before, before the hub knows of it and after; it
/// is no news, and the code of a spent token is not shown.
#[test]
fn what_was_left_inside_is_still_to_be_collected() {
    let mut rig = with_pickup(530, Some(true));
    assert!(rig.reservation("r1").code);
    rig.open(&["r1"]);
    assert_eq!(rig.reservation("r1").state, StateView::Opened);
    rig.close_door(1);
    let view = rig.reservation("r1");
    assert_eq!((view.state, view.inside, view.unproven), (StateView::Ready, Some(true), false));
    assert!(view.actions.contains(&ActionView::Reopen), "{:?}", view.actions);
    assert!(!view.code, "the token is spent");
    rig.notifications.clear();
    rig.change("r1", |reservation| reservation.state = State::Opened);
    rig.change("r1", |reservation| reservation.state = State::Ready);
    assert!(rig.notifications.is_empty(), "it has not arrived");
    rig.advance(3_600_000);
    let view = rig.reservation("r1");
    assert_eq!((view.state, view.actions[0]), (StateView::Ready, ActionView::Open));
    assert!(view.code, "of a new token");
}

/// With no network an hour later nothing opens any more, and nobody is sent to the door: the token has opened it.
#[test]
fn a_spent_token_is_no_access() {
    let mut rig = with_pickup(533, Some(true));
    rig.open(&["r1"]);
    rig.close_door(1);
    rig.change("r1", |reservation| (reservation.state, reservation.opening) = (State::Ready, Some(0)));
    offline(&mut rig);
    assert!(
        matches!(rig.reservation("r1").access, AccessView::Ready { .. }),
        "it opens again what it opened"
    );
    rig.advance(700_000);
    let view = rig.reservation("r1");
    assert_eq!((view.state, view.access), (StateView::Ready, AccessView::NeedsNetwork));
    assert!(!view.actions.contains(&ActionView::Open), "{:?}", view.actions);
}

/// The hub has heard of the opening, and knows better: more time was asked for, or another device brought that it was closed with
/// the parcel inside. This phone says so, and reminds of the new end.
#[test]
fn what_the_hub_counts_as_ready_again_is_ready_here() {
    let mut rig = with_pickup(534, None);
    rig.open(&["r1"]);
    rig.close_door(1);
    let until = rig.view().now + 2 * 86_400;
    rig.change("r1", |reservation| reservation.state = State::Opened);
    assert_eq!(rig.reservation("r1").state, StateView::Opened);
    rig.change("r1", |reservation| {
        (reservation.state, reservation.opening, reservation.until) = (State::Ready, Some(0), Some(until));
        reservation.actions = vec![Action::Open, Action::ConfirmTaken];
    });
    assert_eq!(rig.reservation("r1").state, StateView::Ready);
    rig.notifications.clear();
    rig.advance(86_400_000 + 60_000);
    assert!(!rig.notifications.is_empty(), "a day before the end");
}

/// "Taken" was said by mistake, here or on another device.
#[test]
fn taken_by_mistake_is_taken_back() {
    let mut rig = with_pickup(535, None);
    rig.change("r1", |reservation| {
        (reservation.state, reservation.unproven, reservation.actions) = (State::Collected, true, vec![]);
    });
    rig.intent(Intent::ConfirmTaken { reservation: "r1".into(), taken: false });
    assert_eq!(rig.hub.calls("/v1/reservations/r1/taken")[0].body, r#"{"taken":false}"#);
    rig.change("r1", |reservation| reservation.state = State::Ready);
    assert_eq!(rig.reservation("r1").state, StateView::Ready);

    // Said here, taken back on another device.
    let mut rig = with_pickup(536, None);
    rig.open(&["r1"]);
    rig.close_door(1);
    rig.intent(Intent::ConfirmTaken { reservation: "r1".into(), taken: true });
    rig.change("r1", |reservation| (reservation.state, reservation.actions) = (State::Collected, vec![]));
    assert_eq!(rig.reservation("r1").state, StateView::Collected);
    rig.change("r1", |reservation| {
        (reservation.state, reservation.opening) = (State::Ready, Some(0));
        reservation.actions = vec![Action::Open, Action::ConfirmTaken];
    });
    let view = rig.reservation("r1");
    assert!(view.state == StateView::Ready && view.actions.contains(&ActionView::Open), "{view:?}");
}

/// That a door stands open already is the word of a sensor: nothing counts as opened by it.
#[test]
fn a_door_that_stood_open_before_is_not_said_to_be_opened() {
    let mut rig = with_pickup(531, None);
    rig.locker.outcome = Outcome::AlreadyOpen;
    rig.open(&["r1"]);
    let opening = rig.view().opening.unwrap();
    assert!(matches!(opening.phase, OpeningPhase::Opened { .. }) && opening.already_open);
    assert_eq!(rig.reservation("r1").state, StateView::Ready);
    rig.close_door(1);
    assert_eq!(rig.reservation("r1").state, StateView::Ready);
    assert!(rig.reservation("r1").actions.contains(&ActionView::Open));
}

/// Where nothing is measured it may have been left inside: the hub lets it be opened again, and lets the customer ask for more
/// time, for as long as nobody has said that it is taken.
#[test]
fn what_may_have_been_left_inside_is_opened_again() {
    let mut rig = with_pickup(532, None);
    rig.open(&["r1"]);
    rig.close_door(1);
    rig.advance(3_600_000);
    assert_eq!(rig.reservation("r1").state, StateView::Opened);
    rig.change("r1", |reservation| {
        reservation.state = State::Opened;
        reservation.actions = vec![Action::Open, Action::Extend, Action::ConfirmTaken];
    });
    let view = rig.reservation("r1");
    assert_eq!(view.actions, [ActionView::ConfirmTaken, ActionView::Open, ActionView::Extend]);
    rig.intent(Intent::ConfirmTaken { reservation: "r1".into(), taken: true });
    assert_eq!(rig.reservation("r1").state, StateView::Collected);
}
