//! A clipboard that forgets.

use std::{sync::Arc, time::Duration};

use tauri::AppHandle;
use tauri_plugin_clipboard_manager::ClipboardExt;

/// How long a secret stays.
const KEPT: Duration = Duration::from_secs(30);

/// Copies a text. A secret one is taken off again, unless something else was copied meanwhile.
pub(crate) fn copy(app: &AppHandle, text: String, secret: bool) -> bool {
    #[cfg(desktop)]
    crate::desktop::late_plugins(app);
    let text: Arc<str> = text.into();
    // A secret is also kept out of the history that many desktops have.
    let copied = match secret {
        true => app.clipboard().write_secret(&*text),
        false => app.clipboard().write_text(&*text),
    };
    if copied.is_err() {
        return false;
    }
    if secret {
        let app = app.clone();
        tauri::async_runtime::spawn(async move {
            tokio::time::sleep(KEPT).await;
            // Off the main thread: reading what this process itself has copied would wait for this process.
            let forgotten = tauri::async_runtime::spawn_blocking(move || {
                if app.clipboard().read_text().is_ok_and(|now| *now == *text) {
                    return app.clipboard().clear().is_ok();
                }
                true
            });
            if !forgotten.await.unwrap_or(false) {
                tracing::warn!("a secret could not be taken off the clipboard");
            }
        });
    }
    true
}
