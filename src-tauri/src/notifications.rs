//! Notifications of the platform: the core says which, the words are here, the platform shows them.

use postern_runtime::Handle;
#[cfg(mobile)]
use postern_runtime::effect::{Notification, NotificationKind, Reminder};
use tauri::{AppHandle, Manager};
use tauri_plugin_notification::NotificationExt;

use crate::words::Language;

/// Shows what the core wants to say, until the app ends.
pub(crate) async fn forward(app: AppHandle, runtime: Handle) {
    let mut notifications = runtime.notifications();
    #[cfg(mobile)]
    prepare(&app);
    loop {
        match notifications.recv().await {
            // A phone's system has these already, and shows them by itself (`reminders`).
            Ok(notification) if cfg!(mobile) && notification.kind.is_reminder() => {}
            Ok(notification) => {
                if !allowed(&app).await {
                    continue;
                }
                #[cfg(mobile)]
                show_now(&app, &notification);
                #[cfg(desktop)]
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
pub(crate) async fn allowed(app: &AppHandle) -> bool {
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

/// Where the reservation of a notification is written, for whoever taps on it.
#[cfg(mobile)]
const RESERVATION: &str = "reservation";

/// A tap leads to what the notification is about; Android has names for the kinds, by which a customer can silence one.
#[cfg(mobile)]
fn prepare(app: &AppHandle) {
    #[cfg(target_os = "android")]
    for (id, name) in app.state::<Language>().words().channels() {
        let channel = tauri_plugin_notification::Channel::builder(id, name).vibration(true).build();
        if let Err(error) = app.notification().create_channel(channel) {
            tracing::warn!(%error, "a kind of notification has no name");
        }
    }
    let window = app.clone();
    let tapped = app.notification().on_action(move |action| {
        let about = action.notification().and_then(|one| one.extra().get(RESERVATION)?.as_str());
        if let Some(reservation) = about
            && let Err(error) = crate::window::reservation(&window, reservation)
        {
            tracing::warn!(%error, "the window could not be brought");
        }
    });
    if let Err(error) = tapped {
        tracing::warn!(%error, "a tap on a notification leads home");
    }
}

#[cfg(mobile)]
fn show_now(app: &AppHandle, notification: &Notification) {
    let (title, body) = app.state::<Language>().words().notification(notification);
    let mut builder = app.notification().builder().title(title).body(body).auto_cancel();
    builder = builder.channel_id(channel(notification.kind));
    if let Some(reservation) = &notification.reservation {
        builder = builder.extra(RESERVATION, reservation);
    }
    if let Err(error) = builder.show() {
        tracing::warn!(%error, "a notification could not be shown");
    }
}

/// The kind of notification that a customer can silence by itself.
#[cfg(mobile)]
fn channel(kind: NotificationKind) -> &'static str {
    if kind.is_reminder() { "reminders" } else { "parcels" }
}

/// Has the system show it at its time.
///
/// # Errors
/// The system does not take it.
#[cfg(target_os = "ios")]
pub(crate) fn at(app: &AppHandle, reminder: &Reminder) -> tauri_plugin_notification::Result<()> {
    use tauri_plugin_notification::Schedule;

    let notification = &reminder.notification;
    let Ok(date) = time::OffsetDateTime::from_unix_timestamp(reminder.at) else { return Ok(()) };
    let (title, body) = app.state::<Language>().words().notification(notification);
    let mut builder = app.notification().builder().id(reminder.id).title(title).body(body);
    builder = builder.schedule(Schedule::At { date, repeating: false, allow_while_idle: true });
    if let Some(reservation) = &notification.reservation {
        builder = builder.extra(RESERVATION, reservation);
    }
    builder.show()
}

/// Has the system show it at its time. By the plugin's `batch`, which alone writes it down for the time after a restart
/// of the phone; and with the text of what it is to write down, which the plugin expects and does not make.
///
/// # Errors
/// The system does not take it.
#[cfg(target_os = "android")]
pub(crate) fn at(app: &AppHandle, reminder: &Reminder) -> tauri_plugin_notification::Result<()> {
    let Ok(date) = time::OffsetDateTime::from_unix_timestamp(reminder.at) else { return Ok(()) };
    let (title, body) = app.state::<Language>().words().notification(&reminder.notification);
    let mut one = serde_json::json!({
        "id": reminder.id,
        "title": title,
        "body": body,
        "channelId": channel(reminder.notification.kind),
        "isAutoCancel": true,
        "extra": { RESERVATION: reminder.notification.reservation },
        // Milliseconds are the plugin's format, and may not be left out.
        "schedule": { "at": {
            "date": format!(
                "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.000Z",
                date.year(), u8::from(date.month()), date.day(), date.hour(), date.minute(), date.second()
            ),
            "repeating": false,
            "allowWhileIdle": true,
        }},
    });
    one["sourceJson"] = one.to_string().into();
    let all = serde_json::json!({ "notifications": [one] });
    app.state::<Batch>().0.run_mobile_plugin::<Vec<i32>>("batch", all)?;
    Ok(())
}

/// The plugin's Java half once more: its Rust half has no word for `batch`.
#[cfg(target_os = "android")]
struct Batch(tauri::plugin::PluginHandle<tauri::Wry>);

/// See [`Batch`].
#[cfg(target_os = "android")]
pub(crate) fn batch() -> tauri::plugin::TauriPlugin<tauri::Wry> {
    tauri::plugin::Builder::new("reminders")
        .setup(|app, api| {
            let handle = api.register_android_plugin("app.tauri.notification", "NotificationPlugin")?;
            app.manage(Batch(handle));
            Ok(())
        })
        .build()
}
