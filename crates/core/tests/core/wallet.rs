//! What the customer has, keeping up with the hub, and what waits for it.

use postern_api::{
    problem::Code,
    report::{OwnReport, ReportAnswer},
    reservation::{Action, Share, ShareState, State},
};
use postern_core::{
    effect::{Method, NotificationKind},
    event::{Event, PushEvent, VaultState},
    intent::{Intent, Setting},
    view::{AccessView, ActionView, NetworkView, NoticeCode, OpeningPhase, ProblemCode, StateView},
};
use zeroize::Zeroizing;

use crate::rig::{Rig, START_MS, reservation};

#[test]
fn a_deposit_appears_by_itself_and_is_announced() {
    let mut rig = Rig::with_parcels(200, &[3]);
    rig.change("r3", |reservation| reservation.title = "Boots".into());
    assert_eq!(rig.reservation("r3").title, "Boots");
    assert!(rig.notifications.is_empty(), "it was ready before");
    rig.hub.reservations.push(reservation("r4", 4, State::InTransit));
    rig.change("r4", |_| {});
    rig.change("r4", |reservation| reservation.state = State::Ready);
    assert_eq!(rig.notifications.last().unwrap().kind, NotificationKind::Ready);
    assert_eq!(rig.view().notices[0].code, NoticeCode::NewReady);
    assert!(matches!(rig.reservation("r4").access, AccessView::Ready { .. }));
    let removed = rig.hub.reservations.pop().unwrap().id;
    rig.hub.removed.push(removed);
    rig.hub.version += 1;
    rig.event(Event::Push(PushEvent::Poke));
    assert_eq!(rig.view().reservations.len(), 1);
    assert!(rig.view().notices.is_empty(), "what is gone does not lie ready");
}

#[test]
fn an_answer_to_a_report_is_told_once() {
    let mut rig = Rig::with_parcels(203, &[3]);
    let report = OwnReport {
        id: "p1".into(),
        at: START_MS / 1000,
        kind: "singed".into(),
        note: "Warm.\u{202E}\nVery.".into(),
        photos: 2,
        state: "open".into(),
        answers: Vec::new(),
    };
    rig.change("r3", |reservation| reservation.reports.push(report.clone()));
    assert!(rig.notifications.is_empty() && rig.view().notices.is_empty(), "it is the customer's own");
    let answer = ReportAnswer {
        at: START_MS / 1000 + 60,
        by: "Heron Express".into(),
        text: "Sorry.\0\nWe pay.".into(),
    };
    rig.change("r3", |reservation| {
        reservation.reports[0].state = "answered".into();
        reservation.reports[0].answers.push(answer.clone());
    });
    assert_eq!(rig.notifications.last().unwrap().kind, NotificationKind::ReportAnswered);
    assert_eq!(rig.view().notices[0].code, NoticeCode::ReportAnswered);
    let shown = rig.reservation("r3").reports[0].clone();
    assert_eq!((shown.kind.as_str(), shown.state.as_str(), shown.photos), ("singed", "answered", 2));
    assert_eq!((shown.note.as_str(), shown.answers[0].text.as_str()), ("Warm.\nVery.", "Sorry.\nWe pay."));
    rig.change("r3", |reservation| reservation.title = "Boots".into());
    assert_eq!(rig.notifications.len(), 1, "once");
}

#[test]
fn tokens_are_fetched_ahead_in_one_batch_and_renewed_before_they_end() {
    let mut rig = Rig::with_parcels(201, &[1, 2, 3]);
    assert_eq!(rig.hub.calls("/v1/tokens").len(), 1);
    let AccessView::Ready { until } = rig.reservation("r1").access else { panic!("no token") };
    rig.advance(60_000_000);
    assert!(rig.hub.calls("/v1/tokens").len() <= 4);
    let AccessView::Ready { until: later } = rig.reservation("r1").access else { panic!("no token") };
    assert!(later > until);
}

#[test]
fn short_tokens_are_not_renewed_in_the_background_and_at_once_in_front() {
    let mut rig = Rig::new(202);
    rig.hub.token_life = 900;
    rig.hub.reservations = vec![reservation("r3", 3, State::Ready)];
    rig.sign_in();
    rig.advance(1_000);
    rig.event(Event::Foreground(false));
    let before = rig.hub.calls("/v1/tokens").len();
    rig.advance(3_600_000);
    assert_eq!(rig.hub.calls("/v1/tokens").len(), before);
    rig.event(Event::Foreground(true));
    assert!(matches!(rig.reservation("r3").access, AccessView::Ready { .. }));
}

#[test]
fn an_idle_app_with_a_push_connection_asks_nothing() {
    let mut rig = Rig::with_parcels(203, &[3]);
    rig.advance(5_000);
    let before = rig.hub.seen.len();
    rig.advance(3_600_000);
    assert_eq!(rig.hub.seen.len(), before);
}

#[test]
fn without_push_it_polls_and_backs_off_where_nothing_answers() {
    let mut rig = Rig::with_parcels(204, &[3]);
    rig.hub.online = false;
    rig.event(Event::Push(PushEvent::Lost));
    let before = rig.saves;
    rig.advance(3_600_000);
    // The hub saw nothing; the fetches that failed are bounded by the backoff, which the rig's step limit also checks.
    assert!(rig.saves - before < 100);
    rig.hub.online = true;
    rig.advance(301_000);
    assert!(rig.pushing);
    rig.change("r3", |reservation| reservation.title = "Later".into());
    assert_eq!(rig.reservation("r3").title, "Later");
}

#[test]
fn paging_follows_to_the_end_and_a_full_round_drops_what_is_gone() {
    let mut rig = Rig::new(205);
    rig.hub.page = 7;
    rig.hub.reservations = (0..50).map(|n| reservation(&format!("p{n:02}"), 1, State::InTransit)).collect();
    rig.sign_in();
    rig.advance(1_000);
    assert_eq!(rig.view().reservations.len(), 50);
    rig.hub.reservations.truncate(30);
    rig.hub.refuse.insert("/v1/changes".into(), (410, Code::CursorTooOld));
    rig.intent(Intent::Refresh);
    rig.hub.refuse.clear();
    rig.advance(5_000);
    assert_eq!(rig.view().reservations.len(), 30);
}

/// The hub's database may be one of before: it has forgotten what this device had handed in.
#[test]
fn a_hub_that_does_not_know_the_cursor_gets_the_receipts_again() {
    let mut rig = Rig::with_parcels(207, &[3]);
    rig.open(&["r3"]);
    rig.close_door(3);
    rig.advance(5_000);
    assert!(rig.view().receipts.iter().all(|receipt| receipt.delivered));
    let before = rig.hub.calls("/v1/receipts").len();
    rig.hub.refuse.insert("/v1/changes".into(), (410, Code::CursorTooOld));
    rig.intent(Intent::Refresh);
    rig.hub.refuse.clear();
    rig.advance(5_000);
    assert_eq!(rig.hub.calls("/v1/receipts").len(), before + 1, "both in one request");
    assert!(rig.view().receipts.iter().all(|receipt| receipt.delivered));
    rig.advance(600_000);
    assert_eq!(rig.hub.calls("/v1/receipts").len(), before + 1, "once");
}

#[test]
fn a_damaged_store_is_told_and_healed_from_the_hub() {
    let mut rig = Rig::with_parcels(206, &[3]);
    rig.advance(5_000);
    for bytes in [Some(b"{\"version\":99}".to_vec()), Some(vec![0xFF; 40]), Some(vec![]), None] {
        let damaged_by_vault = bytes.is_none();
        rig.state = bytes.map(Zeroizing::new).into_iter().collect();
        rig.core = crate::rig::core();
        rig.air = None;
        rig.attempt = None;
        let opened = rig.opened();
        let event = if damaged_by_vault { VaultState::Damaged(opened) } else { VaultState::Open(opened) };
        rig.event(Event::Vault(event));
        assert_eq!(rig.view().notices[0].code, NoticeCode::StoreHealed);
        rig.advance(5_000);
        assert_eq!(rig.view().reservations.len(), 1);
        assert!(!rig.state.is_empty());
    }
}

#[test]
fn a_save_costs_what_changed_and_changes_become_a_whole_in_time() {
    let mut rig = Rig::with_parcels(216, &[1, 2, 3]);
    rig.advance(5_000);
    let toggle = |rig: &mut Rig, on| {
        rig.intent(Intent::Set { setting: Setting::ConfirmOpening(on) });
        rig.advance(2_000);
    };
    let before = rig.state.len();
    toggle(&mut rig, true);
    let added = &rig.state[before..];
    assert!(!added.is_empty() && added.iter().map(|change| change.len()).sum::<usize>() < 1_000);
    let (mut most, mut wholes) = (0, 0);
    for n in 0..600 {
        let entries = rig.state.len();
        toggle(&mut rig, n % 2 == 0);
        most = most.max(rig.state.iter().map(|entry| entry.len()).sum::<usize>());
        wholes += usize::from(rig.state.len() < entries);
    }
    assert!(wholes >= 1 && most < rig.state[0].len() + 70_000, "{wholes} wholes, {most} bytes at most");
    toggle(&mut rig, true);
    let seen = rig.view();
    rig.restart();
    assert_eq!((rig.view().settings, rig.view().reservations), (seen.settings, seen.reservations));

    // What did not reach the disk is written with everything else the next time, and not built upon.
    toggle(&mut rig, false);
    rig.event(Event::NotSaved);
    toggle(&mut rig, true);
    assert!(rig.state[0].windows(21).any(|bytes| bytes == b"\"confirmOpening\":true"), "a whole");
}

#[test]
fn the_store_survives_a_round_trip_in_every_part() {
    let mut rig = Rig::with_parcels(207, &[1, 2, 3]);
    rig.open(&["r1"]);
    rig.close_door(1);
    rig.intent(Intent::ConfirmTaken { reservation: "r1".into(), taken: true });
    rig.locker.cut_after = Some(2);
    rig.open(&["r2"]);
    rig.hub.online = false;
    rig.intent(Intent::Extend { reservation: "r3".into(), until: START_MS / 1000 + 99_999 });
    rig.intent(Intent::Set { setting: Setting::PreferLowDoors(true) });
    rig.advance(40_000);
    let before = rig.view();
    rig.restart();
    let mut after = rig.view();
    // What is of the moment is not kept.
    after.opening = before.opening.clone();
    after.network = before.network.clone();
    after.notices = before.notices.clone();
    assert_eq!(after, before);
}

#[test]
fn the_outbox_keeps_its_order_and_its_keys() {
    let mut rig = Rig::with_parcels(208, &[3]);
    rig.hub.online = false;
    let until = START_MS / 1000 + 200_000;
    rig.intent(Intent::Extend { reservation: "r3".into(), until });
    rig.intent(Intent::Share { reservation: "r3".into(), name: "Jan".into(), until });
    rig.intent(Intent::Report {
        reservation: "r3".into(),
        kind: "door_stuck".into(),
        note: "x".repeat(5_000),
        photos: vec![],
    });
    assert!(rig.reservation("r3").waiting);
    assert_eq!(rig.view().outbox.len(), 3);
    // Answers get lost: the same key comes again.
    rig.hub.online = true;
    rig.hub.answers_lost = true;
    rig.advance(20_000);
    rig.hub.answers_lost = false;
    rig.advance(900_000);
    let told: Vec<_> = rig.hub.calls("/v1/reservations/r3/").into_iter().cloned().collect();
    assert!(rig.view().outbox.is_empty());
    let keys: std::collections::BTreeSet<_> =
        told.iter().map(|seen| (seen.path.clone(), seen.key.clone().unwrap())).collect();
    assert_eq!(keys.len(), 3, "one key for each thing, however often it was sent");
    assert!(told.len() > 3);
    let mut order: Vec<_> = told.iter().map(|seen| seen.path.rsplit('/').next().unwrap()).collect();
    order.dedup();
    assert_eq!(order, ["extend", "shares", "problems"]);
    let report = told.last().unwrap();
    assert!(report.body.len() < 2_200, "the note is bounded");
}

#[test]
fn a_conflict_is_explained_and_does_not_hold_up_the_rest() {
    let mut rig = Rig::with_parcels(209, &[1, 3]);
    rig.hub.refuse.insert("/v1/reservations/r1/extend".into(), (409, Code::LimitReached));
    let until = START_MS / 1000 + 200_000;
    rig.intent(Intent::Extend { reservation: "r1".into(), until });
    rig.intent(Intent::Extend { reservation: "r3".into(), until });
    rig.advance(10_000);
    let view = rig.view();
    assert_eq!(view.outbox.len(), 1);
    assert_eq!(view.outbox[0].problem.as_ref().unwrap().code, ProblemCode::LimitReached);
    assert_eq!(view.notices[0].code, NoticeCode::Conflict);
    assert_eq!(rig.hub.calls("/v1/reservations/r3/extend").len(), 1);
    rig.intent(Intent::DismissOutbox { id: view.outbox[0].id });
    assert!(rig.view().outbox.is_empty());
}

#[test]
fn shares_are_offered_shown_and_taken_back() {
    let mut rig = Rig::with_parcels(210, &[3]);
    rig.hub.page_of.insert(
        "/v1/reservations/r3/shares".into(),
        br#"{"share":{"id":"s1","name":"Jan","until":1800100000,"state":"offered"},"link":"http://localhost:9000/claim/xyz"}"#
            .to_vec(),
    );
    let until = START_MS / 1000 + 3_600;
    rig.intent(Intent::Share { reservation: "r3".into(), name: "Jan".into(), until });
    let offer = rig.view().share_offer.unwrap();
    assert_eq!(offer.link, "http://localhost:9000/claim/xyz");
    assert_eq!(offer.qr.text, offer.link);
    rig.change("r3", |reservation| {
        reservation.shares =
            vec![Share { id: "s1".into(), name: "Jan".into(), until, state: ShareState::Accepted.into() }];
    });
    rig.hub.online = false;
    rig.intent(Intent::RevokeShare { reservation: "r3".into(), share: "s1".into() });
    assert!(rig.reservation("r3").shares[0].revoking);
    assert!(rig.view().share_offer.is_none(), "the link of a share that was taken back is still shown");
    rig.hub.online = true;
    rig.advance(600_000);
    let call = rig.hub.calls("/v1/reservations/r3/shares/s1")[0];
    assert_eq!(call.method, Method::Delete);
    // A share id that would leave its path goes nowhere.
    rig.intent(Intent::RevokeShare { reservation: "r3".into(), share: "../../devices/dev_1".into() });
    assert!(rig.view().outbox.is_empty());
}

#[test]
fn in_person_access_needs_no_network_and_opens() {
    // Two phones; both offline after the owner's last fetch.
    let mut owner = Rig::with_parcels(211, &[3]);
    owner.hub.online = false;
    let mut guest = Rig::new(212);
    guest.hub.online = false;
    guest.key = ed25519_dalek::SigningKey::from_bytes(&[77; 32]);
    guest.open_vault();
    guest.intent(Intent::ShowMyInvitation);
    let invitation = guest.view().invitation.unwrap().text;
    let until = START_MS / 1000 + 7_200;
    owner.intent(Intent::AcceptInvitation {
        reservation: "r3".into(),
        invitation: invitation.clone(),
        name: "Jan".into(),
        until,
    });
    let offer = owner.view().share_offer.expect("the owner shows the access");
    assert_eq!(owner.reservation("r3").shares[0].name, "Jan");
    assert!(offer.qr.size <= 120, "a phone's camera must read it");
    guest.intent(Intent::TakeDelegation { text: offer.link.clone() });
    let view = guest.view();
    assert_eq!(view.reservations.len(), 1);
    let id = view.reservations[0].id.clone();
    assert!(view.reservations[0].guest);
    guest.open(&[&id]);
    assert_eq!(guest.locker.movements, 1);
    assert_eq!(guest.reservation(&id).state, StateView::Opened);
    guest.intent(Intent::ConfirmTaken { reservation: id.clone(), taken: true });
    assert_eq!(guest.reservation(&id).state, StateView::Collected);
    // A restart keeps it, and a third device can do nothing with it.
    guest.restart();
    assert_eq!(guest.reservation(&id).state, StateView::Collected);
    let mut thief = Rig::new(213);
    thief.intent(Intent::TakeDelegation { text: offer.link.clone() });
    assert!(thief.view().reservations.is_empty());
    assert_eq!(thief.view().share_problem.unwrap().code, ProblemCode::InvitationInvalid);
    // Taking it back is the hub's: a new epoch of the door.
    owner.intent(Intent::RevokeShare { reservation: "r3".into(), share: "in-person".into() });
    assert!(owner.reservation("r3").shares[0].revoking);
    owner.hub.online = true;
    owner.advance(600_000);
    assert!(owner.reservation("r3").shares.is_empty());
    assert_eq!(owner.hub.calls("/v1/reservations/r3/shares/in-person").len(), 1);
}

#[test]
fn invitations_that_are_none_are_refused() {
    let mut rig = Rig::with_parcels(214, &[3]);
    rig.intent(Intent::ShowMyInvitation);
    let good = rig.view().invitation.unwrap().text;
    let mut misread = good.clone();
    misread.replace_range(10..11, if &good[10..11] == "A" { "B" } else { "A" });
    for bad in ["", "PI1:", "PI1:E00", "PO1:ABC", &misread, &"PI1:E".repeat(500)] {
        rig.intent(Intent::AcceptInvitation {
            reservation: "r3".into(),
            invitation: bad.into(),
            name: "Jan".into(),
            until: START_MS / 1000 + 7_200,
        });
        assert_eq!(rig.view().share_problem.unwrap().code, ProblemCode::InvitationInvalid, "{bad}");
        rig.intent(Intent::TakeDelegation { text: bad.into() });
        assert_eq!(rig.view().reservations.len(), 1);
    }
}

#[test]
fn opening_codes_are_renewed_while_shown_and_signed_each_time() {
    let mut rig = Rig::with_parcels(215, &[3]);
    rig.intent(Intent::ShowOpeningCode { reservation: "r3".into() });
    let first = rig.view().opening_code.unwrap().qr.unwrap().text;
    let (code, signature) = postern_protocol::qr::parse(&first).unwrap();
    let key = postern_protocol::DeviceKey::Ed25519(rig.key.verifying_key().to_bytes());
    assert!(key.verify(&postern_protocol::qr::signing_input(&code), &signature));
    assert_eq!(code.at.0, (START_MS / 1000 + 1).unsigned_abs());
    rig.advance(15_000);
    let second = rig.view().opening_code.unwrap().qr.unwrap().text;
    assert_ne!(first, second);
    let (renewed, _) = postern_protocol::qr::parse(&second).unwrap();
    assert_eq!(renewed.nonce, code.nonce, "one showing is one gesture");
    assert_eq!(renewed.at.0, code.at.0 + 15);
    rig.intent(Intent::HideOpeningCode);
    assert!(rig.view().opening_code.is_none());
    rig.hold_signatures = true;
    rig.advance(60_000);
    assert!(rig.signing.is_empty(), "nothing is signed that nobody sees");
}

#[test]
fn reminders_come_once_and_follow_the_deadline() {
    let mut rig = Rig::new(216);
    let mut parcel = reservation("r3", 3, State::Ready);
    parcel.until = Some(START_MS / 1000 + 48 * 3600);
    rig.hub.reservations = vec![parcel];
    rig.sign_in();
    let deadlines =
        |rig: &Rig| rig.notifications.iter().filter(|one| one.kind == NotificationKind::Deadline).count();
    rig.advance(23 * 3_600_000);
    assert_eq!(deadlines(&rig), 0);
    rig.advance(2 * 3_600_000);
    assert_eq!(deadlines(&rig), 1);
    rig.restart();
    rig.advance(19 * 3_600_000);
    assert_eq!(deadlines(&rig), 1);
    rig.advance(2 * 3_600_000);
    assert_eq!(deadlines(&rig), 2);
    rig.change("r3", |reservation| reservation.until = Some(START_MS / 1000 + 100 * 3600));
    rig.advance(40 * 3_600_000);
    assert_eq!(deadlines(&rig), 3, "a later deadline is reminded of anew");
    rig.intent(Intent::Set { setting: Setting::Reminders(false) });
    rig.advance(40 * 3_600_000);
    assert_eq!(deadlines(&rig), 3);
}

#[test]
fn what_is_to_come_is_planned_with_the_platform_and_taken_back() {
    let until = START_MS / 1000 + 48 * 3600;
    let mut rig = Rig::new(218);
    assert!(rig.planned.is_empty());
    let mut parcel = reservation("r3", 3, State::Ready);
    parcel.until = Some(until);
    rig.hub.reservations = vec![parcel];
    rig.sign_in();
    rig.advance(2_000);
    let at = |rig: &Rig| rig.planned.iter().map(|it| it.at).collect::<Vec<_>>();
    let ids = |rig: &Rig| rig.planned.iter().map(|it| it.id).collect::<Vec<_>>();
    assert_eq!(at(&rig), [until - 24 * 3600, until - 3 * 3600]);
    let (kept, title) = (ids(&rig), rig.planned[0].notification.title.clone());
    assert_eq!(title.as_deref(), Some("Parcel r3"));
    assert_ne!(kept[0], kept[1]);

    // Said once, and again by the next process, with the same numbers.
    let plans = rig.plans;
    rig.intent(Intent::Refresh);
    rig.advance(60_000);
    assert_eq!(rig.plans, plans);
    rig.restart();
    rig.advance(2_000);
    assert_eq!((rig.plans, ids(&rig)), (plans + 1, kept.clone()));

    // A later deadline moves them.
    rig.change("r3", |reservation| reservation.until = Some(until + 3600));
    assert_eq!((at(&rig), ids(&rig)), (vec![until - 23 * 3600, until - 2 * 3600], kept.clone()));
    // What is over is not planned any more, and what is not wanted neither.
    rig.advance(30 * 3_600_000);
    assert_eq!(ids(&rig), [kept[1]]);
    rig.intent(Intent::Set { setting: Setting::Reminders(false) });
    assert!(rig.planned.is_empty());
    rig.intent(Intent::Set { setting: Setting::Reminders(true) });
    assert_eq!(ids(&rig), [kept[1]]);
    // Who has collected it is not reminded of it.
    rig.open(&["r3"]);
    assert!(rig.planned.is_empty());

    let mut rig = Rig::with_parcels(219, &[3, 4]);
    assert_eq!(rig.planned.len(), 4);
    rig.intent(Intent::SignOut);
    assert!(rig.planned.is_empty());
}

#[test]
fn habits_stay_on_the_device_and_can_be_erased() {
    let mut rig = Rig::with_parcels(217, &[]);
    for week in 0..4 {
        let id = format!("w{week}");
        let mut parcel = reservation(&id, 3, State::Ready);
        parcel.until = Some(rig.now.unix() + 300 * 3600);
        rig.hub.reservations.push(parcel);
        rig.change(&id, |_| {});
        rig.open(&[&id]);
        rig.close_door(3);
        rig.intent(Intent::ConfirmTaken { reservation: id.clone(), taken: true });
        rig.change(&id, |reservation| {
            reservation.state = State::Collected;
            reservation.actions = vec![Action::Report];
        });
        rig.advance(7 * 24 * 3_600_000);
    }
    let habits = rig.view().habits;
    assert_eq!(habits.len(), 1);
    assert_eq!(habits[0].times, 4);
    let mut parcel = reservation("next", 3, State::Ready);
    parcel.until = Some(rig.now.unix() + 300 * 3600);
    rig.hub.reservations.push(parcel);
    rig.change("next", |_| {});
    rig.advance(7 * 24 * 3_600_000);
    assert_eq!(
        rig.notifications.iter().filter(|one| one.kind == NotificationKind::Habit).count(),
        1,
        "once in the week"
    );
    assert!(rig.hub.seen.iter().all(|seen| !seen.body.contains("weekday") && !seen.body.contains("habit")));
    rig.intent(Intent::ForgetHabits);
    assert!(rig.view().habits.is_empty());
    rig.restart();
    assert!(rig.view().habits.is_empty());
}

#[test]
fn not_there_is_not_collected() {
    let mut rig = Rig::with_parcels(218, &[3]);
    rig.intent(Intent::ConfirmTaken { reservation: "r3".into(), taken: true });
    assert_eq!(rig.reservation("r3").state, StateView::Ready, "without a receipt nothing is collected");
    rig.open(&["r3"]);
    rig.intent(Intent::ConfirmTaken { reservation: "r3".into(), taken: false });
    let view = rig.reservation("r3");
    assert_eq!(view.state, StateView::Opened);
    assert!(view.actions.contains(&ActionView::Report));
    assert!(rig.hub.calls("/v1/reservations/r3/taken")[0].body.contains("false"));
}

#[test]
fn sites_are_found_and_a_stale_answer_is_not_shown() {
    let mut rig = Rig::with_parcels(219, &[]);
    rig.hub.page_of.insert(
        "/v1/sites".into(),
        br#"{"sites":[{"id":"lindenhof","name":"Lindenhof","address":"Bern","latitude":46.9,"longitude":7.4,"hours":"24/7","always_open":true,"access":"public","step_free":true,"fill":[{"size":"m","free":2,"total":4}]}]}"#
            .to_vec(),
    );
    rig.intent(Intent::FindSites {
        latitude: Some(46.123_456),
        longitude: Some(7.9),
        size: Some("m".into()),
        parcel: None,
    });
    let sites = rig.view().sites.unwrap();
    assert_eq!((sites.loading, sites.sites.len()), (false, 1));
    assert_eq!(rig.hub.calls("/v1/sites")[0].path, "/v1/sites?near=46.123%2C7.900&size=m");
    rig.intent(Intent::CloseSites);
    assert!(rig.view().sites.is_none());
    rig.hub.online = false;
    rig.intent(Intent::FindSites { latitude: None, longitude: None, size: None, parcel: None });
    assert_eq!(rig.view().sites.unwrap().problem.unwrap().code, ProblemCode::HubUnreachable);
}

#[test]
fn a_shared_thing_is_found_and_borrowed_once_there_is_a_network() {
    let mut rig = Rig::with_parcels(221, &[]);
    rig.hub.page_of.insert(
        "/v1/assets".into(),
        br#"{"assets":[{"id":"drill","title":"Drill","site":"lindenhof","site_name":"Lindenhof","locker":"0102030405060708","door":4,"loan_hours":48,"available":true},{"id":"../me","title":"Not an id","site":"x","locker":"x","door":1,"loan_hours":1}]}"#
            .to_vec(),
    );
    rig.intent(Intent::FindThings);
    let lending = rig.view().lending.unwrap();
    assert_eq!((lending.loading, lending.things.len()), (false, 1), "what has no id cannot be asked for");
    let thing = &lending.things[0];
    assert_eq!((&*thing.title, &*thing.site, thing.hours, thing.available), ("Drill", "Lindenhof", 48, true));
    rig.intent(Intent::CloseThings);
    assert!(rig.view().lending.is_none());

    rig.hub.online = false;
    rig.intent(Intent::FindThings);
    assert_eq!(rig.view().lending.unwrap().problem.unwrap().code, ProblemCode::HubUnreachable);
    rig.intent(Intent::Borrow { thing: "../me".into() });
    assert!(rig.view().outbox.is_empty());
    rig.intent(Intent::Borrow { thing: "drill".into() });
    assert_eq!(rig.view().outbox[0].what, "borrow");
    rig.hub.online = true;
    rig.intent(Intent::Refresh);
    assert_eq!(rig.hub.calls("/v1/assets/drill/borrow").last().unwrap().path, "/v1/assets/drill/borrow");
}

#[test]
fn a_device_whose_clock_is_wrong_by_more_than_a_tokens_life_opens_all_the_same() {
    for ahead in [-1_200, 1_200] {
        let mut rig = Rig::new(220);
        rig.hub.token_life = 900;
        rig.hub.reservations = vec![reservation("r3", 3, State::Ready)];
        rig.sign_in();
        rig.advance(1_000);
        rig.hub.clock_ahead = ahead;
        // Long enough for several tokens to end by either clock.
        rig.advance(3_600_000);
        rig.intent(Intent::Refresh);
        assert!(matches!(rig.reservation("r3").access, AccessView::Ready { .. }), "{ahead}");
        rig.open(&["r3"]);
        assert_eq!(rig.reservation("r3").state, StateView::Opened, "{ahead}");
    }
}

#[test]
fn a_newer_hub_hides_nothing_of_what_is_known() {
    let mut rig = Rig::with_parcels(240, &[3, 5]);
    rig.hub.newer_states.insert("r5".into(), "customs_hold".into());
    rig.change("r5", |reservation| reservation.title = "Lamp \u{202E}".into());
    let shown = |rig: &Rig| -> Vec<(String, String)> {
        rig.view().newer.into_iter().map(|newer| (newer.id, newer.title)).collect()
    };
    assert_eq!(shown(&rig), [("r5".to_owned(), "Lamp ".to_owned())]);
    assert_eq!(rig.view().reservations.len(), 1, "what it was before is not true any more");
    assert_eq!(rig.view().network, NetworkView::Online, "another server is not what it is");
    // Nor is it lost with a restart; and its neighbour opens.
    rig.restart();
    rig.advance(1_000);
    assert_eq!(shown(&rig).len(), 1);
    rig.open(&["r3"]);
    assert!(matches!(rig.phase(), OpeningPhase::Opened { .. }));
    // Words that are known again.
    rig.hub.newer_states.clear();
    rig.change("r5", |_| {});
    assert!(shown(&rig).is_empty());
    assert_eq!(rig.reservation("r5").state, StateView::Ready);
    // Gone is gone.
    rig.hub.newer_states.insert("r5".into(), "customs_hold".into());
    rig.change("r5", |_| {});
    assert_eq!(shown(&rig).len(), 1);
    rig.hub.removed = vec!["r5".into()];
    rig.hub.reservations.retain(|reservation| reservation.id != "r5");
    rig.intent(Intent::Refresh);
    rig.advance(1_000);
    assert!(shown(&rig).is_empty());
}
