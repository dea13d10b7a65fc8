//! What ends before its time, and who hears of it: PIN slots, revocations, bulletins, and receipts that couriers carry.

use postern_api::{
    problem::Code,
    sync::{LockerNews, ReceiptResult},
    token::{BulletinFor, Bulletins, NoPin, WantedBulletins},
};
use postern_protocol::{Door, Epoch, Timestamp, TokenId, bulletin::Bulletin, carry, pin};

use super::{Booking, Hub, PIN_SECRET, encode, problem, yes};
use crate::{news::Ended, said::Said};

impl Hub {
    /// The PIN of a door in an epoch, by its slot.
    pub fn pin_of(&self, locker: usize, door: u16, epoch: u32, slot: u8) -> String {
        pin::derive(&PIN_SECRET, self.lockers[locker].0.id, Door(door), Epoch(epoch), slot)
    }

    /// The PIN of a booking's customer, or why there is none: the keypad must take it without having heard anything.
    pub(super) fn pin_for(&mut self, booking: usize) -> Result<String, NoPin> {
        let Booking { locker, door, slot, .. } = self.bookings[booking];
        let epoch = self.epoch(locker, door);
        if epoch > self.proven.get(&(locker, door)).copied().unwrap_or(0) + pin::LOOK_AHEAD {
            return Err(NoPin::KeypadBehind);
        }
        let slot = match slot {
            Some((known, slot)) if known == epoch => slot,
            _ => {
                let next = self.slots.entry((locker, door, epoch)).or_insert(0);
                if *next >= pin::SLOTS {
                    return Err(NoPin::TooManyDevices);
                }
                *next += 1;
                *next - 1
            }
        };
        self.bookings[booking].slot = Some((epoch, slot));
        Ok(self.pin_of(locker, door, epoch, slot))
    }

    /// Slots of a door in an epoch that were given out.
    pub fn slots_of(&self, locker: usize, door: u16, epoch: u32) -> u8 {
        self.slots.get(&(locker, door, epoch)).copied().unwrap_or(0)
    }

    /// Takes access to a booking back and gives it anew: by name, or, of every other booking and where a bulletin has no
    /// room for the names, by a new epoch of the door.
    pub fn revoke(&mut self, booking: usize, now: u64) {
        let Booking { locker, door, slot, .. } = self.bookings[booking];
        let living: Vec<(TokenId, u64)> = self
            .ledger
            .values()
            .filter(|issued| issued.reservation == Some(booking) && issued.claims.expires.0 + 120 > now)
            .map(|issued| (issued.claims.id, issued.claims.expires.0))
            .collect();
        let news = &mut self.news[locker];
        if booking % 2 == 1 && news.has_room(living.len(), now) {
            living.into_iter().for_each(|(id, end)| news.add(Ended::Token(id, end)));
            if let Some((epoch, slot)) = slot {
                news.add(Ended::Slot(door, epoch, slot));
            }
        } else {
            self.raise_epoch(locker, door);
            let epoch = self.epoch(locker, door);
            self.news[locker].add(Ended::Epoch(door, epoch));
        }
        self.bookings[booking].slot = None;
        self.bookings[booking].revoked = true;
        self.touch(booking);
        // Everybody with access there is told that there are news.
        let others: Vec<usize> =
            self.open.iter().copied().filter(|it| self.bookings[*it].locker == locker).collect();
        self.touched.extend(others.into_iter().map(|it| self.bookings[it].customer));
    }

    /// The newest bulletin for a locker.
    pub fn bulletin(&mut self, locker: usize, now: u64, hello_nonce: Option<[u8; 16]>) -> Vec<u8> {
        let doors = self.lockers[locker].1;
        let news = &self.news[locker];
        let epochs = (1..=doors)
            .map(|door| news.of_door(door, self.epoch(locker, door)))
            .filter(|news| news.epoch.0 > 0)
            .collect();
        let oldest = &self.issuers[0];
        let bulletin = Bulletin {
            key_id: oldest.key_id,
            locker: self.lockers[locker].0.id,
            issued_at: Timestamp(now),
            number: news.number(),
            epochs,
            revoked: news.revoked(now),
            add_keys: self.issuers.iter().skip(1).map(|issuer| (issuer.key_id, issuer.public())).collect(),
            remove_keys: Vec::new(),
            hello_nonce,
        };
        oldest.sign_bulletin(&bulletin)
    }

    pub(super) fn bulletin_for(
        &mut self,
        locker: usize,
        now: u64,
        hello_nonce: Option<[u8; 16]>,
    ) -> BulletinFor {
        BulletinFor {
            locker: self.descriptors[locker].id.clone(),
            bulletin: encode(&self.bulletin(locker, now, hello_nonce)),
            number: self.news[locker].number(),
        }
    }

    pub(super) fn bulletins(&mut self, body: &[u8], now: u64) -> (u16, Said) {
        let Ok(wanted) = serde_json::from_slice::<WantedBulletins>(body) else {
            return problem(400, Code::Malformed);
        };
        let lockers: Vec<usize> = wanted.lockers.iter().filter_map(|id| self.locker_index(id)).collect();
        let bulletins = lockers.into_iter().map(|locker| self.bulletin_for(locker, now, None)).collect();
        yes(Said::Bulletins(Bulletins { bulletins }))
    }

    /// The first receipt of a locker that is not here.
    pub fn first_missing(&self, locker: usize) -> u32 {
        let mut next = 0;
        for ((_, sequence), _) in self.receipts.range((locker, 0)..=(locker, u32::MAX)) {
            if *sequence != next {
                break;
            }
            next += 1;
        }
        next
    }

    /// A courier's device brings a sealed part of a locker's chain.
    pub fn carried(&mut self, locker: usize, sealed: &[u8]) -> bool {
        let Ok(receipts) = carry::open(&self.carry_secret, self.lockers[locker].0.id, sealed) else {
            return false;
        };
        receipts.iter().all(|bytes| self.evidence(locker, bytes) != ReceiptResult::Invalid)
    }

    /// Lockers where the customer has something, with news that no receipt has acknowledged.
    pub(super) fn news_for(&self, customer: usize) -> Vec<LockerNews> {
        let mut lockers: Vec<usize> = self
            .of(customer)
            .iter()
            .filter(|booking| self.open.contains(booking))
            .map(|booking| self.bookings[*booking].locker)
            .filter(|locker| self.news[*locker].number() > self.acknowledged[*locker])
            .collect();
        lockers.sort_unstable();
        lockers.dedup();
        let news = |at: usize| LockerNews {
            locker: self.descriptors[at].id.clone(),
            number: self.news[at].number(),
        };
        lockers.into_iter().map(news).collect()
    }
}
