//! What may be asked of a parcel or a return, by its carrier and by its customer, and what becomes of it.

use postern_api::reservation::{Kind, State, TimelineEvent};

use crate::care::Keeps;

const DAY: i64 = 86_400;
/// The longest window that a carrier may set, seconds.
const LONGEST_WINDOW: i64 = 30 * DAY;

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Not {
    /// Not as it stands.
    State,
    /// It was done as often as the operator allows.
    Limit,
    /// The time that was asked for is out of range.
    Time,
    /// It does not keep for so long.
    Keeps,
}

/// What is asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// The carrier: it left for the site.
    Dispatch,
    /// The carrier: it lies in a compartment.
    Deposit,
    /// The carrier calls it off.
    CallOff,
    /// The customer calls it off.
    Cancel,
    /// The customer wants it elsewhere.
    Move,
    /// The carrier: it was taken out and goes back.
    GoBack,
    /// The carrier looked at a return, and accepts it or not.
    Judge {
        /// It does.
        accepted: bool,
    },
}

/// What becomes of it: the new state, and what goes into the chain of custody.
pub type Becomes = (State, TimelineEvent);

/// What becomes of it; none where it is so already.
///
/// # Errors
/// [`Not::State`].
pub const fn wish(kind: Kind, state: State, wish: Wish) -> Result<Option<Becomes>, Not> {
    Ok(Some(match (wish, kind, state) {
        (Wish::Dispatch, _, State::InTransit) | (Wish::CallOff, Kind::Pickup, State::Cancelled) => {
            return Ok(None);
        }
        (Wish::Dispatch, _, State::Announced) => (State::InTransit, TimelineEvent::InTransit),
        (Wish::Deposit, _, State::Announced | State::InTransit) => (State::Ready, TimelineEvent::Deposited),
        (Wish::CallOff | Wish::Cancel, Kind::Pickup, State::Announced | State::InTransit)
        | (Wish::Cancel, Kind::Return, State::Booked) => (State::Cancelled, TimelineEvent::Ended),
        (Wish::Move, Kind::Pickup, State::Announced | State::InTransit) => (state, TimelineEvent::Moved),
        (Wish::GoBack, Kind::Pickup, State::Expired) => (State::Returned, TimelineEvent::Returned),
        (Wish::Judge { accepted: true }, Kind::Return, State::Deposited) => {
            (State::Accepted, TimelineEvent::Accepted)
        }
        (Wish::Judge { accepted: false }, Kind::Return, State::Deposited) => {
            (State::Refused, TimelineEvent::Refused)
        }
        _ => return Err(Not::State),
    }))
}

/// Until when a parcel is to be collected that lies inside from `now` on: as its carrier asks, else so many hours. Somebody
/// who is away keeps it longer; nobody for longer than it keeps.
///
/// # Errors
/// [`Not::Time`].
pub fn window(
    now: i64,
    asked: Option<i64>,
    hours: i64,
    held_until: Option<i64>,
    keeps: Keeps,
) -> Result<i64, Not> {
    let until = asked.unwrap_or(now + hours * 3600);
    if until <= now || until > now + LONGEST_WINDOW {
        return Err(Not::Time);
    }
    Ok(keeps.by(until.max(held_until.unwrap_or(0))))
}

/// A parcel, as far as its time is concerned.
#[derive(Clone, Copy, Debug)]
pub struct Timed {
    /// Pickup, return or storage.
    pub kind: Kind,
    /// Where it stands.
    pub state: State,
    /// Until when it is to be collected.
    pub until: Option<i64>,
    /// It is kept while the customer is away.
    pub held_until: Option<i64>,
    /// How often the deadline was moved.
    pub extensions: i64,
    /// It may lie there although its door was opened ([`super::access::may_lie_there`]).
    pub may_lie_there: bool,
    /// How long it keeps.
    pub keeps: Keeps,
}

/// What the customer is granted who asks for more time.
///
/// # Errors
/// Why none.
pub fn extend(parcel: Timed, asked: i64, most: i64, hours: i64, now: i64) -> Result<i64, Not> {
    let lies_there = match parcel.state {
        State::Ready | State::Expired => true,
        State::Opened => parcel.may_lie_there,
        _ => false,
    };
    if parcel.kind != Kind::Pickup || !lies_there {
        return Err(Not::State);
    }
    if !parcel.keeps.until(asked) {
        return Err(Not::Keeps);
    }
    if parcel.extensions >= most {
        return Err(Not::Limit);
    }
    let from = parcel.until.unwrap_or(now).max(now);
    let granted = asked.min(from + hours * 3600);
    if granted > from { Ok(granted) } else { Err(Not::Time) }
}

/// Until when it is to be collected then, for a customer who is away until `until`. What is still on its way is given a longer
/// window when it arrives.
///
/// # Errors
/// Why it is not kept.
pub fn hold(parcel: Timed, until: i64, days: i64, now: i64) -> Result<Option<i64>, Not> {
    let standing = matches!(parcel.state, State::Announced | State::InTransit | State::Ready);
    if parcel.kind != Kind::Pickup || !standing {
        return Err(Not::State);
    }
    if until <= now || until > now + days * DAY {
        return Err(Not::Time);
    }
    if !parcel.keeps.until(until) {
        return Err(Not::Keeps);
    }
    if parcel.state != State::Ready {
        return Ok(parcel.until);
    }
    if parcel.held_until.is_some() {
        return Err(Not::Limit);
    }
    // It keeps nothing longer, and would use up the only time that one may ask.
    if parcel.until.is_some_and(|end| until <= end) {
        return Err(Not::Time);
    }
    Ok(Some(until))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 14] = [
        State::Announced,
        State::InTransit,
        State::Ready,
        State::Opened,
        State::Expired,
        State::Collected,
        State::Returned,
        State::Booked,
        State::Deposited,
        State::Accepted,
        State::Refused,
        State::Cancelled,
        State::Held,
        State::Released,
    ];

    #[test]
    fn each_wish_has_its_states_and_no_other() {
        use State::{
            Accepted, Announced, Booked, Cancelled, Deposited, Expired, InTransit, Ready, Refused, Returned,
        };
        let cases: [(Wish, Kind, &[State], State); 9] = [
            (Wish::Dispatch, Kind::Pickup, &[Announced], InTransit),
            (Wish::Deposit, Kind::Pickup, &[Announced, InTransit], Ready),
            (Wish::CallOff, Kind::Pickup, &[Announced, InTransit], Cancelled),
            (Wish::Cancel, Kind::Pickup, &[Announced, InTransit], Cancelled),
            (Wish::Cancel, Kind::Return, &[Booked], Cancelled),
            (Wish::Cancel, Kind::Storage, &[], Cancelled),
            (Wish::GoBack, Kind::Pickup, &[Expired], Returned),
            (Wish::Judge { accepted: true }, Kind::Return, &[Deposited], Accepted),
            (Wish::Judge { accepted: false }, Kind::Return, &[Deposited], Refused),
        ];
        for (asked, kind, from, to) in cases {
            for state in STATES {
                let becomes = wish(kind, state, asked);
                if from.contains(&state) {
                    assert_eq!(becomes.map(|it| it.map(|it| it.0)), Ok(Some(to)), "{asked:?} {state:?}");
                } else {
                    assert!(!matches!(becomes, Ok(Some(_))), "{asked:?} {kind:?} {state:?}");
                }
            }
        }
        assert_eq!(wish(Kind::Pickup, InTransit, Wish::Dispatch), Ok(None), "said twice");
        assert_eq!(wish(Kind::Pickup, Cancelled, Wish::CallOff), Ok(None));
        assert_eq!(wish(Kind::Pickup, Cancelled, Wish::Cancel), Err(Not::State));
        assert_eq!(wish(Kind::Pickup, Ready, Wish::Move), Err(Not::State));
    }

    #[test]
    fn windows_have_bounds() {
        assert_eq!(window(100, None, 2, None, Keeps::default()), Ok(7300));
        assert_eq!(
            window(100, Some(101), 2, Some(9000), Keeps::default()),
            Ok(9000),
            "whoever is away keeps it longer"
        );
        assert_eq!(window(100, Some(100), 2, None, Keeps::default()), Err(Not::Time));
        assert_eq!(window(100, Some(101 + 30 * DAY), 2, None, Keeps::default()), Err(Not::Time));
    }

    #[test]
    fn more_time_is_granted_as_far_as_the_operator_allows() {
        let ready = Timed {
            kind: Kind::Pickup,
            state: State::Ready,
            until: Some(1000),
            held_until: None,
            extensions: 0,
            may_lie_there: false,
            keeps: Keeps::default(),
        };
        assert_eq!(extend(ready, 9_000, 1, 1, 500), Ok(4600));
        assert_eq!(extend(ready, 2_000, 1, 1, 500), Ok(2000));
        assert_eq!(extend(ready, 1_000, 1, 1, 500), Err(Not::Time));
        assert_eq!(extend(Timed { state: State::Expired, ..ready }, 9_000, 1, 1, 3000), Ok(6600), "from now");
        assert_eq!(extend(Timed { extensions: 1, ..ready }, 9_000, 1, 1, 500), Err(Not::Limit));
        let opened = Timed { state: State::Opened, ..ready };
        assert_eq!(extend(opened, 9_000, 1, 1, 500), Err(Not::State));
        assert_eq!(extend(Timed { may_lie_there: true, ..opened }, 9_000, 1, 1, 500), Ok(4600));
        assert_eq!(hold(ready, 5_000, 1, 500), Ok(Some(5000)));
        assert_eq!(hold(ready, 800, 1, 500), Err(Not::Time), "it is kept longer without");
        assert_eq!(hold(Timed { held_until: Some(1), ..ready }, 5_000, 1, 500), Err(Not::Limit));
        assert_eq!(hold(ready, 501 + DAY, 1, 500), Err(Not::Time));
        let under_way = Timed { state: State::InTransit, until: None, ..ready };
        assert_eq!(hold(under_way, 5_000, 1, 500), Ok(None));
        assert_eq!(hold(Timed { kind: Kind::Return, ..ready }, 5_000, 1, 500), Err(Not::State));
    }

    #[test]
    fn nothing_waits_for_longer_than_it_keeps() {
        let keeps = Keeps { hours: Some(1), until: None };
        let lies = keeps.put_in(400);
        assert_eq!(window(400, Some(101 * DAY / 4), 2, None, lies), Ok(4000));
        assert_eq!(window(400, None, 2, Some(9000), lies), Ok(4000), "though somebody is away");
        assert_eq!(window(400, Some(900), 2, None, lies), Ok(900), "the carrier may set less");
        let ready = Timed {
            kind: Kind::Pickup,
            state: State::Ready,
            until: Some(1000),
            held_until: None,
            extensions: 0,
            may_lie_there: false,
            keeps: lies,
        };
        assert_eq!(extend(ready, 4000, 1, 1, 500), Ok(4000));
        assert_eq!(extend(ready, 4001, 1, 1, 500), Err(Not::Keeps));
        assert_eq!(
            extend(Timed { extensions: 1, ..ready }, 4001, 1, 1, 500),
            Err(Not::Keeps),
            "why, first of all"
        );
        assert_eq!(hold(ready, 4000, 1, 500), Ok(Some(4000)));
        assert_eq!(hold(ready, 4001, 1, 500), Err(Not::Keeps));
        let under_way = Timed { state: State::InTransit, until: None, keeps, ..ready };
        assert_eq!(hold(under_way, 900, 1, 500), Err(Not::Keeps));
    }
}
