//! What the manifests ask for: nothing that no source names, and no Rust older than what is asked for can be compiled with.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::workspace::{root, sources};

/// Direct dependencies of ours that no source names.
///
/// A dependency that is there for its features alone is named in the manifest, as cargo-machete wants it:
/// `[package.metadata.cargo-machete] ignored = ["uuid"]`.
///
/// # Errors
/// cargo's metadata has another shape, or a source cannot be read.
pub(crate) fn unused(metadata: &Value) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for package in ours(metadata)? {
        let name = text(&package["name"])?;
        let folder = Path::new(text(&package["manifest_path"])?).parent().unwrap_or(Path::new("/"));
        let ignored = package["metadata"]["cargo-machete"]["ignored"].as_array().cloned().unwrap_or_default();
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let wanted = text(&dependency["name"])?;
            if ignored.iter().any(|one| one == wanted) {
                continue;
            }
            let kind = dependency["kind"].as_str();
            let everywhere =
                || ["src", "tests", "examples", "benches"].map(|place| folder.join(place)).into();
            let places: Vec<PathBuf> = match kind {
                Some("build") => vec![folder.join("build.rs")],
                Some("dev") => everywhere(),
                // A package of tests is no product: it has no other dependencies.
                _ if folder.starts_with(root().join("tests")) => everywhere(),
                _ => vec![folder.join("src")],
            };
            let called = dependency["rename"].as_str().unwrap_or(wanted);
            if !named_in(&places, called)? {
                let kind = kind.map_or(String::new(), |kind| format!(" ({kind})"));
                faults.push(format!("{name}: {wanted}{kind} is named by no source"));
            }
        }
    }
    Ok(faults)
}

/// Packages of others that need a newer Rust than the manifests promise to do with, and pages that say another version.
///
/// # Errors
/// As [`unused`].
pub(crate) fn minimum_rust(metadata: &Value) -> Result<Vec<String>> {
    let ours = ours(metadata)?;
    let promised = ours.iter().find_map(|package| package["rust_version"].as_str());
    let promised = promised.context("no rust-version in Cargo.toml")?;
    let mut faults = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        if let Some(wanted) =
            package["rust_version"].as_str().filter(|wanted| version(wanted) > version(promised))
        {
            let (name, its) = (text(&package["name"])?, text(&package["version"])?);
            faults.push(format!("{name} {its} needs Rust {wanted}, and Cargo.toml promises {promised}"));
        }
    }
    // (file, what stands before the version)
    let pages = [
        ("README.md", "Rust "),
        ("tests/bench/Cargo.toml", "rust-version = \""),
        ("crates/locker-board/Cargo.toml", "rust-version = \""),
        (".github/workflows/ci.yml", "MINIMUM_RUST: \""),
    ];
    for (page, before) in pages {
        let said = std::fs::read_to_string(root().join(page)).context(page)?;
        for found in after(&said, before).filter(|found| version(found) != version(promised)) {
            faults.push(format!("{page} says {before}{found}, and Cargo.toml {promised}"));
        }
        if after(&said, before).next().is_none() {
            faults.push(format!("{page} does not say which Rust is needed"));
        }
    }
    Ok(faults)
}

/// The versions that stand behind this.
fn after<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(before).skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let found = rest[..end].trim_end_matches('.');
        (!found.is_empty()).then_some(found)
    })
}

/// "1.94" and "1.94.0" are the same.
fn version(text: &str) -> [u32; 3] {
    let mut numbers = text.split('.').map(|number| number.parse().unwrap_or(0));
    std::array::from_fn(|_| numbers.next().unwrap_or(0))
}

fn ours(metadata: &Value) -> Result<Vec<&Value>> {
    let members = metadata["workspace_members"].as_array().context("cargo metadata has another shape")?;
    let packages = metadata["packages"].as_array().context("cargo metadata has another shape")?;
    Ok(packages.iter().filter(|package| members.contains(&package["id"])).collect())
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().context("cargo metadata has another shape")
}

fn named_in(places: &[PathBuf], package: &str) -> Result<bool> {
    let mut files = Vec::new();
    for place in places {
        files.extend(if place.is_dir() { sources(place)? } else { vec![place.clone()] });
    }
    files.retain(|file| file.extension().is_some_and(|kind| kind == "rs") && file.exists());
    while let Some(file) = files.pop() {
        let code = std::fs::read_to_string(&file)?;
        if names(&code, &package.replace('-', "_")) {
            return Ok(true);
        }
        files.extend(borrowed(&code).map(|path| file.with_file_name(path)).filter(|path| path.exists()));
    }
    Ok(false)
}

/// Files of other crates that this one compiles as its own.
fn borrowed(code: &str) -> impl Iterator<Item = &str> {
    code.lines().filter_map(|line| line.trim().strip_prefix("#[path = \"")?.strip_suffix("\"]"))
}

/// Whether code names a crate: in a path, in an import by itself, or as a macro.
fn names(code: &str, name: &str) -> bool {
    let lines = code.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.into_iter().any(|line| {
        line.match_indices(name).any(|(at, _)| {
            let (before, after) = (&line[..at], line[at + name.len()..].trim_start());
            let letter = |c: char| c.is_alphanumeric() || c == '_';
            let begins = !before.ends_with(letter) && !before.ends_with('.');
            let path = after.starts_with("::") || after.starts_with('!') || after.starts_with(" as ");
            let import =
                before.trim_end().ends_with("use") && (after.starts_with(';') || after.starts_with("as "));
            let listed = before.trim_end().ends_with(['{', ','])
                && after.starts_with([',', '}'])
                && line.contains("use ");
            let external = before.trim_end().ends_with("extern crate");
            begins && (path || import || listed || external)
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn code_names_a_crate_in_many_ways() {
        for line in [
            "use tower::ServiceExt;",
            "    tower::service_fn(|_| ())",
            "#[tower::main]",
            "use tower;",
            "use {serde, tower};",
            "tower!(x)",
            "extern crate tower;",
        ] {
            assert!(names(line, "tower"), "{line}");
        }
        for line in [
            "// tower::ServiceExt",
            "watch_tower::x()",
            "let tower = 1;",
            "use crate_tower::x;",
            "self.tower::x",
        ] {
            assert!(!names(line, "tower"), "{line}");
        }
    }

    #[test]
    fn what_is_borrowed_from_another_crate_counts() {
        let code = "#[path = \"../../../runtime/tests/it/parts.rs\"]\nmod parts;\n";
        assert_eq!(borrowed(code).collect::<Vec<_>>(), ["../../../runtime/tests/it/parts.rs"]);
    }

    #[test]
    fn a_dependency_that_no_source_names_is_found() {
        let folder = root().join("crates/xtask");
        let metadata = |dependencies: Value, ignored: Value| {
            json!({
                "workspace_members": ["x"],
                "packages": [{
                    "id": "x", "name": "x", "manifest_path": folder.join("Cargo.toml"),
                    "metadata": { "cargo-machete": { "ignored": ignored } }, "dependencies": dependencies,
                }],
            })
        };
        let dependencies = json!([
            { "name": "anyhow", "kind": null },
            { "name": "tower-http", "kind": null },
            { "name": "tempfile", "kind": "dev" },
        ]);
        let faults = unused(&metadata(dependencies.clone(), json!([]))).unwrap();
        assert_eq!(
            faults,
            ["x: tower-http is named by no source", "x: tempfile (dev) is named by no source"]
        );
        let faults = unused(&metadata(dependencies, json!(["tower-http", "tempfile"]))).unwrap();
        assert!(faults.is_empty(), "{faults:?}");
    }

    #[test]
    fn a_package_that_needs_a_newer_rust_is_found() {
        let own = root().join("Cargo.toml");
        let own = std::fs::read_to_string(own).unwrap();
        let promised = after(&own, "rust-version = \"").next().unwrap();
        let metadata = json!({
            "workspace_members": ["x"],
            "packages": [
                { "id": "x", "name": "x", "rust_version": promised },
                { "id": "y", "name": "y", "version": "2.0.0", "rust_version": "1.999" },
                { "id": "z", "name": "z", "version": "2.0.0", "rust_version": null },
            ],
        });
        let faults = minimum_rust(&metadata).unwrap();
        assert_eq!(faults, [format!("y 2.0.0 needs Rust 1.999, and Cargo.toml promises {promised}")]);
    }

    #[test]
    fn versions_are_numbers_and_not_words() {
        assert!(version("1.100") > version("1.94") && version("1.94.0") == version("1.94"));
        assert_eq!(after("with Rust 1.94 and Rust 1.90.", "Rust ").collect::<Vec<_>>(), ["1.94", "1.90"]);
    }
}
