//! Pictures of what is seldom: problems, notices, access and actions that no story of `snapshots` comes past. And a
//! check by machine that between them the pictures show every variant that the view has.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use insta::assert_json_snapshot;
use postern_api::{
    problem::Code,
    report::{OwnReport, ReportAnswer},
    reservation::{Action, Kind, State},
    token::NoPin,
};
use postern_core::{
    event::{Event, RadioEvent},
    intent::Intent,
    view::View,
};
use postern_protocol::Refusal;
use serde_json::{Map, Value, json};

use crate::rig::{HUB, Rig, START_MS, reservation};

const SOON: i64 = START_MS / 1000 + 200_000;

fn part(view: &View, pointer: &str) -> Value {
    let view = serde_json::to_value(view).unwrap();
    view.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}")).clone()
}

#[test]
fn every_problem_outside_an_opening() {
    let mut problems = Map::new();
    let mut keep = |name: &str, problem: Value| {
        assert!(problems.insert(name.to_owned(), json!({ "problem": problem })).is_none());
    };

    for (status, code) in [
        (409, Code::Stale),
        (409, Code::NoCompartment),
        (409, Code::NoClimate),
        (409, Code::KeepsNoLonger),
        (409, Code::LimitReached),
        (409, Code::FairShare),
        (409, Code::SomethingInside),
        (410, Code::ClaimEnded),
        (403, Code::Forbidden),
    ] {
        let mut rig = Rig::with_parcels(500, &[3]);
        rig.hub.refuse.insert("/v1/reservations/r3/extend".into(), (status, code));
        rig.intent(Intent::Extend { reservation: "r3".into(), until: SOON });
        rig.advance(10_000);
        keep(&format!("the hub says {code:?}"), part(&rig.view(), "/outbox/0/problem"));
    }

    for (path, status, code, intent) in [
        ("/v1/me/email", 400, Code::Malformed, Intent::SetEmail { email: "ada".into(), language: None }),
        ("/v1/me/email/confirm", 409, Code::WrongCode, Intent::ConfirmEmail { code: "1".into() }),
        ("/v1/me/email/confirm", 410, Code::CodeEnded, Intent::ConfirmEmail { code: "1".into() }),
        ("/v1/passkeys/pk", 409, Code::WrongState, Intent::RemovePasskey { passkey: "pk".into() }),
        ("/v1/me", 409, Code::WrongState, Intent::DeleteAccount),
        ("/v1/homes/yard", 409, Code::WrongState, Intent::LeaveHome { site: "yard".into() }),
    ] {
        let mut rig = Rig::with_parcels(508, &[3]);
        rig.hub.refuse.insert(path.into(), (status, code));
        rig.intent(intent);
        keep(&format!("the account, {path} says {code:?}"), part(&rig.view(), "/account/problem/problem"));
    }

    for (status, code) in [(410, Code::ClaimEnded), (409, Code::WrongCode), (409, Code::WrongState)] {
        let mut rig = Rig::with_parcels(509, &[3]);
        rig.hub.refuse.insert("/v1/homes".into(), (status, code));
        rig.intent(Intent::FollowLink { url: "7QFM-3K9T-XWB4".into() });
        keep(
            &format!("an invitation to a flat, the hub says {code:?}"),
            part(&rig.view(), "/homeOffer/problem"),
        );
    }

    let find = || Intent::FindSites { latitude: None, longitude: None, size: None, parcel: None };
    let mut rig = Rig::with_parcels(501, &[3]);
    rig.hub.refuse.insert("/v1/sites".into(), (503, Code::Unavailable));
    rig.intent(find());
    keep("no sites, the hub has a fault", part(&rig.view(), "/sites/problem"));
    rig.hub.online = false;
    rig.intent(find());
    keep("no sites, no network", part(&rig.view(), "/sites/problem"));

    let sign_in = |seed, prepare: &dyn Fn(&mut Rig)| {
        let mut rig = Rig::new(seed);
        prepare(&mut rig);
        rig.intent(Intent::SignIn { hub: None });
        rig
    };
    let rig =
        sign_in(502, &|rig| drop(rig.hub.page_of.insert("/.well-known/postern".into(), b"<html>".to_vec())));
    keep("sign-in, not a hub", part(&rig.view(), "/session/problem"));
    let rig = sign_in(503, &|rig| rig.hub.clock_ahead = 3_600);
    keep("sign-in, wrong clock", part(&rig.view(), "/session/problem"));
    let mut rig = sign_in(504, &|_| ());
    rig.event(Event::BrowserFailed);
    keep("sign-in, no browser", part(&rig.view(), "/session/problem"));
    let mut rig = sign_in(505, &|_| ());
    let url = rig.browser.take().unwrap();
    let state = url.split("state=").nth(1).unwrap().split('&').next().unwrap();
    let refused = format!("http://127.0.0.1:5555/callback?error=access_denied&state={state}");
    rig.event(Event::Redirected { url: refused });
    keep("sign-in, refused", part(&rig.view(), "/session/problem"));

    let accept = |reservation: &str, invitation: &str| Intent::AcceptInvitation {
        reservation: reservation.into(),
        invitation: invitation.into(),
        name: "Jan".into(),
        until: START_MS / 1000 + 7_200,
    };
    let mut owner = Rig::with_parcels(506, &[3]);
    owner.intent(accept("r3", "PI1:E00"));
    keep("shared with nobody", part(&owner.view(), "/shareProblem"));
    let mut guest = Rig::new(507);
    guest.key = ed25519_dalek::SigningKey::from_bytes(&[77; 32]);
    guest.open_vault();
    guest.intent(Intent::ShowMyInvitation);
    let invitation = guest.view().invitation.unwrap().text;
    owner.intent(accept("r3", &invitation));
    guest.intent(Intent::TakeDelegation { text: owner.view().share_offer.unwrap().link });
    let id = guest.view().reservations[0].id.clone();
    guest.intent(accept(&id, &invitation));
    keep("passed on", part(&guest.view(), "/shareProblem"));
    assert_json_snapshot!("problems", problems);
}

#[test]
fn every_failure_that_needs_a_strange_locker_or_key() {
    let mut failures = Map::new();
    let mut keep = |name: &str, rig: &Rig| {
        failures.insert(name.to_owned(), part(&rig.view(), "/opening/phase"));
    };
    let mut rig = Rig::with_parcels(510, &[3]);
    rig.hold_radio = true;
    rig.open(&["r3"]);
    let attempt = rig.attempt.unwrap();
    rig.event(Event::Radio(RadioEvent::Message { attempt, bytes: b"Hello?".to_vec() }));
    keep("not the locker", &rig);

    let mut rig = Rig::with_parcels(512, &[3]);
    rig.locker.refuse.push_back(Refusal::Full);
    rig.open(&["r3"]);
    keep("no room", &rig);

    for (name, late) in [("the key refuses", false), ("the key answers too late", true)] {
        let mut rig = Rig::with_parcels(511, &[3]);
        rig.hold_signatures = true;
        rig.open(&["r3"]);
        let (ticket, message) = rig.signing.pop_front().unwrap();
        let signature = late.then(|| ed25519_dalek::Signer::sign(&rig.key, &message).to_bytes());
        rig.now.monotonic_ms += if late { 30_001 } else { 0 };
        rig.event(Event::Signed { ticket, signature });
        keep(name, &rig);
    }
    assert_json_snapshot!("strange_failures", failures);
}

#[test]
fn every_kind_of_access_and_what_may_be_open() {
    let mut pictures = Map::new();
    let mut keep = |name: &str, rig: &Rig, id: &str| {
        let view = serde_json::to_value(rig.reservation(id)).unwrap();
        let some = json!({ "state": view["state"], "access": view["access"], "actions": view["actions"], "pin": view["pin"] });
        pictures.insert(name.to_owned(), json!({ "reservations": [some] }));
    };
    let mut rig = Rig::new(520);
    rig.hub.reservations = vec![reservation("r3", 3, State::Ready)];
    // The hub is there and has none to give yet.
    rig.hub.page_of.insert("/v1/tokens".into(), br#"{"grants":[],"bulletins":[]}"#.to_vec());
    rig.sign_in();
    rig.advance(1_000);
    keep("its token is being fetched", &rig, "r3");
    rig.hub.online = false;
    rig.intent(Intent::Refresh);
    keep("its token needs a network", &rig, "r3");

    let mut rig = Rig::with_parcels(521, &[3]);
    rig.locker.cut_after = Some(2);
    rig.locker.cuts = u32::MAX;
    rig.open(&["r3"]);
    rig.advance(60_000);
    keep("nobody knows whether it opened", &rig, "r3");

    let mut rig = Rig::new(522);
    let mut held = reservation("flat", 3, State::Held);
    held.kind = Kind::Storage;
    held.actions = vec![Action::Open, Action::Hold, Action::Share, Action::Release, Action::Report];
    rig.hub.reservations = vec![held];
    rig.sign_in();
    rig.advance(1_000);
    keep("a compartment of one's own", &rig, "flat");
    assert_json_snapshot!("access", pictures);
}

#[test]
fn every_way_in_that_is_not_there_and_every_question_at_a_door() {
    let mut pictures = Map::new();
    let mut keep = |name: &str, rig: &Rig, id: &str| {
        let view = serde_json::to_value(rig.reservation(id)).unwrap();
        let names =
            ["state", "unproven", "inside", "actions", "pin", "noPin", "code", "suspected", "release"];
        let some: Map<String, Value> =
            names.iter().map(|name| ((*name).to_owned(), view[name].clone())).collect();
        pictures.insert(name.to_owned(), json!({ "reservations": [some] }));
    };
    for reason in [NoPin::NoKeypad, NoPin::KeypadBehind, NoPin::TooManyDevices, NoPin::Unknown] {
        let mut rig = Rig::new(525);
        (rig.hub.pin, rig.hub.no_pin) = (None, reason);
        rig.hub.reservations = vec![reservation("r3", 3, State::Ready)];
        rig.sign_in();
        rig.advance(1_000);
        keep(&format!("no PIN: {reason:?}"), &rig, "r3");
    }
    let mut rig = Rig::with_parcels(526, &[3]);
    rig.locker.impostor = true;
    rig.open(&["r3"]);
    rig.advance(40_000);
    keep("something pretends to be the locker", &rig, "r3");

    for content in [None, Some(false), Some(true)] {
        let mut rig = Rig::new(527);
        let storage = |id: &str, door, lent| {
            let mut held = reservation(id, door, State::Held);
            (held.kind, held.lent) = (Kind::Storage, lent);
            held.actions = vec![Action::Open, Action::Release];
            held
        };
        let mut back = reservation("back", 1, State::Booked);
        back.kind = Kind::Return;
        rig.hub.reservations = vec![back, storage("own", 2, false), storage("lent", 3, true)];
        rig.hub.lockers[0].content_sensors = content.is_some();
        rig.locker.content = content;
        rig.sign_in();
        rig.advance(1_000);
        for (id, door) in [("back", 1), ("own", 2), ("lent", 3)] {
            rig.open(&[id]);
            rig.close_door(door);
            rig.advance(5_000);
            keep(&format!("{id}, closed: {content:?}"), &rig, id);
        }
        rig.intent(Intent::ConfirmPlaced { reservation: "back".into(), inside: true });
        keep(&format!("back, inside: {content:?}"), &rig, "back");
    }
    assert_json_snapshot!("at_the_door", pictures);
}

#[test]
fn every_notice() {
    let mut notices = Map::new();
    let mut keep = |name: &str, rig: &Rig| {
        notices.insert(name.to_owned(), json!({ "notices": part(&rig.view(), "/notices") }));
    };
    let mut rig = Rig::new(530);
    rig.hub.reservations = vec![reservation("r3", 3, State::InTransit)];
    rig.sign_in();
    rig.advance(1_000);
    rig.change("r3", |reservation| reservation.state = State::Ready);
    keep("one is ready", &rig);

    let mut rig = Rig::with_parcels(536, &[3]);
    let mut report = OwnReport {
        id: "p1".into(),
        at: START_MS / 1000,
        kind: "damaged".into(),
        note: String::new(),
        photos: 0,
        state: "open".into(),
        answers: Vec::new(),
    };
    rig.change("r3", |reservation| reservation.reports = vec![report.clone()]);
    report.answers =
        vec![ReportAnswer { at: START_MS / 1000, by: "Heron Express".into(), text: "Sorry.".into() }];
    rig.change("r3", |reservation| reservation.reports = vec![report]);
    keep("a report was answered", &rig);

    let mut rig = Rig::with_parcels(531, &[3]);
    rig.hub.refuse.insert("/v1/reservations/r3/extend".into(), (409, Code::LimitReached));
    rig.intent(Intent::Extend { reservation: "r3".into(), until: SOON });
    rig.advance(10_000);
    keep("the hub saw it otherwise", &rig);

    let mut rig = Rig::with_parcels(532, &[3]);
    rig.event(Event::DeepLink { url: "postern://claim?claim=".into() });
    keep("a link that is none", &rig);

    let mut owner = Rig::with_parcels(533, &[3]);
    let mut guest = Rig::new(534);
    guest.intent(Intent::ShowMyInvitation);
    owner.intent(Intent::AcceptInvitation {
        reservation: "r3".into(),
        invitation: guest.view().invitation.unwrap().text,
        name: "Jan".into(),
        until: START_MS / 1000 + 7_200,
    });
    guest.intent(Intent::TakeDelegation { text: owner.view().share_offer.unwrap().link });
    keep("access was taken", &guest);
    assert_json_snapshot!("notices", notices);

    // In the middle of a sign-in: the process stops before anything of it is carried out.
    let mut rig = Rig::new(535);
    rig.die_at = Some(rig.effects_done);
    rig.intent(Intent::SignIn { hub: Some(HUB.into()) });
    assert_json_snapshot!("signing_in", json!({ "session": part(&rig.view(), "/session") }));
}

/// Where in a picture a type of the view is: the end of the way to it.
const WHERE: &[(&str, &[&str])] = &[
    ("AccessView", &["reservations", "", "access", "state"]),
    ("ActionView", &["reservations", "", "actions", ""]),
    ("BluetoothView", &["bluetooth"]),
    ("KindView", &["reservations", "", "kind"]),
    ("NetworkView", &["network", "state"]),
    ("NoPinView", &["reservations", "", "noPin"]),
    ("NoticeCode", &["notices", "", "code"]),
    ("OpeningDoorState", &["doors", "", "state"]),
    ("OpeningPhase", &["step"]),
    ("ProblemCode", &["problem", "code"]),
    ("ReleaseView", &["reservations", "", "release"]),
    ("SessionView", &["session", "state"]),
    ("StateView", &["reservations", "", "state"]),
    ("VaultView", &["vault"]),
];

/// The types are read from what is generated for the window, so a new variant is missed at once, and a new type too.
#[test]
fn every_variant_of_the_view_is_in_a_picture() {
    let types = fs::read_to_string(root().join("ui/src/lib/generated/view.ts")).unwrap();
    let mut seen = Vec::new();
    for entry in fs::read_dir(root().join("crates/core/tests/core/snapshots")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let picture = text.splitn(3, "---\n").nth(2).unwrap();
        collect(&serde_json::from_str(picture).unwrap(), &mut Vec::new(), &mut seen);
    }
    let unions = unions(&types);
    let known: BTreeSet<&str> = WHERE.iter().map(|(name, _)| *name).collect();
    assert_eq!(unions.iter().map(|(name, _)| name.as_str()).collect::<BTreeSet<_>>(), known);
    let mut missing = Vec::new();
    for (name, variants) in &unions {
        let (_, end) = WHERE.iter().find(|(known, _)| known == name).unwrap();
        for variant in variants {
            let shown = seen.iter().any(|(way, word)| word == variant && leads(way, end));
            if !shown {
                missing.push(format!("{name}: {variant}"));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

fn leads(way: &[String], end: &[&str]) -> bool {
    way.len() >= end.len() && way[way.len() - end.len()..].iter().map(String::as_str).eq(end.iter().copied())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All words in a picture, each with the names that lead to it; an entry of a list has none.
fn collect(value: &Value, way: &mut Vec<String>, seen: &mut Vec<(Vec<String>, String)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                way.push(name.clone());
                collect(value, way, seen);
                way.pop();
            }
        }
        Value::Array(items) => {
            way.push(String::new());
            items.iter().for_each(|item| collect(item, way, seen));
            way.pop();
        }
        Value::String(word) => seen.push((way.clone(), word.clone())),
        _ => {}
    }
}

/// The types that are one of several: of words, or of objects told apart by `state` or `step`.
fn unions(types: &str) -> Vec<(String, Vec<String>)> {
    let mut unions = Vec::new();
    for one in types.split("export type ").skip(1) {
        let (name, body) = one.split_once(" = ").unwrap();
        let body = body.split(";\n").next().unwrap();
        let words: Vec<String> = if body.starts_with('"') {
            body.split('|').map(|word| word.trim().trim_matches('"').to_owned()).collect()
        } else {
            ["{ \"state\": \"", "{ \"step\": \""]
                .iter()
                .flat_map(|tag| body.split(tag).skip(1))
                .map(|rest| rest.split('"').next().unwrap().to_owned())
                .collect()
        };
        if !words.is_empty() {
            unions.push((name.to_owned(), words));
        }
    }
    unions
}
