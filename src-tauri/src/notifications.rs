//! Notifications of the platform: the core says which, the words are here, the platform shows them.

use postern_runtime::Handle;
use tauri::{AppHandle, Manager};
#[cfg(desktop)]
use tauri_plugin_notification::NotificationExt;

#[cfg(target_os = "android")]
use crate::android::notices;
#[cfg(target_os = "ios")]
use crate::iphone::notices;
#[cfg(mobile)]
use crate::notices::Notice;
use crate::words::Language;

/// Shows what the core wants to say, until the app ends.
pub(crate) async fn forward(app: AppHandle, runtime: Handle) {
    let mut notifications = runtime.notifications();
    loop {
        match notifications.recv().await {
            // A phone's system has these already, and shows them by itself (`reminders`).
            Ok(notification) if cfg!(mobile) && notification.kind.is_reminder() => {}
            Ok(notification) => {
                if !allowed(&app).await {
                    continue;
                }
                let words = app.state::<Language>().words();
                #[cfg(mobile)]
                notices::show(&app, &Notice::now(words, &notification));
                #[cfg(desktop)]
                show(&app, words.notification(&notification));
            }
            Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
            Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// Whether the customer lets the app tell them things. A phone asks them when there is first something to tell, which is
/// when the question makes sense, and whoever said no is not asked again.
#[cfg(mobile)]
pub(crate) async fn allowed(app: &AppHandle) -> bool {
    let app = app.clone();
    // The system's question takes as long as it takes; nothing else waits for it.
    let asked = tauri::async_runtime::spawn_blocking(move || notices::allowed(&app));
    asked.await.unwrap_or(false)
}

/// Desktops do not ask.
#[cfg(desktop)]
async fn allowed(_app: &AppHandle) -> bool {
    true
}

/// Says that the app cannot start, where a window cannot.
pub(crate) fn cannot_start(app: &AppHandle) {
    let words = app.state::<Language>().words().cannot_start(&app.package_info().name);
    #[cfg(mobile)]
    notices::show(app, &Notice::of_app(words));
    #[cfg(desktop)]
    show(app, words);
}

#[cfg(desktop)]
fn show(app: &AppHandle, (title, body): (String, impl Into<String>)) {
    crate::desktop::late_plugins(app);
    if let Err(error) = app.notification().builder().title(title).body(body).show() {
        tracing::warn!(%error, "a notification could not be shown");
    }
}
