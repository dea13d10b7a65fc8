//! How WebKitGTK paints. It takes it for granted that there is a graphics card. Where there is none, it has one made of
//! software: both processes load a compiler for it before they have anything to show, and then every kind of shape is
//! compiled. That takes a good part of the time from the start of the process to the first list, and a third of all
//! memory. There it is to paint by itself, which shows the same.

use std::{fs, path::Path};

use tauri::WebviewWindow;
use webkit2gtk::{HardwareAccelerationPolicy, SettingsExt, WebViewExt, glib};

/// Where the kernel shows graphics cards.
const CARDS: &str = "/dev/dri";

/// Tells WebKitGTK's own switch to share no buffers with a card that is not there. Before anything else of this process
/// runs beside: it goes by the environment, which the web view's processes inherit. Whoever has set it has the last word.
pub(crate) fn prepare() {
    if !has_card(Path::new(CARDS))
        && let Err(error) = glib::setenv("WEBKIT_DISABLE_DMABUF_RENDERER", "1", false)
    {
        tracing::warn!(%error, "the window paints as if there were a graphics card");
    }
}

/// Suits the painting of a window that was just made to what this machine has.
///
/// # Errors
/// The window is gone.
pub(crate) fn suit(window: &WebviewWindow) -> tauri::Result<()> {
    if has_card(Path::new(CARDS)) {
        return Ok(());
    }
    window.with_webview(|view| {
        if let Some(settings) = view.inner().settings() {
            settings.set_hardware_acceleration_policy(HardwareAccelerationPolicy::Never);
        }
    })
}

/// Whether programs may paint with a graphics card here: the kernel has a node of its own for that.
fn has_card(cards: &Path) -> bool {
    let Ok(nodes) = fs::read_dir(cards) else { return false };
    nodes.flatten().any(|node| node.file_name().to_string_lossy().starts_with("renderD"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_a_node_to_render_with() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!has_card(&folder.path().join("none")));
        // A display without anything to render with, as virtual machines have.
        fs::write(folder.path().join("card0"), "").unwrap();
        assert!(!has_card(folder.path()));
        fs::write(folder.path().join("renderD128"), "").unwrap();
        assert!(has_card(folder.path()));
    }
}
