//! `cargo xtask web`: the core as WebAssembly, the page around it, both where the hub's build takes them in; and the tests and
//! the demo of the app in a browser.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::{
    build,
    guarded_lab::GuardedLab,
    platforms::toolchain::{self, Toolchain},
    process,
    report::{Logs, Tally, one, page_line},
    setup::{self, Use},
    workspace::{root, target},
};

const TARGET: &str = "wasm32-unknown-unknown";
/// Of the standard library no more than is used, and of panics no words: a page has nowhere to print them.
const LEAN: &str = "-Zlocation-detail=none -Zunstable-options -Cpanic=immediate-abort";
/// Bounds, gzipped, in bytes: everything that a first visit fetches, all languages included; of it the WebAssembly; scripts and
/// styles that the page names, without which nothing is drawn. The aim of the first two is 480 and 360 kB. They are what it has
/// come to, with a hundredth to spare, so that it does not grow unnoticed (with Brotli, which browsers ask for where they speak
/// TLS, the WebAssembly is 356 kB). The first picture of a first visit waits for the WebAssembly too; later ones have it.
const MOST: (u64, u64, u64) = (700_000, 492_000, 100_000);
/// Files of tests/web that hold tests.
const TESTS: [&str; 2] = ["tabs.test.mjs", "web.test.mjs"];
/// For a hub to get ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// `cargo xtask web`.
#[derive(Args)]
pub(crate) struct Flags {
    /// Also where nothing changed.
    #[arg(long)]
    again: bool,
}

/// `cargo xtask web`.
///
/// # Errors
/// Something is missing, does not build, or has grown too large.
pub(crate) fn run(flags: &Flags) -> Result<ExitCode> {
    setup::ensure(&[Use::Build, Use::Page])?;
    build(flags.again)?;
    sizes()?;
    Ok(ExitCode::SUCCESS)
}

/// Builds core and page where something of them changed.
///
/// # Errors
/// As [`run`].
pub(crate) fn build(again: bool) -> Result<()> {
    setup::node_modules()?;
    let page = page();
    let sources =
        ["crates/core/src", "crates/protocol/src", "crates/api/src", "crates/web/src", "Cargo.lock"];
    let core = target().join("web/core/core_bg.wasm");
    let stale = sources.iter().map(|source| newest(&root().join(source))).collect::<Result<Vec<_>>>()?;
    let stale = stale.into_iter().max().unwrap_or(SystemTime::UNIX_EPOCH) > setup::changed(&core);
    if again || stale {
        make_core(&core)?;
    }
    let around = ["ui", "crates/web/host"].iter().map(|source| newest(&root().join(source)));
    let around = around.collect::<Result<Vec<_>>>()?.into_iter().max().unwrap_or(SystemTime::UNIX_EPOCH);
    if around.max(setup::changed(&core)) > setup::changed(&page.join("web.html")) || again {
        println!("building the page for browsers (vite build --mode web)");
        let vite = root().join("ui/node_modules/vite/bin/vite.js");
        let mut build = process::command("node");
        build.arg(vite).args(["build", "--mode", "web", "--logLevel", "warn"]).current_dir(root().join("ui"));
        build.env("POSTERN_WEB_CORE", core.parent().context("a file has a folder")?);
        process::run(&mut build)?;
    }
    Ok(())
}

/// Where the hub's build looks for it.
fn page() -> PathBuf {
    root().join("crates/web/dist/page")
}

fn make_core(core: &Path) -> Result<()> {
    println!("building the core as WebAssembly");
    let compiler = Compiler::here()?.with_context(|| {
        format!("no compiler for WebAssembly: rustup target add {TARGET} (or rustup component add rust-src), or Debian's rustc-web")
    })?;
    let mut cargo = compiler.cargo()?;
    cargo.args(["--package", "postern-web", "--lib", "--profile", "web"]);
    process::run(&mut cargo)?;
    let made = toolchain::built().join(TARGET).join("web/postern_web.wasm");

    let folder = core.parent().context("a file has a folder")?;
    let tool = root().join("crates/web/bindgen/Cargo.toml");
    let mut bindgen = process::cargo();
    bindgen.args(["run", "--quiet", "--locked", "--manifest-path"]).arg(tool).arg("--target-dir");
    bindgen.arg(toolchain::built().join("bindgen")).arg("--").arg(made).arg(folder);
    process::run(&mut bindgen)?;

    let types = root().join("crates/web/host/core.d.ts");
    let told = fs::read_to_string(folder.join("core.d.ts"))?;
    let kept = fs::read_to_string(&types).unwrap_or_default();
    if told != kept {
        fs::write(&types, told)?;
        ensure!(std::env::var_os("CI").is_none(), "{} was not what the core says", types.display());
        println!("{} has changed with the core: commit it", types.display());
    }
    Ok(())
}

/// Which compiler makes WebAssembly.
#[derive(Debug, PartialEq, Eq)]
enum Compiler {
    /// The machine's own, with the standard library built from its source: the smallest page.
    Source,
    /// The machine's own, with the standard library as it comes for the target.
    Target,
    /// The one that `platforms` unpacks.
    Unpacked,
}

impl Compiler {
    /// The best of those that there are.
    fn of(sysroot: &Path, can_be_unpacked: impl FnOnce() -> bool) -> Option<Self> {
        let rustlib = sysroot.join("lib/rustlib");
        if rustlib.join("src/rust/library/Cargo.lock").exists() {
            Some(Self::Source)
        } else if rustlib.join(TARGET).exists() {
            Some(Self::Target)
        } else {
            can_be_unpacked().then_some(Self::Unpacked)
        }
    }

    fn here() -> Result<Option<Self>> {
        let sysroot = process::output(process::command("rustc").args(["--print", "sysroot"]))?;
        Ok(Self::of(Path::new(sysroot.trim()), || toolchain::can_be_had(&toolchain::RUST)))
    }

    /// cargo with it.
    fn cargo(&self) -> Result<Command> {
        let mut cargo = process::cargo();
        match self {
            Self::Source => {
                cargo.env("RUSTC_BOOTSTRAP", "1");
            }
            Self::Target => {}
            Self::Unpacked => Toolchain::with(&[toolchain::RUST])?.lend(&mut cargo),
        }
        cargo.args(["build", "--locked", "--target", TARGET, "--target-dir"]).arg(toolchain::built());
        if *self != Self::Target {
            cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", LEAN);
            cargo.args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"]);
        }
        Ok(cargo)
    }
}

/// Whether this machine has a compiler for WebAssembly, or can unpack one.
///
/// # Errors
/// There is no rustc.
pub(crate) fn is_possible() -> Result<bool> {
    Ok(Compiler::here()?.is_some())
}

/// Asks a hub whether it serves the page: the program is started as an operator starts it, on data of its own.
///
/// # Errors
/// It does not, or does not start.
pub(crate) fn is_served_by(hub: &Path) -> Result<()> {
    let data = toolchain::built().join("served");
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    fs::create_dir_all(&data)?;
    let ready = data.join("ready");
    let mut serve = process::command(hub);
    serve.args(["serve", "--demo", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
    serve.arg("--ready-file").arg(&ready).stdout(Stdio::null()).stderr(Stdio::null());
    let mut serving = serve.spawn().with_context(|| format!("cannot start {}", hub.display()))?;
    let asked = (|| {
        let deadline = Instant::now() + PATIENCE;
        let url = loop {
            if let Ok(told) = fs::read(&ready)
                && let Ok(told) = serde_json::from_slice::<serde_json::Value>(&told)
                && let Some(url) = told["url"].as_str()
            {
                break url.to_owned();
            }
            ensure!(serving.try_wait()?.is_none(), "{} ended instead of serving", hub.display());
            ensure!(Instant::now() < deadline, "{} does not get ready", hub.display());
            thread::sleep(Duration::from_millis(50));
        };
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        let mut connection = TcpStream::connect(address)?;
        write!(connection, "GET /app/ HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        let status = answer.lines().next().unwrap_or_default();
        ensure!(status.contains(" 200 "), "/app/ of {} answers {status}", hub.display());
        Ok(())
    })();
    serving.kill()?;
    serving.wait()?;
    asked
}

/// When the newest file below changed; of `ui`, what makes the page.
fn newest(path: &Path) -> Result<SystemTime> {
    let left_out = |name: &str| name == "node_modules" || name == "tests" || name.starts_with("dist");
    if !path.is_dir() {
        return Ok(setup::changed(path));
    }
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))? {
        let entry = entry?;
        if !left_out(&entry.file_name().to_string_lossy()) {
            newest = newest.max(self::newest(&entry.path())?);
        }
    }
    Ok(newest)
}

/// Every file below a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            all.extend(files(&path)?);
        } else {
            all.push(path);
        }
    }
    all.sort();
    Ok(all)
}

/// What a first visit fetches, by part, held to its bounds.
fn sizes() -> Result<()> {
    let (mut all, mut wasm, mut first) = (0, 0, 0);
    let html = fs::read_to_string(page().join("web.html"))?;
    for path in files(&page())? {
        let name = path.strip_prefix(page())?.to_string_lossy().into_owned();
        if name.ends_with(".gz") || name.ends_with(".br") {
            continue;
        }
        let packed = PathBuf::from(format!("{}.gz", path.display()));
        let size = fs::metadata(if packed.exists() { &packed } else { &path })?.len();
        println!("{size:>9}  {name}");
        all += size;
        wasm += if name.ends_with(".wasm") { size } else { 0 };
        // An icon or a manifest holds nothing up.
        let drawn = name.ends_with(".js") || name.ends_with(".css");
        first += if name == "web.html" || (drawn && html.contains(&name)) { size } else { 0 };
    }
    println!(
        "{all:>9}  in all, gzipped; {wasm} of it WebAssembly; {first} beside it before the first picture"
    );
    let (most, most_wasm, most_first) = MOST;
    ensure!(all <= most, "a first visit fetches {all} bytes, more than {most}");
    ensure!(wasm <= most_wasm, "the core has {wasm} bytes, more than {most_wasm}");
    ensure!(first <= most_first, "the first picture needs {first} bytes, more than {most_first}");
    Ok(())
}

/// The tests of the app in a browser, with the hub that has it built in.
///
/// # Errors
/// They cannot be started.
pub(crate) fn test(logs: &Logs, lab: Option<&GuardedLab>) -> Result<Tally> {
    let mut tally = match sizes() {
        Ok(()) => Tally { passed: 1, failed: 0 },
        Err(error) => {
            eprintln!("xtask: {error:#}");
            fs::write(logs.file("web-sizes"), format!("not ok sizes: {error:#}\n"))?;
            Tally { passed: 0, failed: 1 }
        }
    };
    let mut tests = process::command("node");
    tests.args(["--test", "--test-concurrency=1"]);
    tests.args(TESTS.map(|name| root().join("tests/web").join(name)));
    surround(&mut tests, lab, &target().join("test/web"));
    tally.add(one("web", &mut tests, &logs.file("web"), page_line)?);
    Ok(tally)
}

/// The story of the app in a browser, with pictures and a transcript in `out`.
///
/// # Errors
/// Something does not build, or the story does not end as it should.
pub(crate) fn demo(out: &Path) -> Result<ExitCode> {
    setup::ensure(&[Use::Build, Use::Page, Use::Browser, Use::Lab])?;
    build::announce(build::What::Programs);
    build(false)?;
    build::page()?;
    build::binaries()?;
    let lab = GuardedLab::up()?;
    let mut story = process::command("node");
    story.arg(root().join("tests/web/story.mjs"));
    surround(&mut story, Some(&lab), out);
    Ok(if process::status(&mut story)?.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn surround(command: &mut Command, lab: Option<&GuardedLab>, out: &Path) {
    command.current_dir(root()).env("POSTERN_BINARIES", target().join("debug")).env("POSTERN_OUT", out);
    if let Some(lab) = lab {
        command.env("POSTERN_LAB_BUS", lab.bus());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_own_compiler_comes_before_one_that_is_unpacked() {
        let sysroot = std::env::temp_dir().join(format!("postern-sysroot-{}", std::process::id()));
        let rustlib = sysroot.join("lib/rustlib");
        let best = |can| Compiler::of(&sysroot, || can);
        assert_eq!(best(true), Some(Compiler::Unpacked));
        assert_eq!(best(false), None, "then the part is left out, and the rest goes on");
        fs::create_dir_all(rustlib.join(TARGET)).unwrap();
        assert_eq!(best(false), Some(Compiler::Target));
        fs::create_dir_all(rustlib.join("src/rust/library")).unwrap();
        fs::write(rustlib.join("src/rust/library/Cargo.lock"), "").unwrap();
        assert_eq!(best(false), Some(Compiler::Source));
        fs::remove_dir_all(&sysroot).unwrap();
    }
}
