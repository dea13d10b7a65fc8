//! One parcel from sign-in to receipt, and a second one with no network at all: real hub, real firmware, real browser,
//! real keyring.
#![cfg(target_os = "linux")]

use std::{path::Path, sync::Arc, time::Instant};

use postern_radio::air::AirRadio;
use postern_runtime::{
    Browser, Options, Roots, SecretsChoice, WayBack,
    intent::Intent,
    vault::{DeviceKeys, keys::StandInKeys, testing::in_keyring},
    view::{
        AccessView, KindView, NetworkView, OpeningPhase, ProblemCode, ReservationView, SessionView,
        StateView, VaultView,
    },
};
use serde_json::json;

use crate::{
    chromium::Chromium,
    parts::{Cabinet, Hub},
    stage::App,
};

/// The parts of the story, as long as it lasts.
struct World {
    folder: tempfile::TempDir,
    hub: Hub,
    cabinet: Cabinet,
    browser: Arc<Chromium>,
    keys: Option<Arc<dyn DeviceKeys>>,
}

impl World {
    async fn new(keys: Option<Arc<dyn DeviceKeys>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hub = Hub::start(folder.path());
        let cabinet = Cabinet::start(folder.path(), &hub);
        let browser = Arc::new(Chromium::start().await);
        Self { folder, hub, cabinet, browser, keys }
    }

    fn profile(&self) -> std::path::PathBuf {
        self.folder.path().join("profile")
    }

    async fn app(&self) -> App {
        let browser: Arc<dyn Browser> = self.browser.clone();
        App::start(Options {
            hub: self.hub.url.clone(),
            device_name: "Story phone".into(),
            folder: self.profile(),
            account: "story".into(),
            radio: Arc::new(AirRadio::new(self.cabinet.air.clone())),
            radio_is_chosen: true,
            browser,
            secrets: SecretsChoice::Keyring,
            device_keys: self.keys.clone(),
            way_back: WayBack::Loopback,
            roots: Roots::Platform,
        })
        .await
    }

    async fn signed_in(&self) -> App {
        let app = self.app().await;
        app.holds("the keyring", |view| view.vault == VaultView::Keyring).await;
        app.send(Intent::SignIn { hub: None });
        app.holds(
            "signed in",
            |view| matches!(&view.session, SessionView::SignedIn { name, .. } if name == "Ada Lovelace"),
        )
        .await;
        let page = self.browser.text().await;
        assert!(page.starts_with("\"/callback: "), "the browser shows the way back: {page}");
        app
    }
}

fn usable(r: &ReservationView) -> bool {
    matches!(r.access, AccessView::Ready { .. })
}

async fn phase(app: &App, what: &str, mut is: impl FnMut(&OpeningPhase) -> bool) {
    app.until(what, |view| {
        let phase = &view.opening.as_ref()?.phase;
        if let OpeningPhase::Failed { problem } = phase {
            panic!("{what}: {problem:?}");
        }
        is(phase).then_some(())
    })
    .await;
}

/// Opens the door, takes the thing, closes the door, says so.
async fn collect(app: &App, cabinet: &Cabinet, title: &str, label: &str) {
    let parcel = app.reservation(title, usable).await;
    assert_eq!(parcel.label.as_deref(), Some(label));
    assert_eq!(cabinet.door(label).await["open"], false);
    let gesture = Instant::now();
    app.send(Intent::Open { reservations: vec![parcel.id.clone()] });
    phase(app, "opened", |phase| matches!(phase, OpeningPhase::Opened { .. })).await;
    eprintln!("{label}: {} ms from the gesture to the view of an opened door", gesture.elapsed().as_millis());
    assert_eq!(cabinet.door(label).await["open"], true, "the view says only what is true");
    cabinet.hand(label, "take").await;
    cabinet.hand(label, "close").await;
    phase(app, "closed", |phase| matches!(phase, OpeningPhase::Closed { .. })).await;
    app.reservation(title, |r| r.state == StateView::Opened).await;
    app.send(Intent::ConfirmTaken { reservation: parcel.id.clone(), taken: true });
    app.reservation(title, |r| r.state == StateView::Collected).await;
    app.send(Intent::DismissOpening);
    app.holds("a verified receipt", |view| {
        view.receipts.iter().any(|receipt| receipt.reservation == parcel.id && receipt.verified)
    })
    .await;
}

async fn whole_story(keys: Option<Arc<dyn DeviceKeys>>) {
    let mut world = World::new(keys).await;
    let app = world.signed_in().await;
    app.holds("a pickup of each of two carriers, a return and a compartment", |view| {
        let of = |kind| view.reservations.iter().filter(|r| r.kind == kind).count();
        of(KindView::Pickup) == 2 && of(KindView::Return) == 1 && of(KindView::Storage) == 1
    })
    .await;
    let secrets_on_disk = files_contain(&world.profile(), &["Running shoes", "Lindenhof", "Ada"]);
    assert_eq!(secrets_on_disk, Vec::<String>::new(), "storage_theft");

    // A courier's deposit appears by itself.
    let shoes = app.reservation("Running shoes", |r| r.state == StateView::InTransit).await;
    app.holds("live", |view| view.network == NetworkView::Online).await;
    let deposited = Instant::now();
    world.cabinet.courier_deposits(&shoes.id).await;
    app.reservation("Running shoes", |r| r.state == StateView::Ready).await;
    eprintln!("deposit to view: {} ms", deposited.elapsed().as_millis());

    collect(&app, &world.cabinet, "Running shoes", "B3").await;
    app.holds("delivered", |view| view.outbox.is_empty() && view.receipts.iter().all(|r| r.delivered)).await;
    app.reservation("Two paperbacks", usable).await;
    app.end().await;

    // The hub dies; the app starts anew and finds nothing but what it kept.
    world.hub.kill();
    let started = Instant::now();
    let app = world.app().await;
    app.reservation("Two paperbacks", usable).await;
    eprintln!("start to list from the sealed store: {} ms", started.elapsed().as_millis());
    collect(&app, &world.cabinet, "Two paperbacks", "A2").await;
    app.holds("waiting", |view| {
        matches!(view.network, NetworkView::Offline { .. })
            && view.outbox.iter().any(|entry| entry.what == "receipt")
    })
    .await;

    world.hub.restart();
    app.send(Intent::Refresh);
    app.holds("delivered late", |view| {
        view.network == NetworkView::Online
            && view.outbox.is_empty()
            && view.receipts.iter().all(|r| r.delivered)
    })
    .await;
    app.reservation("Two paperbacks", |r| {
        r.state == StateView::Collected
            && r.timeline.iter().any(|entry| entry.event == "opened" && entry.proven)
    })
    .await;

    app.send(Intent::SignOut);
    app.holds("signed out", |view| {
        matches!(view.session, SessionView::SignedOut { .. })
            && view.vault == VaultView::Keyring
            && view.reservations.is_empty()
    })
    .await;
    app.end().await;
    world.browser.end().await;
}

/// Files below the folder that contain one of these texts in clear.
fn files_contain(folder: &Path, texts: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        for text in texts {
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                found.push(format!("{}: {text}", path.display()));
            }
        }
    }
    found
}

#[test]
fn one_parcel_online_and_one_with_no_network() {
    in_keyring("story::one_parcel_online_and_one_with_no_network", |_| whole_story(None));
}

#[test]
fn the_same_with_a_key_that_cannot_be_read_out() {
    in_keyring("story::the_same_with_a_key_that_cannot_be_read_out", |_| {
        whole_story(Some(Arc::new(StandInKeys::new())))
    });
}

/// Not heard: words and no harm. Heard again: the next gesture opens.
#[test]
fn a_locker_out_of_range_says_so() {
    in_keyring("story::a_locker_out_of_range_says_so", |_| async {
        let world = World::new(None).await;
        let app = world.signed_in().await;
        let books = app.reservation("Two paperbacks", usable).await;
        world.cabinet.faults(json!({ "air": { "silent": true } })).await;
        app.send(Intent::Open { reservations: vec![books.id.clone()] });
        app.holds("out of range", |view| {
            view.opening.as_ref().is_some_and(|o| {
                matches!(&o.phase, OpeningPhase::Failed { problem } if problem.code == ProblemCode::OutOfRange)
            })
        })
        .await;
        assert_eq!(world.cabinet.door("A2").await["open"], false);
        world.cabinet.faults(json!({ "air": { "silent": false } })).await;
        app.send(Intent::DismissOpening);
        app.holds("a clean slate", |view| view.opening.is_none()).await;
        app.send(Intent::Open { reservations: vec![books.id] });
        phase(&app, "opened", |phase| matches!(phase, OpeningPhase::Opened { .. })).await;
        app.end().await;
        world.browser.end().await;
    });
}
