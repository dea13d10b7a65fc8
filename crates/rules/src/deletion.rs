//! What deleting an account does to each thing that is the customer's.

use postern_api::reservation::{Kind, State};

/// What becomes of a reservation as its account is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stands in the way: a compartment is to be given back, a return to be cancelled.
    Hinders,
    /// It is over, and forgotten.
    Forgotten,
    /// It goes on without its recipient.
    LosesOwner,
}

/// What becomes of a reservation of this kind and state.
#[must_use]
pub fn fate(kind: Kind, state: State) -> Fate {
    match (kind, state) {
        (Kind::Storage, State::Held | State::Ready | State::Opened) | (Kind::Return, State::Booked) => {
            Fate::Hinders
        }
        (
            _,
            State::Collected
            | State::Returned
            | State::Accepted
            | State::Refused
            | State::Released
            | State::Cancelled,
        ) => Fate::Forgotten,
        _ => Fate::LosesOwner,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_be_given_back_stands_in_the_way_and_parcels_do_not() {
        for (kind, state, becomes) in [
            (Kind::Storage, State::Held, Fate::Hinders),
            (Kind::Storage, State::Ready, Fate::Hinders),
            (Kind::Return, State::Booked, Fate::Hinders),
            (Kind::Return, State::Deposited, Fate::LosesOwner),
            (Kind::Pickup, State::Announced, Fate::LosesOwner),
            (Kind::Pickup, State::Ready, Fate::LosesOwner),
            (Kind::Pickup, State::Opened, Fate::LosesOwner),
            (Kind::Pickup, State::Collected, Fate::Forgotten),
            (Kind::Storage, State::Released, Fate::Forgotten),
        ] {
            assert_eq!(fate(kind, state), becomes, "{kind:?} {state:?}");
        }
    }
}
