//! The radio lab: a real Linux Bluetooth stack on a machine that has none.
//!
//! QEMU (no KVM needed) boots Debian's own kernel with this machine's `/` as its read-only root (9p under a tmpfs
//! overlay), loads `bluetooth` and `hci_vhci`, starts BlueZ's `btvirt` (two or more virtual LE controllers, hci0, hci1 …,
//! all in radio range of each other), a D-Bus system bus and `bluetoothd`, and forwards the guest's bus to a loopback TCP
//! port of this machine. Programs stay here, at native speed: with `DBUS_SYSTEM_BUS_ADDRESS` set to [`Lab::bus`], btleplug
//! finds hci0 and a GATT peripheral serves on hci1, through a real kernel and a real bluetoothd, over HCI, L2CAP and ATT.
//!
//! The guest's second serial line is a socket here, [`Lab::control`]: one command a line, and one line, `ok` or why not, when
//! it is done.
//!
//! | command | |
//! |---|---|
//! | `bus open`, `bus closed` | whether programs here may talk to bluetoothd, by the bus's policy |
//! | `rfkill on`, `rfkill off` | blocks every adapter by software, and unblocks it |
//!
//! Whoever connects to [`Lab::air`], a loopback TCP port, is the host of one more LE controller in the same room, and speaks
//! HCI with it (H4 framing, Core Specification 4.A): a peripheral that is not BlueZ.
//!
//! Needs what [`Use::Lab`] names; Debian's kernel and, where there is no static one, BusyBox are downloaded and unpacked
//! once, never installed.
//!
//! What the lab cannot do: the bus comes over TCP, so file descriptors do not pass (BlueZ's AcquireWrite and
//! AcquireNotify); there is no path loss, so RSSI is unknown; only one central at a time reaches a peripheral adapter, and
//! the second link of one central reaches its peripheral only where both controllers count their links alike (btvirt tells
//! both ends the caller's number; tests/lab, conformance, makes them).
#![allow(dead_code, reason = "the function API is wider than what the command line uses")]

use std::{
    fs,
    io::Write,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    process,
    setup::{self, Use},
};

/// Modules, each loaded after what it depends on. af_alg's algif_* and the ciphers: btvirt does its cryptography through
/// the kernel and exits without them.
const MODULES: &[&str] = &[
    "virtio_pci",
    "virtio_net",
    "9pnet_virtio",
    "9p",
    "overlay",
    "ecb",
    "cmac",
    "algif_hash",
    "algif_skcipher",
    "ecdh_generic",
    "bluetooth",
    "hci_vhci",
    "uhid",
];
/// A boot takes about 10 s without KVM on an idle machine; a busy one gets time.
const BOOT_TIME: Duration = Duration::from_secs(120);

/// How to boot a lab.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Folder of this lab: kernel, initial RAM disk, console log and state. One lab a folder.
    pub(crate) folder: PathBuf,
    /// Virtual controllers, 2 to 16.
    pub(crate) controllers: u8,
    /// Loopback TCP port for the bus; none takes a free one.
    pub(crate) port: Option<u16>,
    /// Writes what passes between host and controllers to `hci.btsnoop` (for `btmon -r`), and what bluetoothd thinks to `bluetoothd.log`.
    pub(crate) trace: bool,
}

impl Options {
    /// The usual lab: four controllers, any port, state under `target/lab`.
    #[must_use]
    pub(crate) fn new(target: &Path) -> Self {
        Self { folder: target.join("lab"), controllers: 4, port: None, trace: false }
    }
}

/// A lab that runs. Not stopped by dropping it: see [`Lab::down`].
#[derive(Clone, Debug)]
pub(crate) struct Lab {
    /// Value for `DBUS_SYSTEM_BUS_ADDRESS` (and for `POSTERN_LAB_BUS`, by which tests find it).
    pub(crate) bus: String,
    /// Unix socket that commands go to, see the module (`POSTERN_LAB_CONTROL`).
    pub(crate) control: PathBuf,
    /// Where a controller of one's own is to be had, as host and port (`POSTERN_LAB_AIR`).
    pub(crate) air: String,
    /// Process id of QEMU.
    pub(crate) pid: u32,
    folder: PathBuf,
}

impl Lab {
    /// Stops it. Harmless when it is down already.
    ///
    /// # Errors
    /// When its state cannot be removed.
    pub(crate) fn down(&self) -> Result<()> {
        down(&self.folder)
    }
}

/// Boots a lab, or finds the one that runs in this folder already.
///
/// # Errors
/// When something that the lab needs is missing, or the guest does not come up; the message has the end of its console.
pub(crate) fn up(options: &Options) -> Result<Lab> {
    ensure!((2..=16).contains(&options.controllers), "a lab has 2 to 16 controllers");
    fs::create_dir_all(&options.folder)
        .with_context(|| format!("cannot make {}", options.folder.display()))?;
    if let Some(lab) = running(&options.folder) {
        return Ok(lab);
    }
    setup::ensure(&[Use::Lab])?;
    let kernel = kernel(&options.folder)?;
    let initrd = initrd(&options.folder, &kernel, options)?;
    // Free now, and both at once so that they differ; QEMU says so when somebody was faster.
    let free = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    let [bus, air] = [free[0].local_addr()?.port(), free[1].local_addr()?.port()];
    drop(free);
    let lab = boot(options, &kernel, &initrd, options.port.unwrap_or(bus), air)?;
    if let Err(error) = wait(&options.folder, lab.pid) {
        let _ = lab.down();
        return Err(error);
    }
    Ok(lab)
}

/// The lab that runs in this folder, if one does.
#[must_use]
pub(crate) fn running(folder: &Path) -> Option<Lab> {
    let state = fs::read_to_string(folder.join("state")).ok()?;
    let mut words = state.split_whitespace();
    let (pid, bus, air) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
    is_ours(pid, folder).then(|| Lab {
        bus: bus.to_owned(),
        air: air.to_owned(),
        control: control(folder),
        pid,
        folder: folder.to_owned(),
    })
}

/// Stops the lab of this folder. Harmless when there is none.
///
/// # Errors
/// When its state cannot be removed.
pub(crate) fn down(folder: &Path) -> Result<()> {
    if let Some(lab) = running(folder) {
        let _ = Command::new("kill").arg(lab.pid.to_string()).status();
        let deadline = Instant::now() + Duration::from_secs(5);
        while is_ours(lab.pid, folder) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        if is_ours(lab.pid, folder) {
            let _ = Command::new("kill").args(["-9", &lab.pid.to_string()]).status();
        }
    }
    match fs::remove_file(folder.join("state")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Where commands go. Not in the lab's folder: the path of a socket has at most 107 bytes.
fn control(folder: &Path) -> PathBuf {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut name = DefaultHasher::new();
    folder.hash(&mut name);
    std::env::temp_dir().join(format!("postern-lab-{:016x}", name.finish()))
}

/// A process id may have been given to somebody else since: look at what it runs.
fn is_ours(pid: u32, folder: &Path) -> bool {
    let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let line = String::from_utf8_lossy(&line);
    line.contains("qemu-system") && line.contains(&*folder.join("initrd.gz").to_string_lossy())
}

/// An unpacked kernel package.
struct Kernel {
    root: PathBuf,
    version: String,
}

fn kernel(folder: &Path) -> Result<Kernel> {
    let root = folder.join("kernel");
    if let Some(version) = version(&root) {
        return Ok(Kernel { root, version });
    }
    let output = run(Command::new("apt-cache").args(["depends", "linux-image-amd64"]))?;
    let package = output
        .lines()
        .find_map(|line| line.trim().strip_prefix("Depends: "))
        .context("apt does not know linux-image-amd64: apt-get update")?;
    unpack(folder, package, &root)?;
    let version = version(&root).context("the kernel package has no kernel")?;
    run(Command::new("depmod").env("PATH", path()).arg("-b").arg(&root).arg(&version))?;
    Ok(Kernel { root, version })
}

/// A BusyBox that needs no libraries: this machine's, or Debian's, which would push the usual one off the machine if it
/// were installed.
fn busybox(folder: &Path) -> Result<PathBuf> {
    let own = PathBuf::from("/bin/busybox");
    if fs::read(&own).is_ok_and(|program| is_static(&program)) {
        return Ok(own);
    }
    let root = folder.join("busybox");
    let found = || {
        ["bin/busybox", "usr/bin/busybox"].map(|name| root.join(name)).into_iter().find(|path| path.exists())
    };
    if found().is_none() {
        unpack(folder, "busybox-static", &root)?;
    }
    found().context("the package busybox-static has no busybox")
}

/// Whether the program names no loader of libraries.
fn is_static(program: &[u8]) -> bool {
    !["/ld-linux", "/ld-musl"]
        .iter()
        .any(|loader| program.windows(loader.len()).any(|w| w == loader.as_bytes()))
}

/// Downloads one of Debian's packages and unpacks it into `root`, whole or not at all.
fn unpack(folder: &Path, package: &str, root: &Path) -> Result<()> {
    // apt drops its privileges for a download and cannot write here then; the warning about it is harmless.
    run(Command::new("apt-get").args(["download", "-q", package]).current_dir(folder))?;
    let file = fs::read_dir(folder)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| {
            path.extension().is_some_and(|extension| extension == "deb")
                && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(package))
        })
        .context("apt-get download left no package")?;
    let unpacking = root.with_extension("new");
    let _ = fs::remove_dir_all(&unpacking);
    run(Command::new("dpkg").arg("-x").arg(&file).arg(&unpacking))?;
    fs::remove_file(file)?;
    let _ = fs::remove_dir_all(root);
    fs::rename(unpacking, root)?;
    Ok(())
}

fn version(root: &Path) -> Option<String> {
    fs::read_dir(root.join("boot"))
        .ok()?
        .find_map(|entry| entry.ok()?.file_name().to_str()?.strip_prefix("vmlinuz-").map(str::to_owned))
}

fn path() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

fn initrd(folder: &Path, kernel: &Kernel, options: &Options) -> Result<PathBuf> {
    let root = folder.join("initrd");
    let _ = fs::remove_dir_all(&root);
    for name in ["bin", "proc", "sys", "dev", "mods", "ro", "rw", "newroot"] {
        fs::create_dir_all(root.join(name))?;
    }
    fs::copy(busybox(folder)?, root.join("bin/busybox")).context("cannot copy BusyBox")?;
    let mut files: Vec<String> = Vec::new();
    for module in MODULES {
        let output = run(Command::new("modprobe").env("PATH", path()).arg("-d").arg(&kernel.root).args([
            "-S",
            &kernel.version,
            "--show-depends",
            module,
        ]))?;
        for file in output.lines().filter_map(|line| line.strip_prefix("insmod ")) {
            let file = file.trim().to_owned();
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    for (index, file) in files.iter().enumerate() {
        let name =
            Path::new(file).file_name().context("module without a name")?.to_string_lossy().into_owned();
        fs::copy(file, root.join(format!("mods/{index:03}-{name}")))?;
    }
    script(&root.join("init"), INIT)?;
    script(&root.join("guest.sh"), &guest(options))?;
    script(&root.join("bridge.pl"), BRIDGE)?;
    fs::write(root.join("bus.conf"), BUS)?;
    let image = folder.join("initrd.gz");
    let packed = Command::new("sh")
        .args(["-c", "find . | cpio -o -H newc --quiet | gzip -1"])
        .current_dir(&root)
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(packed.status.success(), "cannot pack the initial RAM disk");
    fs::write(&image, packed.stdout)?;
    Ok(image)
}

fn guest(options: &Options) -> String {
    let (btmon, bluetoothd) = if options.trace {
        // Undecoded: the serial line is slow, and the guest would wait for it.
        ("stty -F /dev/ttyS2 raw; btmon -w /dev/ttyS2 >/run/btmon.log 2>&1 &", "-d >/dev/ttyS3 2>&1")
    } else {
        ("", ">>/run/bluetoothd.log 2>&1")
    };
    GUEST
        .replace("@CONTROLLERS@", &options.controllers.to_string())
        .replace("@BTMON@", btmon)
        .replace("@BLUETOOTHD@", bluetoothd)
}

fn script(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    Ok(process::executable(path)?)
}

fn boot(options: &Options, kernel: &Kernel, initrd: &Path, bus: u16, air: u16) -> Result<Lab> {
    let folder = &options.folder;
    let console = folder.join("console.log");
    fs::write(&console, "")?;
    let log = fs::File::create(folder.join("qemu.log"))?;
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(["-accel", "tcg", "-m", "1024", "-smp", "2", "-nodefaults", "-no-reboot", "-display", "none"]);
    qemu.arg("-serial").arg(format!("file:{}", console.display()));
    qemu.arg("-serial").arg(format!("unix:{},server=on,wait=off", control(folder).display()));
    if options.trace {
        for log in ["hci.btsnoop", "bluetoothd.log"] {
            qemu.arg("-serial").arg(format!("file:{}", folder.join(log).display()));
        }
    }
    qemu.arg("-kernel").arg(kernel.root.join(format!("boot/vmlinuz-{}", kernel.version)));
    // Whether the timer ticks is checked by the kernel against a busy loop, which an emulator on a busy machine fails.
    qemu.arg("-initrd").arg(initrd).args(["-append", "console=ttyS0 quiet panic=-1 no_timer_check"]);
    // restrict=on: the guest reaches nothing but the forwarded ports.
    let forwarded = [(bus, 5555), (air, 5556)]
        .map(|(here, there)| format!("hostfwd=tcp:127.0.0.1:{here}-10.0.2.15:{there}"));
    qemu.arg("-netdev")
        .arg(format!("user,id=n0,restrict=on,{}", forwarded.join(",")))
        .args(["-device", "virtio-net-pci,netdev=n0,romfile="]);
    qemu.args(["-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap"])
        .args(["-device", "virtio-9p-pci,fsdev=host,mount_tag=host"]);
    // A process group of its own: Ctrl-C in a terminal is for whoever booted the lab, who then takes it down.
    qemu.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    process::apart(&mut qemu);
    let child = qemu.spawn().context("cannot start qemu-system-x86_64")?;
    let lab = Lab {
        bus: format!("tcp:host=127.0.0.1,port={bus}"),
        air: format!("127.0.0.1:{air}"),
        control: control(folder),
        pid: child.id(),
        folder: folder.to_owned(),
    };
    fs::write(folder.join("state"), format!("{} {} {}\n", lab.pid, lab.bus, lab.air))?;
    // Reaps it when it ends, so that a lab taken down by this very process leaves no zombie.
    std::thread::spawn(move || drop({ child }.wait()));
    Ok(lab)
}

fn wait(folder: &Path, pid: u32) -> Result<()> {
    let deadline = Instant::now() + BOOT_TIME;
    loop {
        let console = fs::read(folder.join("console.log")).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        if console.contains("LAB READY") {
            return Ok(());
        }
        // Reaped when it ends. Its command line is not to be asked yet: it may not be there right after the start.
        let ended = !Path::new(&format!("/proc/{pid}")).exists();
        if ended || console.contains("LAB FAILED") || Instant::now() > deadline {
            let log = fs::read_to_string(folder.join("qemu.log")).unwrap_or_default();
            let why = if ended { "QEMU ended" } else { "the guest did not come up" };
            let tail: Vec<_> = console.lines().rev().take(30).collect();
            let mut message = format!("radio lab: {why}\n");
            message.extend(tail.into_iter().rev().flat_map(|line| [line, "\n"]));
            bail!("{message}{log}");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn run(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().to_string_lossy()))?;
    if !output.status.success() {
        let _ = std::io::stderr().write_all(&output.stderr);
        bail!("{} failed", command.get_program().to_string_lossy());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

const INIT: &str = r"#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for m in /mods/*; do insmod $m; done
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=loose,ro host /ro
mount -t tmpfs tmpfs /rw; mkdir /rw/u /rw/w
mount -t overlay -o lowerdir=/ro,upperdir=/rw/u,workdir=/rw/w overlay /newroot
mount -t proc proc /newroot/proc; mount -t sysfs sys /newroot/sys; mount -t devtmpfs dev /newroot/dev
mount -t tmpfs tmpfs /newroot/run; mount -t tmpfs tmpfs /newroot/var/lib/bluetooth; mount -t tmpfs tmpfs /newroot/tmp
cp /guest.sh /bridge.pl /bus.conf /newroot/run/
chroot /newroot /bin/bash /run/guest.sh
poweroff -f
";

const GUEST: &str = r#"
CONTROLLERS=@CONTROLLERS@
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
ip link set lo up; ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0; ip route add default via 10.0.2.2
mkdir -p /run/dbus; dbus-daemon --config-file=/run/bus.conf --fork
cp /run/bus.conf /run/bus.open
sed 's|</busconfig>|<policy context="default"><deny send_destination="org.bluez"/></policy><policy user="root"><allow send_destination="org.bluez"/></policy></busconfig>|' /run/bus.open >/run/bus.closed
@BTMON@
# It has been seen to end between two tests: the console says so, and the next one finds controllers again.
controllers() {
  while :; do
    rm -f /tmp/bt-server-*
    btvirt -s -L -l$CONTROLLERS >/run/btvirt.log 2>&1
    echo "btvirt ended with $?: $(tail -n 3 /run/btvirt.log)" >/dev/console
  done
}
controllers &
perl /run/bridge.pl >/run/bridge.log 2>&1 &
bluetoothd=/usr/libexec/bluetooth/bluetoothd
[ -x $bluetoothd ] || bluetoothd=/usr/lib/bluetooth/bluetoothd
daemon() {
  $bluetoothd -n -E @BLUETOOTHD@ &
  settled
}
# Paths are in the tree before they have interfaces.
settled() {
  local end=$((SECONDS+40))
  until adapters; do
    [ $SECONDS -lt $end ] || { echo "adapters are missing" >&2; return 1; }
    sleep 0.1
  done
}
adapters() {
  for number in $(seq 0 $((CONTROLLERS-1))); do
    busctl --system get-property org.bluez /org/bluez/hci$number org.bluez.Adapter1 Powered >/dev/null 2>&1 || return 1
  done
}
bus() {
  cmp -s /run/bus.$1 /run/bus.conf && return
  cp /run/bus.$1 /run/bus.new && mv /run/bus.new /run/bus.conf &&
    busctl --system call org.freedesktop.DBus / org.freedesktop.DBus ReloadConfig
}
rfkill() {
  settled || return 1
  for soft in /sys/class/rfkill/rfkill*/soft; do case $1 in on) echo 1 ;; *) echo 0 ;; esac >$soft || return 1; done
}
stty -F /dev/ttyS1 raw -echo
exec 3<>/dev/ttyS1
daemon && echo "LAB READY" || { echo "LAB FAILED"; cat /run/btvirt.log /run/bluetoothd.log 2>/dev/null; }
while read -r command argument <&3; do
  case $command in
    bus|rfkill) $command $argument >/dev/null 2>/run/why && echo ok >&3 || echo "$command $argument failed:" $(cat /run/why) >&3 ;;
    *) echo "no such command: $command" >&3 ;;
  esac
done
sleep infinity
"#;

/// From TCP to the socket on which btvirt hands out controllers, with what Debian's `perl-base` has.
const BRIDGE: &str = r#"
use strict; use IO::Socket::INET; use IO::Socket::UNIX; use IO::Select;
$SIG{CHLD} = 'IGNORE';
my $door = IO::Socket::INET->new(LocalPort => 5556, Listen => 8, ReuseAddr => 1) or die "5556: $!";
while (my $host = $door->accept) {
  if (fork) { close $host; next }
  setsockopt($host, 6, 1, 1);
  my $controller = IO::Socket::UNIX->new(Peer => '/tmp/bt-server-le') or die "btvirt: $!";
  my $ends = IO::Select->new($host, $controller);
  while (1) {
    for my $from ($ends->can_read) {
      sysread($from, my $bytes, 4096) or exit;
      my $to = $from == $host ? $controller : $host;
      for (my $sent = 0; $sent < length $bytes; ) { $sent += syswrite($to, $bytes, 4096, $sent) || exit }
    }
  }
}
"#;

/// The bus is reachable from the loopback interface of this machine only, so everybody on it may do everything.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type>
<listen>unix:path=/run/dbus/system_bus_socket</listen><listen>tcp:host=0.0.0.0,bind=*,port=5555,family=ipv4</listen>
<auth>EXTERNAL</auth><auth>ANONYMOUS</auth><allow_anonymous/>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/><allow receive_type="method_call"/><allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/><allow send_type="method_call"/><allow send_type="signal"/><allow send_requested_reply="true" send_type="method_return"/><allow send_requested_reply="true" send_type="error"/></policy>
</busconfig>
"#;

#[cfg(test)]
mod tests {
    use super::is_static;

    #[test]
    fn a_program_that_wants_libraries_is_told_from_one_that_does_not() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(!is_static(&own));
        assert!(is_static(b"\x7fELF and nothing of a loader"));
    }
}
