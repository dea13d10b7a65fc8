//! `cargo xtask fuzz`: every target of tests/fuzz under libFuzzer, which follows coverage.
//!
//! cargo-fuzz asks for a nightly compiler because of the address sanitizer. Everything here is `forbid(unsafe_code)`, so
//! that finds nothing; what libFuzzer needs, LLVM's coverage pass, stable Rust can switch on.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::{
    process,
    workspace::{root, target},
};

/// As cargo-fuzz sets them, without the sanitizer.
const FLAGS: &[&str] = &[
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "-Cdebug-assertions",
    "-Coverflow-checks",
];
/// No input is longer: fragments, tokens and codes end far below, and what is longer is refused by its length.
const LONGEST: &str = "-max_len=4096";

/// `cargo xtask fuzz`.
#[derive(Args)]
pub(crate) struct Flags {
    /// How long in all, shared by the targets.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Only this target; may be given more than once.
    #[arg(long)]
    target: Vec<String>,
    /// Run this one input (a file) and nothing else.
    #[arg(long, requires = "target")]
    input: Option<PathBuf>,
}

/// Builds the targets, grows their corpora in target/fuzz, and says what came of it.
///
/// # Errors
/// It does not build, or cannot be started; no target of that name.
pub(crate) fn run(flags: &Flags) -> Result<ExitCode> {
    ensure!(flags.minutes > 0.0, "--minutes must be more than none");
    let home = target().join("fuzz");
    let seeds = home.join("seeds");
    process::run(process::cargo().args([
        "build",
        "--quiet",
        "--package",
        "postern-fuzz",
        "--bin",
        "postern-fuzz",
    ]))?;
    process::run(process::command(target().join("debug/postern-fuzz")).arg("--write-corpus").arg(&seeds))?;
    let all = names(&seeds)?;
    for name in &flags.target {
        ensure!(all.contains(name), "no target {name}; there are {}", all.join(", "));
    }
    let chosen: Vec<&String> =
        all.iter().filter(|name| flags.target.is_empty() || flags.target.contains(name)).collect();
    let program = build(&home)?;
    if let Some(input) = &flags.input {
        let mut one = process::command(&program);
        one.env("POSTERN_FUZZ_TARGET", chosen[0]).arg(input);
        return Ok(code(process::status(&mut one)?.success()));
    }
    let seconds = (flags.minutes * 60.0 / chosen.len() as f64).max(1.0);
    println!("{} targets, {seconds:.0} s each", chosen.len());
    let mut good = true;
    for name in chosen {
        good &= hunt(&program, &home, &seeds, name, seconds)?;
    }
    Ok(code(good))
}

fn code(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The folders of the seed corpus, one a target.
fn names(seeds: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(seeds).with_context(|| format!("cannot list {}", seeds.display()))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Apart from all other builds: every crate of it carries counters.
fn build(home: &Path) -> Result<PathBuf> {
    // With a target named, cargo leaves build scripts and macros without the flags.
    let host = host()?;
    let folder = home.join("build");
    let mut build = process::cargo();
    build
        .args(["build", "--quiet", "--release", "--package", "postern-fuzz", "--bin", "libfuzzer"])
        .args(["--target", &host, "--target-dir"])
        .arg(&folder)
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"))
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .current_dir(root());
    process::run(&mut build)?;
    Ok(folder.join(host).join("release/libfuzzer"))
}

fn host() -> Result<String> {
    let said = process::output(process::command("rustc").arg("-vV"))?;
    let line = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(line.context("rustc does not say what it builds for")?.to_owned())
}

/// One target for its share of the time. Its corpus stays in target/fuzz and is where the next run begins.
fn hunt(program: &Path, home: &Path, seeds: &Path, name: &str, seconds: f64) -> Result<bool> {
    let corpus = home.join("corpus").join(name);
    let found = home.join("found");
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&found)?;
    let mut last = String::new();
    let mut command = process::command(program);
    command
        .env("POSTERN_FUZZ_TARGET", name)
        .arg(format!("-max_total_time={seconds:.0}"))
        .arg(LONGEST)
        .args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"])
        .arg(format!("-artifact_prefix={}/{name}-", found.display()))
        .arg(&corpus)
        .arg(seeds.join(name))
        .current_dir(home);
    let log = home.join(format!("{name}.log"));
    let mut inputs = 0_u64;
    let status = process::logged(&mut command, &log, |line| {
        if line.contains(" cov: ") {
            last = line.to_owned();
        }
        if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
            inputs = count.trim().parse().unwrap_or_default();
        }
    })?;
    let word = |name: &str| {
        let mut words = last.split_whitespace().skip_while(|word| *word != name);
        words.nth(1).unwrap_or("?").to_owned()
    };
    println!(
        "  {name:12} {inputs:>10} inputs, {:>5} edges, {:>5} features, corpus {}{}",
        word("cov:"),
        word("ft:"),
        word("corp:"),
        if status.success() { "" } else { ": FAILED" },
    );
    if !status.success() {
        println!("    see {}; the input is in {}", log.display(), found.display());
        println!("    again: cargo xtask fuzz --target {name} --input FILE");
    }
    Ok(status.success())
}
