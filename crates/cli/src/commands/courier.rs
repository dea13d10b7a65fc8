//! `courier`: what a courier's device does, by the same protocol as a customer's phone.

use std::{
    io::Read as _,
    sync::Arc,
    time::{Duration, Instant},
};

use postern_api::{
    carrier::{CourierTokenRequest, Task, Tasks},
    locker::LockerDescriptor,
    token::Operation as Named,
};
use postern_courier::{CourierError, Device, Dial, Link, LockerId, Operation, identity};
use postern_runtime::{
    Options, Radio, SecretsChoice, StartError,
    vault::{ProfileLock, Secrets, Vault, keyring::KeyringSecrets, keys::StoredKeys},
};
use serde::Serialize;
use serde_json::json;

use super::{Output, confirmed};
use crate::{
    arguments::{AtLocker, Errand},
    fault::{Exit, Fault},
    scanned,
    text::{columns, distinct, safe, short, tell},
    words,
};

/// Longest search for the locker.
const SEARCH: Duration = Duration::from_secs(20);
/// Longest wait for a door to be closed.
const CLOSED: Duration = Duration::from_secs(170);
/// The sealed receipts, in a folder of the courier's own.
const STORE: &str = "receipts";

/// What `--json` prints of each door.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Done {
    reference: String,
    parcel: String,
    locker: String,
    door: u16,
    label: String,
    /// `opened` or `closed`.
    state: &'static str,
    /// The hub has the receipt.
    handed_in: bool,
}

pub(super) async fn run(options: Options, errand: Errand, output: Output) -> Result<(), Fault> {
    let folder = options.folder.join("courier");
    let place = folder.clone();
    let lock = tokio::task::spawn_blocking(move || ProfileLock::acquire(&place)).await;
    let _lock = lock.map_err(std::io::Error::other)??.ok_or(StartError::InUse)?;
    let secrets: Arc<dyn Secrets> = match &options.secrets {
        SecretsChoice::Given(secrets) => secrets.clone(),
        SecretsChoice::Keyring => Arc::new(KeyringSecrets::new(format!("{}-courier", options.account))?),
    };
    let keys = Arc::new(StoredKeys::new(secrets.clone()));
    let device = Device::open(Vault::open(secrets, keys, folder.join(STORE)).await?)?;
    let mut courier = Courier { device, radio: options.radio };
    match errand {
        Errand::SignIn { code } => courier.sign_in(&options.hub, &code, &options.device_name, output).await,
        Errand::SignOut { yes } => courier.sign_out(yes, output).await,
        Errand::Tasks => courier.tasks(output).await,
        Errand::Deposit { parcel, at } => courier.deposit(&parcel, &at, output).await,
        Errand::Collect { parcels, at } => courier.collect(&parcels, &at, output).await,
    }
}

struct Courier {
    device: Device,
    radio: Arc<dyn Radio>,
}

impl Courier {
    async fn sign_in(
        &mut self,
        hub: &str,
        code: &str,
        device_name: &str,
        output: Output,
    ) -> Result<(), Fault> {
        if let Some(hub) = self.device.hub() {
            let message = format!("A courier is signed in already, at {}. Sign out first.", safe(hub));
            return Err(Fault::usage(message));
        }
        let mut code = code.to_owned();
        if code == "-" {
            code.clear();
            std::io::stdin().take(1024).read_to_string(&mut code)?;
        }
        self.device.sign_in(hub, code.trim(), device_name).await?;
        let count = self.device.tasks().await?.tasks.len();
        output.print(&json!({ "hub": hub, "tasks": count }), || {
            format!("Signed in at {}. {count} to do; `postern courier tasks` lists them.\n", safe(hub))
        })
    }

    async fn sign_out(mut self, yes: bool, output: Output) -> Result<(), Fault> {
        self.catch_up().await;
        if !yes {
            let lost = match self.device.waiting() {
                0 => String::new(),
                1 => " One receipt has not reached the hub yet and would be lost.".into(),
                n => format!(" {n} receipts have not reached the hub yet and would be lost."),
            };
            if !confirmed(format!("Sign this courier's device out?{lost}")).await? {
                return Err(Fault::new(Exit::Stopped, "stopped", "Nothing was changed."));
            }
        }
        self.device.sign_out().await?;
        output.print(&json!({ "signedOut": true }), || "Signed out.\n".into())
    }

    async fn tasks(&mut self, output: Output) -> Result<(), Fault> {
        self.catch_up().await;
        let tasks = self.device.tasks().await?;
        output.print(&tasks, || {
            let length = distinct(tasks.tasks.iter().map(|task| &*task.parcel.id));
            let rows: Vec<Vec<String>> = tasks.tasks.iter().map(|task| row(task, &tasks, length)).collect();
            if rows.is_empty() { "Nothing to do.\n".into() } else { columns(&rows) }
        })
    }

    async fn deposit(&mut self, parcel: &str, at: &AtLocker, output: Output) -> Result<(), Fault> {
        self.catch_up().await;
        let tasks = self.device.tasks().await?;
        let task = find(&tasks, parcel, Named::Deposit)?;
        let locker = locker_for(&tasks, task, at.locker.as_deref())?;
        let done = vec![self.errand(task, locker, Operation::Deposit, at).await?];
        print(output, &done)
    }

    async fn collect(&mut self, parcels: &[String], at: &AtLocker, output: Output) -> Result<(), Fault> {
        self.catch_up().await;
        let tasks = self.device.tasks().await?;
        let mut wanted = Vec::new();
        for parcel in parcels {
            wanted.push(find(&tasks, parcel, Named::Collect)?);
        }
        if parcels.is_empty() {
            wanted.extend(tasks.tasks.iter().filter(|task| task.operation == Named::Collect));
        }
        if let Some(locker) = &at.locker {
            let locker = named(tasks.lockers.iter(), locker)?;
            wanted.retain(|task| task.parcel.locker.as_deref() == Some(&*locker.id));
        }
        let mut lockers: Vec<_> = wanted.iter().map(|task| task.parcel.locker.as_deref()).collect();
        lockers.sort_unstable();
        lockers.dedup();
        if lockers.len() > 1 {
            return Err(Fault::usage(
                "These are at different lockers. Name the one you stand at with --locker.",
            ));
        }
        let mut done = Vec::new();
        for task in wanted {
            let locker = locker_for(&tasks, task, task.parcel.locker.as_deref())?;
            match self.errand(task, locker, Operation::Collect, at).await {
                Ok(one) => done.push(one),
                Err(fault) => {
                    // What was done before is told all the same.
                    print(output, &done)?;
                    return Err(fault);
                }
            }
        }
        print(output, &done)
    }

    /// One opening, from the token to the receipt at the hub.
    async fn errand(
        &mut self,
        task: &Task,
        locker: &LockerDescriptor,
        operation: Operation,
        at: &AtLocker,
    ) -> Result<Done, Fault> {
        let (reference, name) = (safe(&task.parcel.reference), safe(&locker.name));
        let trusted = identity(locker).ok_or_else(|| {
            Fault::new(
                Exit::Refused,
                "hubRefused",
                "The hub describes this locker in a way that makes no sense.",
            )
        })?;
        let asked = CourierTokenRequest {
            parcel: task.parcel.id.clone(),
            locker: Some(locker.id.clone()),
            hello_nonce: None,
            locker_time: None,
        };
        let errand = self.device.prepare(asked, operation).await?;
        let door = errand.door().unwrap_or_default();
        let label = locker.doors.iter().find(|one| one.door == door);
        let label = safe(label.map_or("?", |one| &one.label));
        let question = format!("You stand in front of {name}. Open door {label} for {reference} now?");
        if !at.yes && !confirmed(question).await? {
            return Err(Fault::new(Exit::Stopped, "stopped", "Stopped; nothing moved."));
        }
        let mut call = Call { radio: self.radio.as_ref(), locker: trusted.id, name: &name, again: false };
        let opened = async {
            let mut open = self.device.open_door(errand, &trusted, &mut call).await?;
            let what = if operation == Operation::Deposit { "put it in" } else { "take it out" };
            tell!("Door {label} is open: {what} and close the door.");
            let closed = !at.no_wait && open.until_closed(CLOSED).await;
            if !closed && !at.no_wait {
                tell!("postern: The door is still open, or the locker fell silent. Please close it.");
            }
            let (opening, inside) = (open.opening, open.inside());
            self.device.leave(open).await?;
            Ok::<_, CourierError>((closed, opening, inside))
        };
        let opened = opened.await;
        let placed = match (&opened, operation) {
            // Whoever has said it beforehand knows it, also where the sensor of the door sticks.
            (Ok((closed, opening, measured)), operation) if *closed || at.inside.is_some() => {
                let of = (task.parcel.id.as_str(), (trusted.id, *opening));
                self.placed(of, operation == Operation::Deposit, *measured, at).await
            }
            _ => Ok(()),
        };
        // Also where the latch did not move: that the hub is to know.
        let told = self.hand_in().await;
        let (closed, ..) = opened?;
        placed?;
        let handed_in = told?;
        Ok(Done {
            reference,
            parcel: task.parcel.id.clone(),
            locker: locker.id.clone(),
            door,
            label,
            state: if closed { "closed" } else { "opened" },
            handed_in,
        })
    }

    /// Where the locker cannot measure it, whoever stands there says whether the parcel lies inside, after this opening.
    async fn placed(
        &mut self,
        (parcel, opening): (&str, (LockerId, u32)),
        puts_in: bool,
        measured: Option<bool>,
        at: &AtLocker,
    ) -> Result<(), Fault> {
        match (measured, at.inside) {
            (Some(inside), _) if inside == puts_in => {}
            (Some(false), _) => eprintln!("postern: The locker says that the compartment is empty."),
            (Some(true), _) => eprintln!("postern: The locker says that something still lies inside."),
            (None, Some(inside)) => self.device.say_inside(parcel, opening, inside).await?,
            (None, None) if at.yes => {
                eprintln!("postern: Say with --inside yes or --inside no whether the parcel is inside.");
            }
            (None, None) => {
                let question = if puts_in {
                    "Is the parcel inside, and the door closed?"
                } else {
                    "Have you taken the parcel out, and is the compartment empty and closed?"
                };
                let as_asked = confirmed(question.to_owned()).await?;
                self.device.say_inside(parcel, opening, as_asked == puts_in).await?;
            }
        }
        Ok(())
    }

    /// Hands receipts in; false where they wait for the next command.
    async fn hand_in(&mut self) -> Result<bool, Fault> {
        match self.device.hand_in().await {
            Ok(()) => Ok(true),
            Err(CourierError::Hub(error)) if error.is_passing() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// What earlier commands could not hand in. That it fails is no reason not to go on.
    async fn catch_up(&mut self) {
        if let Err(fault) = self.hand_in().await {
            fault.report(false);
        }
    }
}

/// Finds the locker that somebody stands at, and says so.
struct Call<'c> {
    radio: &'c dyn Radio,
    locker: LockerId,
    name: &'c str,
    again: bool,
}

#[async_trait::async_trait]
impl Dial for Call<'_> {
    async fn dial(&mut self) -> Result<Box<dyn Link>, CourierError> {
        let name = self.name;
        match self.again {
            false => tell!("Looking for {name}…"),
            true => tell!("The connection broke. Asking {name} what became of it…"),
        }
        self.again = true;
        Ok(self.radio.connect(self.locker, Instant::now() + SEARCH, &|_| ()).await?)
    }
}

fn print(output: Output, done: &[Done]) -> Result<(), Fault> {
    output.print(&done, || {
        if done.is_empty() {
            return "Nothing to take out here.\n".into();
        }
        done.iter()
            .map(|one| {
                let told =
                    if one.handed_in { "The hub knows." } else { "The hub is told with the next command." };
                format!("{}: door {} {}. {told}\n", one.reference, one.label, one.state)
            })
            .collect()
    })
}

fn row(task: &Task, tasks: &Tasks, length: usize) -> Vec<String> {
    let what = if task.operation == Named::Deposit { "put in" } else { "take out" };
    let locker = tasks.lockers.iter().find(|one| Some(&one.id) == task.parcel.locker.as_ref());
    let door = locker.and_then(|one| one.doors.iter().find(|door| Some(door.door) == task.parcel.door));
    let place = match (locker, door) {
        (Some(locker), Some(door)) => format!("{} · {}", safe(&door.label), safe(&locker.name)),
        _ => safe(&task.site),
    };
    let care = task.parcel.care.and_then(|care| words::care(care.into())).unwrap_or_default();
    vec![what.to_owned(), safe(&task.parcel.reference), place, short(&task.parcel.id, length), care]
}

/// The one task that `wanted` fits: a tracking number, also as a scanner reads it, or the beginning of an ID.
fn find<'t>(tasks: &'t Tasks, wanted: &str, operation: Named) -> Result<&'t Task, Fault> {
    let wanted = wanted.trim();
    let number = scanned::number(wanted);
    let by_number = |task: &&Task| scanned::number(&task.parcel.reference) == number;
    let by_id = |task: &&Task| {
        let id = wanted.to_lowercase();
        id.len() >= 4 && task.parcel.id.starts_with(&id)
    };
    let mut fitting = tasks
        .tasks
        .iter()
        .filter(|task| task.operation == operation)
        .filter(|task| !number.is_empty() && (by_number(task) || by_id(task)));
    match (fitting.next(), fitting.next()) {
        (Some(task), None) => Ok(task),
        (None, _) => Err(Fault::usage(format!(
            "There is no such errand as `{}`. `postern courier tasks` lists them.",
            safe(wanted)
        ))),
        _ => Err(Fault::usage(format!("`{}` fits several errands. Use the ID.", safe(wanted)))),
    }
}

/// The locker of a task: the one that is named, or the only one of its site.
fn locker_for<'t>(
    tasks: &'t Tasks,
    task: &Task,
    wanted: Option<&str>,
) -> Result<&'t LockerDescriptor, Fault> {
    let at_site = tasks.lockers.iter().filter(|locker| locker.site == task.site);
    match wanted {
        Some(wanted) => named(at_site, wanted),
        None => match at_site.collect::<Vec<_>>()[..] {
            [locker] => Ok(locker),
            [] => Err(Fault::usage("Its site has no locker.")),
            ref several => {
                let names: Vec<_> = several.iter().map(|one| safe(&one.name)).collect();
                Err(Fault::usage(format!(
                    "Its site has several; name one with --locker: {}.",
                    names.join(", ")
                )))
            }
        },
    }
}

fn named<'t>(
    lockers: impl Iterator<Item = &'t LockerDescriptor>,
    wanted: &str,
) -> Result<&'t LockerDescriptor, Fault> {
    let fits = |one: &&LockerDescriptor| {
        one.name.eq_ignore_ascii_case(wanted)
            || (wanted.len() >= 4 && one.id.starts_with(&wanted.to_lowercase()))
    };
    let mut fitting = lockers.filter(fits);
    match (fitting.next(), fitting.next()) {
        (Some(locker), None) => Ok(locker),
        (None, _) => Err(Fault::usage(format!("No locker of your errands is called `{}`.", safe(wanted)))),
        _ => Err(Fault::usage(format!("`{}` fits several lockers. Use the ID.", safe(wanted)))),
    }
}
