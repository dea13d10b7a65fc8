//! What each command does.

mod codes;
mod courier;
mod doctor;
mod listing;
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
    arguments::{Arguments, Command},
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
    let mut options = Options::from_env()?;
    match arguments.command {
        Command::SignIn { hub, no_browser } => {
            if no_browser {
                options.browser = Arc::new(session::ByHand);
            }
            with_app(options, async |app| session::sign_in(app, hub, output).await).await
        }
        Command::SignOut { yes } => {
            with_app(options, async |app| session::sign_out(app, yes, output).await).await
        }
        Command::List { cached, all } => {
            signed_in(options, async |app| listing::list(app, cached, all, output).await).await
        }
        Command::Show { id } => signed_in(options, async |app| listing::show(app, &id, output).await).await,
        Command::Receipts => signed_in(options, async |app| listing::receipts(app, output).await).await,
        Command::Qr { id, opening, png } => {
            signed_in(options, async |app| codes::qr(app, &id, opening, png.as_deref(), output).await).await
        }
        Command::Open { ids, yes, until_closed } => {
            let how = How { yes, until_closed, output };
            signed_in(options, async |app| opening::open(app, &ids, how).await).await
        }
        Command::Reopen { id, yes, until_closed } => {
            let how = How { yes, until_closed, output };
            signed_in(options, async |app| opening::reopen(app, &id, how).await).await
        }
        Command::Resolve { id } => {
            signed_in(options, async |app| opening::resolve(app, &id, output).await).await
        }
        Command::Taken { id, not_there } => {
            signed_in(options, async |app| telling::taken(app, &id, !not_there, output).await).await
        }
        Command::Share { id, name, until } => {
            signed_in(options, async |app| telling::share(app, &id, name, until.as_deref(), output).await)
                .await
        }
        Command::Courier { errand } => courier::run(options, errand, output).await,
        Command::Doctor { hub } => {
            if let Some(hub) = hub {
                options.hub = hub;
            }
            doctor::doctor(&options, output).await
        }
    }
}

/// Lets a command work with a running app. However it ends, what must not be lost is written first.
async fn with_app(
    options: Options,
    command: impl AsyncFnOnce(&mut App) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut app = App::start(options).await?;
    let outcome = command(&mut app).await;
    app.finish().await;
    outcome
}

/// The same for commands that need a session.
async fn signed_in(
    options: Options,
    command: impl AsyncFnOnce(&mut App) -> Result<(), Fault>,
) -> Result<(), Fault> {
    with_app(options, async |app| {
        app.insist_on_session()?;
        command(app).await
    })
    .await
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
