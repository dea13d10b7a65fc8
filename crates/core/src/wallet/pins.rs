//! PINs. Each device has its own for each door that it holds. It comes with a token, outlives it, and is good until the
//! occupancy of the door ends.

use postern_api::token::{Grant, NoPin};
use serde::{Deserialize, Serialize};

use super::Wallet;

/// What the hub said of the PIN, with the door and the occupancy for which it is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pin {
    locker: String,
    door: u16,
    occupancy: u32,
    /// The digits.
    #[serde(default)]
    pub(crate) pin: Option<String>,
    /// Why there are none.
    #[serde(default)]
    pub(crate) no_pin: Option<NoPin>,
}

impl Wallet {
    /// What came with a token goes to where it is kept.
    pub(super) fn keep_pin(&mut self, grant: &mut Grant) {
        // Only what a keypad can take is a PIN.
        let can_be_typed = |pin: &String| pin.len() == 8 && pin.bytes().all(|b| b.is_ascii_digit());
        let pin = grant.pin.take().filter(can_be_typed);
        let door = self.reservations.get(&grant.reservation).and_then(|it| it.compartment.as_ref());
        let Some(door) = door.map(|compartment| compartment.door) else { return };
        let kept = Pin {
            locker: grant.locker.clone(),
            door,
            occupancy: grant.occupancy,
            no_pin: grant.no_pin.filter(|_| pin.is_none()),
            pin,
        };
        if self.pins.get(&grant.reservation) != Some(&kept) {
            self.pins.insert(grant.reservation.clone(), kept);
        }
    }

    /// The PIN of this device, or why there is none, while it is of the occupancy that the door has now.
    pub(crate) fn pin(&self, id: &str) -> Option<&Pin> {
        let compartment = self.reservations.get(id)?.compartment.as_ref()?;
        self.pins.get(id).filter(|pin| {
            let over = self.epochs.get(id).is_some_and(|epoch| pin.occupancy < *epoch);
            (pin.locker.as_str(), pin.door) == (&*compartment.locker, compartment.door) && !over
        })
    }

    /// The number of the occupancy for which this device holds access.
    pub(crate) fn occupancy(&self, id: &str) -> Option<u32> {
        self.grants.get(id).map(|grant| grant.occupancy).or_else(|| Some(self.pins.get(id)?.occupancy))
    }
}

/// Says whether there is one, and no digits.
impl core::fmt::Debug for Pin {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Pin")
            .field("door", &self.door)
            .field("occupancy", &self.occupancy)
            .finish_non_exhaustive()
    }
}
