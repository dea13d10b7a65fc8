//! The locker firmware on a Cortex-M4: image built, run in QEMU, bounds held.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use super::{
    table::{Proof, Step},
    toolchain::{self, QEMU, RUST, Toolchain},
};
use crate::{
    process,
    setup::{self, Need, Packages, Probe, Use},
};

/// Installed, since QEMU links against it and it shadows nothing: firmware images and shared data of all QEMUs.
const NEEDS: &[Need] = &[
    Need {
        name: "QEMU's modules",
        why: "what all QEMUs share",
        uses: &[Use::Platforms],
        found: &[Probe::File("/usr/lib/*-linux-gnu/qemu")],
        packages: Packages::debian(&["qemu-system-common"]),
    },
    Need {
        name: "QEMU's data",
        why: "what all QEMUs share",
        uses: &[Use::Platforms],
        found: &[Probe::File("/usr/share/qemu")],
        packages: Packages::debian(&["qemu-system-data"]),
    },
];
const TARGET: &str = "thumbv7em-none-eabihf";

/// What must not get worse, each with the room that a change of compiler may take.
const MOST_INSTRUCTIONS: u64 = 10_000_000;
const MOST_RATIO_PER_MILLE: u64 = 1_300;
/// With an opening and the stack, 232 KiB of the 256 that the firmware is to fit.
const MOST_HEAP_TABLES: u64 = 200 * 1024;
const MOST_HEAP_OF_AN_OPENING: u64 = 8 * 1024;
const MOST_STACK: u64 = 24 * 1024;
const MOST_IMAGE: u64 = 400 * 1024;

/// Builds both images, measures an opening, and opens doors of the board over `air`, power cuts included.
///
/// # Errors
/// A package cannot be had, something does not build, a bound is passed, a test fails.
pub(crate) fn run(steps: &mut Vec<Step>) -> Result<()> {
    // The unpacked QEMU links against libraries that the lab's brings.
    setup::ensure(&[Use::Build, Use::Unit, Use::Lab])?;
    setup::install(&NEEDS.iter().collect::<Vec<_>>())?;
    let toolchain = Toolchain::with(&[RUST, QEMU])?;
    let start = Instant::now();
    let images = toolchain::built().join("cortex-m");
    let manifest = crate::workspace::root().join("crates/locker-board/Cargo.toml");
    let mut build = process::cargo();
    toolchain.lend(&mut build);
    build
        .args(["build", "--release", "--locked", "--features", "measure", "--target", TARGET])
        .arg("-Zbuild-std=core,alloc,compiler_builtins")
        .arg("--manifest-path")
        .arg(&manifest)
        .arg("--target-dir")
        .arg(&images);
    process::run(&mut build)?;
    let folder = images.join(TARGET).join("release");

    let numbers = measure(&toolchain, &folder.join("opening"))?;
    let image = loaded_bytes(&folder.join("locker"))?;
    hold("instructions of an opening", numbers.get("opening_instructions")?, MOST_INSTRUCTIONS)?;
    hold("opening against its primitives, per mille", numbers.get("ratio_per_mille")?, MOST_RATIO_PER_MILLE)?;
    hold("heap of the tables", numbers.get("heap_tables")?, MOST_HEAP_TABLES)?;
    hold("heap of an opening", numbers.get("heap_opening_peak")?, MOST_HEAP_OF_AN_OPENING)?;
    hold("stack", numbers.get("stack_peak")?, MOST_STACK)?;
    hold("image", image, MOST_IMAGE)?;

    let kilo = |name| numbers.get(name).map(|bytes| bytes / 1024);
    steps.push(Step {
        what: format!(
            "firmware in QEMU: {:.2} M instructions an opening, {:.3} of its primitives; heap {} KB of tables and {} \
             bytes an opening, stack {} KB",
            numbers.get("opening_instructions")? as f64 / 1e6,
            numbers.get("ratio_per_mille")? as f64 / 1e3,
            kilo("heap_tables")?,
            numbers.get("heap_opening_peak")?,
            kilo("stack_peak")?,
        ),
        proof: Proof::Ran,
        took: start.elapsed(),
        size: Some(image),
    });

    let start = Instant::now();
    let mut tests = process::cargo();
    tests
        // Of the whole workspace, so that what the test suite has built serves here as well.
        .args(["test", "--workspace", "--exclude", "postern-xtask", "--test", "board", "--test", "it"])
        .args(["--", "--ignored", "--nocapture", "board"])
        .env("POSTERN_BOARD_IMAGE", folder.join("locker"))
        .env("POSTERN_QEMU_ARM", toolchain.root.join("bin/qemu-system-arm"));
    process::run(&mut tests)?;
    all_ended(&folder.join("locker"))?;
    steps.push(Step {
        what: "doors of that board opened over `air`, from the terminal too; power cuts; the radio's conformance".into(),
        proof: Proof::Ran,
        took: start.elapsed(),
        size: None,
    });
    Ok(())
}

/// No machine runs the image any more: a test that is over leaves nothing behind, however its simulator ended.
fn all_ended(image: &Path) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    let wanted = image.as_os_str().as_encoded_bytes();
    loop {
        let running = fs::read_dir("/proc")?.flatten().find(|process| {
            let words = fs::read(process.path().join("cmdline")).unwrap_or_default();
            words.split(|byte| *byte == 0).any(|word| word == wanted)
        });
        let Some(process) = running else { return Ok(()) };
        ensure!(
            Instant::now() < deadline,
            "process {} still runs {}",
            process.file_name().display(),
            image.display()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What the image says of itself.
struct Numbers(serde_json::Value);

impl Numbers {
    fn get(&self, name: &str) -> Result<u64> {
        self.0.get(name).and_then(serde_json::Value::as_u64).with_context(|| format!("no {name} measured"))
    }
}

/// With `-icount shift=0` an instruction takes a nanosecond of the board's time: the numbers repeat exactly.
fn measure(toolchain: &Toolchain, image: &Path) -> Result<Numbers> {
    let mut qemu = process::command("timeout");
    qemu.arg("120")
        .arg(toolchain.root.join("bin/qemu-system-arm"))
        .args(["-machine", "mps2-an386", "-cpu", "cortex-m4", "-display", "none", "-monitor", "none"])
        .args(["-serial", "null", "-semihosting-config", "enable=on,target=native", "-icount", "shift=0"])
        .arg("-kernel")
        .arg(image);
    let said = process::output(&mut qemu)?;
    println!("{}", said.trim());
    Ok(Numbers(serde_json::from_str(said.trim()).context("the image says something else")?))
}

/// Bytes that the image takes in flash: its loaded segments (ELF32, little-endian; `PT_LOAD` with contents).
fn loaded_bytes(image: &Path) -> Result<u64> {
    let elf = fs::read(image).with_context(|| image.display().to_string())?;
    let field = |at: usize, length: usize| -> Result<u64> {
        let bytes = elf.get(at..at + length).context("truncated image")?;
        Ok(bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    };
    ensure!(elf.starts_with(b"\x7fELF\x01\x01"), "{} is no 32-bit ELF", image.display());
    let (table, size, count) = (field(28, 4)?, field(42, 2)?, field(44, 2)?);
    (0..count).try_fold(0, |sum, index| {
        let header = usize::try_from(table + index * size)?;
        let loads = field(header, 4)? == 1;
        Ok(if loads { sum + field(header + 16, 4)? } else { sum })
    })
}

fn hold(what: &str, value: u64, most: u64) -> Result<()> {
    if value > most {
        bail!("{what}: {value}, at most {most}");
    }
    Ok(())
}
