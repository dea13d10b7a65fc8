//! E-mail addresses that customers say are theirs, and letters to them.

/// Seconds that a code lives.
pub const CODE_LIFE: i64 = 30 * 60;
/// Digits of a code.
pub const CODE_DIGITS: usize = 8;
/// Guesses at one code: with each, one chance in a hundred million.
pub const TRIES: i64 = 5;
/// Seconds for which a letter about a parcel is worth sending.
pub const LETTER_LIFE: i64 = 3 * 86_400;
/// Seconds to wait after the first, second, ... failure.
const PATIENCE: [i64; 7] = [30, 120, 600, 3_600, 3 * 3_600, 12 * 3_600, 24 * 3_600];

/// A code that was sent and not yet used.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    /// When it ends.
    pub until: i64,
    /// Guesses so far.
    pub tries: i64,
}

/// Why a code does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoProof {
    /// None was sent, it was used, or its time is over.
    Over,
    /// Guessed too often: another must be asked for.
    Worn,
    /// Another code.
    Wrong,
}

/// Whether a typed code proves that mail to the address is read by who typed it.
///
/// # Errors
/// Why not.
pub fn proves(pending: Option<Pending>, right: bool, now: i64) -> Result<(), NoProof> {
    let pending = pending.filter(|pending| now < pending.until).ok_or(NoProof::Over)?;
    if pending.tries >= TRIES {
        Err(NoProof::Worn)
    } else if right {
        Ok(())
    } else {
        Err(NoProof::Wrong)
    }
}

/// What became of one attempt to hand a letter over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The mail server took it on.
    Taken,
    /// It answered with this code (RFC 5321 section 4.2.3).
    Answered(u16),
    /// It was not reached, or not understood.
    Unreached,
    /// The hub itself cannot read what it had written.
    Unreadable,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it is on its way.
    Sent,
    /// Another attempt after so many seconds.
    Again(i64),
    /// Nothing: no mail arrives at that address.
    Refused,
    /// Nothing: tried often enough, or it is of no use any more.
    GivenUp,
}

/// What comes after an attempt. `tried`: how many there were, this one included; `until`: when the letter is of no use any more.
#[must_use]
pub fn after(attempt: Attempt, tried: usize, until: i64, now: i64) -> Next {
    match attempt {
        Attempt::Taken => Next::Sent,
        Attempt::Unreadable => Next::GivenUp,
        // No such mailbox, not here, not a mailbox's name: what concerns the address alone. Other answers of 500 and above are
        // about us (credentials, policy) and may be set right.
        Attempt::Answered(550 | 551 | 553) => Next::Refused,
        Attempt::Answered(_) | Attempt::Unreached => match PATIENCE.get(tried.saturating_sub(1)) {
            Some(wait) if now + wait < until => Next::Again(*wait),
            _ => Next::GivenUp,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_counts_once_in_time_and_within_five_guesses() {
        let sent = Some(Pending { until: 100, tries: 0 });
        assert_eq!(proves(sent, true, 99), Ok(()));
        assert_eq!(proves(sent, false, 99), Err(NoProof::Wrong));
        assert_eq!(proves(sent, true, 100), Err(NoProof::Over));
        assert_eq!(proves(None, true, 0), Err(NoProof::Over));
        assert_eq!(proves(Some(Pending { until: 100, tries: TRIES - 1 }), true, 0), Ok(()));
        assert_eq!(proves(Some(Pending { until: 100, tries: TRIES }), true, 0), Err(NoProof::Worn));
    }

    #[test]
    fn letters_are_tried_for_as_long_as_they_are_of_use() {
        assert_eq!(after(Attempt::Taken, 1, 10, 0), Next::Sent);
        assert_eq!(after(Attempt::Answered(550), 1, 1_000_000, 0), Next::Refused);
        assert_eq!(after(Attempt::Answered(451), 1, 1_000_000, 0), Next::Again(30));
        assert_eq!(after(Attempt::Answered(535), 2, 1_000_000, 0), Next::Again(120), "a fault of ours");
        assert_eq!(after(Attempt::Unreadable, 1, i64::MAX, 0), Next::GivenUp, "no fault of the address");
        assert_eq!(after(Attempt::Unreached, 3, 700, 200), Next::GivenUp, "of no use by then");
        assert_eq!(after(Attempt::Unreached, 8, i64::MAX, 0), Next::GivenUp, "often enough");
        let (mut now, mut tried) = (0, 1);
        while let Next::Again(wait) = after(Attempt::Unreached, tried, LETTER_LIFE, now) {
            (now, tried) = (now + wait, tried + 1);
        }
        assert!((6..=8).contains(&tried) && now < LETTER_LIFE, "{tried} {now}");
    }
}
