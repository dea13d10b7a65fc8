//! Files that a customer keeps: passes and exports.

use std::io;
#[cfg(any(not(target_os = "android"), test))]
use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

use serde::Deserialize;
use tauri::AppHandle;
#[cfg(not(target_os = "android"))]
use tauri::Manager;
#[cfg(not(target_os = "android"))]
use tauri_plugin_opener::OpenerExt;

/// What the page hands over: text, or the bytes of a picture.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Contents {
    /// As UTF-8.
    Text(String),
    /// As they are.
    Bytes(Vec<u8>),
}

impl Contents {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// Writes it where the customer finds it again, and shows where.
///
/// # Errors
/// There is no such folder, or the disk's.
#[cfg(target_os = "android")]
pub(crate) fn save(_app: &AppHandle, name: &str, contents: &[u8]) -> io::Result<()> {
    let name = plain_name(name);
    if crate::android::save_file(&name, kind(&name), contents) {
        Ok(())
    } else {
        Err(io::Error::other("the phone did not take it"))
    }
}

/// What a file of this name is, for the phone to know who opens it.
#[cfg(any(target_os = "android", test))]
fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("png") => "image/png",
        Some("csv") => "text/csv",
        Some("json") => "application/json",
        Some("txt") => "text/plain",
        _ => "application/octet-stream",
    }
}

/// Writes it where the customer finds it again, and shows where.
///
/// # Errors
/// There is no such folder, or the disk's.
#[cfg(not(target_os = "android"))]
pub(crate) fn save(app: &AppHandle, name: &str, contents: &[u8]) -> io::Result<()> {
    // On an iPhone this is what its Files app shows of us (apple/ios.plist); the downloads there are hidden in the app.
    #[cfg(target_os = "ios")]
    let folder = app.path().document_dir();
    #[cfg(desktop)]
    let folder = app.path().download_dir().or_else(|_| app.path().document_dir());
    let folder = folder.map_err(io::Error::other)?;
    fs::create_dir_all(&folder)?;
    let path = write_new(&folder, &plain_name(name), contents)?;
    if let Err(error) = app.opener().reveal_item_in_dir(&path) {
        tracing::debug!(%error, "the file is saved; no file manager to show it");
    }
    Ok(())
}

/// Letters, digits and a few marks, at most 80 of them, no leading dot: whatever it is made from, a file of ours and
/// in the folder where it belongs.
fn plain_name(name: &str) -> String {
    let kept: String = name
        .chars()
        .map(|c| if c.is_alphanumeric() || "-_. ".contains(c) { c } else { '-' })
        .take(80)
        .collect();
    let kept = kept.trim_matches(['.', ' ', '-']);
    if kept.is_empty() { "postern".to_owned() } else { kept.to_owned() }
}

/// Writes `name`, or `name (2)` and so on where that is taken.
#[cfg(any(not(target_os = "android"), test))]
fn write_new(folder: &Path, name: &str, contents: &[u8]) -> io::Result<std::path::PathBuf> {
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) => (stem, format!(".{extension}")),
        None => (name, String::new()),
    };
    for number in 1..1000 {
        let path = match number {
            1 => folder.join(name),
            _ => folder.join(format!("{stem} ({number}){extension}")),
        };
        match File::create_new(&path) {
            Ok(mut file) => {
                file.write_all(contents)?;
                return Ok(path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use super::{kind, plain_name, write_new};

    #[test]
    fn a_phone_is_told_what_a_file_is() {
        assert_eq!((kind("pass.png"), kind("receipts.csv")), ("image/png", "text/csv"));
        assert_eq!(
            (kind("postern"), kind("a.exe")),
            ("application/octet-stream", "application/octet-stream")
        );
    }

    #[test]
    fn a_name_never_leads_out_of_the_folder() {
        assert_eq!(plain_name("../../.ssh/authorized_keys"), "ssh-authorized_keys");
        assert_eq!(plain_name("Schuhe für Jürgen.pdf"), "Schuhe für Jürgen.pdf");
        assert_eq!(plain_name("a\0b\u{202e}gnp.exe"), "a-b-gnp.exe");
        assert_eq!(plain_name(".."), "postern");
    }

    #[test]
    fn a_file_that_is_there_is_never_written_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = write_new(folder.path(), "pass.png", b"1").expect("written");
        let second = write_new(folder.path(), "pass.png", b"2").expect("written");
        assert_eq!(second.file_name(), Some("pass (2).png".as_ref()));
        assert_eq!(std::fs::read(first).expect("there"), b"1");
    }
}
