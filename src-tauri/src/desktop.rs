//! What desktops have and phones have not: one instance, a tray, a remembered window, start with the session.

use std::sync::{Mutex, Once};

use postern_runtime::view::{ActionView, View};
use tauri::{
    AppHandle, Builder, Manager, WindowEvent, Wry,
    menu::{Menu, MenuItem},
    tray::TrayIconBuilder,
};
use tauri_plugin_autostart::ManagerExt;
use tauri_plugin_window_state::StateFlags;

use crate::{link::Link, window, words::Language};

/// The argument that a start with the session is given.
const BACKGROUND: &str = "--background";
const NEAREST: &str = "nearest";
const SHOW: &str = "show";
const QUIT: &str = "quit";

/// Whether this start was the session's and not the customer's.
pub(crate) fn in_background() -> bool {
    std::env::args().any(|argument| argument == BACKGROUND)
}

/// Plugins that only desktops have.
pub(crate) fn plugins(builder: Builder<Wry>) -> Builder<Wry> {
    builder
        // Links that come with the second instance's arguments reach the deep-link plugin of the first by themselves.
        .plugin(tauri_plugin_single_instance::init(|app, _, _| {
            if let Err(error) = window::open(app) {
                tracing::warn!(%error, "the window could not be brought to the front");
            }
        }))
        .plugin(
            tauri_plugin_window_state::Builder::new()
                .with_state_flags(StateFlags::SIZE | StateFlags::POSITION | StateFlags::MAXIMIZED)
                .build(),
        )
        .plugin(tauri_plugin_autostart::Builder::new().arg(BACKGROUND).build())
        .on_window_event(|window, event| {
            // With a tray and a start with the session, the cross puts the window away; the app goes on waiting.
            if let WindowEvent::CloseRequested { api, .. } = event
                && window.app_handle().try_state::<Tray>().is_some()
                && autostart(window.app_handle(), None) == Some(true)
            {
                api.prevent_close();
                if let Err(error) = window.hide() {
                    tracing::warn!(%error, "the window could not be put away");
                }
            }
        })
}

/// Plugins that nothing needs before the first picture, if they are not there yet: the clipboard connects to the display,
/// and a page that is loaded after the notifications' has a script of theirs in it, which calls before the page does.
pub(crate) fn late_plugins(app: &AppHandle) {
    static ADDED: Once = Once::new();
    ADDED.call_once(|| {
        let added = app
            .plugin(tauri_plugin_notification::init())
            .and_then(|()| app.plugin(tauri_plugin_clipboard_manager::init()));
        if let Err(error) = added {
            tracing::warn!(%error, "no notifications, or no clipboard");
        }
    });
}

/// Whether the app starts with the session; with an argument, changes that first. None where that is not known.
pub(crate) fn autostart(app: &AppHandle, on: Option<bool>) -> Option<bool> {
    let launcher = app.autolaunch();
    let changed = match on {
        Some(true) => launcher.enable(),
        Some(false) if launcher.is_enabled().unwrap_or(false) => launcher.disable(),
        _ => Ok(()),
    };
    if let Err(error) = changed {
        tracing::warn!(%error, "the start with the session could not be changed");
    }
    launcher.is_enabled().ok()
}

/// The tray's menu, whose words change.
struct Tray {
    waiting: MenuItem<Wry>,
    nearest: MenuItem<Wry>,
    show: MenuItem<Wry>,
    quit: MenuItem<Wry>,
    count: Mutex<usize>,
}

/// Puts an icon into the tray, where the desktop has one and there is none of ours yet, and keeps what it says up to
/// date; in the language spoken now.
pub(crate) fn tray(app: &AppHandle) {
    if app.try_state::<Tray>().is_some() {
        return relabel(app);
    }
    if !has_tray() {
        return;
    }
    match build(app) {
        Ok(tray) => {
            app.manage(tray);
            tauri::async_runtime::spawn(watch(app.clone()));
        }
        Err(error) => tracing::warn!(%error, "no tray"),
    }
}

fn build(app: &AppHandle) -> tauri::Result<Tray> {
    let words = app.state::<Language>().words();
    let waiting = MenuItem::new(app, words.waits(0), false, None::<&str>)?;
    let nearest = MenuItem::with_id(app, NEAREST, words.nearest, true, None::<&str>)?;
    let show = MenuItem::with_id(app, SHOW, words.show(&app.package_info().name), true, None::<&str>)?;
    let quit = MenuItem::with_id(app, QUIT, words.quit, true, None::<&str>)?;
    let menu = Menu::with_items(app, &[&waiting, &nearest, &show, &quit])?;
    let mut icon = TrayIconBuilder::new().menu(&menu).on_menu_event(|app, event| match event.id.as_ref() {
        SHOW => {
            if let Err(error) = window::open(app) {
                tracing::warn!(%error, "the window could not be brought");
            }
        }
        NEAREST => {
            if let Err(error) = window::nearest(app) {
                tracing::warn!(%error, "the window could not be brought");
            }
        }
        QUIT => app.exit(0),
        _ => {}
    });
    if let Some(image) = app.default_window_icon() {
        icon = icon.icon(image.clone());
    }
    icon.build(app)?;
    Ok(Tray { waiting, nearest, show, quit, count: Mutex::new(0) })
}

async fn watch(app: AppHandle) {
    let Some(runtime) = app.state::<Link>().runtime().await else { return };
    let mut views = runtime.views();
    loop {
        let count = to_collect(&views.borrow_and_update());
        if let Some(tray) = app.try_state::<Tray>() {
            *tray.count.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = count;
        }
        relabel(&app);
        if views.changed().await.is_err() {
            return;
        }
    }
}

/// What could be opened now, were the customer there.
fn to_collect(view: &View) -> usize {
    view.reservations.iter().filter(|reservation| reservation.actions.contains(&ActionView::Open)).count()
}

/// Says everything again, after the language or the count changed.
fn relabel(app: &AppHandle) {
    let Some(tray) = app.try_state::<Tray>() else { return };
    let words = app.state::<Language>().words();
    let count = *tray.count.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let said = tray
        .waiting
        .set_text(words.waits(count))
        .and_then(|()| tray.nearest.set_text(words.nearest))
        .and_then(|()| tray.show.set_text(words.show(&app.package_info().name)))
        .and_then(|()| tray.quit.set_text(words.quit));
    if let Err(error) = said {
        tracing::warn!(%error, "the tray could not be relabelled");
    }
}

/// On Linux the tray needs a library that not every desktop has, and the binding to it panics without.
#[cfg(target_os = "linux")]
fn has_tray() -> bool {
    const LIBRARIES: &[&str] = &["libayatana-appindicator3.so.1", "libappindicator3.so.1"];
    const FOLDERS: &[&str] = &["/usr/lib", "/usr/lib64", "/usr/local/lib"];
    let architecture = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    FOLDERS
        .iter()
        .copied()
        .chain([architecture.as_str()])
        .any(|folder| LIBRARIES.iter().any(|library| std::path::Path::new(folder).join(library).exists()))
}

#[cfg(not(target_os = "linux"))]
fn has_tray() -> bool {
    true
}
