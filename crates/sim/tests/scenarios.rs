//! Every scenario of the folder ends as it should, and the same way twice.

use postern_sim::scenario::{Scenario, play};

#[test]
fn scenarios_end_as_they_should_and_the_same_way_twice() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 8);
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
