//! Notifications of the platform: the core says which, the words are here, the platform shows them.

use postern_runtime::Handle;
use tauri::{AppHandle, Manager};
use tauri_plugin_notification::NotificationExt;

use crate::words::Language;

/// Shows what the core wants to say, until the app ends.
pub(crate) async fn forward(app: AppHandle, runtime: Handle) {
    let mut notifications = runtime.notifications();
    loop {
        match notifications.recv().await {
            Ok(notification) => {
                let (title, body) = app.state::<Language>().words().notification(&notification);
                if let Err(error) = app.notification().builder().title(title).body(body).show() {
                    tracing::warn!(%error, "a notification could not be shown");
                }
            }
            Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
            Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// Says that the app cannot start, where a window cannot.
pub(crate) fn cannot_start(app: &AppHandle) {
    let (title, body) = app.state::<Language>().words().cannot_start(&app.package_info().name);
    if let Err(error) = app.notification().builder().title(title).body(body).show() {
        tracing::warn!(%error, "a notification could not be shown");
    }
}
