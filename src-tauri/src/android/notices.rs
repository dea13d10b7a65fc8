//! Notifications of Android, by the plugin: its `batch` for all of them, which alone writes down what is to come.

use tauri::{
    AppHandle, Manager, Wry,
    plugin::{Builder, PermissionState, PluginHandle, TauriPlugin},
};
use tauri_plugin_notification::{Channel, NotificationExt};

use crate::{notices::Notice, words::Language};

/// The plugin's Java half once more: its Rust half has no word for `batch`.
struct Batch(PluginHandle<Wry>);

/// See [`Batch`].
pub(crate) fn batch() -> TauriPlugin<Wry> {
    Builder::new("reminders")
        .setup(|app, api| {
            let handle = api.register_android_plugin("app.tauri.notification", "NotificationPlugin")?;
            app.manage(Batch(handle));
            Ok(())
        })
        .build()
}

/// Whether they may be shown; asks where nobody has asked yet. Takes as long as the answer does.
pub(crate) fn allowed(app: &AppHandle) -> bool {
    let notifications = app.notification();
    let state = match notifications.permission_state() {
        Ok(PermissionState::Prompt) => notifications.request_permission(),
        state => state,
    };
    matches!(state, Ok(PermissionState::Granted))
}

/// Shows it, or has it shown at its time.
pub(crate) fn show(app: &AppHandle, notice: &Notice) {
    if let Err(error) = app.state::<Batch>().0.run_mobile_plugin::<Vec<i32>>("batch", notice.batch()) {
        tracing::warn!(code = "notice_refused", %error, "the system did not take a notification");
    }
}

/// What is to come.
pub(crate) fn pending(app: &AppHandle) -> Vec<i32> {
    match app.notification().pending() {
        Ok(pending) => pending.iter().map(tauri_plugin_notification::PendingNotification::id).collect(),
        Err(error) => {
            tracing::warn!(code = "notices_not_listed", %error, "the system does not say what is to come");
            Vec::new()
        }
    }
}

/// Takes back what is to come.
pub(crate) fn cancel(app: &AppHandle, ids: Vec<i32>) {
    if let Err(error) = app.notification().cancel(ids) {
        tracing::warn!(code = "notices_not_cancelled", %error, "what is over may be reminded of");
    }
}

/// Names the kinds, by which a customer can silence one, in each language that is spoken. Naming one again renames it.
pub(crate) async fn name_kinds(app: AppHandle) {
    let mut language = app.state::<Language>().subscribe();
    loop {
        let kinds = language.borrow_and_update().channels();
        for (id, name) in kinds {
            let channel = Channel::builder(id, name).vibration(true).build();
            if let Err(error) = app.notification().create_channel(channel) {
                tracing::warn!(%error, "a kind of notification has no name");
            }
        }
        if language.changed().await.is_err() {
            return;
        }
    }
}
