//! What the workflows name of other people's, held against lists of what there was on the day that the lists were made: the
//! services that have it answer no machine without a network, and a name that is wrong by a letter shows up in the middle of a
//! release. Whoever names something new looks it up, adds it here, and changes the day.
//!
//! Recorded on 2026-11-30, from:
//! - the tags and branches of each action's repository, as of the day beside it;
//! - `README.md` of github.com/actions/runner-images, of 2026-08-21, for the labels, and its
//!   `images/ubuntu/Ubuntu2404-Readme.md`, for what that machine has of Android's SDK; besides, Google's own list
//!   (`repository2-3.xml`) as read in actions/runner-images issue 13859 and amyu/setup-android issue 752;
//! - `crates/tauri-cli/src/mobile/ios` of github.com/tauri-apps/tauri, of version 2.12, for the commands that the CLI has on a
//!   Mac alone. For the others the CLI itself is asked.

use std::collections::BTreeSet;

/// Actions by the name under which they are used.
const ACTIONS: [&str; 12] = [
    "Swatinem/rust-cache@v2",                            // 2026-08-06
    "actions/attest-build-provenance@v3",                // 2026-03-04
    "actions/checkout@v5",                               // 2026-07-20
    "actions/download-artifact@v6",                      // 2026-03-12
    "actions/setup-java@v5",                             // 2026-08-18
    "actions/setup-node@v5",                             // 2026-08-18
    "actions/upload-artifact@v5",                        // 2026-02-25
    "dtolnay/rust-toolchain@1.94.0",                     // 2026-03-27; a branch for each version
    "dtolnay/rust-toolchain@1.95.0",                     // 2026-03-27
    "dtolnay/rust-toolchain@master",                     // 2026-03-27
    "flatpak/flatpak-github-actions/flatpak-builder@v6", // 2026-03-14
    "taiki-e/install-action@v2",                         // 2026-08-21
];

/// Labels of GitHub's machines that are neither previews nor on their way out.
const RUNNERS: [&str; 12] = [
    "macos-15",
    "macos-15-intel",
    "macos-26",
    "macos-26-intel",
    "ubuntu-22.04",
    "ubuntu-22.04-arm",
    "ubuntu-24.04",
    "ubuntu-24.04-arm",
    "ubuntu-slim",
    "windows-11-arm",
    "windows-2022",
    "windows-2025",
];

/// Packages of Android's SDK.
const SDK: [&str; 7] = [
    "platforms;android-36",
    "platforms;android-36.1",
    "platforms;android-37.0",
    "platforms;android-37.1",
    "build-tools;36.1.0",
    "build-tools;37.0.0",
    "ndk;29.0.14206865",
];

/// Commands of Tauri's CLI on a Mac, and their flags.
const ON_A_MAC: [(&str, &[&str]); 2] = [
    ("ios init", &["--ci", "--config", "--reinstall-deps", "--skip-targets-install"]),
    (
        "ios build",
        &[
            "--build-number",
            "--ci",
            "--config",
            "--debug",
            "--export-method",
            "--features",
            "--ignore-version-mismatches",
            "--open",
            "--target",
        ],
    ),
];

/// Actions that a workflow uses and nobody has seen. Ours lie beside it.
pub(super) fn unknown_actions(workflow: &str) -> Vec<String> {
    let used =
        workflow.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("uses: "));
    let foreign: BTreeSet<&str> = used.map(str::trim).filter(|action| !action.starts_with("./")).collect();
    foreign
        .into_iter()
        .filter(|action| !ACTIONS.contains(action))
        .map(|action| format!("there is no {action}"))
        .collect()
}

/// Labels of machines that GitHub does not have.
pub(super) fn unknown_runners(workflow: &str) -> Vec<String> {
    let mut wanted: BTreeSet<&str> = BTreeSet::new();
    for line in workflow.lines().map(str::trim) {
        if let Some(labels) = line.strip_prefix("runs-on: ").or_else(|| line.strip_prefix("runner: ")) {
            let labels = labels.trim_matches(['[', ']']).split(',').map(str::trim);
            wanted.extend(labels.filter(|label| !label.starts_with("${{")));
        }
    }
    if wanted.is_empty() {
        return vec!["it runs on no machine".to_owned()];
    }
    wanted
        .into_iter()
        .filter(|label| !RUNNERS.contains(label))
        .map(|label| format!("GitHub has no {label}"))
        .collect()
}

/// What the workflow asks `sdkmanager` for and Google does not have, and folders of the SDK that it uses and does not ask for.
pub(super) fn unknown_packages(workflow: &str) -> Vec<String> {
    let asked =
        workflow.lines().filter(|line| line.contains("sdkmanager\"")).flat_map(|line| line.split('"'));
    let packages: Vec<&str> = asked.filter(|word| word.contains(';') && !word.contains(' ')).collect();
    if packages.is_empty() {
        return vec!["it asks for no package of Android's SDK".to_owned()];
    }
    let unknown = packages.iter().filter(|package| !SDK.contains(package));
    let mut wrong: Vec<String> = unknown.map(|package| format!("Google has no {package}")).collect();
    let ends = |character: char| character.is_whitespace() || ['"', '$', ';'].contains(&character);
    for kind in ["platforms/", "build-tools/", "ndk/"] {
        for (at, _) in workflow.match_indices(kind) {
            let folder = workflow[at..].split(ends).next().unwrap_or_default();
            if !packages.contains(&folder.replace('/', ";").as_str()) {
                wrong.push(format!("{folder} is in no package that it asks for"));
            }
        }
    }
    wrong
}

/// A call of Tauri's CLI: the command, and its flags by their long names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) command: String,
    pub(super) flags: Vec<String>,
}

/// Calls of Tauri's CLI in a workflow.
pub(super) fn calls(workflow: &str) -> Vec<Call> {
    let names = ["$TAURI_CLI ", "${{ env.TAURI_CLI }} "];
    workflow
        .lines()
        .filter_map(|line| names.iter().find_map(|name| line.split_once(name)).map(|(_, call)| call))
        .map(|call| {
            let words: Vec<&str> = call.split_whitespace().collect();
            let is_flag = |word: &&&str| word.starts_with('-');
            let command: Vec<&str> =
                words.iter().take_while(|word| !is_flag(word) && !word.starts_with('$')).copied().collect();
            let flags = words.iter().filter(is_flag).map(|flag| (*flag).to_owned()).collect();
            Call { command: command.join(" "), flags }
        })
        .collect()
}

/// Flags that a command of the CLI does not have. `help` is what it says of itself; none where it has no such command.
pub(super) fn unknown_flags(call: &Call, help: impl FnOnce(&str) -> Option<String>) -> Vec<String> {
    let recorded = ON_A_MAC.iter().find(|(command, _)| *command == call.command);
    let known: BTreeSet<String> = match recorded {
        Some((_, flags)) => flags.iter().map(ToString::to_string).collect(),
        None => {
            let Some(help) = help(&call.command) else {
                return vec![format!("Tauri's CLI has no command {}", call.command)];
            };
            flags(&help)
        }
    };
    let unknown = call.flags.iter().filter(|flag| !known.contains(*flag));
    unknown.map(|flag| format!("Tauri's {} has no {flag}", call.command)).collect()
}

/// Long flags that a help of clap's lists.
fn flags(help: &str) -> BTreeSet<String> {
    help.lines()
        .map(str::trim_start)
        .filter(|line| line.starts_with('-'))
        .flat_map(|line| line.split([' ', ',']))
        .filter(|word| word.starts_with("--"))
        .map(|word| word.trim_end_matches("...").to_owned())
        .collect()
}

/// Jobs that leave a file, and that the job which gathers them does not wait for: it would be missing, or there by chance.
pub(super) fn not_waited_for(workflow: &str, gatherer: &str) -> Vec<String> {
    let jobs = jobs(workflow);
    let Some((_, gathers)) = jobs.iter().find(|(name, _)| *name == gatherer) else {
        return vec![format!("it has no job {gatherer}")];
    };
    let needs = gathers.lines().find_map(|line| line.trim().strip_prefix("needs: ")).unwrap_or_default();
    let needs: BTreeSet<&str> = needs.trim_matches(['[', ']']).split(',').map(str::trim).collect();
    jobs.iter()
        .filter(|(name, steps)| {
            let leaves = steps.contains("actions/upload-artifact@") || steps.contains("flatpak-builder@");
            leaves && !needs.contains(name)
        })
        .map(|(name, _)| format!("{gatherer} does not wait for {name}"))
        .collect()
}

/// Each job and its text.
pub(super) fn jobs(workflow: &str) -> Vec<(&str, &str)> {
    let Some((_, jobs)) = workflow.split_once("\njobs:\n") else { return Vec::new() };
    let is_name = |line: &str| {
        line.strip_prefix("  ").is_some_and(|name| name.starts_with(|first: char| first.is_ascii_lowercase()))
    };
    let starts: Vec<usize> = jobs
        .split_inclusive('\n')
        .scan(0, |at, line| {
            let start = *at;
            *at += line.len();
            Some((start, line))
        })
        .filter(|(_, line)| is_name(line))
        .map(|(start, _)| start)
        .collect();
    let ends = starts.iter().skip(1).copied().chain([jobs.len()]);
    starts
        .iter()
        .zip(ends)
        .filter_map(|(start, end)| jobs[*start..end].split_once(':'))
        .map(|(name, text)| (name.trim(), text))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_that_google_does_not_have_is_named() {
        let line = |package: &str| format!("yes | \"$HOME/sdkmanager\" \"{package}\" \"ndk;29.0.14206865\"");
        assert_eq!(unknown_packages(&line("platforms;android-37.0")), Vec::<String>::new());
        assert_eq!(unknown_packages(&line("platforms;android-37")), ["Google has no platforms;android-37"]);
        assert_eq!(unknown_packages("nothing").len(), 1);
        let used = format!(
            "{}\nexport NDK_HOME=\"$ANDROID_HOME/ndk/29.0.14206865\"\ntools=\"$ANDROID_HOME/build-tools/37.0.0\"\n",
            line("platforms;android-37.0")
        );
        assert_eq!(unknown_packages(&used), ["build-tools/37.0.0 is in no package that it asks for"]);
    }

    #[test]
    fn an_action_or_a_machine_that_nobody_has_seen_is_named() {
        let workflow = "    runs-on: ubuntu-24.04\n        runner: [ubuntu-24.04, ubuntu-24.04-arm]\n\
                        runs-on: ${{ matrix.runner }}\n- uses: actions/checkout@v5\n  uses: ./.github/actions/prepare\n";
        assert_eq!(unknown_actions(workflow), Vec::<String>::new());
        assert_eq!(unknown_runners(workflow), Vec::<String>::new());
        assert_eq!(unknown_actions("- uses: actions/checkout@v55"), ["there is no actions/checkout@v55"]);
        assert_eq!(unknown_runners("runs-on: ubuntu-24.4"), ["GitHub has no ubuntu-24.4"]);
    }

    #[test]
    fn a_command_or_a_flag_that_the_cli_does_not_have_is_named() {
        let workflow = "run: npx --yes $TAURI_CLI build --ci --bundles deb,rpm\n\
                        npx --yes ${{ env.TAURI_CLI }} build --ci --bundels nsis $SIGNING\n\
                        npx --yes $TAURI_CLI ios build --ci --export-methods app-store-connect\n\
                        npx --yes $TAURI_CLI android bild --ci --target aarch64 armv7\n";
        let calls = calls(workflow);
        assert_eq!(calls[3].command, "android bild");
        assert_eq!(calls[1].flags, ["--ci", "--bundels"]);
        let help = |command: &str| {
            (command == "build")
                .then(|| "Usage\n  -b, --bundles [<B>...]\n      --ci\n  -v, --verbose...\n".to_owned())
        };
        let wrong: Vec<String> = calls.iter().flat_map(|call| unknown_flags(call, help)).collect();
        assert_eq!(
            wrong,
            [
                "Tauri's build has no --bundels",
                "Tauri's ios build has no --export-methods",
                "Tauri's CLI has no command android bild"
            ]
        );
    }

    #[test]
    fn whoever_gathers_files_waits_for_who_leaves_them() {
        let workflow = |needs: &str| {
            format!(
                "on:\n  push:\n\njobs:\n  linux:\n    steps:\n      - uses: actions/upload-artifact@v5\n  ios:\n    steps:\n      \
                 - uses: actions/upload-artifact@v5\n  verify:\n    steps: []\n  draft:\n    needs: [{needs}]\n"
            )
        };
        assert_eq!(not_waited_for(&workflow("linux, ios"), "draft"), Vec::<String>::new());
        assert_eq!(not_waited_for(&workflow("linux"), "draft"), ["draft does not wait for ios"]);
        assert_eq!(not_waited_for("jobs", "draft"), ["it has no job draft"]);
    }
}
