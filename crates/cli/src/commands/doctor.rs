//! `doctor`.

use postern_runtime::{
    Options,
    diagnosis::{Clock, Diagnosis, Hub, Keyring, Profile, Radio, diagnose},
};

use serde_json::json;

use super::Output;
use crate::{
    fault::{Exit, Fault, without_display},
    proxy::Proxy,
    text::{columns, safe},
    time, words,
};

pub(super) async fn doctor(options: &Options, output: Output) -> Result<(), Fault> {
    let diagnosis = diagnose(options).await;
    let proxy = Proxy::of_environment(&options.hub);
    let mut findings = findings(&diagnosis, &options.hub, proxy.as_ref());
    findings.push(zone());
    let mut document = serde_json::to_value(&diagnosis).map_err(std::io::Error::from)?;
    document["proxy"] = json!(proxy.as_ref().map(|proxy| &proxy.url));
    document["timeZone"] = json!(time::zone().iana_name());
    let wrong = findings.iter().find_map(|finding| finding.fault);
    let wrong = wrong.map(|(exit, code)| {
        let fault = Fault::new(exit, code, "Not everything is as it should be; see above.");
        fault.into_document(&mut document)
    });
    output.print(&document, || {
        let rows: Vec<Vec<String>> = findings
            .iter()
            .map(|finding| {
                let mark = if finding.fault.is_none() { "OK" } else { "!!" };
                vec![mark.to_owned(), finding.what.to_owned(), finding.words.clone()]
            })
            .collect();
        columns(&rows)
    })?;
    wrong.map_or(Ok(()), Err)
}

struct Finding {
    what: &'static str,
    words: String,
    fault: Option<(Exit, &'static str)>,
}

fn findings(diagnosis: &Diagnosis, hub: &str, proxy: Option<&Proxy>) -> Vec<Finding> {
    let ok = |what, words: String| Finding { what, words, fault: None };
    let bad = |what, exit, code, words: String| Finding { what, words, fault: Some((exit, code)) };
    // Who stands between is the first to ask where the hub does not answer as itself.
    let through = proxy.map_or_else(String::new, |proxy| {
        format!(" Requests go through the proxy {} ({}).", proxy.url, proxy.variable)
    });
    vec![
        match &diagnosis.keyring {
            Keyring::Ok { took_ms } => ok("keyring", format!("writes, reads and forgets, in {took_ms} ms")),
            Keyring::Absent { reason } => bad(
                "keyring",
                Exit::Keyring,
                "keyringAbsent",
                format!(
                    "there is none ({}). On a desktop, start gnome-keyring or KWallet. {}",
                    safe(reason),
                    words::NO_DESKTOP
                ),
            ),
            Keyring::Locked => {
                let how = if without_display() { words::NO_DESKTOP } else { "" };
                let words = format!("it is locked. Unlock it. {how}").trim_end().to_owned();
                bad("keyring", Exit::Keyring, "keyringLocked", words)
            }
            Keyring::Failed { reason } => {
                bad("keyring", Exit::Keyring, "keyring", format!("it fails: {}", safe(reason)))
            }
        },
        match &diagnosis.profile {
            Profile::Ok => ok("profile", "its folder can be written".into()),
            Profile::InUse => ok("profile", "in use by a running Postern".into()),
            Profile::Failed { reason } => bad(
                "profile",
                Exit::Fault,
                "profile",
                format!("its folder cannot be written: {}. POSTERN_DATA_DIR can name another.", safe(reason)),
            ),
        },
        match &diagnosis.hub {
            Hub::Ok { name, took_ms } => {
                ok("hub", format!("{} at {hub} answers in {took_ms} ms.{through}", safe(name)))
            }
            Hub::Unreachable => bad(
                "hub",
                Exit::Offline,
                "hubUnreachable",
                format!(
                    "nobody answers at {hub}. Check the network, or name another with --hub or POSTERN_HUB.{through}"
                ),
            ),
            Hub::Untrusted => bad(
                "hub",
                Exit::Refused,
                "untrusted",
                format!(
                    "who answers at {hub} cannot prove to be it. Do not sign in from this network.{through}"
                ),
            ),
            Hub::NotPostern => bad(
                "hub",
                Exit::Refused,
                "wrongHub",
                format!("what answers at {hub} is no Postern hub. Check the address.{through}"),
            ),
            Hub::OtherVersion { api } => bad(
                "hub",
                Exit::Refused,
                "versionMismatch",
                format!(
                    "it speaks version {api} of the contract, which this app does not. Update the older of the two."
                ),
            ),
        },
        match &diagnosis.radio {
            Radio::On { lockers: 0 } => ok("radio", "on; no locker in range".into()),
            Radio::On { lockers: 1 } => ok("radio", "on; one locker in range".into()),
            Radio::On { lockers } => ok("radio", format!("on; {lockers} lockers in range")),
            Radio::Unknown => bad(
                "radio",
                Exit::Bluetooth,
                "bluetoothUnknown",
                "it does not say in what state it is.".into(),
            ),
            Radio::Off => problem("bluetoothOff", postern_runtime::view::ProblemCode::BluetoothOff),
            Radio::Absent => problem("bluetoothAbsent", postern_runtime::view::ProblemCode::BluetoothAbsent),
            Radio::Denied => problem("bluetoothDenied", postern_runtime::view::ProblemCode::BluetoothDenied),
            Radio::LocationOff => problem("locationOff", postern_runtime::view::ProblemCode::LocationOff),
        },
        match &diagnosis.clock {
            Clock::Ok => ok("clock", "agrees with the hub's".into()),
            Clock::Skewed { seconds } => bad(
                "clock",
                Exit::Refused,
                "clockSkew",
                format!(
                    "it is {} s {}. Set it; access that is valid for minutes only fails otherwise.",
                    seconds.abs(),
                    if *seconds > 0 { "ahead" } else { "behind" }
                ),
            ),
            Clock::Unknown => ok("clock", "cannot be compared without a hub".into()),
        },
    ]
}

fn zone() -> Finding {
    let zone = time::zone();
    let words = match zone.iana_name() {
        _ if zone.is_unknown() => match std::env::var("TZ") {
            Ok(name) => {
                format!("TZ is `{}`, which no database here knows: times are shown in UTC", safe(&name))
            }
            Err(_) => "not known: times are shown in UTC".to_owned(),
        },
        Some(name) => safe(name),
        None => "as the system is set".to_owned(),
    };
    Finding { what: "time zone", words, fault: None }
}

fn problem(code: &'static str, problem: postern_runtime::view::ProblemCode) -> Finding {
    Finding { what: "radio", words: words::problem(problem).into(), fault: Some((Exit::Bluetooth, code)) }
}
