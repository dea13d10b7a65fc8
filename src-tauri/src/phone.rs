//! What a phone gives the app in other ways than a desktop: a folder of its own, the browser, and the way back from it.

use std::{io, sync::Arc};

use postern_runtime::{Browser, Options, WayBack};
use tauri::{AppHandle, Manager, plugin::mobile::PluginInvokeError};
use tauri_plugin_biometric::{AuthOptions, BiometricExt};
use tauri_plugin_haptics::{HapticsExt, ImpactFeedbackStyle, NotificationFeedbackType};
use tauri_plugin_opener::OpenerExt;

use crate::commands::Feeling;

/// What the biometric plugin says of a phone that has none, the same on both systems.
const NO_SCREEN_LOCK: &str = "passcodeNotSet";

/// As on a desktop, but for what the system says to the app alone.
pub(crate) fn options(app: &AppHandle) -> Result<Options, Box<dyn std::error::Error + Send + Sync>> {
    let folder = app.path().app_data_dir()?;
    #[cfg(target_os = "ios")]
    {
        std::fs::create_dir_all(&folder)?;
        crate::iphone::keep_out_of_backups(&folder);
    }
    let mut options = Options::in_folder(Some(folder))?;
    options.browser = Arc::new(SystemBrowser(app.clone()));
    options.way_back = WayBack::phone();
    if let Some(name) = device_name() {
        options.device_name = name;
    }
    Ok(options)
}

/// A name by which its owner tells this phone from another of theirs; the host name is the same on all.
#[cfg(target_os = "android")]
fn device_name() -> Option<String> {
    crate::android::device_name().and_then(|name| postern_runtime::device_name(&name))
}

/// Apple tells an app what kind of phone it is, and to few what its owner calls it.
#[cfg(target_os = "ios")]
fn device_name() -> Option<String> {
    let uname = rustix::system::uname();
    let model = uname.machine().to_string_lossy();
    let kind = if model.starts_with("iPad") { "iPad" } else { "iPhone" };
    postern_runtime::device_name(&format!("{kind} ({model})"))
}

/// The customer's browser, where the passkeys are: there is no program to be started on a phone.
struct SystemBrowser(AppHandle);

#[async_trait::async_trait]
impl Browser for SystemBrowser {
    async fn open(&self, url: &str) -> io::Result<()> {
        self.0.opener().open_url(url, None::<&str>).map_err(io::Error::other)
    }
}

/// Whether the customer showed that they are there: face, finger, or the PIN of the phone. Everything else is a no, but
/// for a phone whose screen lock was taken away. That takes its PIN, so whoever did it could have answered this as well;
/// and saying no would keep its owner from their doors, and from the setting that asks.
pub(crate) async fn confirm_presence(app: AppHandle, reason: String) -> bool {
    let options = AuthOptions { allow_device_credential: true, ..AuthOptions::default() };
    // The system's question takes as long as it takes; nothing else waits for it.
    let asked =
        tauri::async_runtime::spawn_blocking(move || app.biometric().authenticate(reason, options)).await;
    match asked {
        Ok(Ok(())) => true,
        Ok(Err(tauri_plugin_biometric::Error::PluginInvoke(PluginInvokeError::InvokeRejected(refused)))) => {
            refused.code.as_deref() == Some(NO_SCREEN_LOCK)
        }
        _ => false,
    }
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
