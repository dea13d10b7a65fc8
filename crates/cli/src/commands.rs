//! What each command does.

mod codes;
mod doctor;
mod listing;
mod opening;
mod session;
mod telling;

use std::io::{IsTerminal as _, Write as _};

use postern_runtime::Options;
use serde::Serialize;

use crate::{
    arguments::{Arguments, Command},
    fault::Fault,
};

/// How to answer.
#[derive(Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    /// The one JSON document of a command, or its text.
    fn print(self, document: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Fault> {
        let mut out = std::io::stdout().lock();
        if self.json {
            serde_json::to_writer(&mut out, document).map_err(std::io::Error::from)?;
            writeln!(out)?;
        } else {
            out.write_all(text().as_bytes())?;
        }
        Ok(())
    }
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Fault> {
    let output = Output { json: arguments.json };
    let mut options = Options::from_env()?;
    match arguments.command {
        Command::SignIn { hub, no_browser } => session::sign_in(options, hub, no_browser, output).await,
        Command::SignOut { yes } => session::sign_out(options, yes, output).await,
        Command::List { cached, all } => listing::list(options, cached, all, output).await,
        Command::Show { id } => listing::show(options, &id, output).await,
        Command::Receipts => listing::receipts(options, output).await,
        Command::Qr { id, opening, png } => codes::qr(options, &id, opening, png.as_deref(), output).await,
        Command::Open { ids, yes, until_closed } => {
            opening::open(options, &ids, yes, until_closed, output).await
        }
        Command::Reopen { id, yes, until_closed } => {
            opening::reopen(options, &id, yes, until_closed, output).await
        }
        Command::Resolve { id } => opening::resolve(options, &id, output).await,
        Command::Taken { id, not_there } => telling::taken(options, &id, !not_there, output).await,
        Command::Share { id, name, until } => {
            telling::share(options, &id, name, until.as_deref(), output).await
        }
        Command::Doctor { hub } => {
            if let Some(hub) = hub {
                options.hub = hub;
            }
            doctor::doctor(&options, output).await
        }
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
