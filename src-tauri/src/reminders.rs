//! Reminders of a phone. It stops an app that is not on the screen, and the app's clock with it, so what is to come is
//! handed to the system ahead of time; it shows it whether or not the app runs, and after a restart too.

use std::sync::Arc;

use postern_runtime::{Handle, effect::Reminder};
use tauri::{AppHandle, Manager};

#[cfg(target_os = "android")]
use crate::android::notices;
#[cfg(target_os = "ios")]
use crate::iphone::notices;
use crate::{notices::Notice, notifications, words::Language};

/// Hands each change of what is to come to the system, until the app ends.
pub(crate) async fn plan(app: AppHandle, runtime: Handle) {
    let mut reminders = runtime.reminders();
    let mut language = app.state::<Language>().subscribe();
    // Nothing is known before the secrets are open: what the system has from the last time stays.
    if reminders.changed().await.is_err() {
        return;
    }
    loop {
        let planned = Arc::clone(&reminders.borrow_and_update());
        // Whoever is to be reminded of something is asked whether they want to be; nobody else is.
        let allowed = planned.is_empty() || notifications::allowed(&app).await;
        language.mark_unchanged();
        let asked = app.clone();
        let replaced = tauri::async_runtime::spawn_blocking(move || {
            replace(&asked, if allowed { &planned } else { &[] });
        });
        if let Err(error) = replaced.await {
            tracing::warn!(code = "reminders_not_planned", %error, "the reminders were not handed to the system");
        }
        tokio::select! {
            changed = reminders.changed() => if changed.is_err() { return },
            // What was said in another language is to be said anew.
            changed = language.changed() => if changed.is_err() { return },
        }
    }
}

/// What is planned from now on. What was and is no longer is taken back. One that the system refuses keeps none of the
/// others from it.
fn replace(app: &AppHandle, planned: &[Reminder]) {
    let wanted = |id: &i32| planned.iter().any(|reminder| reminder.id == *id);
    let over: Vec<i32> = notices::pending(app).into_iter().filter(|id| !wanted(id)).collect();
    if !over.is_empty() {
        notices::cancel(app, over);
    }
    let words = app.state::<Language>().words();
    for reminder in planned {
        notices::show(app, &Notice::to_come(words, reminder));
    }
}
