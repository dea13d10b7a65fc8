//! The hub: sync, token, book, receipt on SQLite and PostgreSQL, against the bare statement; memory; time to start.
//!
//! Hub and bare server run in this process, each on a runtime and a set of connections of its own over the same database,
//! with the same driver, pragmas and pool. The bare server makes the same statements for a request in the same
//! transaction, and nothing else: nobody signs, nothing is checked, nothing is put together.

mod bare;
mod load;
mod ours;
mod postgres;
mod seed;

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use self::{load::Round, ours::Ours, postgres::Postgres};
use crate::{
    bench::Bench,
    report::{Curve, Line, Measurement, Unit},
    stat::Samples,
};

/// Pairs of rounds for each size.
const ROUNDS: usize = 15;

/// What is measured, as it is called in names and titles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// What changed since a cursor.
    Sync,
    /// Tokens for all that may be opened.
    Token,
    /// A compartment is booked.
    Book,
    /// A receipt is taken in.
    Receipt,
}

impl What {
    // Receipts last: what was opened gives no more tokens to collect.
    const ALL: [Self; 4] = [Self::Sync, Self::Token, Self::Book, Self::Receipt];

    fn name(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Token => "token",
            Self::Book => "book",
            Self::Receipt => "receipt",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Sync => "Sync (five changes, one cabinet)",
            Self::Token => "Tokens for two reservations",
            Self::Book => "Booking a compartment",
            Self::Receipt => "Taking in a receipt",
        }
    }
}

pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let sizes: &[u64] = if bench.quick() { &[10_000] } else { &[10_000, 100_000, 1_000_000] };
    let postgres = Postgres::start(&bench.scratch().join("postgres"))?;
    let wanted = |what: What, kind: &str| bench.wants(&format!("hub.{}.{kind}", what.name()));
    let largest = sizes.last().copied().unwrap_or_default();
    let alone = bench.wants("hub.start") || bench.wants("hub.memory");
    let mut databases = Vec::new();
    for (kind, title) in [("sqlite", "SQLite"), ("postgres", "PostgreSQL")] {
        let whats: Vec<What> = What::ALL.into_iter().filter(|what| wanted(*what, kind)).collect();
        let of = |size: &&u64| !whats.is_empty() || (alone && kind == "sqlite" && **size == largest);
        let on = sizes.iter().filter(of).map(|size| Database::of(bench, &postgres, kind, *size));
        let on = on.collect::<Result<Vec<_>>>()?;
        databases.push((kind, title, whats, on));
    }
    bench.prepared()?;
    for (kind, title, whats, on) in &databases {
        for what in whats {
            one(bench, *what, kind, title, on)?;
        }
    }
    if let Some(on) = databases[0].3.last().filter(|_| alone) {
        start(bench, on)?;
    }
    Ok(())
}

/// A database with so many reservations in it, and the folder of its master key.
pub(crate) struct Database {
    folder: std::path::PathBuf,
    /// None: SQLite in the folder.
    url: Option<String>,
    size: u64,
}

impl Database {
    /// Makes it.
    fn of(bench: &Bench, postgres: &Postgres, kind: &str, size: u64) -> Result<Self> {
        let folder = bench.scratch().join(format!("hub-{kind}-{size}"));
        let name = format!("hub{size}");
        if kind == "postgres" {
            postgres.create(&name)?;
        }
        let url = (kind == "postgres").then(|| postgres.url(&name));
        let this = Self { folder, url, size };
        std::fs::create_dir_all(&this.folder)?;
        let began = Instant::now();
        seed::fill(&this)?;
        println!("  {kind} with {size} reservations after {:.1} s", began.elapsed().as_secs_f64());
        Ok(this)
    }
}

/// What one size showed, round by round: ours, and the bare server.
#[derive(Default)]
struct Rounds {
    ours: Vec<Round>,
    bare: Vec<Round>,
}

/// One operation on one kind of database: p50, p99 and throughput of ours and of the bare server. All sizes take turns, so
/// that whatever else the machine does falls on all of them.
fn one(bench: &mut Bench, what: What, kind: &str, title: &str, on: &[Database]) -> Result<()> {
    let mut servers = Vec::new();
    for database in on {
        servers.push((Ours::start(database)?, bare::Bare::start(database)?, Rounds::default()));
    }
    for run in 0..=bench.runs(ROUNDS) {
        for (ours, bare, rounds) in &mut servers {
            let pair = if run % 2 == 0 {
                let ours = ours.round(what)?;
                (ours, bare.round(what)?)
            } else {
                let bare = bare.round(what)?;
                (ours.round(what)?, bare)
            };
            // The first warms up.
            if run > 0 {
                rounds.ours.push(pair.0);
                rounds.bare.push(pair.1);
            }
        }
    }
    let mut lines = (Vec::new(), Vec::new());
    for (Database { size, .. }, (_, _, rounds)) in on.iter().zip(&servers) {
        let each = |number: fn(&Round) -> f64| {
            let of = |rounds: &[Round]| Samples(rounds.iter().map(number).collect());
            (of(&rounds.ours), of(&rounds.bare))
        };
        let add = |number: &str, told: &str, unit, samples: &(Samples, Samples)| {
            let name = format!("hub.{}.{kind}.{number}.{size}", what.name());
            let title = format!("{}, {title}, {size} reservations, {told}", what.title());
            Measurement::paired(&name, &title, unit, "bare axum", samples)
        };
        let p99 = each(|round| round.p99);
        bench.add(add("p99", "p99", Unit::Seconds, &p99).at_most_times(1.5));
        bench.add(add("p50", "p50", Unit::Seconds, &each(|round| round.p50)));
        let rate = each(|round| round.per_second);
        bench.add(add("rate", "requests a second", Unit::PerSecond, &rate));
        lines.0.push((*size as f64, p99.0));
        lines.1.push((*size as f64, p99.1));
    }
    if on.len() > 1 {
        let name = format!("hub.{}.{kind}.growth", what.name());
        let told = format!("{}, {title}, p99", what.title());
        let lines = vec![Line::new("hub", &lines.0), Line::new("bare axum", &lines.1)];
        bench.draw(Curve::new(&name, &told, "reservations", Unit::Seconds, lines).grows_at_most(1.2));
    }
    Ok(())
}

/// The program itself on the largest database: how long until it can be reached, and how much memory it has.
fn start(bench: &mut Bench, on: &Database) -> Result<()> {
    let size = on.size;
    let mut took = Samples::default();
    let mut memory = (Samples::default(), Samples::default());
    for _ in 0..bench.runs(8) {
        let began = Instant::now();
        let served = Served::start(&bench.binary("postern-hub"), on)?;
        took.0.push(began.elapsed().as_secs_f64());
        memory.0.0.push(served.memory()?);
        Ours::reach(on, &served.base)?.round(What::Sync)?;
        memory.1.0.push(served.memory()?);
    }
    let title = format!("From exec to ready, SQLite, {size} reservations");
    bench.add(Measurement::new(&format!("hub.start.{size}"), &title, Unit::Seconds, &took));
    let title = format!("Memory when ready, SQLite, {size} reservations");
    bench.add(Measurement::new(&format!("hub.memory.ready.{size}"), &title, Unit::Bytes, &memory.0));
    let title = format!("Memory after {} syncs, SQLite, {size} reservations", load::REQUESTS);
    bench.add(Measurement::new(&format!("hub.memory.served.{size}"), &title, Unit::Bytes, &memory.1));
    Ok(())
}

/// `postern-hub serve`; ended with this value.
struct Served {
    process: Child,
    base: String,
}

impl Served {
    fn start(program: &std::path::Path, on: &Database) -> Result<Self> {
        let ready = on.folder.join("ready.json");
        let _ = std::fs::remove_file(&ready);
        let mut process = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(&on.folder)
            .arg("--ready-file")
            .arg(&ready)
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| program.display().to_string())?;
        let deadline = Instant::now() + Duration::from_secs(120);
        let text = loop {
            if let Ok(text) = std::fs::read_to_string(&ready) {
                break text;
            }
            if let Some(status) = process.try_wait()? {
                bail!("the hub ended before it was ready: {status}");
            }
            ensure!(Instant::now() < deadline, "the hub was not ready in time");
            std::thread::yield_now();
        };
        let said: serde_json::Value = serde_json::from_str(&text)?;
        let base = said["url"].as_str().context("a ready file without URL")?.to_owned();
        Ok(Self { process, base })
    }

    /// Resident set, bytes.
    fn memory(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kilobytes: f64 = line.trim().trim_end_matches(" kB").trim().parse()?;
        Ok(kilobytes * 1024.0)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Nothing to be saved: what it acknowledged is on disk.
        let _ = self.process.kill().and_then(|()| self.process.wait());
    }
}
