//! What is shown is true at the door: PINs and codes, news, what lies inside, doors that stand open.

use postern_api::{
    reservation::{Action, Kind, State},
    sync::LockerNews,
    token::{BulletinFor, NoPin},
};
use postern_core::{
    effect::NotificationKind,
    event::{EndReason, Event, RadioEvent},
    intent::{Intent, Setting},
    view::{AccessView, ActionView, NetworkView, NoPinView, OpeningPhase, ReleaseView, StateView},
};
use postern_protocol::{
    Door, Epoch, KeyId, Refusal, Timestamp,
    bulletin::{Bulletin, DoorNews},
    issue::Issuer,
    receipt::Outcome,
};

use crate::rig::{Rig, START_MS, locker_id, reservation};

pub(crate) fn offline(rig: &mut Rig) {
    rig.hub.online = false;
    rig.intent(Intent::Refresh);
}

/// A bulletin of the hub: so many news, and these epochs.
fn bulletin(number: u32, epochs: &[(u16, u32)]) -> BulletinFor {
    let bulletin = Bulletin {
        key_id: KeyId(1),
        locker: locker_id(),
        issued_at: Timestamp(1_800_000_000),
        number,
        epochs: epochs
            .iter()
            .map(|(door, epoch)| DoorNews { door: Door(*door), epoch: Epoch(*epoch), ended_slots: 0 })
            .collect(),
        revoked: Vec::new(),
        add_keys: Vec::new(),
        remove_keys: Vec::new(),
        hello_nonce: None,
    };
    let bytes = Issuer::new(KeyId(1), [5; 32]).sign_bulletin(&bulletin);
    let encoded = base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, bytes);
    BulletinFor { locker: locker_id().to_string(), bulletin: encoded, number }
}

fn tell(rig: &mut Rig, news: BulletinFor) {
    rig.hub.news = vec![LockerNews { locker: news.locker.clone(), number: news.number }];
    rig.hub.bulletins = vec![news];
    rig.event(Event::Push(postern_core::event::PushEvent::Poke));
}

// --- PIN and code ---------------------------------------------------------------------------------------------------

#[test]
fn a_pin_comes_with_the_token_and_outlives_it() {
    let mut rig = Rig::with_parcels(500, &[3]);
    assert_eq!(rig.reservation("r3").pin.as_deref(), Some("12345671"));
    offline(&mut rig);
    rig.advance(1_000);
    rig.restart();
    assert_eq!(rig.reservation("r3").pin.as_deref(), Some("12345671"));
    // The token ends and there is no network: what needs it is not shown any more, and what does not is.
    rig.now.unix_ms += 90_000_000;
    rig.event(Event::Tick);
    let view = rig.reservation("r3");
    assert_eq!((view.state, &view.access), (StateView::Ready, &AccessView::NeedsNetwork));
    assert_eq!(view.pin.as_deref(), Some("12345671"));
    assert!(!view.code && !view.actions.contains(&ActionView::Open));
    rig.intent(Intent::ShowOpeningCode { reservation: "r3".into() });
    assert!(rig.view().opening_code.is_none(), "a code that no scanner takes");
}

#[test]
fn without_a_pin_the_reason_is_said() {
    let reasons = [
        (NoPin::NoKeypad, NoPinView::NoKeypad),
        (NoPin::KeypadBehind, NoPinView::KeypadBehind),
        (NoPin::TooManyDevices, NoPinView::TooManyDevices),
        (NoPin::Unknown, NoPinView::NotHere),
    ];
    for (reason, shown) in reasons {
        let mut rig = Rig::new(501);
        rig.hub.pin = None;
        rig.hub.no_pin = reason;
        rig.hub.reservations = vec![reservation("r3", 3, State::Ready)];
        rig.sign_in();
        rig.advance(1_000);
        let view = rig.reservation("r3");
        assert_eq!((view.pin, view.no_pin), (None, Some(shown)));
    }
    // A PIN of an occupancy that ended is not shown.
    let mut rig = Rig::with_parcels(502, &[3]);
    rig.change("r3", |reservation| reservation.actions = vec![Action::Extend]);
    let view = rig.reservation("r3");
    assert_eq!((view.pin, view.no_pin), (None, None));
}

#[test]
fn another_occupancy_ends_pin_and_token_at_once_and_brings_others() {
    let mut rig = Rig::with_parcels(503, &[2, 3]);
    let before = rig.hub.calls("/v1/tokens").len();
    rig.hub.occupancy = 4;
    // The hub can be asked for news, and not for tokens.
    rig.hub.refuse.insert("/v1/tokens".into(), (503, postern_api::problem::Code::Unavailable));
    tell(&mut rig, bulletin(1, &[(3, 4)]));
    let (here, other) = (rig.reservation("r3"), rig.reservation("r2"));
    assert_eq!((here.pin, here.code), (None, false), "neither is shown once it may be refused");
    assert!(!matches!(here.access, AccessView::Ready { .. }));
    assert_eq!(other.pin.as_deref(), Some("12345671"), "nobody else loses anything");
    assert!(matches!(other.access, AccessView::Ready { .. }));
    rig.hub.refuse.clear();
    rig.advance(120_000);
    assert_eq!(rig.reservation("r3").pin.as_deref(), Some("12345674"));
    assert!(matches!(rig.reservation("r3").access, AccessView::Ready { .. }));
    assert!(rig.hub.calls("/v1/tokens").len() > before);
}

#[test]
fn after_its_deadline_nothing_is_ready_before_the_hub_has_swept() {
    let mut rig = Rig::new(504);
    let mut parcel = reservation("r3", 3, State::Ready);
    parcel.until = Some(START_MS / 1000 + 3_600);
    let mut back = reservation("b1", 1, State::Booked);
    back.kind = Kind::Return;
    back.until = Some(START_MS / 1000 + 3_600);
    rig.hub.reservations = vec![parcel, back];
    rig.sign_in();
    rig.advance(1_000);
    offline(&mut rig);
    assert_eq!(rig.reservation("r3").state, StateView::Ready);
    rig.advance(3_600_000);
    for id in ["r3", "b1"] {
        let view = rig.reservation(id);
        assert_eq!((view.state, view.pin, view.code), (StateView::Expired, None, false), "{id}");
        assert!(!view.actions.contains(&ActionView::Open), "{id}");
    }
    assert!(rig.reservation("r3").actions.contains(&ActionView::Extend));
}

#[test]
fn a_code_has_the_hubs_time_also_after_a_restart_with_no_network() {
    let mut rig = Rig::new(505);
    rig.hub.reservations = vec![reservation("r3", 3, State::Ready)];
    rig.sign_in();
    rig.advance(1_000);
    rig.hub.clock_ahead = -5_000;
    rig.intent(Intent::Refresh);
    assert!(matches!(rig.view().network, NetworkView::ClockSkew { .. }));
    rig.advance(5_000);
    rig.hub.online = false;
    rig.restart();
    rig.intent(Intent::ShowOpeningCode { reservation: "r3".into() });
    let text = rig.view().opening_code.unwrap().qr.unwrap().text;
    let (code, _) = postern_protocol::qr::parse(&text).unwrap();
    assert!(code.at.0.abs_diff((rig.now.unix() - 5_000).unsigned_abs()) <= 1);
}

#[test]
fn a_suspected_impostor_is_shown_neither_pin_nor_code() {
    let mut rig = Rig::with_parcels(506, &[3]);
    assert!(rig.reservation("r3").code);
    rig.locker.impostor = true;
    rig.open(&["r3"]);
    rig.advance(40_000);
    let view = rig.reservation("r3");
    assert!(view.suspected && view.pin.is_none() && !view.code);
    assert_eq!(view.no_pin, Some(NoPinView::Suspected));
    rig.intent(Intent::DismissOpening);
    rig.intent(Intent::ShowOpeningCode { reservation: "r3".into() });
    assert!(rig.view().opening_code.is_none());
    rig.restart();
    assert!(rig.reservation("r3").pin.is_none(), "also after a restart");
    // The locker itself answers.
    rig.locker.impostor = false;
    rig.intent(Intent::ResolveOpening { reservation: Some("r3".into()) });
    let view = rig.reservation("r3");
    assert!(!view.suspected && view.pin.is_some() && view.code);
}

// --- news -----------------------------------------------------------------------------------------------------------

#[test]
fn news_are_fetched_at_once_carried_and_dropped_when_a_receipt_acknowledges_them() {
    let mut rig = Rig::with_parcels(510, &[1, 3]);
    tell(&mut rig, bulletin(7, &[]));
    assert_eq!(rig.hub.calls("/v1/bulletins").len(), 1);
    assert!(rig.hub.calls("/v1/bulletins")[0].body.contains(&locker_id().to_string()));
    // Told again, not fetched again.
    rig.event(Event::Push(postern_core::event::PushEvent::Poke));
    rig.advance(600_000);
    assert_eq!(rig.hub.calls("/v1/bulletins").len(), 1);
    offline(&mut rig);
    rig.restart();
    rig.locker.news = 6;
    rig.open(&["r3"]);
    assert_eq!(rig.locker.bulletins.len(), 1);
    rig.close_door(3);
    rig.advance(10_000);
    // The locker could not keep it: its receipt says so, and the bulletin comes again.
    rig.locker.news = 7;
    rig.intent(Intent::Reopen { reservation: "r3".into() });
    assert_eq!(rig.locker.bulletins.len(), 2);
    rig.close_door(3);
    rig.advance(10_000);
    rig.open(&["r1"]);
    assert_eq!(rig.locker.bulletins.len(), 2, "acknowledged");
    // The hub has not heard of that: it is not fetched again for it.
    rig.hub.online = true;
    rig.advance(600_000);
    assert_eq!(rig.hub.calls("/v1/bulletins").len(), 1);
}

#[test]
fn news_that_cannot_be_fetched_are_tried_again() {
    let mut rig = Rig::with_parcels(511, &[3]);
    rig.hub.refuse.insert("/v1/bulletins".into(), (503, postern_api::problem::Code::Unavailable));
    tell(&mut rig, bulletin(2, &[]));
    rig.advance(60_000);
    let tried = rig.hub.calls("/v1/bulletins").len();
    assert!((2..20).contains(&tried), "{tried}");
    rig.hub.refuse.clear();
    rig.advance(400_000);
    rig.open(&["r3"]);
    assert_eq!(rig.locker.bulletins.len(), 1);
}

// --- what lies inside -----------------------------------------------------------------------------------------------

fn with_return(seed: u64, content: Option<bool>) -> Rig {
    let mut rig = Rig::new(seed);
    rig.locker.content = content;
    rig.hub.lockers[0].content_sensors = content.is_some();
    let mut back = reservation("b1", 1, State::Booked);
    back.kind = Kind::Return;
    rig.hub.reservations = vec![back];
    rig.sign_in();
    rig.advance(1_000);
    rig
}

#[test]
fn empty_return() {
    // A closed door proves nothing: the customer is asked, and the answer is marked as theirs.
    let mut rig = with_return(520, None);
    rig.open(&["b1"]);
    assert!(!rig.reservation("b1").actions.contains(&ActionView::ConfirmPlaced), "not while it is open");
    rig.close_door(1);
    let view = rig.reservation("b1");
    assert_eq!((view.state, view.actions[0]), (StateView::Opened, ActionView::ConfirmPlaced));
    rig.intent(Intent::ConfirmPlaced { reservation: "b1".into(), inside: false });
    let view = rig.reservation("b1");
    assert_eq!((view.state, view.unproven), (StateView::Booked, false));
    assert!(view.actions.contains(&ActionView::Reopen));
    assert_eq!(rig.hub.calls("/v1/reservations/b1/inside")[0].body, r#"{"inside":false,"opening":0}"#);
    rig.advance(10_000);
    rig.intent(Intent::Reopen { reservation: "b1".into() });
    rig.close_door(1);
    rig.intent(Intent::ConfirmPlaced { reservation: "b1".into(), inside: true });
    let view = rig.reservation("b1");
    assert_eq!((view.state, view.unproven, view.inside), (StateView::Deposited, true, None));
    assert_eq!(
        rig.hub.calls("/v1/reservations/b1/inside")[1].body,
        r#"{"inside":true,"opening":2}"#,
        "said of the second opening, and not of what comes after it"
    );

    // Where the locker measures, its signed word is what counts, and nobody is asked.
    let mut rig = with_return(521, Some(false));
    rig.open(&["b1"]);
    rig.close_door(1);
    let view = rig.reservation("b1");
    assert_eq!((view.state, view.inside), (StateView::Booked, Some(false)));
    assert!(!view.actions.contains(&ActionView::ConfirmPlaced));
    rig.intent(Intent::ConfirmPlaced { reservation: "b1".into(), inside: true });
    assert_eq!(rig.reservation("b1").state, StateView::Booked, "no word against what was measured");
    assert!(rig.hub.calls("/v1/reservations/b1/inside").is_empty());
    rig.locker.content = Some(true);
    rig.advance(10_000);
    rig.intent(Intent::Reopen { reservation: "b1".into() });
    rig.close_door(1);
    let view = rig.reservation("b1");
    assert_eq!((view.state, view.unproven, view.inside), (StateView::Deposited, false, Some(true)));
    let outcomes: Vec<_> = rig.view().receipts.iter().map(|receipt| receipt.outcome.clone()).collect();
    assert_eq!(outcomes, ["closed_present", "opened", "closed_absent", "opened"]);
    assert!(rig.view().receipts.iter().all(|receipt| receipt.delivered));
}

#[test]
fn an_answer_is_asked_for_again_after_an_opening_that_only_the_hub_knows_of() {
    let mut rig = with_return(526, None);
    rig.open(&["b1"]);
    rig.close_door(1);
    rig.intent(Intent::ConfirmPlaced { reservation: "b1".into(), inside: false });
    assert!(!rig.reservation("b1").actions.contains(&ActionView::ConfirmPlaced));
    // By PIN: the parcel was put in then.
    rig.change("b1", |reservation| {
        reservation.opening = Some(9);
        reservation.actions.push(Action::ConfirmPlaced);
    });
    assert!(rig.reservation("b1").actions.contains(&ActionView::ConfirmPlaced), "of the opening since");
    rig.intent(Intent::ConfirmPlaced { reservation: "b1".into(), inside: true });
    let calls = rig.hub.calls("/v1/reservations/b1/inside");
    assert_eq!(calls.last().unwrap().body, r#"{"inside":true,"opening":9}"#);
    assert!(!rig.reservation("b1").actions.contains(&ActionView::ConfirmPlaced), "once");
}

#[test]
fn a_closing_receipt_that_is_not_of_the_opening_says_nothing() {
    let mut rig = with_return(522, Some(true));
    rig.open(&["b1"]);
    // Of another opening of the same door.
    rig.locker.last.get_mut(&1).unwrap().nonce.0[0] ^= 1;
    rig.close_door(1);
    let view = rig.reservation("b1");
    assert_eq!((view.state, view.inside), (StateView::Opened, None));
    assert_eq!(rig.view().receipts.len(), 1);
}

#[test]
fn the_hub_is_heard_where_it_does_not_take_the_word() {
    let mut rig = with_return(523, None);
    rig.open(&["b1"]);
    rig.close_door(1);
    rig.hub.refuse.insert("/v1/reservations/b1/inside".into(), (409, postern_api::problem::Code::WrongState));
    rig.intent(Intent::ConfirmPlaced { reservation: "b1".into(), inside: true });
    assert_eq!(rig.reservation("b1").state, StateView::Opened, "asked again");
}

/// The hub has all that this phone knows, and then says that nothing lies inside: by a PIN or with another device it was
/// taken out again. What was measured before is older.
#[test]
fn a_return_that_was_taken_out_again_is_not_dropped_off() {
    for content in [Some(true), None] {
        let mut rig = with_return(526, content);
        rig.open(&["b1"]);
        rig.close_door(1);
        if content.is_none() {
            rig.intent(Intent::ConfirmPlaced { reservation: "b1".into(), inside: true });
        }
        assert_eq!(rig.reservation("b1").state, StateView::Deposited, "{content:?}");
        rig.change("b1", |reservation| reservation.state = State::Booked);
        let view = rig.reservation("b1");
        assert_eq!((view.state, view.inside), (StateView::Booked, None), "{content:?}");
        assert!(view.actions.contains(&ActionView::Open), "{:?}", view.actions);
    }
}

/// A return that the hub counts as dropped off is opened again and closed, with no network, at a locker that measures nothing:
/// the phone asks anew, and claims nothing before it is told.
#[test]
fn a_return_that_was_opened_again_is_asked_about_again() {
    let mut rig = with_return(528, None);
    rig.open(&["b1"]);
    rig.close_door(1);
    rig.intent(Intent::ConfirmPlaced { reservation: "b1".into(), inside: true });
    rig.change("b1", |reservation| {
        (reservation.state, reservation.opening) = (State::Deposited, Some(0));
        reservation.actions = vec![Action::Reopen];
    });
    assert_eq!(rig.reservation("b1").state, StateView::Deposited);
    rig.hub.online = false;
    rig.intent(Intent::Reopen { reservation: "b1".into() });
    rig.settle();
    rig.close_door(1);
    let view = rig.reservation("b1");
    assert_eq!((view.state, view.inside), (StateView::Opened, None));
    assert!(view.actions.contains(&ActionView::ConfirmPlaced), "{:?}", view.actions);
    rig.intent(Intent::ConfirmPlaced { reservation: "b1".into(), inside: false });
    assert_eq!(rig.reservation("b1").state, StateView::Booked);
}

/// The hub has heard from the locker what lies inside since the opening that this phone knows: nobody is asked.
#[test]
fn what_the_hub_knows_is_not_asked() {
    let mut rig = with_return(527, None);
    rig.open(&["b1"]);
    rig.close_door(1);
    assert_eq!(rig.reservation("b1").state, StateView::Opened);
    rig.change("b1", |reservation| {
        reservation.opening = Some(0);
        reservation.actions.push(Action::ConfirmPlaced);
    });
    assert_eq!(rig.reservation("b1").state, StateView::Opened, "the hub asks too");
    rig.change("b1", |reservation| reservation.actions.retain(|action| *action != Action::ConfirmPlaced));
    let view = rig.reservation("b1");
    assert_eq!((view.state, view.actions[0]), (StateView::Booked, ActionView::Open));
    assert!(!view.actions.contains(&ActionView::ConfirmPlaced));
}

#[test]
fn giving_back_asks_what_the_locker_cannot_measure() {
    let mut rig = Rig::new(524);
    let held = |id: &str, door, lent| {
        let mut held = reservation(id, door, State::Held);
        held.kind = Kind::Storage;
        held.lent = lent;
        held.actions = vec![Action::Open, Action::Release];
        held
    };
    rig.hub.reservations = vec![held("own", 1, false), held("lent", 2, true)];
    rig.sign_in();
    rig.advance(1_000);
    assert_eq!(rig.reservation("own").release, Some(ReleaseView::AskEmpty));
    assert_eq!(rig.reservation("lent").release, Some(ReleaseView::AskInside));
    // At the door, with no network: what is lent is put back, and who stands there says so.
    rig.open(&["lent"]);
    rig.close_door(2);
    assert!(rig.reservation("lent").actions.contains(&ActionView::ConfirmPlaced));
    assert!(!rig.reservation("own").actions.contains(&ActionView::ConfirmPlaced));
    rig.intent(Intent::ConfirmPlaced { reservation: "lent".into(), inside: true });
    assert_eq!(rig.hub.calls("/v1/reservations/lent/inside")[0].body, r#"{"inside":true,"opening":0}"#);
    assert!(!rig.reservation("lent").actions.contains(&ActionView::ConfirmPlaced));
    rig.advance(10_000);
    // The hub knows of an opening by PIN.
    rig.change("own", |reservation| reservation.opening = Some(7));
    rig.intent(Intent::Release { reservation: "own".into(), confirmed: Some(true) });
    assert_eq!(rig.hub.calls("/v1/reservations/own/release")[0].body, r#"{"empty":true,"opening":7}"#);

    rig.hub.lockers[0].content_sensors = true;
    rig.hub.version += 1;
    rig.change("own", |_| {});
    assert_eq!(rig.reservation("own").release, Some(ReleaseView::Measured));
    rig.locker.content = Some(true);
    rig.open(&["own"]);
    assert_eq!(rig.reservation("own").release, Some(ReleaseView::AskEmpty), "its sensor may stick");
    rig.close_door(1);
    assert_eq!(rig.reservation("own").release, Some(ReleaseView::SomethingInside));
    rig.locker.content = Some(false);
    rig.advance(10_000);
    rig.open(&["lent"]);
    rig.close_door(2);
    assert_eq!(rig.reservation("lent").release, Some(ReleaseView::NothingInside));
}

#[test]
fn taken_by_code_or_pin_can_be_said_and_is_marked() {
    let mut rig = Rig::with_parcels(525, &[3]);
    rig.change("r3", |reservation| reservation.actions.push(Action::ConfirmTaken));
    assert!(rig.reservation("r3").actions.contains(&ActionView::ConfirmTaken));
    assert_eq!(rig.reservation("r3").actions[0], ActionView::Open, "what makes sense comes first");
    offline(&mut rig);
    rig.intent(Intent::ConfirmTaken { reservation: "r3".into(), taken: true });
    let view = rig.reservation("r3");
    assert_eq!((view.state, view.unproven), (StateView::Collected, true));
    // Nobody is reminded of what they have.
    rig.advance(3 * 86_400_000);
    assert!(rig.notifications.is_empty());
    rig.hub.online = true;
    rig.intent(Intent::Refresh);
    assert!(rig.hub.calls("/v1/reservations/r3/taken")[0].body.contains("true"));
}

#[test]
fn code_opening_known() {
    // The phone showed its code, somebody opened by PIN: the locker tells the owner's phone as soon as it is heard.
    let mut rig = Rig::with_parcels(526, &[3]);
    rig.intent(Intent::ShowOpeningCode { reservation: "r3".into() });
    rig.intent(Intent::HideOpeningCode);
    assert!(rig.listening);
    rig.locker.open_by_pin(3, 1, 0, rig.now);
    rig.locker.open.insert(3, false);
    rig.sighted();
    rig.advance(5_000);
    let view = rig.reservation("r3");
    assert_eq!(view.state, StateView::Opened);
    assert_eq!(rig.view().receipts[0].source, "pin");
    assert!(rig.view().opening.is_none(), "no screen comes up by itself");
    assert_eq!(rig.hub.calls("/v1/receipts").len(), 1);
    assert!(!rig.listening, "nothing is left to ask");
    // A PIN of another occupancy is somebody else's.
    let mut rig = Rig::with_parcels(527, &[3]);
    rig.intent(Intent::ShowOpeningCode { reservation: "r3".into() });
    rig.locker.open_by_pin(3, 9, 0, rig.now);
    rig.sighted();
    rig.advance(5_000);
    assert_eq!(rig.reservation("r3").state, StateView::Ready);
    assert!(rig.view().receipts.is_empty());
}

#[test]
fn a_code_that_was_shown_takes_no_screen_from_a_failed_gesture() {
    // Nobody gets through to the locker, and the customer looks at the code meanwhile.
    let mut rig = Rig::with_parcels(528, &[3]);
    rig.locker.busy = u32::MAX;
    rig.open(&["r3"]);
    rig.intent(Intent::ShowOpeningCode { reservation: "r3".into() });
    rig.advance(31_000);
    let failed = |rig: &Rig| matches!(rig.view().opening.unwrap().phase, OpeningPhase::Failed { .. });
    assert!(failed(&rig));
    rig.sighted();
    rig.advance(5_000);
    assert!(failed(&rig), "{:?}", rig.view().opening.unwrap().phase);
    // Off the screen it is asked about.
    rig.locker.busy = 0;
    rig.locker.open_by_pin(3, 1, 0, rig.now);
    rig.intent(Intent::DismissOpening);
    rig.sighted();
    rig.advance(5_000);
    assert_eq!(rig.view().receipts[0].source, "pin");
}

// --- doors that stand open ------------------------------------------------------------------------------------------

#[test]
fn an_opening_lives_as_long_as_its_door_is_open() {
    let mut rig = Rig::with_parcels(530, &[3]);
    rig.open(&["r3"]);
    rig.intent(Intent::DismissOpening);
    let view = rig.view();
    assert!(view.opening.is_none());
    assert_eq!((view.open_doors.len(), &*view.open_doors[0].label), (1, "B3"));
    // The warning comes, whether the screen is seen or not; and once.
    rig.advance(61_000);
    rig.advance(61_000);
    let warned: Vec<_> = rig.notifications.iter().map(|one| one.kind).collect();
    assert_eq!(warned, [NotificationKind::DoorLeftOpen]);
    assert!(rig.view().open_doors[0].left_open);
    rig.intent(Intent::ShowOpening { reservation: "r3".into() });
    assert!(matches!(rig.phase(), OpeningPhase::Opened { left_open: true, .. }));
    rig.intent(Intent::DismissOpening);
    rig.close_door(3);
    let view = rig.view();
    assert!(view.open_doors.is_empty() && view.opening.is_none());
    assert_eq!(rig.reservation("r3").actions[0], ActionView::ConfirmTaken);
    rig.advance(5_000);
    assert!(rig.attempt.is_none() && !rig.listening);
}

#[test]
fn an_open_door_is_asked_about_after_the_link_is_lost_and_after_a_restart() {
    let mut rig = Rig::with_parcels(531, &[3]);
    rig.open(&["r3"]);
    rig.intent(Intent::DismissOpening);
    rig.locker.in_range = false;
    rig.end_link(EndReason::Lost);
    rig.settle();
    rig.advance(20_000);
    assert_eq!(rig.view().open_doors.len(), 1, "nobody has seen it closed");
    rig.restart();
    assert_eq!(rig.view().open_doors.len(), 1);
    assert!(rig.listening);
    rig.locker.in_range = true;
    rig.sighted();
    assert_eq!(rig.view().open_doors.len(), 1, "still open");
    rig.close_door(3);
    assert_eq!(rig.view().open_doors.len(), 1, "that session does not follow the door");
    for _ in 0..4 {
        rig.advance(3_000);
        if rig.listening {
            rig.sighted();
        }
    }
    assert!(rig.view().open_doors.is_empty());
    assert_eq!(rig.view().receipts[0].outcome, "closed");
    assert_eq!(rig.locker.movements, 1, "asking moves nothing");
    assert!(!rig.listening);

    // Out of reach, the customer can say it.
    let mut rig = Rig::with_parcels(532, &[3]);
    rig.open(&["r3"]);
    rig.intent(Intent::DismissOpening);
    rig.locker.in_range = false;
    rig.end_link(EndReason::Lost);
    rig.settle();
    rig.advance(5_000);
    rig.intent(Intent::ConfirmClosed { reservation: "r3".into() });
    assert!(rig.view().open_doors.is_empty());
}

#[test]
fn what_may_be_open_is_asked_again_by_itself() {
    let mut rig = Rig::with_parcels(533, &[3]);
    rig.locker.cut_after = Some(2);
    rig.locker.cuts = u32::MAX;
    rig.open(&["r3"]);
    rig.advance(60_000);
    assert_eq!(rig.phase(), OpeningPhase::MayBeOpen { asking: false });
    rig.intent(Intent::DismissOpening);
    rig.restart();
    assert_eq!(rig.reservation("r3").state, StateView::MayBeOpen);
    rig.locker.cuts = 0;
    let sent = rig.sent.len();
    rig.sighted();
    rig.advance(1_000);
    assert_eq!(rig.reservation("r3").state, StateView::Opened);
    assert_eq!((rig.locker.movements, rig.sent.len()), (1, sent + 1));
    assert!(rig.view().opening.is_none(), "no screen comes up by itself");

    // In the background nothing is listened for.
    let mut rig = Rig::with_parcels(534, &[3]);
    rig.locker.cut_after = Some(2);
    rig.locker.cuts = u32::MAX;
    rig.open(&["r3"]);
    rig.advance(60_000);
    assert!(rig.listening);
    rig.event(Event::Foreground(false));
    assert!(!rig.listening);
    // And a locker that never answers is not called again and again.
    rig.event(Event::Foreground(true));
    let before = rig.dials;
    for _ in 0..600 {
        if rig.listening {
            rig.sighted();
        }
        rig.advance(1_000);
    }
    assert!(rig.dials - before < 120, "{} calls in ten minutes", rig.dials - before);
}

#[test]
fn access_that_was_taken_back_meanwhile_keeps_nobody_from_the_parcel() {
    let mut rig = Rig::with_parcels(537, &[3]);
    rig.locker.cut_after = Some(2);
    rig.locker.cuts = u32::MAX;
    rig.open(&["r3"]);
    rig.advance(60_000);
    rig.intent(Intent::DismissOpening);
    rig.locker.cuts = 0;
    // The locker does not speak to the old token any more, and the hub has given another.
    rig.locker.refuse.push_back(Refusal::Refused);
    rig.intent(Intent::ResolveOpening { reservation: Some("r3".into()) });
    let view = rig.reservation("r3");
    assert_eq!((view.state, view.actions[0]), (StateView::MayBeOpen, ActionView::Open));
    rig.open(&["r3"]);
    assert!(matches!(rig.phase(), OpeningPhase::Opened { .. }));
}

#[test]
fn leaving_the_screen_opens_no_further_door() {
    let mut rig = Rig::with_parcels(535, &[1, 2]);
    rig.open(&["r1", "r2"]);
    rig.intent(Intent::DismissOpening);
    rig.close_door(1);
    rig.advance(20_000);
    assert_eq!(rig.locker.movements, 1);
}

#[test]
fn a_closing_receipt_that_was_lost_comes_with_the_next_answer() {
    let mut rig = with_return(536, Some(true));
    rig.locker.told_closings = false;
    rig.open(&["b1"]);
    rig.close_door(1);
    rig.intent(Intent::DismissOpening);
    rig.advance(10_000);
    assert_eq!(rig.reservation("b1").state, StateView::Opened);
    rig.sighted();
    rig.advance(1_000);
    let view = rig.reservation("b1");
    assert_eq!((view.state, view.unproven), (StateView::Deposited, false));
}

// --- several things at one locker -----------------------------------------------------------------------------------

#[test]
fn a_gesture_for_pickups_never_opens_a_return() {
    let mut rig = Rig::new(540);
    let mut back = reservation("b1", 1, State::Booked);
    back.kind = Kind::Return;
    back.until = Some(START_MS / 1000 + 60);
    let mut own = reservation("own", 4, State::Held);
    own.kind = Kind::Storage;
    rig.hub.reservations =
        vec![back, reservation("r2", 2, State::Ready), reservation("r3", 3, State::Ready), own];
    rig.sign_in();
    rig.intent(Intent::Set { setting: Setting::Nearby(true) });
    rig.intent(Intent::WatchNearby { on: true, asked: false });
    rig.event(Event::Radio(RadioEvent::Sighted { short_id: [0xA1, 2, 3, 4], rssi: Some(-40) }));
    let nearby = rig.view().nearby.unwrap();
    assert_eq!(nearby.collect, ["r2", "r3"]);
    assert_eq!((nearby.drop_off, nearby.own), (vec!["b1".to_owned()], vec!["own".to_owned()]));
    rig.open(&["b1", "own", "r2", "r3"]);
    let doors: Vec<_> = rig.view().opening.unwrap().doors.into_iter().map(|door| door.reservation).collect();
    assert_eq!(doors, ["r2", "r3"]);
    rig.close_door(2);
    rig.close_door(3);
    rig.advance(10_000);
    assert_eq!(rig.locker.movements, 2);
    assert_eq!(rig.locker.open.get(&1), None);
}

// --- in person ------------------------------------------------------------------------------------------------------

#[test]
fn what_is_passed_on_in_person_promises_what_the_token_says() {
    let mut owner = Rig::new(550);
    owner.hub.token_life = 900;
    owner.hub.reservations = vec![reservation("r3", 3, State::Ready)];
    owner.sign_in();
    owner.advance(1_000);
    let mut guest = Rig::new(551);
    guest.key = ed25519_dalek::SigningKey::from_bytes(&[77; 32]);
    guest.open_vault();
    offline(&mut guest);
    guest.intent(Intent::ShowMyInvitation);
    owner.intent(Intent::AcceptInvitation {
        reservation: "r3".into(),
        invitation: guest.view().invitation.unwrap().text,
        name: "Jan".into(),
        until: START_MS / 1000 + 7 * 86_400,
    });
    let offer = owner.view().share_offer.unwrap();
    let AccessView::Ready { until } = owner.reservation("r3").access else { panic!("no token") };
    assert_eq!((offer.until, offer.uses, offer.in_person, offer.revocable), (until, Some(1), true, true));
    guest.intent(Intent::TakeDelegation { text: offer.link });
    let view = guest.view().reservations.remove(0);
    assert_eq!((view.until, view.in_person), (Some(until), Some(1)));
    assert_eq!((view.pin, view.no_pin, view.code), (None, None, false));
    // Signed out, there is nobody to tell, so nothing waits for ever.
    guest.open(&[&view.id]);
    guest.close_door(3);
    guest.advance(5_000);
    assert_eq!(guest.locker.movements, 1);
    assert!(guest.view().outbox.is_empty());
    assert_eq!(guest.view().receipts.len(), 2);
}

#[test]
fn a_locker_with_no_room_is_said_as_that() {
    let mut rig = Rig::with_parcels(560, &[3]);
    rig.locker.refuse.push_back(Refusal::Full);
    rig.open(&["r3"]);
    let OpeningPhase::Failed { problem } = rig.phase() else { panic!("{:?}", rig.phase()) };
    assert_eq!(problem.code, postern_core::view::ProblemCode::LockerFull);
    assert_eq!(rig.locker.outcome, Outcome::Opened);
}
