//! `sign-in` and `sign-out`.

use std::{io, time::Duration};

use postern_runtime::{
    Browser,
    intent::Intent,
    view::{NetworkView, ProblemCode, SessionView, VaultView},
};
use serde_json::json;

use super::{Output, confirmed};
use crate::{
    app::App,
    fault::{Exit, Fault},
    text::{self, tell},
    words,
};

/// Longest wait for the first picture of what there is after a sign-in.
const FIRST: Duration = Duration::from_secs(10);
/// Longest wait for everything to be wiped.
const WIPE: Duration = Duration::from_secs(20);

/// Prints the address and leaves the rest to the customer.
pub(super) struct ByHand;

#[async_trait::async_trait]
impl Browser for ByHand {
    async fn open(&self, _: &str) -> io::Result<()> {
        Ok(())
    }
}

pub(super) async fn sign_in(app: &mut App, hub: Option<String>, output: Output) -> Result<(), Fault> {
    if !matches!(app.view().session, SessionView::SignedOut { .. } | SessionView::Revoked) {
        // There is a session; the hub may have ended it.
        app.refreshed().await?;
        let view = app.view();
        if let SessionView::SignedIn { name, hub, .. } = &view.session
            && view.network != NetworkView::SignInAgain
        {
            let message =
                format!("You are signed in already, as {} at {}.", text::safe(name), text::safe(hub));
            return Err(Fault::usage(message));
        }
    }
    app.send(Intent::SignIn { hub })?;
    follow(app).await?;
    // What is there now works at the locker with no network.
    app.until(FIRST, |view| view.loaded.then_some(())).await?;
    let view = app.view();
    let SessionView::SignedIn { name, hub, .. } = &view.session else { return Ok(()) };
    let count = view.reservations.len();
    output.print(&json!({ "name": name, "hub": hub, "reservations": count }), || {
        let plural = if count == 1 { "" } else { "s" };
        format!("Signed in as {} at {}. {count} reservation{plural}.\n", text::safe(name), text::safe(hub))
    })
}

/// Until a signed-in customer who wants another passkey is back from the browser.
pub(super) async fn follow_another(app: &mut App) -> Result<(), Fault> {
    app.until(FIRST, |view| (!matches!(view.session, SessionView::SignedIn { .. })).then_some(())).await?;
    follow(app).await
}

/// Until signed in, refused, or stopped.
pub(super) async fn follow(app: &mut App) -> Result<(), Fault> {
    let mut told = false;
    let mut begun = false;
    let mut complained = None;
    loop {
        let view = app.view();
        match &view.session {
            SessionView::SignedIn { .. } if view.network != NetworkView::SignInAgain => return Ok(()),
            SessionView::SignedOut { problem: Some(problem) } => return Err(Fault::problem(problem)),
            SessionView::SignedOut { problem: None } if begun => {
                return Err(Fault::new(Exit::Stopped, "stopped", "Sign-in was stopped."));
            }
            SessionView::SignedIn { .. } if begun => {
                return Err(Fault::new(
                    Exit::Refused,
                    "signInRefused",
                    words::problem(ProblemCode::SignInRefused),
                ));
            }
            SessionView::SignedIn { .. } | SessionView::SignedOut { .. } | SessionView::Revoked => {}
            SessionView::InBrowser { url, problem } => {
                begun = true;
                if !told {
                    tell!(
                        "Sign in with your passkey in the browser. If none came up, open this address:\n  {url}"
                    );
                    told = true;
                }
                if let Some(problem) = problem
                    && complained != Some(problem.code)
                {
                    complained = Some(problem.code);
                    tell!("postern: {}", words::problem(problem.code));
                }
            }
            SessionView::Finishing => begun = true,
        }
        tokio::select! {
            next = app.next() => drop(next?),
            _ = tokio::signal::ctrl_c() => {
                app.send(Intent::CancelSignIn)?;
                return Err(Fault::new(Exit::Stopped, "stopped", "Sign-in was stopped."));
            }
        }
    }
}

pub(super) async fn sign_out(app: &mut App, yes: bool, output: Output) -> Result<(), Fault> {
    let view = app.view();
    let waiting = view.outbox.iter().filter(|entry| entry.problem.is_none()).count();
    if !yes {
        let lost = match waiting {
            0 => String::new(),
            1 => " One thing has not reached the hub yet and would be lost.".into(),
            n => format!(" {n} things have not reached the hub yet and would be lost."),
        };
        if !confirmed(format!("Forget everything on this device?{lost}")).await? {
            return Err(Fault::new(Exit::Stopped, "stopped", "Nothing was changed."));
        }
    }
    app.send(Intent::SignOut)?;
    let wiped = app
        .until(WIPE, |view| {
            (matches!(view.session, SessionView::SignedOut { .. }) && view.vault == VaultView::Keyring)
                .then_some(())
        })
        .await?;
    if wiped.is_none() {
        return Err(Fault::new(
            Exit::Keyring,
            "wipe",
            "Not everything could be removed: the keyring does not answer.",
        ));
    }
    output.print(&json!({ "signedOut": true }), || {
        "Signed out. Everything on this device is forgotten.\n".into()
    })
}
