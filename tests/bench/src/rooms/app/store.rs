//! The sealed store with more reservations than anybody has.

use std::{fs, io::Write, path::Path, sync::Arc, time::Instant};

use anyhow::{Context, Result, bail, ensure};
use postern_core::{
    Config, Core, Now,
    effect::Effect,
    event::{DeviceKey, Event, Opened, VaultState},
    intent::{Intent, Setting},
    view::SettingsView,
};
use postern_vault::{SealedStore, Secret, memory::MemorySecrets};
use rand::{rand_core::UnwrapErr, rngs::SysRng};
use serde_json::{Map, Value, json};

use crate::{
    bench::Bench,
    report::{Measurement, Unit},
    stat::pairs,
};

const RESERVATIONS: u32 = 10_000;
/// When it is, UNIX seconds.
const TODAY: i64 = 1_800_000_000;

pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let folder = bench.scratch().join("store");
    fs::create_dir_all(&folder)?;
    let mut app = App::with(document(RESERVATIONS)?);
    let Saved::Whole(whole) = app.save_all()? else {
        bail!("a state that is not on the disk is written whole")
    };
    ensure!(whole.len() > RESERVATIONS as usize * 500, "the core did not take the reservations");
    let secrets = Arc::new(MemorySecrets::new());
    let (mut store, _) = runtime.block_on(SealedStore::open(folder.join("store"), secrets))?;
    runtime.block_on(store.replace(std::slice::from_ref(&whole)))?;

    let Saved::Change(change) = app.change()? else { bail!("a change is written whole") };
    runtime.block_on(store.append(std::slice::from_ref(&change)))?;
    replace(&folder, &whole)?;
    let samples = pairs(
        bench.runs(40),
        || {
            let began = Instant::now();
            let Saved::Change(change) = app.change()? else { bail!("a change is written whole") };
            runtime.block_on(store.append(&[change]))?;
            Ok(began.elapsed().as_secs_f64())
        },
        || {
            let began = Instant::now();
            append(&folder, &change)?;
            Ok(began.elapsed().as_secs_f64())
        },
    )?;
    bench.add(
        Measurement::paired(
            "app.store.save",
            "Save of a change among 10,000 reservations, from the core to the disk",
            Unit::Seconds,
            "the same bytes in clear, added to a file and synced",
            &samples,
        )
        .at_most(0.05)
        .note(&format!("{} of JSON, sealed, added, synced.", Unit::Bytes.show(change.len() as f64))),
    );
    let samples = pairs(
        bench.runs(40),
        || {
            let began = Instant::now();
            let Saved::Whole(whole) = app.save_all()? else { bail!("not written whole") };
            runtime.block_on(store.replace(&[whole]))?;
            Ok(began.elapsed().as_secs_f64())
        },
        || {
            let began = Instant::now();
            replace(&folder, &whole)?;
            Ok(began.elapsed().as_secs_f64())
        },
    )?;
    bench.add(
        Measurement::paired(
            "app.store.whole",
            "Save of all 10,000 reservations, from the core to the disk",
            Unit::Seconds,
            "the same bytes in clear, replaced and synced",
            &samples,
        )
        .note(&format!(
            "{} with tokens, as JSON, sealed, synced. Once in as many bytes of changes, and after a save that failed.",
            Unit::Bytes.show(whole.len() as f64)
        )),
    );
    Ok(())
}

/// The least that a file takes which only grows.
fn append(folder: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = fs::OpenOptions::new().append(true).open(folder.join("plain"))?;
    file.write_all(bytes)?;
    Ok(file.sync_data()?)
}

/// The least that a file takes which is whole whenever the power fails.
fn replace(folder: &Path, bytes: &[u8]) -> Result<()> {
    let (new, path) = (folder.join("plain.new"), folder.join("plain"));
    let mut file = fs::File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, &path)?;
    Ok(fs::File::open(folder)?.sync_all()?)
}

/// The core of an app that is not connected to anything.
pub(super) struct App {
    pub(super) core: Core,
    on: bool,
}

impl App {
    pub(super) fn with(state: Secret) -> Self {
        let mut app = Self {
            core: Core::new(Config { hub: "http://localhost".into(), device_name: "Bench".into() }),
            on: false,
        };
        app.tell(Event::Vault(VaultState::Open(Opened {
            memory_only: false,
            device_thumbprint: String::new(),
            device_key: DeviceKey::Ed25519([1; 32]),
            state: vec![state],
            session: None,
        })));
        while app.core.poll_effect().is_some() {}
        app
    }

    pub(super) fn tell(&mut self, event: Event) {
        let now = Now { unix_ms: TODAY * 1000, monotonic_ms: 1000 };
        self.core.handle(event, now, &mut UnwrapErr(SysRng));
    }

    /// Something changes, and the core says what is to be saved.
    pub(super) fn change(&mut self) -> Result<Saved> {
        self.on = !self.on;
        self.tell(Event::Intent(Intent::Set { setting: Setting::ConfirmOpening(self.on) }));
        let mut saved = None;
        while let Some(effect) = self.core.poll_effect() {
            match effect {
                Effect::Save(bytes) => saved = Some(Saved::Whole(bytes)),
                Effect::Append(bytes) => saved = Some(Saved::Change(bytes)),
                _ => {}
            }
        }
        saved.context("the core saves nothing")
    }

    /// As after a save that failed.
    pub(super) fn save_all(&mut self) -> Result<Saved> {
        self.tell(Event::NotSaved);
        self.change()
    }
}

pub(super) enum Saved {
    Whole(Secret),
    Change(Secret),
}

/// What the core keeps, as it is stored: parcels that are ready, each with a token of usual size.
pub(super) fn document(size: u32) -> Result<Secret> {
    let (reservations, grants) = many(size);
    let none = json!({});
    let document = json!({
        "version": 1,
        "settings": SettingsView::default(),
        "wallet": {
            "reservations": reservations, "grants": grants, "lockers": none, "bulletins": none, "traces": none,
            "delegated": none,
        },
    });
    Ok(Secret::new(serde_json::to_vec(&document)?))
}

/// So many reservations and their tokens, by id.
fn many(size: u32) -> (Map<String, Value>, Map<String, Value>) {
    let (mut reservations, mut grants) = (Map::new(), Map::new());
    for number in 0..size {
        let id = format!("r{number:08}");
        reservations.insert(id.clone(), reservation(&id, number));
        grants.insert(id.clone(), grant(&id, number));
    }
    (reservations, grants)
}

fn reservation(id: &str, number: u32) -> Value {
    json!({
        "id": id, "version": 3, "kind": "pickup", "state": "ready", "title": format!("Parcel {number}"),
        "carrier": { "id": "heron", "name": "Heron Express" }, "reference": format!("HX{number:010}"),
        "site": {
            "id": "lindenhof", "name": "Lindenhof", "address": "Lindenhof 1, Bern", "latitude": 46.9, "longitude": 7.4,
        },
        "compartment": { "locker": "a102030405060708", "door": number % 1000, "label": format!("B{}", number % 1000) },
        "role": "owner", "until": TODAY + 259_200, "since": TODAY - 3600, "pin": "12345678",
        "actions": ["open", "extend", "share", "report"],
    })
}

fn grant(id: &str, number: u32) -> Value {
    json!({
        "reservation": id, "locker": "a102030405060708", "doors": [number % 1000], "operations": ["collect", "status"],
        "not_before": TODAY - 3600, "expires": TODAY + 86_400, "uses": 3, "delegable": true,
        "token_id": format!("{number:032x}"), "token": "q".repeat(320),
    })
}
