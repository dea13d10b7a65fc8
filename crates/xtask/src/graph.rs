//! Who may import whom: the table of ARCHITECTURE.md, read there and held against `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{process, workspace::root};

/// Packages that the pure rooms never see, directly or through others.
const IMPURE: &[&str] = &["tokio", "reqwest", "btleplug", "tauri", "hyper", "mio", "chrono", "time", "rand"];
const PURE: &[&str] = &["postern-protocol", "postern-locker", "postern-core", "postern-api", "postern-rules"];

/// The packages of the workspace and what they import.
pub(crate) struct Graph {
    /// Name to the names that it imports in its product (not in its tests).
    imports: BTreeMap<String, BTreeSet<String>>,
    ours: BTreeSet<String>,
    /// Those of ours that live in `tests/`.
    tests: BTreeSet<String>,
    plan: Plan,
}

/// What of ours each crate may import. Tests may import anything, and are imported by nobody.
type Plan = BTreeMap<String, BTreeSet<String>>;

/// The table of crates in ARCHITECTURE.md: a folder in the first column, names of crates in the last.
fn plan(text: &str) -> Plan {
    let rows = text.lines().skip_while(|line| !line.starts_with("|") || !line.contains("may import")).skip(2);
    let mut plan = Plan::new();
    for row in rows.take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let (Some(folder), Some(imports)) = (cells.first(), cells.last()) else { continue };
        let Some(name) = package(folder.trim_matches('`')) else { continue };
        // What stands in brackets explains to people which part.
        let imports: String =
            imports.split('(').map(|part| part.rsplit(')').next().unwrap_or_default()).collect();
        let names = imports.split(',').map(str::trim).filter(|name| !name.is_empty() && !name.contains(' '));
        let imports = names.filter_map(|name| package(&format!("crates/{name}"))).collect();
        plan.insert(name, imports);
    }
    plan
}

/// The package of a folder, where it is one of the workspace.
fn package(folder: &str) -> Option<String> {
    match folder.strip_prefix("crates/") {
        Some(name) => Some(format!("postern-{name}")),
        None => (folder == "src-tauri").then(|| "postern-app".to_owned()),
    }
}

/// What cargo knows of the workspace and of all that it rests on.
///
/// # Errors
/// cargo failed.
pub(crate) fn metadata() -> Result<Value> {
    let text = process::output(process::cargo().args(["metadata", "--format-version=1", "--locked"]))?;
    Ok(serde_json::from_str(&text)?)
}

impl Graph {
    /// From what cargo knows, and ARCHITECTURE.md.
    ///
    /// # Errors
    /// One of them has another shape.
    pub(crate) fn read(metadata: &Value) -> Result<Self> {
        Self::new(metadata, plan(&std::fs::read_to_string(root().join("ARCHITECTURE.md"))?))
    }

    fn new(metadata: &Value, plan: Plan) -> Result<Self> {
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
        Ok(Self { imports, ours, tests, plan })
    }

    /// Everything that is not as ARCHITECTURE.md says.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for room in &self.ours {
            let Some(allowed) = self.plan.get(room) else {
                if !self.tests.contains(room) {
                    faults.push(format!("{room}: a crate that the table of ARCHITECTURE.md lacks"));
                }
                continue;
            };
            for import in self.imports(room).filter(|import| self.ours.contains(*import)) {
                if !allowed.contains(import) {
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

    use super::{Graph, plan};

    const PLAN: &str = "# Architecture\n\n| crate | its one job | may import |\n|---|---|---|\n\
        | `crates/api` | the contract | nothing of ours |\n\
        | `crates/core` | what the app does | protocol (ids), api |\n\
        | `crates/runtime` | the app without a window | core, api |\n\
        | `crates/cli` | the terminal | runtime, core, courier, api |\n\
        | `src-tauri` | the window | runtime, core |\n\
        | `ui` | draws | types generated from core |\n\nText.\n";

    #[test]
    fn the_plan_is_the_table_of_the_page() {
        let plan = plan(PLAN);
        let names: Vec<&str> = plan.keys().map(String::as_str).collect();
        assert_eq!(names, ["postern-api", "postern-app", "postern-cli", "postern-core", "postern-runtime"]);
        assert!(plan["postern-api"].is_empty());
        assert_eq!(plan["postern-core"].iter().collect::<Vec<_>>(), ["postern-api", "postern-protocol"]);
    }

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
        Graph::new(&metadata, plan(PLAN)).expect("the shape of cargo metadata")
    }

    #[test]
    fn what_the_table_allows_is_no_fault() {
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
    fn a_new_crate_has_to_be_entered_in_the_table() {
        assert_eq!(
            graph(&[("postern-attic", &[])]).faults(),
            ["postern-attic: a crate that the table of ARCHITECTURE.md lacks"]
        );
    }
}
