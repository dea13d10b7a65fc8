//! An opening over a real Bluetooth stack beside the bare platform, both over the same radio, by turns. The measuring is
//! done by an example of tests/lab, which has the stack on both sides; here its samples become numbers of the report.

use std::{collections::BTreeMap, process::Command};

use anyhow::{Context, Result, ensure};

use crate::{
    bench::Bench,
    report::{Measurement, Unit},
    stat::Samples,
};

/// The example that measures.
const MEASURES: &str = "examples/bluetooth_costs";

pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    if !bench.wants("air.ble") {
        return Ok(());
    }
    if std::env::var_os("POSTERN_LAB_BUS").is_none() {
        println!("  air.ble: no lab, left out");
        return Ok(());
    }
    let output =
        Command::new(bench.binary(MEASURES)).arg(bench.runs(20).to_string()).output().context(MEASURES)?;
    ensure!(output.status.success(), "{MEASURES}: {}", String::from_utf8_lossy(&output.stderr));
    let mut samples: BTreeMap<String, (Samples, Samples)> = serde_json::from_slice(&output.stdout)?;
    let mut take = |name: &str| samples.remove(name).with_context(|| format!("{MEASURES} has no {name}"));
    bench.add(
        Measurement::paired(
            "air.ble.warm",
            "Bluetooth, connected: gesture to latch",
            Unit::Seconds,
            "bare write and notification",
            &take("warm")?,
        )
        .at_most_times(1.25)
        .note("the phone's signature, one OPEN of 318 bytes with its frame, the firmware's checks and its journal, up to the latch"),
    );
    bench.add(
        Measurement::paired(
            "air.ble.answered",
            "Bluetooth, connected: gesture to verified receipt",
            Unit::Seconds,
            "bare write and notification",
            &take("answered")?,
        )
        .note("the receipt waits for the door's sensor: latch, spring and the time that the sensor has to settle"),
    );
    bench.add(
        Measurement::paired(
            "air.ble.cold",
            "Bluetooth: scan, connect, discover, subscribe, HELLO, OPEN written",
            Unit::Seconds,
            "btleplug: scan, connect, discover, subscribe, write",
            &take("cold")?,
        )
        .at_most_times(1.1)
        .note("to the same peripheral; whom the platform merely remembers counts as heard on neither side"),
    );
    let (again, _) = take("again")?;
    bench.add(Measurement::new(
        "air.ble.again",
        "Bluetooth: from leaving a link to the HELLO of the next",
        Unit::Seconds,
        &again,
    ));
    Ok(())
}
