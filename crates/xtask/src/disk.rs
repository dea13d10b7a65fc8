//! How full the disk is: a full one fails a run in a hundred ways, none of which says so.

use std::fmt;

use crate::{process, workspace::root};

/// What was free on the project's disk, in bytes, whenever somebody looked. Nothing where the system does not say.
pub(crate) struct Room {
    seen: Vec<u64>,
}

impl Room {
    /// A first look.
    pub(crate) fn now() -> Self {
        let mut room = Self { seen: Vec::new() };
        room.look();
        room
    }

    /// Another.
    pub(crate) fn look(&mut self) {
        let said =
            process::output(process::command("df").args(["--output=avail", "--block-size=1"]).arg(root()));
        self.seen.extend(said.ok().as_deref().and_then(available));
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.seen.iter().map(|bytes| (bytes / 1_000_000_000).to_string()).collect();
        write!(f, "disk: {} GB free from start to end", all.join(", "))
    }
}

/// The number below the heading.
fn available(said: &str) -> Option<u64> {
    said.lines().nth(1)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Room, available};

    #[test]
    fn what_is_free_is_said() {
        assert_eq!(available("     Avail\n43822419968\n"), Some(43_822_419_968));
        assert_eq!(available("df: /nowhere: No such file or directory\n"), None);
        assert!(Room::now().to_string().starts_with("disk: "));
        assert_eq!(
            Room { seen: vec![43_822_419_968, 999] }.to_string(),
            "disk: 43, 0 GB free from start to end"
        );
    }
}
