//! When the door of an occupancy that has ended is free for the next: never while something may lie in it.

use super::placed::Inside;

/// What the compartment holds unless it was opened since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Nothing: what was booked was called off.
    Nothing,
    /// Something that is said to have been taken out.
    Something,
}

/// An occupancy that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// What it held.
    pub holds: Holds,
    /// What is known since its last opening; none where no receipt says that it was opened.
    pub inside: Option<Inside>,
    /// The locker measures what is inside when the door is closed.
    pub sensors: bool,
    /// The last end of a token that was given for it, UNIX seconds; none where none was.
    pub tokens_until: Option<i64>,
    /// A PIN was given for it.
    pub pin: bool,
    /// Number of the news that ends the access.
    pub news: i64,
}

/// What the locker's chain proves: everything up to here has come in.
#[derive(Clone, Copy, Debug)]
pub struct Chain {
    /// Number of the newest news that a receipt in it acknowledges.
    pub news: i64,
    /// The latest time of a receipt in it.
    pub at: i64,
}

/// What is to be done with the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Give it to the next.
    Free,
    /// Receipts may still come.
    Wait,
    /// No receipt will tell: somebody has to look.
    Look,
}

impl Ended {
    /// Whether nobody can have opened the door in this occupancy without that being known.
    #[must_use]
    pub fn is_told_whole(&self, chain: Chain) -> bool {
        let given = self.pin || self.tokens_until.is_some();
        !given
            || chain.news >= self.news
            || (!self.pin && self.tokens_until.is_some_and(|until| chain.at > until))
    }

    /// What is to be done.
    #[must_use]
    pub fn verdict(&self, chain: Chain) -> Verdict {
        let whole = self.is_told_whole(chain);
        match (self.holds, self.inside) {
            (Holds::Nothing, None) if whole => Verdict::Free,
            (Holds::Nothing, Some(inside)) if inside.counts() == Some(false) => {
                if whole {
                    Verdict::Free
                } else {
                    Verdict::Wait
                }
            }
            (Holds::Nothing, Some(_)) => Verdict::Look,
            // Its closing will say what was left.
            (Holds::Something, Some(Inside::Open)) if self.sensors => Verdict::Wait,
            // It was opened, as was said, and what was measured does not contradict.
            (Holds::Something, Some(inside)) if inside.counts() != Some(true) => Verdict::Free,
            (Holds::Something, Some(_)) => Verdict::Look,
            // Everything has come in, and nobody opened it: it lies there still.
            (Holds::Something, None) if whole => Verdict::Look,
            (_, None) => Verdict::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAIN: Chain = Chain { news: 3, at: 1000 };

    fn ended(holds: Holds, inside: Option<Inside>) -> Ended {
        Ended { holds, inside, sensors: false, tokens_until: Some(2000), pin: true, news: 4 }
    }

    #[test]
    fn a_door_is_free_when_nobody_can_have_put_anything_in() {
        let called_off = ended(Holds::Nothing, None);
        assert_eq!(called_off.verdict(CHAIN), Verdict::Wait);
        assert_eq!(
            called_off.verdict(Chain { news: 4, ..CHAIN }),
            Verdict::Free,
            "the locker has heard of it"
        );
        assert_eq!(
            called_off.verdict(Chain { at: 2001, ..CHAIN }),
            Verdict::Wait,
            "a PIN has no end of its own"
        );
        let no_pin = Ended { pin: false, ..called_off };
        assert_eq!(no_pin.verdict(Chain { at: 2000, ..CHAIN }), Verdict::Wait);
        assert_eq!(no_pin.verdict(Chain { at: 2001, ..CHAIN }), Verdict::Free);
        let nothing_given = Ended { tokens_until: None, ..no_pin };
        assert_eq!(nothing_given.verdict(CHAIN), Verdict::Free);
    }

    #[test]
    fn a_door_that_was_opened_after_all_is_looked_at() {
        let told = Chain { news: 4, ..CHAIN };
        for (inside, verdict) in [
            (Inside::Open, Verdict::Look),
            (Inside::Unknown, Verdict::Look),
            (Inside::SaidIn, Verdict::Look),
            (Inside::Present, Verdict::Look),
            (Inside::SaidOut, Verdict::Free),
            (Inside::Absent, Verdict::Free),
        ] {
            assert_eq!(ended(Holds::Nothing, Some(inside)).verdict(told), verdict, "{inside:?}");
        }
        assert_eq!(ended(Holds::Nothing, Some(Inside::Absent)).verdict(CHAIN), Verdict::Wait);
    }

    #[test]
    fn what_is_only_said_to_be_taken_keeps_its_door_until_a_receipt_says_that_it_was_opened() {
        let said = ended(Holds::Something, None);
        assert_eq!(said.verdict(CHAIN), Verdict::Wait);
        assert_eq!(said.verdict(Chain { news: 4, ..CHAIN }), Verdict::Look, "nobody opened: it lies there");
        for (inside, verdict) in [
            (Inside::Open, Verdict::Free),
            (Inside::Unknown, Verdict::Free),
            (Inside::Absent, Verdict::Free),
            (Inside::Present, Verdict::Look),
        ] {
            assert_eq!(ended(Holds::Something, Some(inside)).verdict(CHAIN), verdict, "{inside:?}");
        }
        let measures = Ended { sensors: true, ..ended(Holds::Something, Some(Inside::Open)) };
        assert_eq!(measures.verdict(CHAIN), Verdict::Wait);
    }
}
