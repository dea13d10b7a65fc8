//! Facts for a support desk: versions and states, nothing of what the customer has, no id, no secret.

use std::fmt::Write;

use tauri::{AppHandle, Manager};

use crate::link::Link;

/// A few lines of `name: value`.
pub(crate) fn text(app: &AppHandle) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name}: {value}");
    };
    line("app", &app.package_info().version);
    line("system", &format_args!("{} {}", std::env::consts::OS, std::env::consts::ARCH));
    line("webview", &tauri::webview_version().unwrap_or_else(|_| "unknown".to_owned()));
    let Some(runtime) = app.state::<Link>().runtime_now() else {
        line("runtime", &"not up");
        return text;
    };
    let views = runtime.views();
    let view = views.borrow();
    line("network", &state(&view.network));
    line("bluetooth", &state(&view.bluetooth));
    line("keyring", &state(&view.vault));
    line("session", &state(&view.session));
    line("reservations", &view.reservations.len());
    line("receipts", &view.receipts.len());
    line("waiting", &view.outbox.len());
    text
}

/// The code of a state, and nothing that it carries.
fn state(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    let code = value.get("state").unwrap_or(&value);
    code.as_str().unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use postern_runtime::view::{NetworkView, SessionView, VaultView};

    use super::state;

    #[test]
    fn a_state_is_named_and_what_it_carries_is_not() {
        assert_eq!(state(&NetworkView::Offline { since: Some(1) }), "offline");
        assert_eq!(state(&VaultView::MemoryOnly), "memoryOnly");
        assert_eq!(
            state(&SessionView::InBrowser { url: "https://hub.example/?state=secret".into(), problem: None }),
            "inBrowser"
        );
    }
}
