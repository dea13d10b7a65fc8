//! What is known of a compartment since it was last opened (PROTOCOL.md, receipt): a door that was closed proves nothing about
//! what lies behind it.

use postern_protocol::{Operation, receipt::Outcome};
use serde::{Deserialize, Serialize};

/// One receipt of the chain, about the door and the reservation in question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its place in the locker's chain.
    pub sequence: i64,
    /// What it says.
    pub outcome: Outcome,
}

/// Links from rows of the chain: place and outcome.
#[must_use]
pub fn links(rows: Vec<(i64, Outcome)>) -> Vec<Link> {
    rows.into_iter().map(|(sequence, outcome)| Link { sequence, outcome }).collect()
}

/// What somebody at the door said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Place in the chain of the opening that it was said of.
    pub after: i64,
    /// Whether it lies inside.
    pub inside: bool,
}

/// What is known since the last opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inside {
    /// No receipt says yet that the door is closed, and where the locker measures what is inside, that is waited for.
    Open,
    /// Closed; nobody has said or measured what is inside.
    Unknown,
    /// Somebody at the door said that it lies inside.
    SaidIn,
    /// Somebody at the door said that it does not.
    SaidOut,
    /// The locker measured something inside.
    Present,
    /// The locker measured nothing inside.
    Absent,
}

impl Inside {
    /// Whether it counts as being inside; none where that is not known.
    #[must_use]
    pub const fn counts(self) -> Option<bool> {
        match self {
            Self::Open | Self::Unknown => None,
            Self::SaidIn | Self::Present => Some(true),
            Self::SaidOut | Self::Absent => Some(false),
        }
    }

    /// Whether the locker signed it.
    #[must_use]
    pub const fn is_measured(self) -> bool {
        matches!(self, Self::Present | Self::Absent)
    }
}

/// Why an answer at the door does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsaid {
    /// The door was opened again since: the answer says nothing of what lies there now.
    OpenedAgain,
    /// The locker measured otherwise.
    Measured,
}

/// Whether somebody may say so of the compartment, given the receipts in the order of the chain.
///
/// # Errors
/// Why not.
pub fn may_say(links: &[Link], answer: Answer) -> Result<(), Unsaid> {
    if last_opening(links) != Some(answer.after) {
        return Err(Unsaid::OpenedAgain);
    }
    match (known(links, None, false), answer.inside) {
        (Some(Inside::Present), false) | (Some(Inside::Absent), true) => Err(Unsaid::Measured),
        _ => Ok(()),
    }
}

/// Place in the chain of the last opening.
#[must_use]
pub fn last_opening(links: &[Link]) -> Option<i64> {
    links.iter().filter(|link| link.outcome.may_be_open()).map(|link| link.sequence).max()
}

/// Place in the chain of the first opening.
#[must_use]
pub fn first_opening(links: &[Link]) -> Option<i64> {
    links.iter().filter(|link| link.outcome.may_be_open()).map(|link| link.sequence).min()
}

/// Whether the last that is known of the door is that its latch jammed: so the sensor says, and where it sticks the door came open
/// all the same.
#[must_use]
pub fn jammed_last(links: &[Link]) -> bool {
    links.last().is_some_and(|link| link.outcome == Outcome::Jammed)
}

/// Whether it is certain that the door came open: at one opening at least power did not fail, and its sensor did not say that
/// it was open before.
#[must_use]
pub fn is_certain(links: &[Link]) -> bool {
    links.iter().any(|link| link.outcome == Outcome::Opened)
}

/// Whether it is certain that the door came open as they were last there to take something out, given what their openings
/// were for and how they went. None where they were last there for something else; opening once more goes on with what was
/// begun.
#[must_use]
pub fn took_out(openings: &[(Operation, Outcome)]) -> Option<bool> {
    let mut begun = None;
    for (at, (operation, outcome)) in openings.iter().enumerate() {
        // Somebody who asks for the same once more at the open door begins nothing.
        let again = *outcome == Outcome::AlreadyOpen
            && begun.is_some_and(|begun: usize| openings[begun].0 == *operation);
        if *operation != Operation::Reopen && !again {
            begun = Some(at);
        }
    }
    let begun = begun?;
    matches!(openings[begun].0, Operation::Collect | Operation::Access)
        .then(|| openings[begun..].iter().any(|(_, outcome)| *outcome == Outcome::Opened))
}

fn stood_open(links: &[Link], opening: i64) -> bool {
    links.iter().any(|link| link.sequence == opening && link.outcome == Outcome::AlreadyOpen)
}

/// What is known, given the receipts in the order of the chain, and what was said. None where there was no opening.
///
/// `sensors`: the locker measures what is inside, so that a word alone does not do until it has closed the door; one that
/// closes without measuring makes the word count.
#[must_use]
pub fn known(links: &[Link], answer: Option<Answer>, sensors: bool) -> Option<Inside> {
    let opened = last_opening(links)?;
    let said = answer
        .filter(|answer| answer.after == opened)
        .map(|answer| if answer.inside { Inside::SaidIn } else { Inside::SaidOut });
    let closed = links.iter().rfind(|link| link.sequence > opened && link.outcome.is_closing());
    Some(match closed.map(|link| link.outcome) {
        Some(Outcome::ClosedPresent) => Inside::Present,
        Some(Outcome::ClosedAbsent) => Inside::Absent,
        Some(_) => said.unwrap_or(Inside::Unknown),
        // Its sensor said before that the door stood open: where it sticks, there will be no closing.
        None if sensors && !stood_open(links, opened) => Inside::Open,
        None => said.unwrap_or(Inside::Open),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(outcomes: &[Outcome]) -> Vec<Link> {
        outcomes
            .iter()
            .enumerate()
            .map(|(n, outcome)| Link { sequence: n as i64, outcome: *outcome })
            .collect()
    }

    #[test]
    fn closing_a_door_proves_nothing_by_itself() {
        use Outcome::{AlreadyOpen, Closed, ClosedAbsent, ClosedPresent, Jammed, Opened, Unknown};
        let said = |after, inside| Some(Answer { after, inside });
        for (story, answer, sensors, known_as) in [
            (&[][..], said(9, true), false, None),
            (&[Jammed], said(9, true), false, None),
            (&[Opened], None, false, Some(Inside::Open)),
            (&[Opened], said(0, true), false, Some(Inside::SaidIn)),
            (&[Opened], said(0, true), true, Some(Inside::Open)),
            (&[Opened, Closed], None, false, Some(Inside::Unknown)),
            (&[Opened, Closed], None, true, Some(Inside::Unknown)),
            (&[Opened, Closed], said(0, true), true, Some(Inside::SaidIn)),
            (&[Opened, Closed], said(0, false), false, Some(Inside::SaidOut)),
            (&[Opened, ClosedAbsent], said(0, true), false, Some(Inside::Absent)),
            (&[Opened, ClosedPresent], None, true, Some(Inside::Present)),
            // What was said of the opening before says nothing of this one.
            (&[Opened, Closed, Opened], said(0, true), false, Some(Inside::Open)),
            (&[Opened, ClosedPresent, Opened, Closed], said(0, true), true, Some(Inside::Unknown)),
            (&[Unknown, AlreadyOpen, Jammed, ClosedPresent], None, true, Some(Inside::Present)),
        ] {
            assert_eq!(known(&links(story), answer, sensors), known_as, "{story:?} {answer:?} {sensors}");
        }
    }

    #[test]
    fn the_last_errand_tells_whether_something_was_to_be_taken_out() {
        use Operation::{Access, Collect, Deposit, Reopen};
        use Outcome::{AlreadyOpen, Opened, Unknown};
        for (story, out) in [
            (&[][..], None),
            (&[(Reopen, Opened)], None),
            (&[(Deposit, Opened), (Reopen, Opened)], None),
            (&[(Collect, Opened), (Deposit, Opened)], None),
            (&[(Deposit, Opened), (Collect, Unknown)], Some(false)),
            (&[(Collect, Opened), (Collect, Unknown)], Some(false)),
            (&[(Collect, Unknown), (Reopen, AlreadyOpen)], Some(false)),
            (&[(Collect, AlreadyOpen)], Some(false)),
            (&[(Deposit, Opened), (Collect, AlreadyOpen)], Some(false)),
            (&[(Collect, Opened), (Deposit, AlreadyOpen)], None),
            (&[(Collect, AlreadyOpen), (Reopen, Opened)], Some(true)),
            (&[(Collect, Opened), (Collect, AlreadyOpen)], Some(true)),
            (&[(Access, Opened), (Reopen, Unknown)], Some(true)),
        ] {
            assert_eq!(took_out(story), out, "{story:?}");
        }
    }

    #[test]
    fn a_word_does_not_stand_against_a_measurement() {
        use Outcome::{Closed, ClosedAbsent, ClosedPresent, Opened};
        let say = |story: &[Outcome], after, inside| may_say(&links(story), Answer { after, inside });
        assert_eq!(say(&[Opened, ClosedAbsent], 0, true), Err(Unsaid::Measured));
        assert_eq!(say(&[Opened, ClosedPresent], 0, false), Err(Unsaid::Measured));
        assert_eq!(say(&[Opened, ClosedAbsent], 0, false), Ok(()));
        assert_eq!(say(&[Opened, Closed], 0, true), Ok(()));
        assert_eq!(say(&[Opened], 0, true), Ok(()));
    }

    #[test]
    fn a_word_is_of_one_opening() {
        use Outcome::{Closed, Opened};
        let say = |story: &[Outcome], after| may_say(&links(story), Answer { after, inside: true });
        assert_eq!(say(&[Opened, Closed, Opened, Closed], 0), Err(Unsaid::OpenedAgain));
        assert_eq!(say(&[Opened, Closed, Opened, Closed], 2), Ok(()));
        assert_eq!(say(&[Opened, Closed], 1), Err(Unsaid::OpenedAgain), "that is no opening");
        assert_eq!(say(&[], 0), Err(Unsaid::OpenedAgain));
    }
}
