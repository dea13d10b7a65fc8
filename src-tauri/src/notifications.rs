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
                if !allowed(&app).await {
                    continue;
                }
                show(&app, app.state::<Language>().words().notification(&notification));
            }
            Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
            Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// Whether the customer lets the app tell them things. A phone asks them when there is first something to tell, which is
/// when the question makes sense, and whoever said no is not asked again.
#[cfg(mobile)]
async fn allowed(app: &AppHandle) -> bool {
    use tauri::plugin::PermissionState;

    let app = app.clone();
    // The system's question takes as long as it takes; nothing else waits for it.
    let asked = tauri::async_runtime::spawn_blocking(move || {
        let notifications = app.notification();
        match notifications.permission_state() {
            Ok(PermissionState::Prompt) => notifications.request_permission(),
            state => state,
        }
    });
    matches!(asked.await, Ok(Ok(PermissionState::Granted)))
}

/// Desktops do not ask.
#[cfg(desktop)]
async fn allowed(_app: &AppHandle) -> bool {
    true
}

/// Says that the app cannot start, where a window cannot.
pub(crate) fn cannot_start(app: &AppHandle) {
    show(app, app.state::<Language>().words().cannot_start(&app.package_info().name));
}

fn show(app: &AppHandle, (title, body): (String, impl Into<String>)) {
    #[cfg(desktop)]
    crate::desktop::late_plugins(app);
    if let Err(error) = app.notification().builder().title(title).body(body).show() {
        tracing::warn!(%error, "a notification could not be shown");
    }
}
