//! Opening doors, on good days and bad ones.

use postern_api::{
    reservation::{Action, State},
    token::Operation,
};
use postern_core::{
    event::{Adapter, DialStage, EndReason, Event, RadioEvent},
    intent::{Intent, Setting},
    view::{AccessView, ActionView, OpeningDoorState, OpeningPhase, ProblemCode, StateView},
};
use postern_protocol::{ClockState, Refusal, message::DoorEventKind, receipt::Outcome};

use crate::rig::Rig;

fn failed(rig: &Rig) -> ProblemCode {
    match rig.phase() {
        OpeningPhase::Failed { problem } => problem.code,
        other => panic!("expected a failure, found {other:?}"),
    }
}

#[test]
fn one_parcel_is_collected_end_to_end() {
    let mut rig = Rig::with_parcels(1, &[3]);
    assert_eq!(rig.reservation("r3").actions[0], ActionView::Open);
    rig.open(&["r3"]);
    assert!(matches!(rig.phase(), OpeningPhase::Opened { left_open: false, reopen_seconds: Some(300) }));
    assert_eq!(rig.locker.movements, 1);
    assert_eq!(rig.reservation("r3").state, StateView::Opened);
    rig.close_door(3);
    assert!(matches!(rig.phase(), OpeningPhase::Closed { .. }));
    // A closed door is not a collected parcel.
    assert_eq!(rig.reservation("r3").state, StateView::Opened);
    rig.intent(Intent::ConfirmTaken { reservation: "r3".into(), taken: true });
    assert_eq!(rig.reservation("r3").state, StateView::Collected);
    rig.advance(5_000);
    let view = rig.view();
    assert!(view.receipts[0].verified && view.receipts[0].delivered);
    assert!(view.outbox.is_empty());
    let outcomes: Vec<_> = view.receipts.iter().map(|receipt| receipt.outcome.as_str()).collect();
    assert_eq!(outcomes, ["closed", "opened"], "the opening and the closing");
    assert_eq!(rig.hub.calls("/v1/receipts").len(), 2);
    assert_eq!(rig.hub.calls("/v1/reservations/r3/taken").len(), 1);
    assert!(rig.attempt.is_none(), "the link is given back after the door was closed");
}

#[test]
fn everything_works_with_no_network_and_goes_out_later() {
    let mut rig = Rig::with_parcels(2, &[3]);
    rig.hub.online = false;
    rig.advance(60_000);
    rig.open(&["r3"]);
    rig.close_door(3);
    rig.intent(Intent::ConfirmTaken { reservation: "r3".into(), taken: true });
    rig.advance(60_000);
    let view = rig.view();
    assert_eq!(view.outbox.len(), 3);
    assert!(!view.receipts[0].delivered);
    // And over a restart of the app.
    rig.restart();
    assert_eq!(rig.reservation("r3").state, StateView::Collected);
    assert_eq!(rig.view().outbox.len(), 3);
    rig.hub.online = true;
    rig.advance(600_000);
    assert!(rig.view().outbox.is_empty());
    assert!(rig.view().receipts[0].delivered);
    let order: Vec<&str> = rig
        .hub
        .seen
        .iter()
        .map(|seen| seen.path.as_str())
        .filter(|path| path.contains("receipts") || path.contains("taken"))
        .collect();
    assert_eq!(order, ["/v1/receipts", "/v1/reservations/r3/taken"]);
}

#[test]
fn several_doors_open_one_after_the_other_on_one_link() {
    let mut rig = Rig::with_parcels(3, &[1, 2, 3]);
    rig.open(&["r1", "r2", "r3"]);
    assert_eq!(rig.locker.movements, 1);
    rig.advance(4_000);
    rig.close_door(1);
    assert_eq!(rig.locker.movements, 2);
    // The third comes when the gesture is old: it needs another one.
    rig.advance(30_000);
    rig.close_door(2);
    assert_eq!(rig.locker.movements, 2);
    assert_eq!(rig.phase(), OpeningPhase::NextDoor);
    rig.intent(Intent::ContinueOpening);
    assert_eq!(rig.locker.movements, 3);
    assert_eq!(rig.dials, 1);
    let states: Vec<_> = rig.view().opening.unwrap().doors.iter().map(|door| door.state).collect();
    assert_eq!(states, [OpeningDoorState::Closed, OpeningDoorState::Closed, OpeningDoorState::Opened]);
}

/// The first opening on a phone: its system asks whether the app may use Bluetooth. Whoever reads that for a minute has made the
/// gesture all the same; whoever leaves it there and comes back later makes another.
#[test]
fn what_the_system_asks_takes_no_time_of_the_gesture() {
    for (reads, opens) in [(60_000, true), (119_000, true), (121_000, false)] {
        let mut rig = Rig::with_parcels(8, &[3]);
        rig.hold_radio = true;
        rig.open(&["r3"]);
        let attempt = rig.attempt.unwrap();
        rig.radio_event(RadioEvent::Progress { attempt, stage: DialStage::Asking });
        rig.advance(reads);
        rig.hold_radio = false;
        if opens {
            assert_eq!(rig.phase(), OpeningPhase::Searching);
            rig.radio_event(RadioEvent::Progress { attempt, stage: DialStage::Searching });
            // And all of the time after it.
            rig.advance(15_000);
            rig.radio_event(RadioEvent::Progress { attempt, stage: DialStage::Sighted });
            rig.greet();
            rig.settle();
            assert!(matches!(rig.phase(), OpeningPhase::Opened { .. }), "{:?}", rig.phase());
        } else {
            assert_eq!(failed(&rig), ProblemCode::GestureTooOld);
            assert!(rig.sent.is_empty());
        }
    }
}

#[test]
fn relay_needs_gesture() {
    // The signature comes late: nothing leaves.
    let mut rig = Rig::with_parcels(4, &[3]);
    rig.hold_signatures = true;
    rig.open(&["r3"]);
    assert_eq!(rig.signing.len(), 1);
    let (ticket, message) = rig.signing.pop_front().unwrap();
    rig.now.monotonic_ms += 30_001;
    let signature = Some(ed25519_dalek::Signer::sign(&rig.key, &message).to_bytes());
    rig.event(Event::Signed { ticket, signature });
    assert!(rig.sent.is_empty());
    assert_eq!(failed(&rig), ProblemCode::GestureTooOld);

    // A locker in range, a token at hand, time passing: nothing leaves without a gesture.
    let mut rig = Rig::with_parcels(5, &[3]);
    rig.intent(Intent::Set { setting: Setting::Nearby(true) });
    rig.intent(Intent::WatchNearby { on: true, asked: false });
    for _ in 0..20 {
        rig.event(Event::Radio(RadioEvent::Sighted { short_id: [0xA1, 2, 3, 4], rssi: Some(-40) }));
        rig.advance(10_000);
    }
    assert!(rig.sent.is_empty() && rig.dials == 0);

    // The locker comes into range after the gesture is too old.
    let mut rig = Rig::with_parcels(6, &[3]);
    rig.locker.busy = u32::MAX;
    rig.open(&["r3"]);
    rig.advance(31_000);
    rig.locker.busy = 0;
    rig.advance(60_000);
    assert!(rig.sent.is_empty());
    assert_eq!(failed(&rig), ProblemCode::LockerBusy);

    // A wall clock set back does not make a gesture young again.
    let mut rig = Rig::with_parcels(7, &[3]);
    rig.hold_signatures = true;
    rig.open(&["r3"]);
    let (ticket, message) = rig.signing.pop_front().unwrap();
    rig.now.unix_ms -= 3_600_000;
    rig.now.monotonic_ms += 30_001;
    let signature = Some(ed25519_dalek::Signer::sign(&rig.key, &message).to_bytes());
    rig.event(Event::Signed { ticket, signature });
    assert!(rig.sent.is_empty());
}

#[test]
fn delayed_hello_is_not_answered() {
    let mut rig = Rig::with_parcels(8, &[3]);
    rig.hold_signatures = true;
    rig.open(&["r3"]);
    let (ticket, message) = rig.signing.pop_front().unwrap();
    rig.now.monotonic_ms += 4_800;
    rig.hold_signatures = false;
    let signature = Some(ed25519_dalek::Signer::sign(&rig.key, &message).to_bytes());
    rig.event(Event::Signed { ticket, signature });
    rig.advance(2_000);
    assert_eq!(rig.dials, 2, "a fresh HELLO was fetched");
    assert_eq!(rig.locker.movements, 1);
}

#[test]
fn fake_locker() {
    let mut rig = Rig::with_parcels(9, &[3]);
    rig.locker.impostor = true;
    rig.open(&["r3"]);
    rig.advance(40_000);
    assert_eq!(rig.locker.movements, 0);
    // What reached the impostor holds neither token nor key nor name, in any of our encodings.
    let token = [&[rig.hub.grants_made; 16][..], b"r3"].concat();
    let public = rig.key.verifying_key().to_bytes();
    for heard in &rig.locker.heard {
        for secret in [&token[..], &public[..], b"Marta", b"acc_1", b"dev_1", b"access-"] {
            assert!(!heard.windows(secret.len()).any(|window| window == secret));
        }
    }
    assert!(!rig.locker.heard.is_empty());
    // The impostor may have passed OPEN on, so the app does not say that nothing opened.
    assert_eq!(rig.phase(), OpeningPhase::MayBeOpen { asking: false });
    rig.locker.impostor = false;
    rig.intent(Intent::ResolveOpening { reservation: None });
    assert_eq!(failed(&rig), ProblemCode::LinkLost);
    assert_eq!(rig.reservation("r3").state, StateView::Ready);
}

#[test]
fn a_forged_receipt_is_no_receipt() {
    let mut rig = Rig::with_parcels(10, &[3]);
    rig.locker.forge = true;
    rig.open(&["r3"]);
    assert_eq!(rig.phase(), OpeningPhase::MayBeOpen { asking: false });
    assert!(rig.view().receipts.is_empty());
    assert_eq!(rig.reservation("r3").state, StateView::MayBeOpen);
}

#[test]
fn hello_delivered_twice_opens_once() {
    let mut rig = Rig::with_parcels(11, &[3]);
    rig.locker.hello_twice = true;
    rig.open(&["r3"]);
    assert!(matches!(rig.phase(), OpeningPhase::Opened { .. }));
    assert_eq!((rig.locker.movements, rig.dials), (1, 1));

    // The second one late, after OPEN left.
    let mut rig = Rig::with_parcels(12, &[3]);
    rig.hold_signatures = true;
    rig.locker.hello_twice = true;
    rig.open(&["r3"]);
    let (ticket, message) = rig.signing.pop_front().unwrap();
    let signature = Some(ed25519_dalek::Signer::sign(&rig.key, &message).to_bytes());
    rig.event(Event::Signed { ticket, signature });
    assert!(matches!(rig.phase(), OpeningPhase::Opened { .. }));
}

#[test]
fn lost_receipt() {
    // The link breaks after OPEN arrived and before the receipt did: it is asked again, with the same nonce.
    let mut rig = Rig::with_parcels(13, &[3]);
    rig.locker.cut_after = Some(2);
    rig.locker.cuts = 1;
    rig.open(&["r3"]);
    assert_eq!(rig.phase(), OpeningPhase::MayBeOpen { asking: true });
    assert_eq!(rig.reservation("r3").state, StateView::MayBeOpen);
    rig.advance(2_000);
    assert!(matches!(rig.phase(), OpeningPhase::Opened { .. }));
    assert_eq!(rig.locker.movements, 1);
    assert_eq!(rig.view().receipts.len(), 1);
}

#[test]
fn a_cut_anywhere_opens_at_most_once_and_converges() {
    for after in 0..8 {
        for cuts in [1, 2, 3, u32::MAX] {
            let mut rig = Rig::with_parcels(14 + u64::from(after), &[3]);
            rig.locker.cut_after = Some(after);
            rig.locker.cuts = cuts;
            rig.open(&["r3"]);
            rig.advance(40_000);
            assert!(rig.locker.movements <= 1, "cut after {after}, {cuts} times");
            rig.locker.cuts = 0;
            if rig.reservation("r3").state == StateView::MayBeOpen {
                rig.intent(Intent::ResolveOpening { reservation: None });
            }
            let state = rig.reservation("r3").state;
            let expected = if rig.locker.movements == 1 { StateView::Opened } else { StateView::Ready };
            assert_eq!(state, expected, "cut after {after}, {cuts} times");
        }
    }
}

#[test]
fn a_process_killed_at_any_moment_never_forgets_that_a_door_may_be_open() {
    let mut effects = 0;
    loop {
        let mut rig = Rig::with_parcels(30, &[3]);
        let before = rig.effects_done;
        rig.die_at = Some(before + effects);
        rig.open(&["r3"]);
        let died = rig.dead;
        rig.restart();
        let state = rig.reservation("r3").state;
        if rig.locker.movements == 1 {
            assert!(
                matches!(state, StateView::MayBeOpen | StateView::Opened),
                "killed before effect {effects}: the door is open and the app says {state:?}"
            );
        }
        if state == StateView::MayBeOpen {
            rig.intent(Intent::ResolveOpening { reservation: None });
            rig.advance(15_000);
        }
        let expected = if rig.locker.movements == 1 { StateView::Opened } else { StateView::Ready };
        assert_eq!(rig.reservation("r3").state, expected, "killed before effect {effects}");
        assert!(rig.locker.movements <= 1);
        if !died {
            break;
        }
        effects += 1;
    }
    assert!(effects >= 4, "every effect of an opening was a moment to die");
}

#[test]
fn the_radio_listens_only_where_the_customer_looks_and_wants_it() {
    let heard = || Event::Radio(RadioEvent::Sighted { short_id: [0xA1, 2, 3, 4], rssi: Some(-40) });
    let seen = |on, asked| Intent::WatchNearby { on, asked };
    let mut rig = Rig::with_parcels(33, &[3]);
    rig.intent(seen(true, false));
    assert!(!rig.listening, "nobody has asked for it");
    rig.event(heard());
    assert!(rig.view().nearby.is_none());
    // An opening finds its locker by itself, and leaves nothing listening.
    rig.open(&["r3"]);
    assert!(matches!(rig.phase(), OpeningPhase::Opened { .. }) && !rig.listening);

    // For once.
    let mut rig = Rig::with_parcels(34, &[3]);
    rig.intent(seen(true, true));
    assert!(rig.listening);
    rig.event(heard());
    assert!(rig.view().nearby.is_some());
    rig.intent(seen(false, false));
    assert!(!rig.listening && rig.view().nearby.is_none());
    rig.intent(seen(true, false));
    assert!(!rig.listening, "once is over");

    // Always, but not where it would not be seen; not after a start, before anybody looks; not for who signed out.
    rig.intent(Intent::Set { setting: Setting::Nearby(true) });
    assert!(rig.listening);
    rig.advance(5_000);
    rig.restart();
    assert!(!rig.listening && rig.view().settings.nearby);
    rig.intent(seen(true, false));
    assert!(rig.listening);
    rig.intent(Intent::SignOut);
    assert!(!rig.listening);
}

#[test]
fn each_bad_day_has_its_own_words() {
    for (adapter, code) in [
        (Adapter::Off, ProblemCode::BluetoothOff),
        (Adapter::Absent, ProblemCode::BluetoothAbsent),
        (Adapter::Denied, ProblemCode::BluetoothDenied),
        (Adapter::LocationOff, ProblemCode::LocationOff),
    ] {
        let mut rig = Rig::with_parcels(40, &[3]);
        rig.event(Event::Radio(RadioEvent::Adapter(adapter)));
        rig.open(&["r3"]);
        assert_eq!(failed(&rig), code);
        assert_eq!(rig.dials, 0);
    }
    let mut rig = Rig::with_parcels(41, &[3]);
    rig.locker.in_range = false;
    rig.open(&["r3"]);
    assert_eq!(failed(&rig), ProblemCode::OutOfRange);

    for (refusal, code) in [
        (Refusal::Refused, ProblemCode::Refused),
        (Refusal::Throttled { seconds: 9 }, ProblemCode::Throttled),
        (Refusal::OutOfOrder, ProblemCode::Jammed),
        (Refusal::Version, ProblemCode::VersionMismatch),
    ] {
        let mut rig = Rig::with_parcels(42, &[3]);
        // The new token that the hub gives for the first no is refused, too.
        rig.locker.refuse.extend([refusal, refusal]);
        rig.open(&["r3"]);
        assert_eq!(failed(&rig), code);
        assert_eq!(rig.reservation("r3").state, StateView::Ready, "an authentic no moved nothing");
    }
    let mut rig = Rig::with_parcels(43, &[3]);
    rig.locker.outcome = Outcome::Jammed;
    rig.open(&["r3"]);
    assert_eq!(failed(&rig), ProblemCode::Jammed);
    assert_eq!(rig.view().receipts[0].outcome, "jammed");

    let mut rig = Rig::with_parcels(44, &[3]);
    rig.hold_signatures = true;
    rig.open(&["r3"]);
    let (ticket, _) = rig.signing.pop_front().unwrap();
    rig.event(Event::Signed { ticket, signature: None });
    assert_eq!(failed(&rig), ProblemCode::KeyRefused);
}

#[test]
fn busy_and_lost_before_anything_was_asked_are_tried_again_by_themselves() {
    let mut rig = Rig::with_parcels(45, &[3]);
    rig.locker.busy = 3;
    rig.open(&["r3"]);
    rig.advance(5_000);
    assert!(matches!(rig.phase(), OpeningPhase::Opened { .. }));
    let mut rig = Rig::with_parcels(46, &[3]);
    rig.locker.refuse.extend([Refusal::Busy, Refusal::Busy]);
    rig.open(&["r3"]);
    rig.advance(5_000);
    assert!(matches!(rig.phase(), OpeningPhase::Opened { .. }));
    assert_eq!(rig.dials, 1);
}

#[test]
fn an_expired_token_needs_the_network_and_gets_it() {
    let mut rig = Rig::with_parcels(47, &[3]);
    rig.hub.online = false;
    rig.advance(1_000);
    rig.now.unix_ms += 90_000_000;
    rig.event(Event::Tick);
    rig.advance(1_000);
    rig.open(&["r3"]);
    assert_eq!(failed(&rig), ProblemCode::TokenExpired);
    rig.hub.online = true;
    rig.intent(Intent::Refresh);
    rig.open(&["r3"]);
    assert!(matches!(rig.phase(), OpeningPhase::Opened { .. }));
}

#[test]
fn a_locker_without_time_gets_a_token_bound_to_its_hello() {
    let mut rig = Rig::with_parcels(48, &[3]);
    rig.locker.clock = ClockState::Unset;
    rig.open(&["r3"]);
    assert!(matches!(rig.phase(), OpeningPhase::Opened { .. }));
    let bound = rig.hub.calls("/v1/tokens").into_iter().filter(|seen| seen.body.contains("hello_nonce"));
    assert_eq!(bound.count(), 1);

    let mut rig = Rig::with_parcels(49, &[3]);
    rig.locker.clock = ClockState::Unset;
    rig.hub.online = false;
    rig.event(Event::Intent(Intent::Refresh));
    rig.open(&["r3"]);
    assert_eq!(failed(&rig), ProblemCode::LockerClockUnset);
}

#[test]
fn a_locker_that_lost_power_in_the_middle_is_asked_with_the_old_token() {
    let mut rig = Rig::with_parcels(60, &[3]);
    rig.locker.cut_after = Some(2);
    rig.locker.cuts = 1;
    rig.open(&["r3"]);
    assert_eq!(rig.phase(), OpeningPhase::MayBeOpen { asking: true });
    // It starts again without the time, and the phone has no network: the receipt is there all the same.
    rig.locker.clock = ClockState::Unset;
    rig.hub.online = false;
    rig.intent(Intent::Refresh);
    rig.advance(3_000);
    assert!(matches!(rig.phase(), OpeningPhase::Opened { .. }));
    assert_eq!(rig.locker.movements, 1);
}

#[test]
fn a_latch_that_may_be_moving_is_waited_for() {
    let mut rig = Rig::with_parcels(61, &[3]);
    rig.locker_answers = false;
    rig.open(&["r3"]);
    assert_eq!(rig.phase(), OpeningPhase::Asked);
    rig.restart();
    rig.locker_answers = true;
    rig.intent(Intent::ResolveOpening { reservation: Some("r3".into()) });
    assert_eq!(
        rig.phase(),
        OpeningPhase::MayBeOpen { asking: true },
        "no receipt yet proves nothing so early"
    );
    rig.advance(12_000);
    assert_eq!(failed(&rig), ProblemCode::LinkLost);
}

#[test]
fn cancelling_keeps_the_door_shut_until_open_left() {
    let mut rig = Rig::with_parcels(50, &[3]);
    rig.hold_signatures = true;
    rig.open(&["r3"]);
    assert!(rig.view().opening.unwrap().can_cancel);
    rig.intent(Intent::CancelOpening);
    assert_eq!(rig.phase(), OpeningPhase::Cancelled);
    let (ticket, message) = rig.signing.pop_front().unwrap();
    let signature = Some(ed25519_dalek::Signer::sign(&rig.key, &message).to_bytes());
    rig.event(Event::Signed { ticket, signature });
    assert!(rig.sent.is_empty());

    // Afterwards it is too late, and the app says so.
    let mut rig = Rig::with_parcels(51, &[3]);
    rig.locker.cut_after = Some(1);
    rig.open(&["r3"]);
    assert!(!rig.view().opening.unwrap().can_cancel);
    rig.intent(Intent::CancelOpening);
    assert!(matches!(rig.phase(), OpeningPhase::MayBeOpen { .. }));
}

#[test]
fn a_door_opens_again_within_the_operators_minutes_and_not_later() {
    let mut rig = Rig::with_parcels(52, &[3]);
    rig.open(&["r3"]);
    rig.close_door(3);
    rig.advance(60_000);
    assert!(rig.reservation("r3").actions.contains(&ActionView::Reopen));
    rig.intent(Intent::Reopen { reservation: "r3".into() });
    assert_eq!(rig.locker.movements, 2);
    rig.close_door(3);
    rig.advance(301_000);
    assert!(!rig.reservation("r3").actions.contains(&ActionView::Reopen));
    rig.intent(Intent::Reopen { reservation: "r3".into() });
    assert_eq!(rig.locker.movements, 2);
}

#[test]
fn reopening_uses_the_narrower_token_that_the_hub_gives_after_an_opening() {
    let mut rig = Rig::with_parcels(62, &[3]);
    rig.open(&["r3"]);
    rig.close_door(3);
    rig.hub.operations = vec![Operation::Reopen, Operation::Status];
    rig.hub.token_life = 900;
    rig.change("r3", |reservation| {
        reservation.state = State::Opened;
        reservation.actions = vec![Action::Reopen, Action::ConfirmTaken, Action::Report];
    });
    // Another device of the same customer, which never saw the first opening.
    rig.state.clear();
    rig.restart();
    rig.advance(2_000);
    assert!(rig.reservation("r3").actions.contains(&ActionView::Reopen));
    rig.intent(Intent::Reopen { reservation: "r3".into() });
    assert_eq!(rig.locker.movements, 2);
}

#[test]
fn a_door_left_open_is_told_once() {
    let mut rig = Rig::with_parcels(53, &[3]);
    rig.open(&["r3"]);
    rig.advance(61_000);
    assert!(matches!(rig.phase(), OpeningPhase::Opened { left_open: true, .. }));
    rig.door_event(3, DoorEventKind::HeldOpen);
    assert_eq!(rig.notifications.len(), 1);
    rig.close_door(3);
    assert!(matches!(rig.phase(), OpeningPhase::Closed { .. }));
}

#[test]
fn a_link_that_ends_after_the_receipt_changes_nothing() {
    let mut rig = Rig::with_parcels(54, &[3]);
    rig.open(&["r3"]);
    rig.end_link(EndReason::Lost);
    rig.settle();
    assert!(matches!(rig.phase(), OpeningPhase::Opened { .. }));
    // It is called once more, to hear that the door is closed; nothing moves for that.
    rig.advance(10_000);
    assert!(matches!(rig.phase(), OpeningPhase::Opened { .. }));
    assert_eq!((rig.dials, rig.locker.movements), (2, 1));
}

#[test]
fn a_second_touch_is_not_a_second_opening() {
    let mut rig = Rig::with_parcels(55, &[3]);
    rig.hold_signatures = true;
    rig.open(&["r3"]);
    rig.open(&["r3"]);
    assert_eq!((rig.dials, rig.signing.len()), (1, 1));
}

#[test]
fn power_cut_in_the_locker_is_said_as_it_is() {
    let mut rig = Rig::with_parcels(56, &[3]);
    rig.locker.outcome = Outcome::Unknown;
    rig.open(&["r3"]);
    assert_eq!(rig.phase(), OpeningPhase::MayBeOpen { asking: false });
    let view = rig.reservation("r3");
    assert_eq!(view.state, StateView::MayBeOpen);
    assert_eq!(view.actions[..3], [ActionView::Open, ActionView::Resolve, ActionView::ConfirmTaken]);
    // Never locked out: the customer may open again, with a new operation.
    rig.locker.outcome = Outcome::Opened;
    rig.open(&["r3"]);
    assert!(matches!(rig.phase(), OpeningPhase::Opened { .. }));
    // The locker counted the first one, so it was asked for a reopening.
    assert_eq!(
        rig.locker.operations,
        [postern_protocol::Operation::Collect, postern_protocol::Operation::Reopen]
    );
    assert_eq!(rig.reservation("r3").state, StateView::Opened);
}

/// The customer says that it is taken while the locker may still open, and the locker signs that the door did not move.
#[test]
fn a_word_that_the_locker_contradicts_is_not_kept() {
    let mut rig = Rig::with_parcels(66, &[3]);
    rig.change("r3", |reservation| reservation.actions.push(Action::ConfirmTaken));
    rig.locker.outcome = Outcome::Jammed;
    rig.locker.cut_after = Some(2);
    rig.locker.cuts = u32::MAX;
    rig.open(&["r3"]);
    rig.advance(60_000);
    rig.intent(Intent::ConfirmTaken { reservation: "r3".into(), taken: true });
    rig.advance(60_000);
    rig.locker.cuts = 0;
    rig.intent(Intent::ResolveOpening { reservation: None });
    rig.advance(5_000);
    assert!(rig.hub.calls("/v1/reservations/r3/taken").is_empty(), "it lies there still");
    let view = rig.reservation("r3");
    assert_eq!(view.state, StateView::Ready);
    assert_eq!(view.actions[0], ActionView::Open);
}

#[test]
fn what_was_taken_out_without_a_receipt_is_told_once_there_is_one() {
    let mut rig = Rig::with_parcels(63, &[3]);
    // OPEN arrives, and nothing comes back as long as the gesture lasts.
    rig.locker.cut_after = Some(2);
    rig.locker.cuts = u32::MAX;
    rig.open(&["r3"]);
    rig.advance(60_000);
    assert_eq!(rig.reservation("r3").state, StateView::MayBeOpen);
    assert_eq!(rig.locker.movements, 1);
    rig.intent(Intent::DismissOpening);
    let taken = Intent::ConfirmTaken { reservation: "r3".into(), taken: true };
    // It is still not to be heard: the word waits, and the hub is not told what it would refuse.
    rig.intent(taken.clone());
    rig.advance(60_000);
    assert_eq!(rig.reservation("r3").state, StateView::MayBeOpen);
    assert!(rig.hub.calls("/v1/reservations/r3/taken").is_empty());
    rig.locker.cuts = 0;
    rig.intent(Intent::ResolveOpening { reservation: None });
    rig.advance(5_000);
    assert_eq!(rig.reservation("r3").state, StateView::Collected);
    assert!(rig.hub.calls("/v1/reservations/r3/taken")[0].body.contains("true"));
    assert_eq!((rig.hub.calls("/v1/receipts").len(), rig.locker.movements), (1, 1));
    assert!(rig.view().opening.is_none() && rig.view().outbox.is_empty());

    // A locker that is never heard again does not keep it forever.
    let mut rig = Rig::with_parcels(64, &[3]);
    rig.locker.cut_after = Some(2);
    rig.locker.cuts = u32::MAX;
    rig.open(&["r3"]);
    rig.advance(60_000);
    rig.intent(taken.clone());
    rig.advance(60_000);
    rig.intent(taken.clone());
    rig.advance(60_000);
    assert_ne!(rig.reservation("r3").state, StateView::MayBeOpen);
    assert!(rig.hub.calls("/v1/reservations/r3/taken").is_empty());

    // The hub has a receipt from somebody else, of a PIN: the word waits for no other.
    let mut rig = Rig::with_parcels(65, &[3]);
    rig.locker.cut_after = Some(2);
    rig.locker.cuts = u32::MAX;
    rig.open(&["r3"]);
    rig.advance(60_000);
    rig.intent(taken.clone());
    rig.advance(60_000);
    assert!(rig.hub.calls("/v1/reservations/r3/taken").is_empty());
    rig.change("r3", |reservation| reservation.state = State::Opened);
    rig.intent(Intent::Refresh);
    rig.advance(5_000);
    assert!(rig.hub.calls("/v1/reservations/r3/taken")[0].body.contains("true"));

    // Nor where it was said twice, so that the locker is asked no more, and the hub hears of the opening only then. It
    // is told once, also when it does not move on.
    let mut rig = Rig::with_parcels(66, &[3]);
    rig.locker.cut_after = Some(2);
    rig.locker.cuts = u32::MAX;
    rig.open(&["r3"]);
    rig.advance(60_000);
    rig.intent(taken.clone());
    rig.advance(60_000);
    rig.intent(taken);
    rig.advance(60_000);
    assert!(rig.hub.calls("/v1/reservations/r3/taken").is_empty());
    for _ in 0..3 {
        rig.change("r3", |reservation| reservation.state = State::Opened);
        rig.intent(Intent::Refresh);
        rig.advance(5_000);
        assert_eq!(rig.hub.calls("/v1/reservations/r3/taken").len(), 1);
    }
}

#[test]
fn what_is_unknown_stays_unknown_when_opening_again_is_refused() {
    let mut rig = Rig::with_parcels(57, &[3]);
    rig.locker.outcome = Outcome::Unknown;
    rig.open(&["r3"]);
    // Neither the reopening nor another collection, and neither with a new token.
    rig.locker.refuse.extend([Refusal::Refused; 4]);
    rig.open(&["r3"]);
    assert_eq!(rig.phase(), OpeningPhase::MayBeOpen { asking: false });
    assert_eq!(rig.reservation("r3").state, StateView::MayBeOpen);
    assert!(rig.locker.refuse.is_empty());
    // And over a restart of the app.
    rig.advance(2_000);
    rig.restart();
    assert_eq!(rig.reservation("r3").state, StateView::MayBeOpen);
    // The hub heard of it: it counts it as opened, without proof, and so does this device.
    rig.change("r3", |reservation| {
        reservation.state = State::Opened;
        reservation.actions = vec![Action::Reopen, Action::ConfirmTaken];
        reservation.timeline.push(postern_api::reservation::TimelineEntry {
            at: 1,
            event: postern_api::reservation::TimelineEvent::Opened,
            by: None,
            proven: false,
        });
    });
    assert_eq!(rig.reservation("r3").state, StateView::MayBeOpen);
    assert_eq!(rig.reservation("r3").actions[0], ActionView::Open);
    rig.locker.outcome = Outcome::Opened;
    rig.open(&["r3"]);
    assert!(matches!(rig.phase(), OpeningPhase::Opened { .. }));
}

#[test]
fn a_refused_token_is_replaced_within_the_gesture() {
    let mut rig = Rig::with_parcels(58, &[3]);
    let before = rig.hub.calls("/v1/tokens").len();
    rig.locker.refuse.push_back(Refusal::Refused);
    rig.open(&["r3"]);
    assert!(matches!(rig.phase(), OpeningPhase::Opened { .. }));
    assert_eq!(rig.hub.calls("/v1/tokens").len(), before + 1);
    assert_eq!((rig.locker.movements, rig.dials), (1, 1));

    // Once: what the hub gave just now and the locker refuses is not asked for again.
    let mut rig = Rig::with_parcels(59, &[3]);
    rig.locker.refuse.extend([Refusal::Refused; 9]);
    rig.open(&["r3"]);
    assert_eq!(failed(&rig), ProblemCode::Refused);
    assert_eq!(rig.locker.movements, 0);

    // Without a network: said as what it is, tried again at the next gesture, replaced when there is a network.
    let mut rig = Rig::with_parcels(60, &[3]);
    rig.hub.online = false;
    rig.intent(Intent::Refresh);
    rig.advance(10_000);
    rig.locker.refuse.push_back(Refusal::Refused);
    rig.open(&["r3"]);
    assert_eq!(failed(&rig), ProblemCode::TokenExpired);
    assert_eq!(rig.reservation("r3").access, AccessView::NeedsNetwork);
    rig.hub.online = true;
    rig.advance(400_000);
    assert!(matches!(rig.reservation("r3").access, AccessView::Ready { .. }));
    rig.open(&["r3"]);
    assert!(matches!(rig.phase(), OpeningPhase::Opened { .. }));
}

#[test]
fn a_reopening_that_is_refused_falls_back_to_a_new_token() {
    let mut rig = Rig::with_parcels(61, &[3]);
    rig.open(&["r3"]);
    rig.close_door(3);
    rig.advance(10_000);
    rig.locker.refuse.push_back(Refusal::Refused);
    rig.intent(Intent::Reopen { reservation: "r3".into() });
    assert!(matches!(rig.phase(), OpeningPhase::Opened { .. }));
    assert_eq!(rig.locker.movements, 2);
}
