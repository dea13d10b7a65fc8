//! The one window.

#[cfg(mobile)]
use tauri::WebviewWindow;
use tauri::{
    AppHandle, Manager, WebviewUrl, WebviewWindowBuilder,
    webview::{NewWindowResponse, PageLoadEvent},
};

#[cfg(mobile)]
use crate::notices::Taps;

/// Its label: capabilities/main.json grants the commands to it.
pub(crate) const LABEL: &str = "main";
/// What somebody tapped on. Here and not with the app, which a tap may come before.
#[cfg(mobile)]
static TAPS: Taps<WebviewWindow> = Taps::new();

/// Opens it, or brings it to the front where it is open.
///
/// # Errors
/// The platform has no web view.
pub(crate) fn open(app: &AppHandle) -> tauri::Result<()> {
    if let Some(window) = app.get_webview_window(LABEL) {
        #[cfg(desktop)]
        {
            window.unminimize()?;
            window.show()?;
            window.set_focus()?;
        }
        let _ = window;
        return Ok(());
    }
    let builder = WebviewWindowBuilder::new(app, LABEL, WebviewUrl::default())
        // Nothing but the page that came with the app is ever shown in here.
        .on_navigation(|url| url.scheme() == "tauri" || url.host_str() == Some("tauri.localhost"))
        .on_new_window(|_, _| NewWindowResponse::Deny);
    #[cfg(desktop)]
    let builder = builder
        .title(app.package_info().name.clone())
        .inner_size(1040.0, 760.0)
        .min_inner_size(360.0, 560.0)
        // Shown once its page is there: nobody looks at an empty window, and WebKitGTK does not make its customer wait for
        // half a second, as it may where it has to paint a window by itself that has no page yet.
        .visible(false)
        .on_page_load(|window, load| {
            let loaded = load.event() == PageLoadEvent::Finished;
            if loaded
                && !crate::desktop::in_background()
                && let Err(error) = window.show()
            {
                tracing::error!(%error, "the window cannot be shown");
            }
        });
    #[cfg(mobile)]
    let builder = builder.on_page_load(|window, load| {
        lead(TAPS.page((load.event() == PageLoadEvent::Finished).then_some(window)));
    });
    let window = builder.build()?;
    #[cfg(target_os = "linux")]
    crate::painting::suit(&window)?;
    #[cfg(not(target_os = "linux"))]
    let _ = window;
    Ok(())
}

/// Leads its page to this reservation, on which somebody tapped: now, or when there is one. The system brings the window.
#[cfg(mobile)]
pub(crate) fn reservation(id: String) {
    lead(TAPS.tapped(id));
}

/// The system has taken it away.
#[cfg(mobile)]
pub(crate) fn gone() {
    lead(TAPS.page(None));
}

#[cfg(mobile)]
fn lead(tapped: Option<(WebviewWindow, String)>) {
    let Some((window, id)) = tapped else { return };
    // Text of the hub's, or of any app's, on its way into a script: every byte as the address has it.
    let id: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
    if let Err(error) = window.eval(format!("location.hash = '#/r/{id}'")) {
        tracing::warn!(%error, "a tap on a notification leads home");
    }
}

/// Brings it, at what lies in the nearest locker: all that is left is the gesture.
///
/// # Errors
/// The platform has no web view.
pub(crate) fn nearest(app: &AppHandle) -> tauri::Result<()> {
    open(app)?;
    let Some(window) = app.get_webview_window(LABEL) else { return Ok(()) };
    // By way of home, so that asking twice is asking twice.
    window.eval("location.hash = '#/'; location.hash = '#/nearest'")
}
