//! `hostile_hub_data`, and anything in any order.

use std::time::Instant;

use postern_api::reservation::{
    Action, Identification, IdentificationFormat, Kind, State, TimelineEntry, TimelineEvent,
};
use postern_core::{
    event::{Adapter, DialStage, EndReason, Event, HttpFailure, HttpResponse, PushEvent, RadioEvent},
    intent::Intent,
};
use proptest::prelude::*;

use crate::rig::{Rig, reservation};

#[test]
fn hostile_hub_data() {
    let mut rig = Rig::new(300);
    let mut evil = reservation("evil", 3, State::Ready);
    evil.title = "\u{202E}<img src=x onerror=alert(1)>\0\n".repeat(10_000);
    evil.carrier.name = "x".repeat(1_000_000);
    evil.reference = Some("\u{2066}".repeat(5_000));
    evil.actions = vec![Action::Open; 10_000];
    evil.identification =
        Some(Identification { format: IdentificationFormat::Carrier.into(), text: "y".repeat(100_000) });
    evil.timeline =
        vec![
            TimelineEntry { at: 1, event: TimelineEvent::Opened, by: Some("z".repeat(9_999)), proven: true };
            5_000
        ];
    let mut path = reservation("../../v1/me", 3, State::Ready);
    path.title = "path".into();
    let mut nowhere = reservation("nowhere", 3, State::Ready);
    nowhere.compartment.as_mut().unwrap().locker = "not a locker".into();
    let mut far = reservation("far", 3, State::Ready);
    far.until = Some(i64::MAX);
    far.since = Some(i64::MIN);
    let mut early = reservation("early", 3, State::Ready);
    early.until = Some(i64::MIN);
    rig.hub.reservations = vec![evil, path, nowhere, far, early];
    let mut locker = rig.hub.lockers[0].clone();
    locker.doors = vec![locker.doors[0].clone(); 60_000];
    locker.doors[0].row = u16::MAX;
    rig.hub.lockers = vec![locker];
    rig.hub.pin = Some("call +1 900 and say your PIN".into());
    rig.sign_in();
    rig.advance(5_000);
    let view = rig.view();
    let ids: Vec<&str> = view.reservations.iter().map(|view| view.id.as_str()).collect();
    assert!(ids.contains(&"evil") && ids.contains(&"far") && ids.contains(&"early"));
    assert!(!ids.contains(&"../../v1/me") && !ids.contains(&"nowhere"));
    let json = serde_json::to_string(&view).unwrap();
    assert!(json.len() < 300_000, "{} bytes", json.len());
    assert!(!json.contains('\u{202E}') && !json.contains('\u{2066}') && !json.contains("\\u0000"));
    let evil = view.reservations.iter().find(|view| view.id == "evil").unwrap();
    assert!(evil.pin.is_none() && evil.identification.is_none());
    assert!(evil.title.chars().count() <= 120);
    // Markup stays what it is: text, for the window to show as text.
    assert!(evil.title.contains("<img"));
    // Nothing in it stops the honest rest from working.
    rig.open(&["far"]);
    assert_eq!(rig.locker.movements, 1);
}

#[test]
fn ten_thousand_reservations_are_quick() {
    let mut rig = Rig::new(301);
    rig.hub.page = 1_000;
    rig.hub.reservations = (0..10_000)
        .map(|n| {
            let state = if n % 100 == 0 { State::Ready } else { State::Collected };
            let mut one = reservation(&format!("r{n:05}"), 1 + n % 4, state);
            one.kind = if n % 3 == 0 { Kind::Return } else { Kind::Pickup };
            if state == State::Collected {
                one.actions = vec![Action::Report];
            }
            one
        })
        .collect();
    rig.sign_in();
    rig.advance(2_000);
    assert_eq!(rig.view().reservations.len(), 10_000);
    let time = |what: &mut dyn FnMut()| {
        let runs = 5;
        let start = Instant::now();
        (0..runs).for_each(|_| what());
        start.elapsed().as_secs_f64() * 1000.0 / f64::from(runs)
    };
    let view_ms = time(&mut || {
        std::hint::black_box(rig.core.view());
    });
    let (core, now, rng) = (&mut rig.core, rig.now, &mut rig.rng);
    let event_ms = time(&mut || core.handle(Event::Tick, now, rng));
    let timeout_ms = time(&mut || {
        std::hint::black_box(core.poll_timeout());
    });
    let save_ms = time(&mut || {
        core.handle(Event::Intent(Intent::ForgetHabits), now, rng);
        while let Some(effect) = core.poll_effect() {
            std::hint::black_box(effect);
        }
    });
    println!(
        "10,000 reservations: view {view_ms:.1} ms, event {event_ms:.2} ms, timeout {timeout_ms:.2} ms, save {save_ms:.1} ms"
    );
    // Without optimisation and on a busy machine; the release numbers are in the benchmark.
    assert!(view_ms < 1_500.0 && event_ms < 500.0 && timeout_ms < 250.0 && save_ms < 3_000.0);
}

/// Something that happens, out of order and out of place.
#[derive(Clone, Debug)]
enum Chaos {
    Intent(Intent),
    Wait(u32),
    Http { ticket: u64, status: u16, body: Vec<u8> },
    Failed(u64),
    Push(PushEvent),
    Redirected(String),
    Signed { ticket: u64, refused: bool },
    Radio(RadioEvent),
    Foreground(bool),
    DeepLink(String),
    Online(bool),
    Cut(Option<u32>),
    Restart,
    Close(u16),
    Clock(i32),
}

fn id() -> impl Strategy<Value = String> {
    prop_oneof![Just("r1".to_owned()), Just("r2".to_owned()), Just("r3".to_owned()), "[a-z./]{0,8}"]
}

fn intent() -> impl Strategy<Value = Intent> {
    prop_oneof![
        8 => proptest::collection::vec(id(), 0..4).prop_map(|reservations| Intent::Open { reservations }),
        3 => id().prop_map(|reservation| Intent::Reopen { reservation }),
        3 => Just(Intent::CancelOpening),
        3 => Just(Intent::ContinueOpening),
        3 => Just(Intent::ResolveOpening { reservation: None }),
        2 => Just(Intent::DismissOpening),
        4 => (id(), any::<bool>())
            .prop_map(|(reservation, taken)| Intent::ConfirmTaken { reservation, taken }),
        1 => Just(Intent::Refresh),
        1 => Just(Intent::SignIn { hub: None }),
        1 => Just(Intent::CancelSignIn),
        1 => Just(Intent::SignOut),
        1 => id().prop_map(|reservation| Intent::ShowOpeningCode { reservation }),
        1 => Just(Intent::ShowMyInvitation),
        1 => (id(), ".{0,20}").prop_map(|(reservation, invitation)| Intent::AcceptInvitation {
            reservation, invitation, name: String::new(), until: i64::MAX,
        }),
        1 => ".{0,40}".prop_map(|text| Intent::TakeDelegation { text }),
        1 => ".{0,60}".prop_map(|url| Intent::FollowLink { url }),
        1 => (id(), any::<i64>()).prop_map(|(reservation, until)| Intent::Extend { reservation, until }),
        1 => (any::<f64>(), any::<f64>()).prop_map(|(latitude, longitude)| Intent::FindSites {
            latitude: Some(latitude), longitude: Some(longitude), size: Some("m".into()), parcel: None,
        }),
    ]
}

fn radio() -> impl Strategy<Value = RadioEvent> {
    prop_oneof![
        prop_oneof![Just(Adapter::On), Just(Adapter::Off), Just(Adapter::Unknown)]
            .prop_map(RadioEvent::Adapter),
        any::<[u8; 4]>().prop_map(|short_id| RadioEvent::Sighted { short_id, rssi: None }),
        (0_u64..6).prop_map(|attempt| RadioEvent::Progress { attempt, stage: DialStage::Sighted }),
        (0_u64..6, proptest::collection::vec(any::<u8>(), 0..80))
            .prop_map(|(attempt, bytes)| RadioEvent::Message { attempt, bytes }),
        (0_u64..6).prop_map(|attempt| RadioEvent::Ended { attempt, reason: EndReason::Lost }),
    ]
}

fn chaos() -> impl Strategy<Value = Chaos> {
    prop_oneof![
        10 => intent().prop_map(Chaos::Intent),
        6 => (0_u32..40_000).prop_map(Chaos::Wait),
        1 => (0_u64..40, any::<u16>(), proptest::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(ticket, status, body)| Chaos::Http { ticket, status, body }),
        1 => (0_u64..40).prop_map(Chaos::Failed),
        1 => prop_oneof![
            Just(PushEvent::Poke), Just(PushEvent::Lost), Just(PushEvent::Unauthenticated), Just(PushEvent::Connected)
        ].prop_map(Chaos::Push),
        1 => ".{0,60}".prop_map(Chaos::Redirected),
        1 => (0_u64..60, any::<bool>()).prop_map(|(ticket, refused)| Chaos::Signed { ticket, refused }),
        3 => radio().prop_map(Chaos::Radio),
        1 => any::<bool>().prop_map(Chaos::Foreground),
        1 => ".{0,60}".prop_map(Chaos::DeepLink),
        2 => any::<bool>().prop_map(Chaos::Online),
        3 => proptest::option::of(0_u32..6).prop_map(Chaos::Cut),
        1 => Just(Chaos::Restart),
        3 => (1_u16..4).prop_map(Chaos::Close),
        1 => (-100_000_i32..100_000).prop_map(Chaos::Clock),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    /// The rig checks after every event that the view claims nothing without a receipt of the locker, that at most one
    /// dial stands, and that everything comes to rest.
    #[test]
    fn any_order_of_events_neither_panics_nor_lies(seed: u64, events in proptest::collection::vec(chaos(), 1..60)) {
        let mut rig = Rig::with_parcels(seed, &[1, 2, 3]);
        for event in events {
            match event {
                Chaos::Intent(intent) => rig.intent(intent),
                Chaos::Wait(ms) => rig.advance(u64::from(ms)),
                Chaos::Http { ticket, status, body } => rig.event(Event::Http {
                    ticket,
                    result: Ok(HttpResponse { status, date: Some(i64::MIN), etag: None, body: body.into() }),
                }),
                Chaos::Failed(ticket) => {
                    rig.event(Event::Http { ticket, result: Err(HttpFailure::TimedOut) });
                }
                Chaos::Push(event) => rig.event(Event::Push(event)),
                Chaos::Redirected(url) => rig.event(Event::Redirected { url }),
                Chaos::Signed { ticket, refused } => {
                    rig.event(Event::Signed { ticket, signature: (!refused).then_some([7; 64]) });
                }
                Chaos::Radio(RadioEvent::Ended { attempt, reason }) => {
                    if rig.attempt == Some(attempt) {
                        rig.end_link(reason);
                        rig.settle();
                    }
                }
                Chaos::Radio(event) => rig.event(Event::Radio(event)),
                Chaos::Foreground(on) => rig.event(Event::Foreground(on)),
                Chaos::DeepLink(url) => rig.event(Event::DeepLink { url }),
                Chaos::Online(on) => rig.hub.online = on,
                Chaos::Cut(after) => {
                    rig.locker.cut_after = after;
                    rig.locker.cuts = 3;
                }
                Chaos::Restart => rig.restart(),
                Chaos::Close(door) => rig.close_door(door),
                Chaos::Clock(seconds) => rig.now.unix_ms += i64::from(seconds) * 1000,
            }
        }
    }
}
