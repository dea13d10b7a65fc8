//! SECURITY.md promises by naming tests. A promise whose test is gone is broken.

use anyhow::{Context, Result};

use crate::workspace::{root, sources};

/// The tests that SECURITY.md names in its table of promises and that nobody has.
///
/// # Errors
/// A file cannot be read.
pub(crate) fn broken() -> Result<Vec<String>> {
    let text = std::fs::read_to_string(root().join("SECURITY.md")).context("SECURITY.md")?;
    let mut code = String::new();
    for folder in ["crates", "tests", "ui/tests"] {
        for file in sources(&root().join(folder))? {
            code.push_str(&std::fs::read_to_string(&file)?);
        }
    }
    Ok(named(&text)
        .into_iter()
        .filter(|name| !is_a_test(&code, name))
        .map(|name| format!("{name}: promised, and no test has that name"))
        .collect())
}

/// A Rust test function whose name begins so (a helper that is called so proves nothing), or a test of the page.
fn is_a_test(code: &str, name: &str) -> bool {
    let lines: Vec<&str> = code.lines().map(str::trim).collect();
    let function = format!("fn {name}");
    let marked = |at: usize| {
        let above =
            lines[..at].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("//"));
        above
            .into_iter()
            .any(|line| line.starts_with("#[") && (line.contains("test]") || line.contains("test(")))
    };
    let in_rust = lines.iter().enumerate().any(|(at, line)| {
        let declared = line.trim_start_matches("async ").starts_with(&function);
        declared && marked(at)
    });
    // The stories that run on both databases are named in one list.
    let on_both = code.contains("on_both!(") && lines.contains(&format!("{name},").as_str());
    in_rust
        || on_both
        || lines
            .iter()
            .any(|line| ["test('", "test(\""].iter().any(|open| line.starts_with(&format!("{open}{name}"))))
}

/// What stands in backticks in the last column of the table of promises.
fn named(text: &str) -> Vec<String> {
    let table = text.lines().skip_while(|line| !line.starts_with("| promise |")).skip(2);
    table
        .take_while(|line| line.starts_with('|'))
        .filter_map(|line| line.trim_end_matches('|').rsplit('|').next())
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_without_its_test_is_found() {
        let text = "| promise | tests |\n|---|---|\n| Shut | `stays_shut`, `opens_never` |\n\n`not_this`";
        assert_eq!(named(text), ["stays_shut", "opens_never"]);
        assert!(is_a_test("#[test]\nfn stays_shut() {}", "stays_shut"));
        assert!(is_a_test("#[tokio::test]\n// Why.\nasync fn stays_shut_too() {}", "stays_shut"));
        assert!(is_a_test("test('stays_shut: always', () => {})", "stays_shut"));
        assert!(!is_a_test("#[test]\nfn stays_shut() {}", "opens_never"));
        assert!(!is_a_test("fn stays_shut() {}", "stays_shut"), "a helper");
    }
}
