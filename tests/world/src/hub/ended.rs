//! What ends before its time, and who hears of it: PIN slots, revocations, bulletins.

use postern_api::{
    problem::Code,
    sync::LockerNews,
    token::{BulletinFor, Bulletins, NoPin, WantedBulletins},
};
use postern_protocol::{Door, Epoch, Timestamp, TokenId, bulletin::Bulletin, pin};
use postern_rules::{
    access::{self, Epochs, For},
    revoked::{self, MOST_NAMED},
};

use super::{
    Booking, Hub, PIN_SECRET,
    answers::{problem, yes},
    encode,
};
use crate::{news::Ended, said::Said};

impl Hub {
    /// The PIN of a door in an epoch, by its slot.
    pub fn pin_of(&self, locker: usize, door: u16, epoch: u32, slot: u8) -> String {
        pin::derive(&PIN_SECRET, self.lockers[locker].0.id, Door(door), Epoch(epoch), slot)
    }

    /// The PIN of a booking's customer, or why there is none.
    pub(super) fn pin_for(&mut self, booking: usize) -> Result<String, NoPin> {
        let Booking { locker, door, epoch, slot, .. } = self.bookings[booking];
        access::pin(true, Epochs { present: epoch.into(), ..self.epochs(locker, door) })?;
        let slot = match slot {
            Some((known, slot)) if known == epoch => slot,
            _ => self.next_slot(locker, door, epoch).ok_or(NoPin::TooManyDevices)?,
        };
        self.bookings[booking].slot = Some((epoch, slot));
        self.bookings[booking].pin = true;
        Ok(self.pin_of(locker, door, epoch, slot))
    }

    /// Takes access to a booking back and gives it anew: by name, or, of every other booking and where more of it would be
    /// named than one booking may have, by a new epoch of the door.
    pub fn revoke(&mut self, booking: usize, now: u64) {
        let Booking { locker, door, slot, .. } = self.bookings[booking];
        let living: Vec<(TokenId, u64)> = self
            .ledger
            .values()
            .filter(|issued| issued.reservation == Some(booking) && issued.claims.expires.0 + 120 > now)
            .map(|issued| (issued.claims.id, issued.claims.expires.0))
            .collect();
        let names =
            |ended: &Ended| matches!(ended, Ended::Token(id, _) if living.iter().any(|(it, _)| it == id));
        let named = self.news[locker].count(names);
        let news = &mut self.news[locker];
        if booking % 2 == 1 && living.len() + named <= MOST_NAMED && news.has_room(living.len(), now) {
            living.iter().for_each(|(id, end)| news.add(Ended::Token(*id, *end)));
            if let Some((epoch, slot)) = slot {
                news.add(Ended::Slot(door, epoch, slot));
            }
            self.bookings[booking].slot = None;
        } else {
            self.raise(booking, For::Customer);
        }
        self.bookings[booking].revoked = true;
        self.touch(booking);
        // Everybody with access there is told that there are news.
        let others: Vec<usize> =
            self.open.iter().copied().filter(|it| self.bookings[*it].locker == locker).collect();
        self.touched.extend(others.into_iter().map(|it| self.bookings[it].customer));
    }

    /// The newest bulletin for a locker: what it may not have heard of, as much as fits. And the number of the newest news in it.
    pub fn bulletin(&mut self, locker: usize, now: u64, hello_nonce: Option<[u8; 16]>) -> (Vec<u8>, u32) {
        let news = &self.news[locker];
        let known = self.acknowledged[locker];
        let oldest = &self.issuers[0];
        let mut bulletin = Bulletin {
            key_id: oldest.key_id,
            locker: self.lockers[locker].0.id,
            issued_at: Timestamp(now),
            number: 0,
            epochs: Vec::new(),
            revoked: news.revoked(now),
            add_keys: self.issuers.iter().skip(1).map(|issuer| (issuer.key_id, issuer.public())).collect(),
            remove_keys: Vec::new(),
            hello_nonce,
        };
        let fits = revoked::fit(&mut bulletin, news.of_doors(known), news.number());
        assert!(fits, "names that were added while there was room fit");
        (oldest.sign_bulletin(&bulletin), bulletin.number)
    }

    pub(super) fn bulletin_for(
        &mut self,
        locker: usize,
        now: u64,
        hello_nonce: Option<[u8; 16]>,
    ) -> BulletinFor {
        let (bulletin, number) = self.bulletin(locker, now, hello_nonce);
        BulletinFor { locker: self.descriptors[locker].id.clone(), bulletin: encode(&bulletin), number }
    }

    pub(super) fn bulletins(&mut self, body: &[u8], now: u64) -> (u16, Said) {
        let Ok(wanted) = serde_json::from_slice::<WantedBulletins>(body) else {
            return problem(400, Code::Malformed);
        };
        let lockers: Vec<usize> = wanted.lockers.iter().filter_map(|id| self.locker_index(id)).collect();
        let bulletins = lockers.into_iter().map(|locker| self.bulletin_for(locker, now, None)).collect();
        yes(Said::Bulletins(Bulletins { bulletins }))
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
