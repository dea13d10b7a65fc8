//! Who may import whom: the table of ARCHITECTURE.md, checked against `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process;

/// Each room and what of ours it may import. Tests may import anything, and are imported by nobody.
const ROOMS: &[(&str, &[&str])] = &[
    ("postern-protocol", &[]),
    ("postern-api", &[]),
    ("postern-vault", &[]),
    ("postern-xtask", &[]),
    ("postern-locker", &["postern-protocol"]),
    ("postern-radio", &["postern-protocol"]),
    ("postern-core", &["postern-protocol", "postern-api"]),
    (
        "postern-runtime",
        &["postern-core", "postern-api", "postern-radio", "postern-vault", "postern-protocol"],
    ),
    ("postern-hub", &["postern-api", "postern-protocol"]),
    ("postern-courier", &["postern-api", "postern-protocol", "postern-radio", "postern-vault"]),
    (
        "postern-sim",
        &["postern-locker", "postern-protocol", "postern-radio", "postern-api", "postern-courier"],
    ),
    ("postern-cli", &["postern-runtime", "postern-core", "postern-courier", "postern-api"]),
    ("postern-app", &["postern-runtime", "postern-core"]),
];

/// Packages that the pure rooms never see, directly or through others.
const IMPURE: &[&str] = &["tokio", "reqwest", "btleplug", "tauri", "hyper", "mio", "chrono", "time"];
const PURE: &[&str] = &["postern-protocol", "postern-locker", "postern-core", "postern-api"];

/// The packages of the workspace and what they import.
pub(crate) struct Graph {
    /// Package id to name.
    names: BTreeMap<String, String>,
    /// Name to the names that it imports in its product (not in its tests).
    imports: BTreeMap<String, BTreeSet<String>>,
    ours: BTreeSet<String>,
    /// Those of ours that live in `tests/`.
    tests: BTreeSet<String>,
}

impl Graph {
    /// Asks cargo.
    ///
    /// # Errors
    /// cargo failed.
    pub(crate) fn read() -> Result<Self> {
        let text = process::output(process::cargo().args(["metadata", "--format-version=1", "--locked"]))?;
        Self::from_metadata(&serde_json::from_str(&text)?)
    }

    fn from_metadata(metadata: &Value) -> Result<Self> {
        let mut names = BTreeMap::new();
        let mut tests = BTreeSet::new();
        let root = string(&metadata["workspace_root"])?;
        for package in list(&metadata["packages"])? {
            let name = string(&package["name"])?;
            if string(&package["manifest_path"])?.starts_with(&format!("{root}/tests/")) {
                tests.insert(name.clone());
            }
            names.insert(string(&package["id"])?, name);
        }
        let mut imports = BTreeMap::<String, BTreeSet<String>>::new();
        for node in list(&metadata["resolve"]["nodes"])? {
            let name = &names[&string(&node["id"])?];
            let entry = imports.entry(name.clone()).or_default();
            for dependency in list(&node["deps"])? {
                let in_product = list(&dependency["dep_kinds"])?.iter().any(|kind| kind["kind"].is_null());
                if in_product {
                    entry.insert(names[&string(&dependency["pkg"])?].clone());
                }
            }
        }
        let ours = list(&metadata["workspace_members"])?
            .iter()
            .map(|id| Ok(names[&string(id)?].clone()))
            .collect::<Result<_>>()?;
        Ok(Self { names, imports, ours, tests })
    }

    /// Everything that is not as ARCHITECTURE.md says.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for room in &self.ours {
            let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| name == room) else {
                if !self.tests.contains(room) {
                    faults.push(format!("{room}: a room that the crate graph does not know"));
                }
                continue;
            };
            for import in self.imports(room).filter(|import| self.ours.contains(*import)) {
                if !allowed.contains(&import.as_str()) {
                    faults.push(format!("{room} imports {import}, and may not"));
                }
            }
        }
        for room in PURE.iter().filter(|room| self.ours.contains(**room)) {
            for import in IMPURE {
                if let Some(path) = self.path(room, import) {
                    faults.push(format!("{room} sees {import}: {}", path.join(" → ")));
                }
            }
        }
        faults
    }

    /// How many packages there are, ours and others'.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    fn imports(&self, name: &str) -> impl Iterator<Item = &String> {
        self.imports.get(name).into_iter().flatten()
    }

    /// The shortest way from one package to another.
    fn path(&self, from: &str, to: &str) -> Option<Vec<String>> {
        let mut ways = vec![vec![from.to_owned()]];
        let mut seen = BTreeSet::from([from.to_owned()]);
        while !ways.is_empty() {
            let mut next = Vec::new();
            for way in ways {
                for import in self.imports(way.last()?) {
                    if !seen.insert(import.clone()) {
                        continue;
                    }
                    let mut longer = way.clone();
                    longer.push(import.clone());
                    if import == to {
                        return Some(longer);
                    }
                    next.push(longer);
                }
            }
            ways = next;
        }
        None
    }
}

fn list(value: &Value) -> Result<&Vec<Value>> {
    value.as_array().context("cargo metadata has another shape")
}

fn string(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).context("cargo metadata has another shape")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Graph;

    fn graph(imports: &[(&str, &[&str])]) -> Graph {
        let mut names: Vec<&str> =
            imports.iter().flat_map(|(name, of)| of.iter().chain([name])).copied().collect();
        names.sort_unstable();
        names.dedup();
        let ours: Vec<&&str> = names.iter().filter(|name| name.starts_with("postern-")).collect();
        let node = |name: &str| {
            let of = imports.iter().find(|(from, _)| *from == name).map_or(&[][..], |(_, of)| of);
            let deps: Vec<_> =
                of.iter().map(|to| json!({"pkg": to, "dep_kinds": [{"kind": null}]})).collect();
            json!({"id": name, "deps": deps})
        };
        let metadata = json!({
            "packages": names.iter().map(|name| json!({"id": name, "name": name, "manifest_path": "/crates"})).collect::<Vec<_>>(),
            "workspace_root": "",
            "workspace_members": ours,
            "resolve": {"nodes": names.iter().map(|name| node(name)).collect::<Vec<_>>()},
        });
        Graph::from_metadata(&metadata).expect("the shape of cargo metadata")
    }

    #[test]
    fn what_the_house_allows_is_no_fault() {
        let graph = graph(&[
            ("postern-core", &["postern-api", "serde"]),
            ("postern-app", &["postern-runtime", "tauri"]),
        ]);
        assert_eq!(graph.faults(), Vec::<String>::new());
    }

    #[test]
    fn nothing_imports_the_window() {
        assert_eq!(
            graph(&[("postern-cli", &["postern-app"])]).faults(),
            ["postern-cli imports postern-app, and may not"]
        );
    }

    #[test]
    fn a_clock_is_found_behind_another_package() {
        assert_eq!(
            graph(&[("postern-core", &["helper"]), ("helper", &["tokio"])]).faults(),
            ["postern-core sees tokio: postern-core → helper → tokio"]
        );
    }

    #[test]
    fn a_new_room_has_to_be_entered_in_the_plan() {
        assert_eq!(
            graph(&[("postern-attic", &[])]).faults(),
            ["postern-attic: a room that the crate graph does not know"]
        );
    }
}
