//! What each command does.

mod access;
mod account;
mod booking;
mod changing;
mod codes;
mod courier;
mod doctor;
mod homes;
mod listing;
mod manual;
mod opening;
mod session;
mod telling;

use std::{
    io::{IsTerminal as _, Write as _},
    sync::Arc,
};

use postern_runtime::Options;
use serde::Serialize;

use self::opening::How;
use crate::{
    app::App,
    arguments::{Arguments, Command, DeviceChange},
    fault::Fault,
    text,
};

/// How to answer.
#[derive(Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    /// The one JSON document of a command, or its text.
    fn print(self, document: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Fault> {
        let text = if self.json {
            let mut text = serde_json::to_string(document).map_err(std::io::Error::from)?;
            text.push('\n');
            text
        } else {
            text()
        };
        Ok(text::to_stdout(&text)?)
    }
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Fault> {
    let output = Output { json: arguments.json };
    // These need no profile, no keyring and no hub.
    match &arguments.command {
        Command::Completions { shell } => return manual::completions(*shell),
        Command::Man { folder } => return manual::pages(folder.as_deref()),
        _ => {}
    }
    let mut options = Options::from_env()?;
    let hub = arguments.hub;
    if let Some(hub) = &hub {
        options.hub.clone_from(hub);
    }
    let profile = Profile { options, hub };
    match arguments.command {
        Command::Courier { errand } => courier::run(profile.options, errand, output).await,
        Command::Doctor => doctor::doctor(&profile.options, output).await,
        command => customer(profile, command, output).await,
    }
}

/// What a customer does.
async fn customer(mut profile: Profile, command: Command, output: Output) -> Result<(), Fault> {
    match command {
        Command::SignIn { no_browser } => {
            if no_browser {
                profile.options.browser = Arc::new(session::ByHand);
            }
            let hub = profile.hub.clone();
            profile.app(async |app| session::sign_in(app, hub, output).await).await
        }
        Command::SignOut { yes } => profile.app(async |app| session::sign_out(app, yes, output).await).await,
        // A guest has no session before.
        Command::Claim { link } => profile.app(async |app| access::claim(app, &link, output).await).await,
        command => profile.signed_in(async |app| with_session(app, command, output).await).await,
    }
}

async fn with_session(app: &mut App, command: Command, output: Output) -> Result<(), Fault> {
    match command {
        Command::List { cached, all } => listing::list(app, cached, all, output).await,
        Command::Show { id } => listing::show(app, &id, output).await,
        Command::Receipts => listing::receipts(app, output).await,
        Command::Qr { id, opening, png } => codes::qr(app, &id, opening, png.as_deref(), output).await,
        Command::Open { ids, yes, until_closed } => {
            opening::open(app, &ids, How { yes, until_closed, output }).await
        }
        Command::Reopen { id, yes, until_closed } => {
            opening::reopen(app, &id, How { yes, until_closed, output }).await
        }
        Command::Resolve { id } => opening::resolve(app, &id, output).await,
        Command::Placed { id, not_inside } => telling::placed(app, &id, !not_inside, output).await,
        Command::Taken { id, not_there } => telling::taken(app, &id, !not_there, output).await,
        Command::Share { id, name, until } => telling::share(app, &id, name, until.as_deref(), output).await,
        Command::Revoke { id, guest, yes } => changing::revoke(app, &id, guest.as_deref(), yes, output).await,
        Command::InPerson { step } => access::in_person(app, step, output).await,
        Command::Extend { id, until } => changing::extend(app, &id, &until, output).await,
        Command::Hold { id: Some(id), until, .. } => changing::hold(app, &id, &until, output).await,
        Command::Hold { id: None, until, .. } => changing::hold_all(app, &until, output).await,
        Command::Move { id, site } => changing::change_locker(app, &id, &site, output).await,
        Command::Cancel { id, yes } => changing::cancel(app, &id, yes, output).await,
        Command::Release { id, yes } => changing::release(app, &id, yes, output).await,
        Command::HandOver { id, unit, yes } => changing::hand_over(app, &id, &unit, yes, output).await,
        Command::Report { id, kind, note, photo } => {
            changing::report(app, &id, kind, note, &photo, output).await
        }
        Command::Return { code, at } => booking::return_something(app, code, &at, output).await,
        Command::Storage { title, at, until } => booking::storage(app, title, &at, &until, output).await,
        Command::Things => booking::things(app, output).await,
        Command::Borrow { thing } => booking::borrow(app, &thing, output).await,
        Command::Find { text, near, size } => {
            booking::find(app, text.as_deref(), near.as_deref(), size, output).await
        }
        Command::Address { site } => account::address(app, site.as_deref(), output).await,
        Command::Account { change } => account::change(app, change, output).await,
        Command::Home { change } => homes::change(app, change, output).await,
        Command::Devices { change: None } => changing::devices(app, output).await,
        Command::Devices { change: Some(DeviceChange::Remove { device, yes }) } => {
            changing::remove_device(app, &device, yes, output).await
        }
        Command::SignIn { .. }
        | Command::SignOut { .. }
        | Command::Claim { .. }
        | Command::Courier { .. }
        | Command::Doctor
        | Command::Completions { .. }
        | Command::Man { .. } => unreachable!("needs no session"),
    }
}

/// Whose app runs, and the hub that the command line names.
struct Profile {
    options: Options,
    hub: Option<String>,
}

impl Profile {
    /// Lets a command work with a running app. However it ends, what must not be lost is written first.
    async fn app(self, command: impl AsyncFnOnce(&mut App) -> Result<(), Fault>) -> Result<(), Fault> {
        let mut app = App::start(self.options).await?;
        let outcome = command(&mut app).await;
        app.finish().await;
        outcome
    }

    /// The same for commands that need a session.
    async fn signed_in(self, command: impl AsyncFnOnce(&mut App) -> Result<(), Fault>) -> Result<(), Fault> {
        let hub = self.hub.clone();
        self.app(async |app| {
            app.insist_on_session()?;
            app.insist_on_hub(hub.as_deref())?;
            command(app).await
        })
        .await
    }
}

/// Asks on the terminal; anything but a yes is a no. Without a terminal nobody can be asked.
async fn confirmed(question: String) -> Result<bool, Fault> {
    if !std::io::stdin().is_terminal() {
        return Err(Fault::usage("Nobody can be asked here. Add --yes."));
    }
    let asked = tokio::task::spawn_blocking(move || {
        eprint!("{question} [y/N] ");
        std::io::stderr().flush()?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        std::io::Result::Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    });
    match asked.await {
        Ok(answer) => Ok(answer?),
        Err(error) => Err(std::io::Error::other(error).into()),
    }
}
