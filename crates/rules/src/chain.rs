//! A locker's chain of receipts: what fits into it, and how far it is complete (PROTOCOL.md, receipt).

/// A receipt that came in. Hashes as the database holds them.
#[derive(Clone, Copy, Debug)]
pub struct New<'a> {
    /// Its place.
    pub sequence: i64,
    /// Its hash.
    pub hash: &'a str,
    /// The hash that it names as the one before it.
    pub previous: &'a str,
}

/// A receipt of the chain at the same place, or beside it.
#[derive(Clone, Debug)]
pub struct Neighbour {
    /// Its place.
    pub sequence: i64,
    /// Its hash.
    pub hash: String,
    /// The hash that it names as the one before it.
    pub previous: String,
}

/// What the first receipt of a locker names as the one before it.
pub const NOTHING_BEFORE: &str = "00000000000000000000000000000000";

/// Whether it cannot be true together with what is there: another receipt at its place, or a neighbour that names another
/// hash.
#[must_use]
pub fn contradicts(new: New<'_>, neighbours: &[Neighbour]) -> bool {
    let fits = |there: &Neighbour| match there.sequence - new.sequence {
        0 => there.hash == new.hash,
        -1 => there.hash == new.previous,
        1 => there.previous == new.hash,
        _ => true,
    };
    (new.sequence == 0 && new.previous != NOTHING_BEFORE) || !neighbours.iter().all(fits)
}

/// What one receipt says of the chain up to it.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Its place.
    pub sequence: i64,
    /// The newest news that it acknowledges.
    pub news: i64,
    /// When, UNIX seconds.
    pub at: i64,
}

/// A chain as far as it is complete, and what that proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole {
    /// The last place; -1 where there is none.
    pub to: i64,
    /// The newest news that a receipt up to there acknowledges.
    pub news: i64,
    /// The latest time of a receipt up to there.
    pub at: i64,
}

impl Whole {
    /// Moves on along receipts in the order of their places, as far as none is missing. Whether all of them were passed.
    pub fn grow(&mut self, steps: &[Step]) -> bool {
        for step in steps {
            if step.sequence != self.to + 1 {
                return false;
            }
            self.to = step.sequence;
            self.news = self.news.max(step.news);
            self.at = self.at.max(step.at);
        }
        true
    }
}

/// When something happened: what the locker says, but never after now. A locker whose clock is ahead cannot write the future.
#[must_use]
pub fn happened_at(said: u64, now: i64) -> i64 {
    i64::try_from(said).unwrap_or(now).min(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_fits_between_its_neighbours_or_not() {
        let there = |sequence, hash: &str, previous: &str| Neighbour {
            sequence,
            hash: hash.to_owned(),
            previous: previous.to_owned(),
        };
        let chain = [there(4, "d", "c"), there(6, "f", "e")];
        let new = |hash, previous| New { sequence: 5, hash, previous };
        assert!(!contradicts(new("e", "d"), &chain));
        assert!(!contradicts(new("e", "d"), &[]), "nobody beside it has come yet");
        assert!(contradicts(new("e", "x"), &chain), "it names another one before it");
        assert!(contradicts(new("x", "d"), &chain), "the next names another");
        assert!(contradicts(new("e", "d"), &[there(5, "x", "d")]), "another at its place");
        let first = |previous| New { sequence: 0, hash: "a", previous };
        assert!(!contradicts(first(NOTHING_BEFORE), &[]));
        assert!(contradicts(first("a0"), &[]), "before the first there is none");
    }

    #[test]
    fn a_chain_is_complete_up_to_the_first_gap() {
        let step = |sequence, news, at| Step { sequence, news, at };
        let mut whole = Whole { to: -1, news: 0, at: 0 };
        assert!(whole.grow(&[step(0, 2, 50), step(1, 1, 40)]));
        assert_eq!(whole, Whole { to: 1, news: 2, at: 50 }, "a clock that was set back proves no less");
        assert!(!whole.grow(&[step(2, 3, 60), step(4, 9, 90)]));
        assert_eq!(whole, Whole { to: 2, news: 3, at: 60 });
        assert!(whole.grow(&[]));
    }

    #[test]
    fn no_locker_writes_the_future() {
        assert_eq!(happened_at(70, 100), 70);
        assert_eq!(happened_at(170, 100), 100);
        assert_eq!(happened_at(u64::MAX, 100), 100);
    }
}
