//! The running app, as a command uses it.

use std::{sync::Arc, time::Duration};

use postern_runtime::{
    Handle, Options, Runtime,
    intent::Intent,
    view::{NetworkView, OutboxView, ReservationView, SessionView, VaultView, View},
};
use tokio::{sync::watch, time::Instant};

use crate::{
    fault::{Exit, Fault},
    scanned,
    text::{self, tell},
    words,
};

/// The keyring may ask for its password first.
const KEYRING: Duration = Duration::from_secs(150);
/// The longest wait for the hub before what is stored is shown.
const HUB: Duration = Duration::from_secs(6);
/// Without a change for so long, a view counts as complete.
const QUIET: Duration = Duration::from_millis(350);
/// What was done is given this long to reach the hub before the command ends.
const DELIVERY: Duration = Duration::from_secs(5);

/// What goes to the hub is seen waiting within this time, or it went and was answered in between.
const SEEN: Duration = Duration::from_secs(2);
/// Longest wait for the hub's answer to a wish.
const WISH: Duration = Duration::from_secs(20);

/// A running app with its vault open.
pub(crate) struct App {
    handle: Handle,
    views: watch::Receiver<Arc<View>>,
}

impl App {
    /// Starts and waits for the vault.
    pub(crate) async fn start(options: Options) -> Result<Self, Fault> {
        let handle = Runtime::start(options).await?;
        let views = handle.views();
        let mut app = Self { handle, views };
        let vault = app
            .until(KEYRING, |view| (view.vault != VaultView::Opening).then_some(view.vault))
            .await?
            .unwrap_or(VaultView::Locked);
        match vault {
            VaultView::Absent => Err(Fault::keyring_absent()),
            VaultView::Locked => Err(Fault::keyring_locked()),
            VaultView::Opening | VaultView::Keyring | VaultView::MemoryOnly => {
                for notice in &app.view().notices {
                    tell!("postern: {}", words::notice(notice.code));
                }
                Ok(app)
            }
        }
    }

    /// Without a session most commands have nothing to do.
    pub(crate) fn insist_on_session(&self) -> Result<(), Fault> {
        match self.view().session {
            SessionView::SignedIn { .. } | SessionView::Finishing | SessionView::InBrowser { .. } => Ok(()),
            SessionView::SignedOut { .. } | SessionView::Revoked => Err(Fault::new(
                Exit::NotSignedIn,
                "notSignedIn",
                "You are not signed in. Run `postern sign-in`.",
            )),
        }
    }

    /// A profile is signed in at one hub. Naming another must not quietly show the first one's things.
    pub(crate) fn insist_on_hub(&self, named: Option<&str>) -> Result<(), Fault> {
        let plain = |url: &str| url.trim_end_matches('/').to_lowercase();
        let view = self.view();
        match named {
            Some(named) if plain(named) != plain(&view.hub) => Err(Fault::usage(format!(
                "This profile is signed in at {}, not at {}. POSTERN_PROFILE names another profile.",
                text::safe(&view.hub),
                text::safe(named)
            ))),
            _ => Ok(()),
        }
    }

    pub(crate) fn view(&self) -> Arc<View> {
        self.views.borrow().clone()
    }

    pub(crate) fn send(&self, intent: Intent) -> Result<(), Fault> {
        Ok(self.handle.send(intent)?)
    }

    /// Waits for a view of which `pick` makes something; none where that does not come in time.
    pub(crate) async fn until<T>(
        &mut self,
        patience: Duration,
        mut pick: impl FnMut(&View) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        let deadline = Instant::now() + patience;
        loop {
            let view = self.views.borrow_and_update().clone();
            if let Some(picked) = pick(&view) {
                return Ok(Some(picked));
            }
            match tokio::time::timeout_at(deadline, self.views.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(postern_runtime::Ended.into()),
                Err(_) => return Ok(None),
            }
        }
    }

    /// The next view.
    pub(crate) async fn next(&mut self) -> Result<Arc<View>, Fault> {
        self.views.changed().await.map_err(|_| postern_runtime::Ended)?;
        Ok(self.views.borrow_and_update().clone())
    }

    /// Waits until the hub has told what it has to tell, or until it is clear that it does not. The session may prove
    /// to be over.
    pub(crate) async fn refreshed(&mut self) -> Result<(), Fault> {
        let deadline = Instant::now() + HUB;
        self.until(HUB, |view| (view.network != NetworkView::Unknown).then_some(())).await?;
        while self.view().network == NetworkView::Online {
            let quiet = tokio::time::timeout(QUIET, self.views.changed()).await.is_err();
            if (quiet && self.view().loaded) || Instant::now() >= deadline {
                break;
            }
        }
        if matches!(self.view().session, SessionView::Revoked) {
            return Err(Fault::new(
                Exit::NotSignedIn,
                "revoked",
                "This device was removed from your account. Everything on it was wiped. Run `postern sign-in` to add it again.",
            ));
        }
        match self.view().network {
            NetworkView::SignInAgain => {
                tell!(
                    "postern: The hub ended this session. What is stored still works; `postern sign-in` brings the rest back."
                );
            }
            NetworkView::Offline { .. } | NetworkView::Unknown => {
                tell!("postern: The hub cannot be reached; this is what was stored.");
            }
            NetworkView::WrongHub => {
                tell!(
                    "postern: {} This is what was stored.",
                    words::problem(postern_runtime::view::ProblemCode::WrongHub)
                );
            }
            NetworkView::ClockSkew { seconds } => {
                tell!(
                    "postern: The clock of this machine is {} s {}. Set it.",
                    seconds.abs(),
                    if seconds > 0 { "ahead" } else { "behind" }
                );
            }
            NetworkView::Online => {}
        }
        Ok(())
    }

    /// The one reservation that this text means: an ID or the beginning of one, a door label, or a part of a title.
    pub(crate) fn find(&self, wanted: &str) -> Result<ReservationView, Fault> {
        let view = self.view();
        let all = &view.reservations;
        let lower = wanted.to_lowercase();
        // As the label reads, whole or, as on a screen that cuts it off, the beginning.
        let number = scanned::number(wanted);
        let reference = |r: &ReservationView| r.reference.as_deref().map(scanned::number).unwrap_or_default();
        let ways: [&dyn Fn(&&ReservationView) -> bool; 7] = [
            &|r| r.id == wanted,
            &|r| r.id.starts_with(&lower),
            &|r| r.label.as_deref().is_some_and(|label| label.eq_ignore_ascii_case(wanted)),
            &|r| !number.is_empty() && reference(r) == number,
            &|r| r.title.to_lowercase() == lower,
            &|r| number.len() >= 4 && reference(r).starts_with(&number),
            &|r| r.title.to_lowercase().contains(&lower),
        ];
        for way in ways {
            let found: Vec<_> = all.iter().filter(way).collect();
            match found.as_slice() {
                [] => {}
                [one] => return Ok((*one).clone()),
                several => {
                    let names: Vec<_> = several
                        .iter()
                        .take(5)
                        .map(|r| format!("{} ({})", text::safe(&r.id), text::safe(&r.title)))
                        .collect();
                    return Err(Fault::usage(format!("`{wanted}` fits several: {}.", names.join(", "))));
                }
            }
        }
        Err(Fault::usage(format!(
            "`{wanted}` fits nothing that you have. `postern list --all` shows everything."
        )))
    }

    /// Sends a wish to the hub and waits for its answer. One that the hub refuses is not kept.
    pub(crate) async fn wish(
        &mut self,
        intent: Intent,
        what: &str,
        reservation: Option<&str>,
    ) -> Result<(), Fault> {
        let newest = self.view().outbox.iter().map(|entry| entry.id).max();
        self.send(intent)?;
        let ours = |entry: &&OutboxView| {
            Some(entry.id) > newest && entry.what == what && entry.reservation.as_deref() == reservation
        };
        let seen = self.until(SEEN, |view| view.outbox.iter().find(ours).map(|entry| entry.id)).await?;
        let Some(id) = seen else { return Ok(()) };
        let answered = self
            .until(WISH, |view| match view.outbox.iter().find(|entry| entry.id == id) {
                None => Some(Some(None)),
                Some(OutboxView { problem: Some(problem), .. }) => Some(Some(Some(problem.clone()))),
                Some(_) => matches!(view.network, NetworkView::Offline { .. } | NetworkView::SignInAgain)
                    .then_some(None),
            })
            .await?;
        match answered.flatten() {
            Some(None) => Ok(()),
            Some(Some(problem)) => {
                self.send(Intent::DismissOutbox { id })?;
                Err(Fault::problem(&problem))
            }
            None => Err(Fault::new(
                Exit::Offline,
                "offline",
                "The hub cannot be reached. Your wish is kept and goes out with the next command that reaches it; until then `postern list` shows it as waiting.",
            )),
        }
    }

    /// A reservation as it is once `changed` holds, or as it is after a while.
    pub(crate) async fn after(
        &mut self,
        id: &str,
        changed: impl Fn(&ReservationView) -> bool,
    ) -> Result<ReservationView, Fault> {
        let seen = self
            .until(HUB, |view| view.reservations.iter().find(|r| r.id == id && changed(r)).cloned())
            .await?;
        match seen {
            Some(seen) => Ok(seen),
            None => self.find(id),
        }
    }

    /// Gives what waits for the hub a moment to get there. Says what must wait on.
    pub(crate) async fn delivered(&mut self) -> Result<(), Fault> {
        let waits = |view: &View| view.outbox.iter().any(|entry| entry.problem.is_none());
        let done = self
            .until(DELIVERY, |view| {
                let stuck = !matches!(
                    view.network,
                    NetworkView::Online | NetworkView::Unknown | NetworkView::ClockSkew { .. }
                );
                (!waits(view) || stuck).then_some(())
            })
            .await?;
        if done.is_none() || waits(&self.view()) {
            tell!("postern: The hub does not know yet; it will be told by itself when there is a network.");
        }
        Ok(())
    }

    /// Writes what must not be lost and lets go of everything.
    pub(crate) async fn finish(self) {
        self.handle.shutdown().await;
    }
}
