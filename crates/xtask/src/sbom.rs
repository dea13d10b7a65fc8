//! `cargo xtask sbom`: what the product is made of, as CycloneDX 1.5, from `cargo metadata`, Cargo.lock and the page's
//! lock file. Nothing is asked of the network; the same tree gives the same bytes.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Value, json};

use crate::{
    process, python,
    workspace::{root, target},
};

/// Development's own by the lock file, and yet in the bundle: what the page's compiled components import.
const BUNDLED: &[&str] = &["svelte", "esm-env", "clsx"];
/// What is shipped. What only tests, chores and the simulator use is no part of it.
const PRODUCTS: &[&str] = &["postern-app", "postern-cli", "postern-hub"];

/// `cargo xtask sbom`.
#[derive(Args)]
pub(crate) struct Flags {
    /// Where to write it, instead of target/sbom.cdx.json.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Hold it against CycloneDX's own schema (with a package of PyPI, in an environment below target).
    #[arg(long)]
    check: bool,
}

/// Who ships the schema, and reads by it.
const CHECKER: &str = "cyclonedx-python-lib[json-validation]==11.12.0\n";
/// Strictly: a field that the schema does not know is a fault.
const CHECK: &str = "
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
fault = JsonStrictValidator(SchemaVersion.V1_5).validate_str(open(sys.argv[1], encoding='utf-8').read())
sys.exit(str(fault) if fault else 0)
";

/// Writes the bill of materials.
///
/// # Errors
/// cargo or git failed, a lock file is missing or of another shape, the file cannot be written.
pub(crate) fn run(flags: &Flags) -> Result<ExitCode> {
    let metadata = process::output(process::cargo().args(["metadata", "--format-version=1", "--locked"]))?;
    let page = std::fs::read_to_string(root().join("ui/package-lock.json"))?;
    let lock = std::fs::read_to_string(root().join("Cargo.lock"))?;
    let bill = bill(&serde_json::from_str(&metadata)?, &checksums(&lock), &serde_json::from_str(&page)?)?;
    let out = flags.out.clone().unwrap_or_else(|| target().join("sbom.cdx.json"));
    std::fs::write(&out, serde_json::to_vec_pretty(&bill)?)?;
    let count = |kind: &str| {
        let all = bill["components"].as_array().map_or(&[][..], Vec::as_slice);
        all.iter().filter(|c| c["purl"].as_str().is_some_and(|purl| purl.starts_with(kind))).count()
    };
    println!("{}: {} crates, {} packages of the page", out.display(), count("pkg:cargo/"), count("pkg:npm/"));
    if flags.check {
        let python = python::environment("cyclonedx", CHECKER)?;
        process::run(process::command(python).args(["-c", CHECK]).arg(std::path::absolute(&out)?))?;
        println!("it is as CycloneDX's schema wants it");
    }
    Ok(ExitCode::SUCCESS)
}

/// SHA-256 by name and version, from Cargo.lock.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let field = |block: &str, name: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(&format!("{name} = \"")))?;
        Some(line.trim_end_matches('"').to_owned())
    };
    let blocks = lock.split("[[package]]");
    blocks
        .filter_map(|block| {
            Some(((field(block, "name")?, field(block, "version")?), field(block, "checksum")?))
        })
        .collect()
}

fn bill(metadata: &Value, checksums: &BTreeMap<(String, String), String>, page: &Value) -> Result<Value> {
    let packages: BTreeMap<&str, &Value> =
        list(&metadata["packages"])?.iter().filter_map(|p| Some((p["id"].as_str()?, p))).collect();
    let nodes: BTreeMap<&str, &Value> =
        list(&metadata["resolve"]["nodes"])?.iter().filter_map(|n| Some((n["id"].as_str()?, n))).collect();
    let mut waiting: Vec<&str> = packages
        .iter()
        .filter(|(_, p)| p["name"].as_str().is_some_and(|name| PRODUCTS.contains(&name)))
        .map(|(id, _)| *id)
        .collect();
    let mut shipped = BTreeSet::new();
    let mut edges = BTreeMap::new();
    while let Some(id) = waiting.pop() {
        if !shipped.insert(id) {
            continue;
        }
        // What is linked; build scripts and tests stay at home.
        let linked: Vec<&str> = list(&nodes[id]["deps"])?
            .iter()
            .filter(|d| {
                list(&d["dep_kinds"]).is_ok_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
            })
            .filter_map(|d| d["pkg"].as_str())
            .collect();
        waiting.extend(&linked);
        edges.insert(id, linked);
    }
    let mut components = Vec::new();
    let mut dependencies = Vec::new();
    for id in shipped {
        let package = packages[id];
        let (name, version) = (text(&package["name"])?, text(&package["version"])?);
        let reference = crate_url(package)?;
        let hash = checksums.get(&(name.to_owned(), version.to_owned()));
        let license = package["license"].as_str().map(|it| it.replace('/', " OR "));
        components.push(component(
            name,
            version,
            &reference,
            license.as_deref(),
            hash.map(|h| ("SHA-256", h.clone())),
        ));
        let mut on = edges[id].iter().map(|id| crate_url(packages[id])).collect::<Result<Vec<_>>>()?;
        on.sort();
        dependencies.push(json!({ "ref": reference, "dependsOn": on }));
    }
    components.extend(of_the_page(page)?);
    components.sort_by_key(|component| component["purl"].as_str().map(str::to_owned));
    dependencies.sort_by_key(|dependency| dependency["ref"].as_str().map(str::to_owned));
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": {
            "type": "application", "bom-ref": "postern", "name": "postern",
            "version": packages.values().find(|p| p["name"] == "postern-app").map_or(&Value::Null, |p| &p["version"]),
            "licenses": [{ "expression": "MIT OR Apache-2.0" }],
        } },
        "components": components,
        "dependencies": dependencies,
    }))
}

/// Packages that the page is bundled from: those that the lock file does not call development's own, and [`BUNDLED`].
fn of_the_page(page: &Value) -> Result<Vec<Value>> {
    let packages = page["packages"].as_object().context("package-lock.json has another shape")?;
    let mut components = Vec::new();
    for (path, package) in packages {
        let Some((_, name)) = path.rsplit_once("node_modules/") else { continue };
        if (package["dev"] == true || package["optional"] == true) && !BUNDLED.contains(&name) {
            continue;
        }
        let version = text(&package["version"])?;
        let url = format!("pkg:npm/{}@{version}", name.replace('@', "%40"));
        let hash = package["integrity"].as_str().and_then(|it| it.strip_prefix("sha512-")).and_then(hex);
        components.push(component(
            name,
            version,
            &url,
            package["license"].as_str(),
            hash.map(|hash| ("SHA-512", hash)),
        ));
    }
    Ok(components)
}

fn component(
    name: &str,
    version: &str,
    url: &str,
    license: Option<&str>,
    hash: Option<(&str, String)>,
) -> Value {
    let mut component =
        json!({ "type": "library", "bom-ref": url, "name": name, "version": version, "purl": url });
    if let Some(license) = license {
        component["licenses"] = json!([{ "expression": license }]);
    }
    if let Some((algorithm, content)) = hash {
        component["hashes"] = json!([{ "alg": algorithm, "content": content }]);
    }
    component
}

/// The package URL. Ours are in no registry; they are told apart by their place.
fn crate_url(package: &Value) -> Result<String> {
    let (name, version) = (text(&package["name"])?, text(&package["version"])?);
    Ok(format!("pkg:cargo/{name}@{version}"))
}

/// Standard base64 as hexadecimal, as CycloneDX writes hashes.
fn hex(base64: &str) -> Option<String> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut out) = (0_u32, 0, String::new());
    for letter in base64.trim_end_matches('=').bytes() {
        bits = bits << 6 | u32::try_from(LETTERS.iter().position(|it| *it == letter)?).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push_str(&format!("{:02x}", bits >> count & 0xff));
            bits &= (1 << count) - 1;
        }
    }
    Some(out)
}

fn list(value: &Value) -> Result<&Vec<Value>> {
    value.as_array().context("cargo metadata has another shape")
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().context("a name or version is missing")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{bill, checksums, hex};

    #[test]
    fn what_is_linked_is_in_the_bill_and_what_only_builds_or_tests_is_not() {
        let package =
            |name: &str| json!({"id": name, "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0"});
        let needs = |on: &[(&str, Option<&str>)]| {
            on.iter()
                .map(|(pkg, kind)| json!({"pkg": pkg, "dep_kinds": [{"kind": kind}]}))
                .collect::<Vec<_>>()
        };
        let packages = ["postern-app", "serde", "cc", "insta", "clap"].map(package);
        let metadata = json!({
            "packages": packages,
            "resolve": {"nodes": [
                {"id": "postern-app", "deps": needs(&[("serde", None), ("cc", Some("build")), ("insta", Some("dev"))])},
                {"id": "serde", "deps": []}, {"id": "cc", "deps": []}, {"id": "insta", "deps": []}, {"id": "clap", "deps": []},
            ]},
        });
        let lock = "[[package]]\nname = \"serde\"\nversion = \"1.0.0\"\nchecksum = \"ab\"\n";
        let page = json!({"packages": {
            "": {"version": "0.1.0"},
            "node_modules/svelte": {"version": "5.0.0", "license": "MIT", "integrity": "sha512-AQI="},
            "node_modules/vite": {"version": "7.0.0", "dev": true},
        }});
        let bill = bill(&metadata, &checksums(lock), &page).expect("a bill");
        let names: Vec<&str> =
            bill["components"].as_array().unwrap().iter().map(|c| c["purl"].as_str().unwrap()).collect();
        assert_eq!(names, ["pkg:cargo/postern-app@1.0.0", "pkg:cargo/serde@1.0.0", "pkg:npm/svelte@5.0.0"]);
        assert_eq!(bill["components"][1]["hashes"][0]["content"], "ab");
        assert_eq!(bill["components"][1]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(bill["components"][2]["hashes"][0]["content"], "0102");
    }

    #[test]
    fn base64_becomes_hexadecimal() {
        assert_eq!(hex("SGVsbG8=").as_deref(), Some("48656c6c6f"));
        assert_eq!(hex("!"), None);
    }
}
