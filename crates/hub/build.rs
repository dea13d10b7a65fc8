//! Builds the page for browsers in, where `cargo xtask web` has made it; a hub without it says so.

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
};

fn main() {
    // Asked for as this runs: the program may have been built for another checkout with the same target folder.
    let manifest = env::var_os("CARGO_MANIFEST_DIR").expect("cargo names a folder");
    let folder = Path::new(&manifest).join("../web/dist");
    // The folder is there in every checkout, so that this runs again only when what is in it changes.
    println!("cargo::rerun-if-changed={}", folder.display());
    let page = folder.join("page");
    let mut files = Vec::new();
    if page.join("web.html").exists() {
        list(&page, &mut files);
    }
    files.sort();
    let out_dir = env::var_os("OUT_DIR").expect("cargo names a folder");
    // Of a copy, as the page may be made anew while the hub is being compiled.
    let copies = Path::new(&out_dir).join("page");
    let _ = fs::remove_dir_all(&copies);
    let place = Path::new(&out_dir).join("web_app.rs");
    let mut out = fs::File::create(place).expect("the folder can be written to");
    writeln!(out, "const FILES: &[File] = &[").expect("written");
    let copied: Vec<_> = files.iter().map(|file| copy(file, &page, &copies)).collect();
    for file in copied {
        let named = file.strip_prefix(&copies).expect("below it").to_string_lossy().replace('\\', "/");
        if [".br", ".gz"].iter().any(|packed| named.ends_with(packed)) {
            continue;
        }
        let packed = |ending: &str| {
            let path = format!("{}{ending}", file.display());
            if Path::new(&path).exists() { format!("Some(include_bytes!({path:?}))") } else { "None".into() }
        };
        let plain = file.display().to_string();
        let (brotli, gzip) = (packed(".br"), packed(".gz"));
        writeln!(
            out,
            "File {{ name: {named:?}, plain: include_bytes!({plain:?}), brotli: {brotli}, gzip: {gzip} }},"
        )
        .expect("written");
    }
    writeln!(out, "];").expect("written");
}

fn copy(file: &Path, from: &Path, to: &Path) -> PathBuf {
    let copy = to.join(file.strip_prefix(from).expect("below it"));
    fs::create_dir_all(copy.parent().expect("a file has a folder")).expect("a folder can be made");
    fs::copy(file, &copy)
        .unwrap_or_else(|error| panic!("{}: {error}: is it being made anew?", file.display()));
    copy
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).expect("a folder can be read");
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            list(&path, files);
        } else {
            files.push(path);
        }
    }
}
