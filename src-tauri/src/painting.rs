//! How WebKitGTK paints. It takes it for granted that there is a graphics card. Where there is none, it has one made of
//! software, for which every kind of shape is compiled first: that takes longer than everything else from the start of the
//! process to the first list, and a third of all memory. There it is to paint by itself, which shows the same.

use std::{fs, path::Path};

use tauri::WebviewWindow;
use webkit2gtk::{HardwareAccelerationPolicy, SettingsExt, WebViewExt};

/// Where the kernel shows graphics cards.
const CARDS: &str = "/dev/dri";

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
