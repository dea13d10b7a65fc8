//! Every scenario of the folder ends as it should, and the same way twice.

use postern_sim::scenario::{Scenario, play};

#[test]
fn scenarios_end_as_they_should_and_the_same_way_twice() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 13);
    for file in files {
        let scenario = Scenario::parse(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let report = play(&scenario, None).unwrap();
        let failures: Vec<_> = report.steps.iter().filter(|step| !step.failures.is_empty()).collect();
        assert!(failures.is_empty(), "{}: {failures:#?}", file.display());
        assert_eq!(play(&scenario, None).unwrap(), report, "{}", file.display());
        let other = play(&scenario, Some(4711)).unwrap();
        assert_ne!(other.fingerprint, report.fingerprint, "the seed counts");
    }
}

#[test]
fn a_fact_that_does_not_come_about_is_reported() {
    let text = "name = 'x'\n[[step]]\nexpect = { door = 'A1', open = true }\nwithin = 100";
    let report = play(&Scenario::parse(text).unwrap(), None).unwrap();
    assert!(!report.passed());
    assert_eq!(report.steps[0].at, 100);
}

/// What a script sees: 0 where all ended as they should, and not 0 where one did not, or cannot be read.
#[test]
fn the_command_fails_where_a_scenario_does() {
    let folder = tempfile::tempdir().unwrap();
    let run = |text: &str| {
        let file = folder.path().join("scenario.toml");
        std::fs::write(&file, text).unwrap();
        let good = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/01-good-day.toml");
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_postern-sim"));
        let output = command.args(["run", good]).arg(&file).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr),
        )
    };
    let step = |open: bool| format!("name = 'x'\n[[step]]\nexpect = {{ door = 'A1', open = {open} }}");
    assert_eq!(run(&step(false)).0, Some(0));
    let (code, said) = run(&step(true));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("FAIL x") && said.contains("open: false, not true"), "{said}");
    let (code, said) = run("name = 'x'\n[[step]]\nexpect = { door = 'Z9' }");
    assert!(code == Some(1) && said.contains("Z9"), "{said}");
    let (code, said) = run("[[step]]");
    assert!(code == Some(1) && said.contains("scenario.toml"), "{said}");
}
