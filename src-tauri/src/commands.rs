//! All that the page can call. Each is granted by name in capabilities/main.json.

use std::{sync::Arc, time::Duration};

use postern_runtime::{
    intent::Intent,
    view::{VaultView, View},
};
use serde::{Deserialize, Serialize};
use tauri::{AppHandle, State, ipc::Channel};
use tauri_plugin_opener::OpenerExt;
use url::Url;

use crate::{clipboard, diagnostics as report, files, link::Link, scan, settings_page, words::Language};

/// Why a command did nothing. A code; the page has the words.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Refusal {
    /// The runtime did not come up, or has ended.
    NoRuntime,
}

/// Hands an intent to the core. Not `async`, which would give each call a task of its own: intents have an order (a
/// code that is hidden and another one shown). There is a runtime by then: the page is silent until the first view.
#[tauri::command]
pub(crate) fn send_intent(link: State<'_, Link>, intent: Intent) -> Result<(), Refusal> {
    link.runtime_now().and_then(|runtime| runtime.send(intent).ok()).ok_or(Refusal::NoRuntime)
}

/// How long the page may stay empty while the keyring opens. Longer, and it says that something is coming.
const OPENING: Duration = Duration::from_millis(400);

/// Gives the present view, and sends each later one until the page goes away. The first comes with the answer, which is
/// one way shorter than by the channel, and has something to show unless the keyring keeps it waiting.
#[tauri::command]
pub(crate) async fn subscribe(
    link: State<'_, Link>,
    channel: Channel<Arc<View>>,
) -> Result<Arc<View>, Refusal> {
    let mut views = link.runtime().await.ok_or(Refusal::NoRuntime)?.views();
    let open = views.wait_for(|view| view.vault != VaultView::Opening);
    // Either way what there is then is shown.
    let _ = tokio::time::timeout(OPENING, open).await;
    let first = Arc::clone(&views.borrow_and_update());
    tauri::async_runtime::spawn(async move {
        while views.changed().await.is_ok() {
            let view = Arc::clone(&views.borrow_and_update());
            if channel.send(view).is_err() {
                return;
            }
        }
    });
    Ok(first)
}

/// Leads to where Bluetooth is switched on. False where this platform has no way there.
#[tauri::command]
pub(crate) async fn open_bluetooth_settings(app: AppHandle) -> bool {
    settings_page::bluetooth(&app)
}

/// Opens a web address in the system's browser (`https`, or `http` on this machine) or a place in its maps (`geo`, RFC 5870).
/// False for any other.
#[tauri::command]
pub(crate) async fn open_in_browser(app: AppHandle, url: String) -> bool {
    match Url::parse(&url) {
        Ok(url) if may_leave(&url) => app.opener().open_url(url, None::<&str>).is_ok(),
        _ => false,
    }
}

fn may_leave(url: &Url) -> bool {
    let here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    matches!(url.scheme(), "https" | "geo") || (url.scheme() == "http" && here)
}

/// Copies; a secret is taken off the clipboard again after half a minute.
#[tauri::command]
pub(crate) async fn copy_text(app: AppHandle, text: String, secret: bool) -> bool {
    clipboard::copy(&app, text, secret)
}

/// Facts for a support desk, with no secret and nothing of what the customer has.
#[tauri::command]
pub(crate) async fn diagnostics(app: AppHandle) -> String {
    report::text(&app)
}

/// Which language tray and notifications speak: a BCP 47 tag. False where they do not speak it. The page says it when it
/// has drawn its first picture; the tray and the late plugins come then, and take nothing of the time before.
#[tauri::command]
pub(crate) async fn set_language(
    spoken: State<'_, Language>,
    app: AppHandle,
    language: String,
) -> Result<bool, ()> {
    let known = spoken.set(&language);
    #[cfg(desktop)]
    {
        crate::desktop::late_plugins(&app);
        crate::desktop::tray(&app);
    }
    #[cfg(not(desktop))]
    let _ = app;
    Ok(known)
}

/// Whether the app starts in the background with the session; with an argument, changes that first. None where the
/// platform has no such thing.
#[tauri::command]
pub(crate) async fn autostart(app: AppHandle, on: Option<bool>) -> Option<bool> {
    #[cfg(desktop)]
    return crate::desktop::autostart(&app, on);
    #[cfg(not(desktop))]
    {
        let _ = (app, on);
        None
    }
}

/// Whether this platform can ask the customer who they are.
#[tauri::command]
pub(crate) async fn can_confirm_presence() -> bool {
    #[cfg(target_os = "linux")]
    return tauri::async_runtime::spawn_blocking(crate::presence::is_offered).await.unwrap_or(false);
    #[cfg(not(target_os = "linux"))]
    cfg!(mobile)
}

/// Asks for a face, a finger, or the PIN or password of this device, with these words where the platform lets us choose
/// them. None where the platform has no such thing.
#[tauri::command]
pub(crate) async fn confirm_presence(app: AppHandle, reason: String) -> Option<bool> {
    #[cfg(mobile)]
    return Some(crate::phone::confirm_presence(app, reason).await);
    #[cfg(desktop)]
    {
        let _ = (app, reason);
        #[cfg(target_os = "linux")]
        return tauri::async_runtime::spawn_blocking(crate::presence::confirm).await.ok().flatten();
        #[cfg(not(target_os = "linux"))]
        None
    }
}

/// Keeps a file in the customer's downloads, never over one that is there.
#[tauri::command]
pub(crate) async fn save_file(app: AppHandle, name: String, contents: files::Contents) -> bool {
    files::save(&app, &name, contents.bytes()).is_ok()
}

/// The text of the QR code in a picture: see [`scan::read`]. None where there is none.
#[tauri::command]
pub(crate) async fn read_qr(width: usize, luma: String) -> Option<String> {
    // Some hundred milliseconds of work, and a library that reads what a camera saw: neither may take the window along.
    tauri::async_runtime::spawn_blocking(move || scan::read(width, &luma)).await.ok().flatten()
}

/// What the hand is told.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Feeling {
    /// The gesture was long enough.
    Taken,
    /// The door is open.
    Opened,
    /// Something went wrong.
    Wrong,
}

/// Lets the customer feel it. False where the platform has no such thing.
#[tauri::command]
pub(crate) async fn feel(app: AppHandle, feeling: Feeling) -> bool {
    #[cfg(mobile)]
    return crate::phone::feel(&app, feeling);
    #[cfg(desktop)]
    {
        let _ = (app, feeling);
        false
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::may_leave;

    #[test]
    fn only_web_addresses_and_places_leave_the_app() {
        let leaves = |text: &str| Url::parse(text).is_ok_and(|url| may_leave(&url));
        assert!(leaves("https://hub.example/claim#x"));
        assert!(leaves("http://localhost:8080/authorize?state=a"));
        assert!(leaves("http://127.0.0.1:8080/"));
        assert!(leaves("geo:52.532100,13.384900?q=52.532100,13.384900(Lindenhof)"));
        for other in [
            "http://hub.example/",
            "http://localhost.example/",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "postern://claim",
            "ms-settings:bluetooth",
            "-h",
        ] {
            assert!(!leaves(other), "{other}");
        }
    }
}
