//! What a phone gives the app in other ways than a desktop: a folder of its own, the browser, and the way back from it.

use std::{io, sync::Arc};

use postern_runtime::{Browser, Options, WayBack};
use tauri::{AppHandle, Manager};
use tauri_plugin_biometric::{AuthOptions, BiometricExt};
use tauri_plugin_haptics::{HapticsExt, ImpactFeedbackStyle, NotificationFeedbackType};
use tauri_plugin_opener::OpenerExt;

use crate::commands::Feeling;

/// As on a desktop, but for what the system says to the app alone.
pub(crate) fn options(app: &AppHandle) -> Result<Options, Box<dyn std::error::Error + Send + Sync>> {
    let mut options = Options::in_folder(Some(app.path().app_data_dir()?))?;
    options.browser = Arc::new(SystemBrowser(app.clone()));
    options.way_back = WayBack::phone();
    Ok(options)
}

/// The customer's browser, where the passkeys are: there is no program to be started on a phone.
struct SystemBrowser(AppHandle);

#[async_trait::async_trait]
impl Browser for SystemBrowser {
    async fn open(&self, url: &str) -> io::Result<()> {
        self.0.opener().open_url(url, None::<&str>).map_err(io::Error::other)
    }
}

/// Whether the customer showed that they are there: face, finger, or the PIN of the phone. Everything else is a no.
pub(crate) async fn confirm_presence(app: AppHandle, reason: String) -> bool {
    let options = AuthOptions { allow_device_credential: true, ..AuthOptions::default() };
    // The system's question takes as long as it takes; nothing else waits for it.
    let asked =
        tauri::async_runtime::spawn_blocking(move || app.biometric().authenticate(reason, options)).await;
    matches!(asked, Ok(Ok(())))
}

/// Lets the hand know. False where the phone cannot.
pub(crate) fn feel(app: &AppHandle, feeling: Feeling) -> bool {
    let haptics = app.haptics();
    let felt = match feeling {
        Feeling::Taken => haptics.impact_feedback(ImpactFeedbackStyle::Medium),
        Feeling::Opened => haptics.notification_feedback(NotificationFeedbackType::Success),
        Feeling::Wrong => haptics.notification_feedback(NotificationFeedbackType::Error),
    };
    felt.is_ok()
}
