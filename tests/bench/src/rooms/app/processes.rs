//! What a program and everything that it started take of the machine, as Linux counts it.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, Result};

/// A program with all its descendants: a web view is three processes.
#[derive(Clone, Debug)]
pub(super) struct Tree(Vec<u32>);

/// Of each thread, since it began: seconds on a processor, and how often it went to sleep of its own accord, which is how
/// often it was woken.
#[derive(Clone, Debug, Default)]
pub(super) struct Used(BTreeMap<PathBuf, [f64; 2]>);

impl Used {
    /// What was used since `before`, by the threads that still run: those that ended meanwhile took their counts along.
    pub(super) fn since(&self, before: &Self) -> [f64; 2] {
        let mut used = [0.0; 2];
        for (thread, after) in &self.0 {
            let before = before.0.get(thread).copied().unwrap_or_default();
            used = [used[0] + after[0] - before[0], used[1] + after[1] - before[1]];
        }
        used
    }
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

    /// Of each thread that runs now.
    pub(super) fn used(&self) -> Result<Used> {
        let mut used = Used::default();
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
                let wakes = field(&status, "voluntary_ctxt_switches:").context("no switches in status")?;
                used.0.insert(thread, [nanoseconds.parse::<f64>()? / 1e9, wakes]);
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
