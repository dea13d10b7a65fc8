use std::{
    fs,
    sync::atomic::{AtomicU32, Ordering},
};

use super::*;

/// A phone that the stand-in plays, and what it was told.
struct Played {
    folder: PathBuf,
    phone: Phone,
}

impl Played {
    fn with(kind: &str) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let folder = std::env::temp_dir().join(format!("postern-phone-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let (adb, log) = (folder.join("adb"), folder.join("log"));
        let script =
            include_str!("adb.sh").replace("@KIND@", kind).replace("@LOG@", &log.display().to_string());
        fs::write(&adb, script)?;
        process::executable(&adb)?;
        Ok(Self { phone: Phone::find(&adb, None)?, folder })
    }

    fn wrong(&self, apk: Option<&Path>, says: bool) -> Result<Vec<String>> {
        let outcomes = drive(&self.phone, &checks(apk), &mut |_, _| Ok(says))?;
        let wrong = outcomes.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Wrong(_)));
        Ok(wrong.map(|(name, outcome)| line(name, outcome)).collect())
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn a_phone_on_which_all_is_well() -> Result<()> {
    let played = Played::with("none")?;
    assert_eq!(played.phone.describe()?, "samsung SM-A525F, Android 14 (API 34), web view 131.0.6778.200");
    assert_eq!(played.wrong(Some(Path::new("postern.apk")), true)?, Vec::<String>::new());
    let told = fs::read_to_string(played.folder.join("log"))?;
    assert!(told.contains("install -r postern.apk"));
    // Nothing is installed that nobody gave.
    let played = Played::with("none")?;
    played.wrong(None, true)?;
    assert!(!fs::read_to_string(played.folder.join("log"))?.contains("install"));
    Ok(())
}

#[test]
fn each_fault_is_found_by_its_own_check_and_the_others_go_on() -> Result<()> {
    for (kind, found) in [
        ("dead", vec!["WRONG  start: its process has ended"]),
        ("slow", vec!["WRONG  start: started after 4100 ms, at most 3000"]),
        ("scans", vec!["WRONG  a door, and the quota of scans: the quota of scans was used up"]),
        ("links", vec!["WRONG  links that are closed: 2 GATT clients are open"]),
        ("reminders", vec!["WRONG  reminders: no reminder is planned with Android"]),
        ("crash", vec!["WRONG  start: it fell over", "WRONG  nothing fell over on the way: it fell over"]),
    ] {
        let wrong = Played::with(kind)?.wrong(None, true)?;
        assert_eq!(wrong.len(), found.len(), "{kind}: {wrong:?}");
        for (wrong, found) in wrong.iter().zip(&found) {
            assert!(wrong.starts_with(found), "{kind}: {wrong}");
        }
    }
    // Crashes are told with what was said of them.
    let wrong = Played::with("crash")?.wrong(None, true)?;
    assert!(wrong[0].contains("NoClassDefFoundError") && !wrong[0].contains("com.example"), "{wrong:?}");
    Ok(())
}

#[test]
fn a_no_of_the_person_is_a_failure() -> Result<()> {
    let wrong = Played::with("none")?.wrong(None, false)?;
    assert_eq!(wrong.len(), 4, "{wrong:?}");
    assert!(wrong[0].contains("no to: Does the app show its first screen"));
    Ok(())
}

#[test]
fn a_dry_run_says_everything_and_does_nothing() -> Result<()> {
    let plan = plan(&checks(Some(Path::new("a.apk"))));
    assert!(plan.starts_with("install\n  adb install -r a.apk\nstart\n  adb logcat -b all -c\n"), "{plan}");
    assert!(plan.contains("  you:  Press \"Sign in\"") && plan.contains("  asks: Is the app signed in?"));
    // Of an adb that is not there as well.
    let flags = Flags { apk: None, serial: None, adb: "no-such-adb".into(), dry_run: true };
    assert_eq!(run(&flags)?, ExitCode::SUCCESS);
    assert!(run(&Flags { dry_run: false, ..flags }).is_err());
    Ok(())
}

#[test]
fn one_phone_is_chosen_or_it_is_said_why_none() {
    let list = |lines: &str| format!("* daemon started successfully\nList of devices attached\n{lines}\n");
    let two = list("A1 device usb:1\nB2 device usb:2");
    assert_eq!(choose(&list("A1 device usb:1"), None).unwrap(), "A1");
    assert_eq!(choose(&two, Some("B2")).unwrap(), "B2");
    let why = |said: &str, wanted| choose(said, wanted).unwrap_err().to_string();
    assert!(why(&two, None).contains("A1, B2"));
    assert!(why(&list("A1 unauthorized usb:1"), None).contains("say yes there"));
    assert!(why(&list("A1 offline"), None).contains("cable"));
    assert!(why(&list(""), None).contains("USB debugging"));
    assert!(why(&two, Some("C3")).contains("no such phone"));
}
