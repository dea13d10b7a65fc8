//! Who can open a door now, as far as the hub can know (PROTOCOL.md, epochs and PIN).

use postern_api::{
    reservation::{Kind, State},
    token::{self, NoPin},
};
use postern_protocol::{Operation, pin};

use super::placed::Inside;

/// What the hub knows of a door's epochs.
#[derive(Clone, Copy, Debug)]
pub struct Epochs {
    /// Of the present occupancy.
    pub present: i64,
    /// The highest that a receipt shows the locker to know; 0 where none does.
    pub proven: i64,
}

impl Epochs {
    /// Whether the keypad tries PINs of the present epoch, whatever the locker has heard since.
    #[must_use]
    pub fn keypad_takes(self) -> bool {
        self.present > 0 && self.present - self.proven <= i64::from(pin::LOOK_AHEAD)
    }
}

/// Whether a device may be shown a PIN of the present occupancy.
///
/// # Errors
/// Why not.
pub fn pin(keypad: bool, epochs: Epochs) -> Result<(), NoPin> {
    if !keypad {
        Err(NoPin::NoKeypad)
    } else if epochs.keypad_takes() {
        Ok(())
    } else {
        Err(NoPin::KeypadBehind)
    }
}

/// Whether a guest may be shown a PIN. It knows no time: where the share ends before the occupancy does, only a locker that is
/// online hears of that in time.
///
/// # Errors
/// Why not.
pub fn guests_pin(share_until: i64, until: Option<i64>, online: bool) -> Result<(), NoPin> {
    if online || until.is_some_and(|until| share_until >= until) { Ok(()) } else { Err(NoPin::KeypadBehind) }
}

/// Access to a door that was given out in earlier occupancies and may still work at the locker.
#[derive(Clone, Copy, Debug, Default)]
pub struct Earlier {
    /// Tokens of an epoch that the locker may still take, and that have not ended.
    pub tokens: i64,
    /// PINs of such an epoch.
    pub pins: i64,
}

/// Whether a deposit that no opening told the locker of can be taken on somebody's word: nobody else's access may work.
#[must_use]
pub fn is_safe_by_word(epochs: Epochs, earlier: Earlier) -> bool {
    epochs.proven >= epochs.present || (earlier.tokens == 0 && earlier.pins == 0)
}

/// For whom an epoch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// The one whose things lie there, or a courier who puts them in.
    Customer,
    /// A courier who takes something out.
    Courier,
}

/// Whether the door's epoch rises as access is given to `next`: each ends the other's.
#[must_use]
pub fn rises(present: For, next: For) -> bool {
    present != next
}

/// Whether a parcel may still lie behind the door that its customer opened: nobody has measured or said that it does not.
#[must_use]
pub fn may_lie_there(inside: Option<Inside>) -> bool {
    inside.and_then(Inside::counts) != Some(false)
}

/// What a customer's token for a reservation allows, given what is known of the compartment since it was last opened.
#[must_use]
pub fn operations(kind: Kind, state: State, inside: Option<Inside>) -> &'static [Operation] {
    match (kind, state) {
        // A locker takes no deposit after an opening by PIN, which is none; the customer's own door opens all the same.
        (Kind::Return, _) => &[Operation::Deposit, Operation::Access, Operation::Reopen, Operation::Status],
        (Kind::Storage, _) => &[Operation::Access, Operation::Status],
        // Taken out; the token that took it out has no use left, and a new one gives none.
        (Kind::Pickup, State::Opened) if !may_lie_there(inside) => &[Operation::Reopen, Operation::Status],
        (Kind::Pickup, _) => &[Operation::Collect, Operation::Reopen, Operation::Status],
    }
}

/// What a courier's token allows who puts something in, or takes something out.
#[must_use]
pub const fn errand(puts_in: bool) -> &'static [Operation] {
    if puts_in {
        &[Operation::Deposit, Operation::Reopen, Operation::Status, Operation::Carry]
    } else {
        &[Operation::Collect, Operation::Reopen, Operation::Status, Operation::Carry]
    }
}

/// An operation as the contract names it.
#[must_use]
pub const fn named(operation: Operation) -> token::Operation {
    match operation {
        Operation::Collect => token::Operation::Collect,
        Operation::Deposit => token::Operation::Deposit,
        Operation::Access => token::Operation::Access,
        Operation::Reopen => token::Operation::Reopen,
        Operation::Status => token::Operation::Status,
        Operation::Carry => token::Operation::Carry,
    }
}

/// A reservation, as far as opening its door is concerned. Times are UNIX seconds.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// Pickup, return or storage.
    pub kind: Kind,
    /// Where it stands.
    pub state: State,
    /// When its customer opened it last.
    pub last_opened: Option<i64>,
    /// What is known of the compartment since.
    pub inside: Option<Inside>,
    /// Until when it is the customer's.
    pub until: Option<i64>,
    /// It has a door.
    pub has_door: bool,
}

/// Whether the locker still reopens the door for the customer who opened it, `reopen` seconds after that.
#[must_use]
pub fn reopens(standing: Standing, reopen: i64, now: i64) -> bool {
    standing.last_opened.is_some_and(|at| now < at + reopen)
}

/// Whether its customer may open the door now, or again within so many seconds of the last opening.
#[must_use]
pub fn may_open(standing: Standing, reopen: i64, now: i64) -> bool {
    let stands = match (standing.kind, standing.state) {
        (Kind::Pickup, State::Ready)
        | (Kind::Return, State::Booked)
        | (Kind::Storage, State::Held | State::Ready) => true,
        // Opened and not yet said to be taken.
        (Kind::Pickup, State::Opened) => may_lie_there(standing.inside) || reopens(standing, reopen, now),
        _ => false,
    };
    // What was lent or kept too long must still be got out or brought back.
    let in_time = standing.kind == Kind::Storage || standing.until.is_none_or(|until| now < until);
    stands && in_time && standing.has_door
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_opened_is_opened_again_for_some_minutes() {
        let ready = Standing {
            kind: Kind::Pickup,
            state: State::Ready,
            last_opened: None,
            inside: None,
            until: Some(1000),
            has_door: true,
        };
        assert!(may_open(ready, 600, 999));
        assert!(!may_open(ready, 600, 1000), "its time is over");
        assert!(!may_open(Standing { has_door: false, ..ready }, 600, 0));
        let opened = Standing { state: State::Opened, last_opened: Some(100), ..ready };
        for (inside, for_good) in [
            (Some(Inside::Absent), false),
            (Some(Inside::SaidOut), false),
            // It may have been left there.
            (Some(Inside::Unknown), true),
            (Some(Inside::Open), true),
            (None, true),
        ] {
            let opened = Standing { inside, ..opened };
            assert!(may_open(opened, 600, 699));
            assert_eq!(may_open(opened, 600, 700), for_good, "{inside:?}");
            let allowed = operations(Kind::Pickup, State::Opened, inside);
            assert_eq!(allowed.contains(&Operation::Collect), for_good, "{inside:?}");
            assert!(!may_open(opened, 600, 1000), "its time is over");
        }
        let held = Standing { kind: Kind::Storage, state: State::Held, ..ready };
        assert!(may_open(held, 600, 2000), "kept too long, and still to be got out");
        assert!(!may_open(Standing { state: State::Released, ..held }, 600, 0));
    }

    #[test]
    fn a_pin_is_shown_where_the_keypad_takes_it_with_no_message_in_between() {
        for (present, proven, shown) in
            [(1, 0, true), (2, 0, true), (3, 0, false), (3, 1, true), (7, 7, true), (0, 0, false)]
        {
            let epochs = Epochs { present, proven };
            assert_eq!(pin(true, epochs).is_ok(), shown, "{epochs:?}");
            assert_eq!(pin(false, epochs), Err(NoPin::NoKeypad));
        }
        // What the rule says is what a keypad does, at the lowest epoch that it may stand at.
        for present in 1..6_u32 {
            for proven in 0..=present {
                let tried =
                    pin::candidates(postern_protocol::Epoch(proven), 0).any(|one| one.epoch.0 == present);
                let rule = Epochs { present: present.into(), proven: proven.into() }.keypad_takes();
                assert_eq!(tried, rule, "{present} at {proven}");
            }
        }
    }

    #[test]
    fn a_guests_pin_ends_with_the_share() {
        for (share, until, online, shown) in [
            (9, Some(9), false, true),
            (8, Some(9), false, false),
            (8, Some(9), true, true),
            (8, None, false, false),
            (8, None, true, true),
        ] {
            assert_eq!(guests_pin(share, until, online).is_ok(), shown, "{share} {until:?} {online}");
        }
    }

    #[test]
    fn a_deposit_by_word_alone_needs_that_nobody_else_can_open() {
        let fresh = Epochs { present: 1, proven: 0 };
        assert!(is_safe_by_word(fresh, Earlier::default()));
        assert!(!is_safe_by_word(fresh, Earlier { tokens: 1, pins: 0 }));
        assert!(!is_safe_by_word(fresh, Earlier { tokens: 0, pins: 1 }));
        assert!(is_safe_by_word(Epochs { present: 4, proven: 4 }, Earlier { tokens: 9, pins: 9 }));
    }
}
