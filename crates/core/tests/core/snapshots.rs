//! Pictures of the view, for every state that a reservation, an opening, a session and the network can be in.

use insta::assert_json_snapshot;
use postern_api::{
    account::OAuthError,
    problem::Code,
    reservation::{Action, Identification, IdentificationFormat, Kind, Role, State},
};
use postern_core::{
    event::{Adapter, DialStage, EndReason, Event, RadioEvent, VaultState},
    intent::Intent,
    view::View,
};
use postern_protocol::{ClockState, Refusal, receipt::Outcome};

use crate::rig::{Rig, START_MS, reservation};

/// QR paths are checked where they are drawn; here they would hide everything else.
fn json(view: &View) -> serde_json::Value {
    fn shorten(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(fields) => {
                if let Some(serde_json::Value::String(path)) = fields.get_mut("path") {
                    *path = "…".to_owned();
                }
                fields.values_mut().for_each(shorten);
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(shorten),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(view).unwrap();
    shorten(&mut value);
    value
}

fn part(view: &View, name: &str) -> serde_json::Value {
    json(view)[name].take()
}

#[test]
fn the_whole_view_of_a_story() {
    let mut rig = Rig::with_parcels(400, &[2, 3]);
    rig.open(&["r3"]);
    rig.close_door(3);
    assert_json_snapshot!("whole", json(&rig.view()));
    assert_json_snapshot!("nothing_yet", json(&crate::rig::core().view()));
}

#[test]
fn every_state_of_a_reservation() {
    let states = [
        (Kind::Pickup, State::Announced),
        (Kind::Pickup, State::InTransit),
        (Kind::Pickup, State::Ready),
        (Kind::Pickup, State::Opened),
        (Kind::Pickup, State::Collected),
        (Kind::Pickup, State::Expired),
        (Kind::Pickup, State::Returned),
        (Kind::Return, State::Booked),
        (Kind::Return, State::Opened),
        (Kind::Return, State::Deposited),
        (Kind::Return, State::Accepted),
        (Kind::Return, State::Refused),
        (Kind::Storage, State::Held),
        (Kind::Storage, State::Ready),
        (Kind::Storage, State::Released),
        (Kind::Storage, State::Cancelled),
    ];
    let mut rig = Rig::new(401);
    rig.hub.reservations = states
        .iter()
        .enumerate()
        .map(|(n, (kind, state))| {
            let mut one = reservation(&format!("s{n:02}"), 1, *state);
            one.kind = *kind;
            let open = matches!(state, State::Ready | State::Booked | State::Held | State::Expired);
            one.actions = if open {
                vec![Action::Open, Action::Extend, Action::Share, Action::Report]
            } else {
                vec![Action::Report]
            };
            if matches!(state, State::Announced | State::InTransit) {
                one.compartment = None;
                one.actions = vec![Action::ChangeLocker, Action::Cancel];
            }
            if *kind == Kind::Return {
                one.identification = Some(Identification {
                    format: IdentificationFormat::Gs1DigitalLink.into(),
                    text: "https://id.gs1.org/00/106141412345678908".into(),
                });
            }
            if *state == State::Expired {
                one.role = Role::Guest;
            }
            one
        })
        .collect();
    rig.sign_in();
    rig.advance(1_000);
    let list: Vec<serde_json::Value> = rig
        .view()
        .reservations
        .iter()
        .map(|view| {
            serde_json::json!({
                "id": view.id, "kind": view.kind, "state": view.state, "actions": view.actions, "access": view.access,
                "pin": view.pin.is_some(), "code": view.identification.is_some(),
            })
        })
        .collect();
    assert_json_snapshot!("reservation_states", serde_json::json!({ "reservations": list }));
}

#[test]
fn every_step_of_an_opening() {
    let opening = |rig: &Rig| part(&rig.view(), "opening");
    let mut steps = serde_json::Map::new();
    let mut keep = |name: &str, rig: &Rig| {
        steps.insert(name.to_owned(), opening(rig));
    };

    // Step by step: the radio answers only when it is told to.
    let mut rig = Rig::with_parcels(402, &[3]);
    rig.hold_radio = true;
    rig.open(&["r3"]);
    keep("01 searching", &rig);
    let attempt = rig.attempt.unwrap();
    rig.event(Event::Radio(RadioEvent::Progress { attempt, stage: DialStage::Sighted }));
    keep("02 connecting", &rig);
    rig.event(Event::Radio(RadioEvent::Progress { attempt, stage: DialStage::Subscribed }));
    keep("03 proving", &rig);
    rig.locker_answers = false;
    rig.hold_radio = false;
    rig.greet();
    keep("04 asked", &rig);
    rig.end_link(EndReason::Lost);
    rig.settle();
    keep("05 may be open, asking", &rig);
    rig.locker.in_range = false;
    rig.advance(40_000);
    keep("06 may be open", &rig);
    rig.locker.in_range = true;
    rig.locker_answers = true;
    rig.intent(Intent::ResolveOpening { reservation: None });
    keep("07 it was not", &rig);
    rig.open(&["r3"]);
    keep("08 opened", &rig);
    rig.advance(61_000);
    keep("09 left open", &rig);
    rig.close_door(3);
    keep("10 closed", &rig);
    rig.advance(400_000);
    keep("11 closed, too late to reopen", &rig);

    let mut rig = Rig::with_parcels(403, &[1, 2]);
    rig.open(&["r1", "r2"]);
    rig.advance(31_000);
    rig.close_door(1);
    keep("12 next door", &rig);
    let mut rig = Rig::with_parcels(404, &[3]);
    rig.hold_signatures = true;
    rig.open(&["r3"]);
    rig.intent(Intent::CancelOpening);
    keep("13 cancelled", &rig);
    assert_json_snapshot!("opening_steps", steps);
}

#[test]
fn every_failure_of_an_opening() {
    let mut failures = serde_json::Map::new();
    let mut keep = |name: &str, prepare: &dyn Fn(&mut Rig)| {
        let mut rig = Rig::with_parcels(405, &[3]);
        prepare(&mut rig);
        rig.open(&["r3"]);
        rig.advance(35_000);
        failures.insert(name.to_owned(), part(&rig.view(), "opening")["phase"].take());
    };
    let adapters = [
        ("off", Adapter::Off),
        ("absent", Adapter::Absent),
        ("denied", Adapter::Denied),
        ("locationOff", Adapter::LocationOff),
    ];
    for (name, adapter) in adapters {
        keep(name, &|rig| rig.event(Event::Radio(RadioEvent::Adapter(adapter))));
    }
    keep("out of range", &|rig| rig.locker.in_range = false);
    keep("busy", &|rig| rig.locker.busy = u32::MAX);
    keep("lost before asked", &|rig| rig.locker.cut_after = Some(0));
    keep("impostor", &|rig| rig.locker.impostor = true);
    keep("refused", &|rig| rig.locker.refuse.extend([Refusal::Refused; 2]));
    keep("throttled", &|rig| rig.locker.refuse.push_back(Refusal::Throttled { seconds: 30 }));
    keep("out of order", &|rig| rig.locker.refuse.push_back(Refusal::OutOfOrder));
    keep("version", &|rig| rig.locker.refuse.push_back(Refusal::Version));
    keep("jammed", &|rig| rig.locker.outcome = Outcome::Jammed);
    keep("power cut", &|rig| rig.locker.outcome = Outcome::Unknown);
    keep("token expired, no network", &|rig| {
        rig.hub.online = false;
        rig.intent(Intent::Refresh);
        rig.now.unix_ms += 90_000_000;
    });
    keep("locker lost the time, no network", &|rig| {
        rig.hub.online = false;
        rig.intent(Intent::Refresh);
        rig.locker.clock = ClockState::Unset;
    });
    assert_json_snapshot!("opening_failures", failures);
}

#[test]
fn every_state_of_session_network_vault_and_radio() {
    let mut states = serde_json::Map::new();
    let mut keep = |name: &str, rig: &Rig| {
        let view = json(&rig.view());
        states.insert(
            name.to_owned(),
            serde_json::json!({
                "session": view["session"], "network": view["network"], "vault": view["vault"],
                "bluetooth": view["bluetooth"], "loaded": view["loaded"], "notices": view["notices"],
            }),
        );
    };
    let mut rig = Rig::new(406);
    keep("signed out", &rig);
    rig.intent(Intent::SignIn { hub: None });
    rig.browser = None;
    keep("in the browser", &rig);
    rig.event(Event::Redirected { url: "http://127.0.0.1:5555/callback?code=x&state=y".into() });
    keep("in the browser, something strange came back", &rig);
    rig.advance(700_000);
    keep("abandoned", &rig);
    rig.sign_in();
    keep("signed in", &rig);
    rig.hub.online = false;
    rig.intent(Intent::Refresh);
    keep("offline", &rig);
    rig.hub.online = true;
    rig.hub.clock_ahead = 1_000;
    rig.intent(Intent::Refresh);
    keep("clock skew", &rig);
    rig.hub.clock_ahead = 0;
    rig.hub.page_of.insert("/v1/changes".into(), b"<html>".to_vec());
    rig.intent(Intent::Refresh);
    keep("wrong hub", &rig);
    rig.hub.page_of.clear();
    rig.hub.refuse.insert("/v1/".into(), (503, Code::Unavailable));
    rig.intent(Intent::Refresh);
    keep("hub has a fault", &rig);
    rig.hub.refuse.clear();
    rig.hub.oauth_error = Some(OAuthError { error: "invalid_grant".into(), error_description: None });
    rig.advance(900_000);
    rig.intent(Intent::Refresh);
    keep("session ended by the hub", &rig);
    rig.hub.oauth_error = None;
    rig.sign_in();
    rig.hub.refuse.insert("/v1/".into(), (401, Code::DeviceRevoked));
    rig.intent(Intent::Refresh);
    keep("device removed", &rig);
    let mut rig = Rig::new(407);
    for (name, state) in [("no keyring", VaultState::Absent), ("keyring locked", VaultState::Locked)] {
        rig.event(Event::Vault(state));
        keep(name, &rig);
    }
    rig.intent(Intent::UseMemoryOnly);
    keep("memory only", &rig);
    let opened = rig.opened();
    rig.event(Event::Vault(VaultState::Damaged(opened)));
    keep("store damaged", &rig);
    for adapter in [Adapter::Unknown, Adapter::Off, Adapter::Absent, Adapter::Denied, Adapter::LocationOff] {
        rig.event(Event::Radio(RadioEvent::Adapter(adapter)));
        keep(&format!("bluetooth {adapter:?}"), &rig);
    }
    assert_json_snapshot!("surroundings", states);
}

#[test]
fn what_waits_is_shown() {
    let mut rig = Rig::with_parcels(408, &[3]);
    rig.hub.online = false;
    let until = START_MS / 1000 + 200_000;
    rig.open(&["r3"]);
    rig.intent(Intent::ConfirmTaken { reservation: "r3".into(), taken: true });
    rig.intent(Intent::Extend { reservation: "r3".into(), until });
    rig.intent(Intent::Share { reservation: "r3".into(), name: "Jan".into(), until });
    rig.intent(Intent::RevokeShare { reservation: "r3".into(), share: "s1".into() });
    rig.intent(Intent::Report {
        reservation: "r3".into(),
        kind: "damaged".into(),
        note: String::new(),
        photos: vec![],
    });
    rig.intent(Intent::RemoveDevice { device: "dev_1".into() });
    rig.intent(Intent::Hold { reservation: "r3".into(), until });
    rig.intent(Intent::Cancel { reservation: "r3".into() });
    rig.intent(Intent::ChangeLocker { reservation: "r3".into(), site: "other".into() });
    rig.intent(Intent::Release { reservation: "r3".into(), confirmed: None });
    rig.intent(Intent::BookReturn { code: "RET-1".into(), site: "lindenhof".into(), size: "m".into() });
    let view = json(&rig.view());
    assert_json_snapshot!(
        "waiting",
        serde_json::json!({ "outbox": view["outbox"], "receipts": view["receipts"], "session": view["session"] })
    );
}
