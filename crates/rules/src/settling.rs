//! When the door of an occupancy that has ended is free for the next: never while something may lie in it.

use serde::{Deserialize, Serialize};

use super::placed::Inside;

/// What the compartment holds, as was said when the occupancy ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// Nothing: what was booked was called off, or a compartment given back.
    Nothing,
    /// Something that the customer says they took out.
    #[serde(rename = "something")]
    Taken,
    /// Something that the carrier says its courier took out.
    Fetched,
    /// The thing that is lent from there.
    Lent,
}

impl Holds {
    /// Whose openings tell: of what a courier fetched, those of the courier who came for it; of what a customer took, the
    /// customer's; else everybody's.
    #[must_use]
    pub const fn told_by(self) -> ToldBy {
        match self {
            Self::Nothing | Self::Lent => ToldBy::Everybody,
            Self::Taken => ToldBy::Customers,
            Self::Fetched => ToldBy::WhoFetches,
        }
    }
}

/// Whose openings tell what became of a compartment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToldBy {
    /// Anybody's.
    Everybody,
    /// The owner's and guests'.
    Customers,
    /// A courier's who was to take something out.
    WhoFetches,
}

/// An occupancy that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// What it held.
    pub holds: Holds,
    /// What is known since its last opening; none where no receipt says that it was opened.
    pub inside: Option<Inside>,
    /// Some opening is certain: power did not fail between latch and sensor, and the door was not said to stand open before.
    pub certain: bool,
    /// Something was measured inside as the door was last closed, whoever had opened it.
    pub left: bool,
    /// The last that the chain has of it is a latch that jammed. That is the word of the door's sensor: where it sticks, the door
    /// came open all the same, and nothing was measured.
    pub jammed: bool,
    /// The locker measures what is inside when the door is closed.
    pub sensors: bool,
    /// A courier was given a token to take something out, or the carrier's couriers open by tokens at all: whose opening will be
    /// in the chain.
    pub errand: bool,
    /// Receipts of it may be among those that the locker has lost.
    pub lost: bool,
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
    /// Whether anybody was given access in this occupancy.
    const fn had_access(&self) -> bool {
        self.pin || self.tokens_until.is_some()
    }

    /// Whether nobody can have opened the door in this occupancy without that being known.
    #[must_use]
    pub fn is_told_whole(&self, chain: Chain) -> bool {
        !self.had_access()
            || chain.news >= self.news
            || (!self.pin && self.tokens_until.is_some_and(|until| chain.at > until))
    }

    /// What is to be done.
    #[must_use]
    pub fn verdict(&self, chain: Chain) -> Verdict {
        match self.told(chain) {
            Verdict::Free if self.jammed || (self.left && self.holds != Holds::Lent) => Verdict::Look,
            verdict => verdict,
        }
    }

    /// What those tell who were to take it out, or who had it.
    fn told(&self, chain: Chain) -> Verdict {
        let whole = self.is_told_whole(chain);
        let unless_opened_since = |verdict| match verdict {
            _ if !whole => Verdict::Wait,
            Verdict::Free if self.lost && self.had_access() => Verdict::Look,
            verdict => verdict,
        };
        match (self.holds, self.inside.map(|inside| (inside, inside.counts()))) {
            (Holds::Nothing, None | Some((_, Some(false)))) | (Holds::Lent, None | Some((_, Some(true)))) => {
                unless_opened_since(Verdict::Free)
            }
            // Its closing may say so yet.
            (Holds::Nothing | Holds::Lent, Some((Inside::Open, _))) if self.sensors && !whole => {
                Verdict::Wait
            }
            (Holds::Nothing | Holds::Lent, Some(_)) => Verdict::Look,
            // Its closing will say what was left.
            (Holds::Taken | Holds::Fetched, Some((Inside::Open, _))) if self.sensors => Verdict::Wait,
            (Holds::Taken | Holds::Fetched, Some((_, Some(true)))) => Verdict::Look,
            // Whether the door came open nobody knows, and nothing was measured: it may lie there still.
            (Holds::Taken | Holds::Fetched, Some((inside, _)))
                if !self.certain && inside != Inside::Absent =>
            {
                unless_opened_since(Verdict::Look)
            }
            // It was opened, as was said, and what was measured does not contradict.
            (Holds::Taken | Holds::Fetched, Some(_)) => Verdict::Free,
            // The carrier has no couriers here, who open by other means, and everybody else's openings have come in.
            (Holds::Fetched, None) if !self.errand => unless_opened_since(Verdict::Free),
            // Everything has come in, and nobody opened it: it lies there still.
            (Holds::Taken | Holds::Fetched, None) => unless_opened_since(Verdict::Look),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAIN: Chain = Chain { news: 3, at: 1000 };

    fn ended(holds: Holds, inside: Option<Inside>) -> Ended {
        Ended {
            holds,
            inside,
            certain: true,
            left: false,
            jammed: false,
            sensors: false,
            errand: true,
            lost: false,
            tokens_until: Some(2000),
            pin: true,
            news: 4,
        }
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
        let said = ended(Holds::Taken, None);
        assert_eq!(said.verdict(CHAIN), Verdict::Wait);
        assert_eq!(said.verdict(Chain { news: 4, ..CHAIN }), Verdict::Look, "nobody opened: it lies there");
        for (inside, verdict) in [
            (Inside::Open, Verdict::Free),
            (Inside::Unknown, Verdict::Free),
            (Inside::Absent, Verdict::Free),
            (Inside::Present, Verdict::Look),
        ] {
            assert_eq!(ended(Holds::Taken, Some(inside)).verdict(CHAIN), verdict, "{inside:?}");
        }
        let measures = Ended { sensors: true, ..ended(Holds::Taken, Some(Inside::Open)) };
        assert_eq!(measures.verdict(CHAIN), Verdict::Wait);
    }

    #[test]
    fn a_lent_thing_lies_in_its_place_or_somebody_looks() {
        let told = Chain { news: 4, ..CHAIN };
        for (inside, verdict) in [
            (None, Verdict::Free),
            (Some(Inside::Present), Verdict::Free),
            (Some(Inside::SaidIn), Verdict::Free),
            (Some(Inside::Absent), Verdict::Look),
            (Some(Inside::SaidOut), Verdict::Look),
            (Some(Inside::Unknown), Verdict::Look),
            (Some(Inside::Open), Verdict::Look),
        ] {
            let lent = Ended { left: inside == Some(Inside::Present), ..ended(Holds::Lent, inside) };
            assert_eq!(lent.verdict(told), verdict, "{inside:?}");
        }
        assert_eq!(ended(Holds::Lent, None).verdict(CHAIN), Verdict::Wait);
    }

    #[test]
    fn where_receipts_are_lost_somebody_looks() {
        let told = Chain { news: 4, ..CHAIN };
        for inside in [None, Some(Inside::Absent), Some(Inside::SaidOut)] {
            let lost = Ended { lost: true, ..ended(Holds::Nothing, inside) };
            assert_eq!(lost.verdict(CHAIN), Verdict::Wait, "{inside:?}");
            assert_eq!(lost.verdict(told), Verdict::Look, "{inside:?}");
        }
        let by_key = Ended { lost: true, errand: false, ..ended(Holds::Fetched, None) };
        assert_eq!(by_key.verdict(told), Verdict::Look);
        let nothing_given =
            Ended { lost: true, pin: false, tokens_until: None, ..ended(Holds::Nothing, None) };
        assert_eq!(nothing_given.verdict(CHAIN), Verdict::Free, "nobody can have opened it");
        let taken = Ended { lost: true, ..ended(Holds::Taken, Some(Inside::Absent)) };
        assert_eq!(taken.verdict(CHAIN), Verdict::Free, "what is known of it is enough");
    }

    #[test]
    fn what_somebody_else_left_is_looked_at() {
        let told = Chain { news: 4, ..CHAIN };
        for holds in [Holds::Taken, Holds::Fetched] {
            let taken = ended(holds, Some(Inside::Unknown));
            assert_eq!(taken.verdict(told), Verdict::Free, "{holds:?}");
            assert_eq!(Ended { left: true, ..taken }.verdict(told), Verdict::Look, "{holds:?}");
        }
    }

    #[test]
    fn an_opening_at_which_power_failed_bears_no_word_out() {
        for holds in [Holds::Taken, Holds::Fetched] {
            for inside in [Inside::Open, Inside::Unknown, Inside::SaidOut] {
                let failed = Ended { certain: false, ..ended(holds, Some(inside)) };
                assert_eq!(failed.verdict(CHAIN), Verdict::Wait, "{holds:?} {inside:?}");
                assert_eq!(failed.verdict(Chain { news: 4, ..CHAIN }), Verdict::Look, "{holds:?} {inside:?}");
            }
            let measured = Ended { certain: false, ..ended(holds, Some(Inside::Absent)) };
            assert_eq!(measured.verdict(CHAIN), Verdict::Free);
        }
    }

    #[test]
    fn what_a_carrier_says_it_fetched_waits_for_its_courier() {
        let fetched = |inside| ended(Holds::Fetched, inside);
        assert_eq!(fetched(None).verdict(CHAIN), Verdict::Wait);
        assert_eq!(fetched(None).verdict(Chain { news: 4, ..CHAIN }), Verdict::Look, "no courier opened it");
        assert_eq!(fetched(Some(Inside::Unknown)).verdict(CHAIN), Verdict::Free);
        assert_eq!(fetched(Some(Inside::Absent)).verdict(CHAIN), Verdict::Free);
        assert_eq!(fetched(Some(Inside::Present)).verdict(CHAIN), Verdict::Look);
        let by_key = Ended { errand: false, ..fetched(None) };
        assert_eq!(by_key.verdict(CHAIN), Verdict::Wait, "somebody may have put something in");
        assert_eq!(by_key.verdict(Chain { news: 4, ..CHAIN }), Verdict::Free, "no courier had a token");
        let measures = Ended { sensors: true, ..fetched(Some(Inside::Open)) };
        assert_eq!(measures.verdict(CHAIN), Verdict::Wait);
    }

    /// A sensor that sticks says of every opening that the latch jammed.
    #[test]
    fn a_door_that_jammed_last_is_looked_at() {
        let told = Chain { news: 4, ..CHAIN };
        for holds in [Holds::Nothing, Holds::Taken, Holds::Fetched] {
            let jammed = Ended { jammed: true, errand: false, ..ended(holds, None) };
            assert_eq!(jammed.verdict(told), Verdict::Look, "{holds:?}");
            assert_eq!(jammed.verdict(CHAIN), Verdict::Wait, "{holds:?}");
        }
    }
}
