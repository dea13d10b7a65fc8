//! What a program and everything that it started take of the machine, as Linux counts it.

use std::fs;

use anyhow::{Context, Result};

/// A program with all its descendants: a web view is three processes.
#[derive(Clone, Debug)]
pub(super) struct Tree(Vec<u32>);

/// Counted since the processes began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Used {
    /// Seconds on a processor.
    pub(super) processor: f64,
    /// How often a thread went to sleep of its own accord, which is how often one was woken.
    pub(super) wakes: f64,
}

impl Tree {
    /// As it is now.
    pub(super) fn of(root: u32) -> Result<Self> {
        let mut parents = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let Some(process) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            // "PID (NAME) STATE PARENT …", and a name may have brackets of its own. May have ended meanwhile.
            let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else { continue };
            let parent =
                stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)).context("/proc/PID/stat")?;
            parents.push((process, parent.parse::<u32>()?));
        }
        let mut tree = vec![root];
        let mut at = 0;
        while let Some(parent) = tree.get(at).copied() {
            tree.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(process, _)| *process));
            at += 1;
        }
        Ok(Self(tree))
    }

    /// Bytes of memory, what is shared with others by its share of them (PSS).
    pub(super) fn memory(&self) -> Result<f64> {
        let mut bytes = 0.0;
        for process in &self.0 {
            let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
            bytes += field(&text, "Pss:").context("no Pss in smaps_rollup")? * 1024.0;
        }
        Ok(bytes)
    }

    /// Of all threads that run now.
    pub(super) fn used(&self) -> Result<Used> {
        let mut used = Used { processor: 0.0, wakes: 0.0 };
        for process in &self.0 {
            for thread in fs::read_dir(format!("/proc/{process}/task"))? {
                let thread = thread?.path();
                // A thread that has just ended counts no longer.
                let (Ok(times), Ok(status)) =
                    (fs::read_to_string(thread.join("schedstat")), fs::read_to_string(thread.join("status")))
                else {
                    continue;
                };
                let nanoseconds = times.split(' ').next().context("an empty schedstat")?;
                used.processor += nanoseconds.parse::<f64>()? / 1e9;
                used.wakes += field(&status, "voluntary_ctxt_switches:").context("no switches in status")?;
            }
        }
        Ok(used)
    }
}

/// The number after a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}
