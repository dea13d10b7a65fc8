//! A lab that ends with whoever booted it.

use std::{
    path::PathBuf,
    process::{Child, Stdio},
};

use anyhow::Result;

use crate::{lab, process, workspace::target};

/// A lab for as long as the suite needs it; one that ran already is used, and left as it is.
pub(crate) struct GuardedLab {
    bus: String,
    /// Where its commands go, see [`lab`].
    pub(crate) control: PathBuf,
    /// Where a controller of one's own is to be had, see [`lab`].
    pub(crate) air: String,
    /// To be stopped, and who stops it when we are not asked (Ctrl-C, SIGKILL).
    ours: Option<(lab::Lab, Child)>,
}

impl GuardedLab {
    /// Boots it, or finds it running.
    ///
    /// # Errors
    /// As [`lab::up`].
    pub(crate) fn up() -> Result<Self> {
        println!("booting the lab");
        let options = lab::Options::new(&target());
        let ran = lab::running(&options.folder).is_some();
        let up = lab::up(&options)?;
        let (bus, control, air) = (up.bus.clone(), up.control.clone(), up.air.clone());
        let ours = if ran { None } else { Some((up, guard()?)) };
        Ok(Self { bus, control, air, ours })
    }

    /// The address of its message bus.
    pub(crate) fn bus(&self) -> &str {
        &self.bus
    }
}

impl Drop for GuardedLab {
    fn drop(&mut self) {
        let Some((lab, guard)) = &mut self.ours else { return };
        if let Err(error) = lab.down() {
            eprintln!("the lab: {error:#}");
        }
        // It may have ended already; that it is gone is all that matters.
        let _ = guard.kill().and_then(|()| guard.wait());
    }
}

/// A process that takes the lab down when this one has ended, however it ended.
fn guard() -> Result<Child> {
    let script = "sleep infinity & trap 'kill $!' TERM; wait; exec \"$0\" lab down";
    let mut guard = process::command("sh");
    process::apart(guard.args(["-c", script]).arg(std::env::current_exe()?));
    guard.stdin(Stdio::null()).stdout(Stdio::null());
    Ok(guard.spawn()?)
}
