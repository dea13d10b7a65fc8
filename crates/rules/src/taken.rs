//! What follows where a customer says after an opening that the parcel was taken, or that it was not there.

use postern_api::reservation::{Kind, State};

use super::{booked, placed::Inside};

/// What is known of the parcel.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Pickup, return or storage.
    pub kind: Kind,
    /// Where it stands.
    pub state: State,
    /// What is known of the compartment since its last opening.
    pub inside: Option<Inside>,
    /// The locker measures what is inside.
    pub sensors: bool,
    /// The state rests on a word.
    pub unproven: bool,
    /// A receipt says that a customer opened it.
    pub opened: bool,
    /// The owner says so, not a guest.
    pub by_owner: bool,
    /// A receipt says that whoever says so has opened it themselves.
    pub by_opener: bool,
    /// Whose the door is.
    pub door: booked::Door,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was said before.
    Known,
    /// It is collected.
    Collected {
        /// No receipt says that the door was opened.
        unproven: bool,
        /// What becomes of the door.
        door: Door,
        /// Something is measured inside, whatever was said.
        left: bool,
    },
    /// It was said by mistake: it is ready again, where its door can be kept again.
    Ready,
    /// Somebody has to look.
    Disputed {
        /// What it is from then on, where the door can be opened again: opened, where the last opening was in the door's present
        /// epoch; ready, where the epoch has ended with the word that it was taken, so that the locker opens nothing again.
        again: Option<State>,
    },
}

/// What becomes of a door whose parcel was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// It is free.
    Free,
    /// It is free when the locker's chain bears the word out ([`super::settling`]).
    Settles,
}

/// Why it does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Not {
    /// Nothing lies there to be taken.
    State,
    /// A guest's word needs a receipt.
    Guest,
    /// A guest's word does not stand against what the locker measured.
    Measured,
}

/// What follows from the word.
///
/// # Errors
/// Why it does not count.
pub fn judge(facts: Facts, taken: bool) -> Result<Verdict, Not> {
    let left_by_guest = !facts.by_owner && facts.inside == Some(Inside::Present);
    match (facts.kind, facts.state, taken) {
        // It is the owner's to say that the sensor is wrong.
        (Kind::Pickup, State::Opened | State::Ready | State::Expired, true) if left_by_guest => {
            Err(Not::Measured)
        }
        // Nor can a guest know what became of it who has not been there.
        (Kind::Pickup, State::Opened | State::Ready | State::Expired, true)
            if !facts.by_owner && !facts.by_opener =>
        {
            Err(Not::Guest)
        }
        (Kind::Pickup, State::Opened | State::Collected, false) if !facts.by_owner && !facts.by_opener => {
            Err(Not::Guest)
        }
        (Kind::Pickup, State::Collected, true) => Ok(Verdict::Known),
        (Kind::Pickup, State::Opened, true) => {
            let left = facts.inside == Some(Inside::Present);
            // The closing has still to say what was left.
            let waits = facts.inside == Some(Inside::Open) && facts.sensors;
            let door = if left || waits { Door::Settles } else { Door::Free };
            // Where nothing is measured a guest says it for the owner, who is told on whose word it rests.
            let by_guest = !facts.by_owner && facts.inside != Some(Inside::Absent);
            Ok(Verdict::Collected { unproven: facts.unproven || left || by_guest, door, left })
        }
        // Opened by means of which nothing is known yet; or opened and closed with something still inside.
        // Of what is over, and of which nobody has ever opened the door, a courier may be on the way to take it out.
        (Kind::Pickup, State::Expired, true) if !facts.opened => Err(Not::State),
        (Kind::Pickup, State::Ready | State::Expired, true) if facts.by_owner || facts.opened => {
            let left = facts.inside == Some(Inside::Present) && facts.opened;
            Ok(Verdict::Collected { unproven: true, door: Door::Settles, left })
        }
        (Kind::Pickup, State::Ready | State::Expired, true) => Err(Not::Guest),
        // No receipt has come that would say otherwise: it lies there still.
        (Kind::Pickup, State::Collected, false) if facts.unproven && !facts.opened => Ok(Verdict::Ready),
        (Kind::Pickup, State::Opened | State::Collected, false) => {
            let again = match facts.door {
                booked::Door::Kept => Some(State::Opened),
                booked::Door::Settling => Some(State::Ready),
                booked::Door::Free | booked::Door::Others => None,
            };
            Ok(Verdict::Disputed { again })
        }
        _ => Err(Not::State),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: Facts = Facts {
        kind: Kind::Pickup,
        state: State::Ready,
        inside: None,
        sensors: true,
        unproven: false,
        opened: false,
        by_owner: true,
        by_opener: true,
        door: booked::Door::Kept,
    };

    #[test]
    fn a_word_without_a_receipt_frees_no_door() {
        let said = Verdict::Collected { unproven: true, door: Door::Settles, left: false };
        assert_eq!(judge(READY, true), Ok(said));
        let late = Facts { state: State::Expired, ..READY };
        assert_eq!(judge(late, true), Err(Not::State), "a courier may be on the way");
        assert_eq!(
            judge(Facts { opened: true, ..late }, true),
            Ok(said),
            "its sensor says that it lies there"
        );
        assert_eq!(judge(Facts { by_owner: false, ..READY }, true), Err(Not::Guest));
        let collected = Facts { state: State::Collected, unproven: true, ..READY };
        assert_eq!(judge(collected, true), Ok(Verdict::Known));
        assert_eq!(judge(collected, false), Ok(Verdict::Ready));
        let proven = Facts { opened: true, ..collected };
        for (door, again) in [
            (booked::Door::Kept, Some(State::Opened)),
            (booked::Door::Settling, Some(State::Ready)),
            (booked::Door::Free, None),
            (booked::Door::Others, None),
        ] {
            assert_eq!(judge(Facts { door, ..proven }, false), Ok(Verdict::Disputed { again }));
        }
    }

    #[test]
    fn what_is_measured_inside_keeps_its_door() {
        let opened = Facts { state: State::Opened, opened: true, ..READY };
        for (inside, sensors, door, left) in [
            (Inside::Absent, true, Door::Free, false),
            (Inside::Present, true, Door::Settles, true),
            (Inside::Open, true, Door::Settles, false),
            (Inside::Open, false, Door::Free, false),
            (Inside::Unknown, true, Door::Free, false),
        ] {
            let verdict = judge(Facts { inside: Some(inside), sensors, ..opened }, true);
            assert_eq!(verdict, Ok(Verdict::Collected { unproven: left, door, left }), "{inside:?}");
        }
        // Measured to lie there still, it is ready again.
        let still = Facts { state: State::Ready, inside: Some(Inside::Present), ..opened };
        let said = Verdict::Collected { unproven: true, door: Door::Settles, left: true };
        assert_eq!(judge(still, true), Ok(said));
    }

    #[test]
    fn there_must_be_something_to_take() {
        for (kind, state) in [
            (Kind::Pickup, State::InTransit),
            (Kind::Pickup, State::Returned),
            (Kind::Return, State::Booked),
            (Kind::Storage, State::Held),
        ] {
            for taken in [true, false] {
                assert_eq!(judge(Facts { kind, state, ..READY }, taken), Err(Not::State), "{state:?}");
            }
        }
        assert_eq!(judge(READY, false), Err(Not::State), "nobody has looked yet");
    }

    #[test]
    fn a_guest_who_has_not_been_there_knows_nothing() {
        let opened = Facts { state: State::Opened, opened: true, by_owner: false, ..READY };
        assert_eq!(judge(Facts { by_opener: false, ..opened }, true), Err(Not::Guest));
        assert_eq!(judge(Facts { by_opener: false, ..opened }, false), Err(Not::Guest));
        assert!(judge(opened, true).is_ok() && judge(opened, false).is_ok());
    }

    #[test]
    fn a_guests_word_stands_against_no_measurement() {
        let guest = Facts { by_owner: false, opened: true, ..READY };
        for state in [State::Opened, State::Ready, State::Expired] {
            let left = Facts { state, inside: Some(Inside::Present), ..guest };
            assert_eq!(judge(left, true), Err(Not::Measured), "{state:?}");
            assert!(judge(Facts { by_owner: true, ..left }, true).is_ok(), "{state:?}");
        }
        let opened = Facts { state: State::Opened, ..guest };
        for (inside, unproven) in [(Inside::Absent, false), (Inside::Unknown, true)] {
            let verdict = judge(Facts { inside: Some(inside), ..opened }, true);
            assert_eq!(verdict, Ok(Verdict::Collected { unproven, door: Door::Free, left: false }));
        }
    }
}
