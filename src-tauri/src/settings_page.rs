//! The system's own page about Bluetooth.

use tauri::AppHandle;

/// Opens it; false where there is none that we know.
#[cfg(target_os = "linux")]
pub(crate) fn bluetooth(_app: &AppHandle) -> bool {
    use std::process::{Command, Stdio};
    // The desktops' own, then the one that desktops without one use.
    const PAGES: &[(&str, &[&str])] = &[
        ("gnome-control-center", &["bluetooth"]),
        ("systemsettings", &["kcm_bluetooth"]),
        ("cinnamon-settings", &["bluetooth"]),
        ("blueman-manager", &[]),
    ];
    PAGES.iter().any(|(program, arguments)| {
        let started = Command::new(program)
            .args(*arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut child) = started else { return false };
        std::thread::spawn(move || child.wait());
        true
    })
}

/// Opens it; false where there is none that we know.
#[cfg(any(target_os = "windows", target_os = "macos"))]
pub(crate) fn bluetooth(app: &AppHandle) -> bool {
    use tauri_plugin_opener::OpenerExt;
    let page = if cfg!(target_os = "windows") {
        "ms-settings:bluetooth"
    } else {
        "x-apple.systempreferences:com.apple.BluetoothSettings"
    };
    app.opener().open_url(page, None::<&str>).is_ok()
}

/// Opens it; false where there is none that we know.
#[cfg(target_os = "android")]
pub(crate) fn bluetooth(_app: &AppHandle) -> bool {
    crate::android::open_bluetooth_settings()
}

/// Opens the app's own page, where Bluetooth is allowed: the system has no way to the switch for apps.
#[cfg(target_os = "ios")]
pub(crate) fn bluetooth(app: &AppHandle) -> bool {
    use tauri_plugin_opener::OpenerExt;
    app.opener().open_url("app-settings:", None::<&str>).is_ok()
}
