//! Reminders of a phone. It stops an app that is not on the screen, and the app's clock with it, so what is to come is
//! handed to the system ahead of time; it shows it whether or not the app runs, and after a restart too.

use std::{collections::HashSet, sync::Arc};

use postern_runtime::{Handle, effect::Reminder};
use tauri::{AppHandle, Manager};
use tauri_plugin_notification::NotificationExt;

use crate::{notifications, words::Language};

/// Hands each change of what is to come to the system, until the app ends.
pub(crate) async fn plan(app: AppHandle, runtime: Handle) {
    let mut reminders = runtime.reminders();
    let language = app.state::<Language>();
    // Nothing is known before the secrets are open: what the system has from the last time stays.
    if reminders.changed().await.is_err() {
        return;
    }
    loop {
        let planned = Arc::clone(&reminders.borrow_and_update());
        // Whoever is to be reminded of something is asked whether they want to be; nobody else is.
        let allowed = planned.is_empty() || notifications::allowed(&app).await;
        let asked = app.clone();
        let said = tauri::async_runtime::spawn_blocking(move || replace(&asked, &planned, allowed)).await;
        if let Ok(Err(error)) = said {
            tracing::warn!(code = "reminders_not_planned", %error, "the system did not take the reminders");
        }
        tokio::select! {
            changed = reminders.changed() => if changed.is_err() { return },
            () = language.changed() => {}
        }
    }
}

/// What is planned from now on. What was and is no longer is taken back.
fn replace(app: &AppHandle, planned: &[Reminder], allowed: bool) -> tauri_plugin_notification::Result<()> {
    let wanted: HashSet<i32> = planned.iter().filter(|_| allowed).map(|reminder| reminder.id).collect();
    let pending = app.notification().pending()?;
    let over: Vec<i32> = pending.iter().map(|one| one.id()).filter(|id| !wanted.contains(id)).collect();
    if !over.is_empty() {
        app.notification().cancel(over)?;
    }
    for reminder in planned.iter().filter(|_| allowed) {
        notifications::at(app, reminder)?;
    }
    Ok(())
}
