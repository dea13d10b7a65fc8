//! Whose a door is, and in which epoch: as the real hub's `doors` and `settle`, in memory.

use std::collections::BTreeMap;

use postern_api::reservation::{Kind, State};
use postern_protocol::pin;
use postern_rules::{
    access::{self, Earlier, Epochs, For},
    parcel::{self, Wish},
    placed::{self, Inside},
    settling::{Chain, Ended, Holds, ToldBy, Verdict},
};

use super::{Booking, Hub, wide};
use crate::news::Ended as Told;

/// A door as the hub has it.
#[derive(Clone, Debug, Default)]
pub struct DoorState {
    /// Its epoch.
    pub epoch: u32,
    /// The highest epoch that a receipt proves the locker to know.
    pub proven: u32,
    /// PIN slots given out, by epoch.
    pub slots: BTreeMap<u32, u8>,
    /// The booking that it is kept for.
    kept: Option<usize>,
    /// The occupancy that has ended and is not proven yet.
    settling: Option<Settling>,
    /// Nobody is given it until somebody has looked.
    held: bool,
    /// Whose each epoch is, and whether it is a courier's who takes something out.
    occupants: BTreeMap<u32, (usize, For)>,
}

#[derive(Clone, Copy, Debug)]
struct Settling {
    booking: usize,
    holds: Holds,
    /// Number of the news that end its access.
    news: i64,
}

impl Hub {
    fn door(&mut self, locker: usize, door: u16) -> &mut DoorState {
        self.doors.entry((locker, door)).or_default()
    }

    /// The epoch of a door as the hub has it.
    pub fn epoch(&self, locker: usize, door: u16) -> u32 {
        self.doors.get(&(locker, door)).map_or(0, |it| it.epoch)
    }

    /// What the hub knows of a door's epochs.
    pub(super) fn epochs(&self, locker: usize, door: u16) -> Epochs {
        let known = self.doors.get(&(locker, door)).map_or((0, 0), |it| (it.epoch, it.proven));
        Epochs { present: known.0.into(), proven: known.1.into() }
    }

    /// A receipt shows that a locker knows this epoch of a door.
    pub(super) fn prove(&mut self, locker: usize, door: u16, epoch: u32) {
        let proven = &mut self.door(locker, door).proven;
        *proven = (*proven).max(epoch);
    }

    /// Books a door, unless it is somebody's, or something may lie in it.
    pub fn book(&mut self, customer: usize, locker: usize, door: u16, kind: Kind) -> Option<usize> {
        let booking = self.bookings.len();
        let at = self.door(locker, door);
        if at.kept.is_some() || at.settling.is_some() || at.held {
            return None;
        }
        at.epoch += 1;
        at.kept = Some(booking);
        at.occupants.insert(at.epoch, (booking, For::Customer));
        let epoch = at.epoch;
        let state = match kind {
            Kind::Pickup => State::InTransit,
            Kind::Return => State::Booked,
            Kind::Storage => State::Held,
        };
        self.bookings.push(Booking {
            customer,
            locker,
            door,
            kind,
            state,
            revoked: false,
            taken: None,
            certain: false,
            was_dropped_off: false,
            unproven: false,
            until: None,
            extensions: 0,
            first_epoch: epoch,
            reported: None,
            epoch,
            inside: None,
            opening: None,
            answer: None,
            first_opened: None,
            last_opened: None,
            given_in: None,
            slot: None,
            pin: false,
            tokens_until: None,
            links: BTreeMap::new(),
            version: 0,
            position: 0,
        });
        self.by_customer[customer].push(booking);
        self.open.insert(booking);
        self.touch(booking);
        Some(booking)
    }

    /// The customer calls a return off, or the carrier a parcel that is on its way; false where that is too late.
    pub fn call_off(&mut self, booking: usize) -> bool {
        let Booking { kind, state, .. } = self.bookings[booking];
        let Ok(Some((state, _))) = parcel::wish(kind, state, Wish::Cancel) else { return false };
        self.end(booking, Holds::Nothing);
        self.bookings[booking].revoked = true;
        self.put(booking, state);
        self.touch(booking);
        true
    }

    /// The time is over in which a parcel could be collected; false where it does not wait for that.
    pub fn expire(&mut self, booking: usize, now: u64) -> bool {
        let Booking { kind, state, .. } = self.bookings[booking];
        if (kind, state) != (Kind::Pickup, State::Ready) {
            return false;
        }
        self.bookings[booking].until = Some(wide(now));
        self.put(booking, State::Expired);
        self.touch(booking);
        true
    }

    /// A carrier says that it has what was dropped off, or not collected in time; false where it cannot.
    pub fn say_fetched(&mut self, booking: usize) -> bool {
        let Booking { kind, state, locker, .. } = self.bookings[booking];
        let wish = match kind {
            Kind::Return => Wish::Judge { accepted: booking.is_multiple_of(2) },
            Kind::Pickup | Kind::Storage => Wish::GoBack,
        };
        let Ok(Some((state, _))) = parcel::wish(kind, state, wish) else { return false };
        self.bookings[booking].unproven = kind == Kind::Pickup;
        self.end(booking, Holds::Fetched);
        self.bookings[booking].revoked = true;
        self.put(booking, state);
        self.settle(locker);
        self.touch(booking);
        true
    }

    /// A carrier whose courier has no device says that a parcel lies inside; false where somebody else might open the door.
    pub fn report(&mut self, booking: usize, now: u64) -> bool {
        let Booking { kind, state, locker, door, .. } = self.bookings[booking];
        let Ok(Some((state, _))) = parcel::wish(kind, state, Wish::Deposit) else { return false };
        let epochs = self.epochs(locker, door);
        if !access::is_safe_by_word(epochs, self.earlier(booking, now)) {
            return false;
        }
        self.put(booking, state);
        let it = &mut self.bookings[booking];
        (it.reported, it.unproven, it.inside) = (Some(wide(now)), true, None);
        self.touch(booking);
        true
    }

    /// Others' access to a booking's door that may still work at the locker.
    fn earlier(&self, booking: usize, now: u64) -> Earlier {
        let Booking { locker, door, .. } = self.bookings[booking];
        let Some(at) = self.doors.get(&(locker, door)) else { return Earlier::default() };
        let alive = self.ledger.values().filter(|issued| {
            issued.claims.locker == self.lockers[locker].0.id
                && issued.reservation != Some(booking)
                && issued.claims.expires.0 > now
                && issued.claims.doors.iter().any(|(on, epoch)| on.0 == door && epoch.0 >= at.proven)
        });
        let others = |epoch: &u32| at.occupants.get(epoch).is_none_or(|(whose, _)| *whose != booking);
        let pins = at.slots.range(at.proven..).filter(|(epoch, given)| **given > 0 && others(epoch));
        Earlier { tokens: wide(alive.count()), pins: wide(pins.count()) }
    }

    /// Whose parcel or return a door is kept for, where its customer may open it.
    pub fn booked(&self, locker: usize, door: u16) -> Option<usize> {
        let kept = self.doors.get(&(locker, door))?.kept?;
        let theirs = matches!(
            self.bookings[kept].state,
            State::Ready | State::Opened | State::Booked | State::Held | State::Expired
        );
        theirs.then_some(kept)
    }

    /// Whom a door is kept for.
    pub fn kept(&self, locker: usize, door: u16) -> Option<usize> {
        self.doors.get(&(locker, door))?.kept
    }

    /// Who had a door in an epoch.
    pub fn occupant(&self, locker: usize, door: u16, epoch: u32) -> Option<usize> {
        Some(self.doors.get(&(locker, door))?.occupants.get(&epoch)?.0)
    }

    /// Whether an epoch is a courier's who takes something out.
    pub(super) fn is_errand(&self, locker: usize, door: u16, epoch: u32) -> bool {
        let of = self.doors.get(&(locker, door)).and_then(|at| at.occupants.get(&epoch));
        of.is_some_and(|(_, whom)| *whom == For::Courier)
    }

    /// Whose a booking's door is at present.
    pub(super) fn whose(&self, booking: usize) -> postern_rules::booked::Door {
        use postern_rules::booked::Door;
        let Booking { locker, door, .. } = self.bookings[booking];
        match self.doors.get(&(locker, door)) {
            Some(DoorState { kept: Some(kept), .. }) if *kept == booking => Door::Kept,
            Some(DoorState { settling: Some(ended), .. }) if ended.booking == booking => Door::Settling,
            Some(DoorState { kept: None, settling: None, .. }) | None => Door::Free,
            Some(_) => Door::Others,
        }
    }

    /// A PIN slot of a door that nobody has yet in this epoch.
    pub(super) fn next_slot(&mut self, locker: usize, door: u16, epoch: u32) -> Option<u8> {
        let given = self.door(locker, door).slots.entry(epoch).or_insert(0);
        let next = *given;
        (next < pin::SLOTS).then(|| {
            *given += 1;
            next
        })
    }

    /// Slots of a door in an epoch that were given out.
    pub fn slots_of(&self, locker: usize, door: u16, epoch: u32) -> u8 {
        self.doors.get(&(locker, door)).and_then(|at| at.slots.get(&epoch).copied()).unwrap_or(0)
    }

    /// Raises the epoch of a door; the locker's news say so. The number of that piece of news.
    fn raise_door(&mut self, locker: usize, door: u16) -> i64 {
        let at = self.door(locker, door);
        at.epoch += 1;
        let epoch = at.epoch;
        self.news[locker].add(Told::Epoch(door, epoch));
        wide(self.news[locker].number())
    }

    /// Ends all access to a booking's door that was given so far.
    pub(super) fn raise(&mut self, booking: usize, whom: For) {
        let Booking { locker, door, .. } = self.bookings[booking];
        if self.door(locker, door).kept != Some(booking) {
            return;
        }
        self.raise_door(locker, door);
        let at = self.door(locker, door);
        at.occupants.insert(at.epoch, (booking, whom));
        let epoch = at.epoch;
        let it = &mut self.bookings[booking];
        (it.epoch, it.slot) = (epoch, None);
        it.revoked |= whom == For::Courier;
    }

    /// Makes the present epoch of a booking's door a customer's or a courier's.
    pub(super) fn hand_to(&mut self, booking: usize, next: For) {
        let Booking { locker, door, .. } = self.bookings[booking];
        let at = self.door(locker, door);
        let present = at.occupants.get(&at.epoch).map_or(For::Customer, |(_, whom)| *whom);
        let shared = (present, next) == (For::Courier, For::Courier) && self.is_shared_with_customer(booking);
        if shared || access::rises(present, next) {
            self.raise(booking, next);
        }
    }

    /// Whether its customer was given access in the present epoch of its door.
    fn is_shared_with_customer(&self, booking: usize) -> bool {
        let it = &self.bookings[booking];
        it.given_in == Some(self.epoch(it.locker, it.door))
    }

    /// Frees a booking's door once a courier is known to have taken out what lay there.
    pub(super) fn free_or_settle(&mut self, booking: usize) {
        let jammed = placed::jammed_last(&self.bookings[booking].links(|_| true));
        if jammed || self.is_shared_with_customer(booking) {
            self.end(booking, Holds::Nothing);
        } else {
            self.free(booking);
        }
    }

    /// Ends the occupancy of a booking's door without proof of what became of it.
    pub(super) fn end(&mut self, booking: usize, holds: Holds) {
        let Booking { locker, door, tokens_until, pin, .. } = self.bookings[booking];
        if self.door(locker, door).kept != Some(booking) {
            return;
        }
        if tokens_until.is_none() && !pin && holds == Holds::Nothing {
            self.give_back_epoch(booking);
            return self.free(booking);
        }
        let news = self.raise_door(locker, door);
        let at = self.door(locker, door);
        at.kept = None;
        at.settling = Some(Settling { booking, holds, news });
    }

    /// Uses an epoch again in which nobody was given access.
    fn give_back_epoch(&mut self, booking: usize) {
        let Booking { locker, door, first_epoch, .. } = self.bookings[booking];
        let at = self.door(locker, door);
        if at.epoch == first_epoch && at.occupants.remove(&first_epoch).is_some() {
            at.epoch -= 1;
        }
    }

    /// Gives a booking's door back.
    pub(super) fn free(&mut self, booking: usize) {
        let Booking { locker, door, .. } = self.bookings[booking];
        let at = self.door(locker, door);
        if at.kept == Some(booking) {
            at.kept = None;
        }
    }

    /// Keeps a booking's door for it again: something lies there after all. False where it is somebody else's.
    pub(super) fn keep_again(&mut self, booking: usize) -> bool {
        let Booking { locker, door, .. } = self.bookings[booking];
        let at = self.door(locker, door);
        let theirs = at.kept == Some(booking) || at.settling.is_some_and(|ended| ended.booking == booking);
        if theirs {
            at.kept = Some(booking);
            at.settling = None;
            at.occupants.insert(at.epoch, (booking, For::Customer));
            let epoch = at.epoch;
            self.bookings[booking].epoch = epoch;
        }
        theirs
    }

    /// Gives a door to nobody until somebody has looked.
    pub(super) fn hold(&mut self, locker: usize, door: u16) {
        let at = self.door(locker, door);
        if at.kept.is_none() && at.settling.is_none() {
            at.held = true;
            self.alarm(locker, door);
        }
    }

    /// Somebody looked, and nothing lies there any more.
    pub fn clear(&mut self, locker: usize, door: u16) {
        self.looks.remove(&(locker, door));
        let at = self.door(locker, door);
        at.held = false;
        if at.settling.take().is_some() {
            self.raise_door(locker, door);
        }
    }

    /// Looks at the settling doors of a locker, as far as its chain has come.
    pub(super) fn settle(&mut self, locker: usize) {
        let chain = Chain { news: self.whole[locker].news, at: self.whole[locker].at };
        let settling: Vec<(u16, Settling)> = self
            .doors
            .range((locker, 0)..=(locker, u16::MAX))
            .filter_map(|((_, door), it)| Some((*door, it.settling?)))
            .collect();
        for (door, ended) in settling {
            match self.ended(ended).verdict(chain) {
                Verdict::Wait => {}
                Verdict::Free => self.door(locker, door).settling = None,
                Verdict::Look => self.alarm(locker, door),
            }
        }
    }

    fn ended(&self, ended: Settling) -> Ended {
        let booking = &self.bookings[ended.booking];
        let told_by = ended.holds.told_by();
        let links = booking.links(|link| match told_by {
            ToldBy::Everybody => true,
            ToldBy::Customers => !link.courier,
            ToldBy::WhoFetches => link.courier && self.is_errand(booking.locker, booking.door, link.epoch),
        });
        let everybodys = booking.links(|_| true);
        let sensors = self.measures[booking.locker];
        Ended {
            holds: ended.holds,
            inside: placed::known(&links, booking.answer, sensors),
            certain: placed::is_certain(&links),
            left: placed::known(&everybodys, None, sensors) == Some(Inside::Present),
            jammed: placed::jammed_last(&everybodys),
            sensors,
            // Every carrier of this world has couriers.
            errand: true,
            lost: false,
            tokens_until: booking.tokens_until,
            pin: booking.pin,
            news: ended.news,
        }
    }

    /// Whether a courier opened the door of a booking, to put something in, in its present epoch.
    pub(super) fn was_opened_for_deposit(&self, booking: usize) -> bool {
        let it = &self.bookings[booking];
        let epoch = self.epoch(it.locker, it.door);
        it.links.values().any(|link| link.is_deposit_by_courier() && link.epoch == epoch)
    }
}
