//! The way between the window and the runtime. The window is on the screen before the runtime is up (the keyring may
//! ask the customer something first), so whoever needs the runtime waits for it here.

#[cfg(desktop)]
use postern_runtime::Options;
use postern_runtime::{Handle, Runtime};
use tauri::{AppHandle, Manager};
use tauri_plugin_deep_link::DeepLinkExt;
use tokio::sync::watch;
use url::Url;

use crate::{notifications, window};

/// The runtime, once it is up.
pub(crate) struct Link {
    handle: watch::Sender<Option<Handle>>,
}

impl Link {
    pub(crate) fn new() -> Self {
        Self { handle: watch::Sender::new(None) }
    }

    /// Waits for the runtime.
    pub(crate) async fn runtime(&self) -> Option<Handle> {
        let mut handle = self.handle.subscribe();
        handle.wait_for(Option::is_some).await.ok().and_then(|handle| handle.clone())
    }

    /// The runtime, if it is up already.
    pub(crate) fn runtime_now(&self) -> Option<Handle> {
        self.handle.borrow().clone()
    }
}

/// Starts the runtime, tells those who wait, and carries links and notifications to where they belong, until the app
/// ends.
pub(crate) async fn connect(app: AppHandle) {
    let handle = match start(&app).await {
        Ok(handle) => handle,
        Err(error) => {
            tracing::error!(%error, "the app cannot start");
            notifications::cannot_start(&app);
            app.exit(1);
            return;
        }
    };
    app.state::<Link>().handle.send_replace(Some(handle.clone()));

    if let Ok(Some(urls)) = app.deep_link().get_current() {
        urls.into_iter().for_each(|url| follow(&app, &handle, url));
    }
    let (links, window) = (handle.clone(), app.clone());
    app.deep_link()
        .on_open_url(move |event| event.urls().into_iter().for_each(|url| follow(&window, &links, url)));
    #[cfg(target_os = "android")]
    tauri::async_runtime::spawn(crate::android::notices::name_kinds(app.clone()));
    #[cfg(mobile)]
    tauri::async_runtime::spawn(crate::reminders::plan(app.clone(), handle.clone()));
    notifications::forward(app, handle).await;
}

async fn start(app: &AppHandle) -> Result<Handle, Box<dyn std::error::Error + Send + Sync>> {
    #[cfg(mobile)]
    let options = crate::phone::options(app)?;
    #[cfg(desktop)]
    let options = {
        let _ = app;
        Options::from_env()?
    };
    Ok(Runtime::start(options).await?)
}

/// The core checks what is in it; here it is only carried. `postern://nearest` is what launchers offer, and opens
/// nothing: it leads to where the gesture is made.
fn follow(app: &AppHandle, handle: &Handle, url: Url) {
    if (url.scheme(), url.host_str()) == ("postern", Some("nearest")) {
        if let Err(error) = window::nearest(app) {
            tracing::warn!(%error, "the window could not be brought");
        }
        return;
    }
    // Ended means that the app is about to end.
    let _ = handle.redirect(url.into());
}
