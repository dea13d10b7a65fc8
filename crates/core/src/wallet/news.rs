//! News of the hub for lockers: fetched as soon as the hub says that there are any, carried at each visit until a receipt
//! of the locker acknowledges them.

use std::collections::BTreeMap;

use postern_api::{
    sync::LockerNews,
    token::{BulletinFor, Bulletins, WantedBulletins},
};
use postern_protocol::bulletin;
use serde::{Deserialize, Serialize};

use super::{Wallet, decode};
use crate::{
    cx::Cx,
    line::{Call, Miss, Purpose},
    sync::backoff,
    time::Now,
};

/// Lockers in one question.
const BATCH: usize = 200;
/// The hub had no bulletin for a locker of which it said that there is one: it is asked again after this.
const NONE_MS: u64 = 5 * 60_000;

/// A bulletin to carry.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    /// As the hub gave it, base64url.
    bulletin: String,
    /// Number of the newest news in it.
    number: u32,
}

/// What is to be fetched.
#[derive(Default)]
pub(super) struct Wanted {
    /// Lockers with news that are not here, and the number of the newest.
    lockers: BTreeMap<String, u32>,
    under_way: bool,
    not_before: u64,
    failures: u32,
}

impl Wanted {
    /// The network came back, or the customer asked.
    pub(super) fn wake(&mut self) {
        self.not_before = 0;
    }
}

impl Wallet {
    /// The hub says where there are news that no receipt has acknowledged: all of them, each time.
    pub(super) fn want_news(&mut self, news: &[LockerNews]) {
        let held = |locker: &String| self.news.get(locker).map_or(0, |held| held.number);
        let acknowledged = |locker: &String| self.acknowledged.get(locker).copied().unwrap_or(0);
        self.wanted.lockers = news
            .iter()
            .filter(|news| news.number > held(&news.locker).max(acknowledged(&news.locker)))
            .filter(|news| news.locker.len() <= 16)
            .take(BATCH)
            .map(|news| (news.locker.clone(), news.number))
            .collect();
    }

    /// When news are to be fetched, on the monotonic clock.
    pub(super) fn next_news(&self, now: Now) -> Option<u64> {
        let wanted = !self.wanted.under_way && !self.wanted.lockers.is_empty();
        wanted.then(|| self.wanted.not_before.max(now.monotonic_ms))
    }

    /// Fetches them where that is due.
    pub(super) fn fetch_news(&mut self, cx: &mut Cx<'_>) {
        if self.next_news(cx.now).is_none_or(|at| at > cx.now.monotonic_ms) {
            return;
        }
        self.wanted.under_way = true;
        let lockers = self.wanted.lockers.keys().cloned().collect();
        cx.out.call(Call::post(Purpose::Bulletins, "/v1/bulletins".into(), &WantedBulletins { lockers }));
    }

    /// They came, or did not.
    pub(crate) fn on_bulletins(&mut self, answer: Result<Bulletins, Miss>, cx: &mut Cx<'_>) {
        let wanted = &mut self.wanted;
        wanted.under_way = false;
        match answer {
            Ok(bulletins) => {
                wanted.failures = 0;
                wanted.not_before = cx.now.monotonic_ms + NONE_MS;
                for bulletin in bulletins.bulletins {
                    self.keep_bulletin(bulletin);
                }
                cx.out.save_soon();
            }
            Err(_) => {
                wanted.not_before = cx.now.monotonic_ms + backoff(wanted.failures + 1, cx);
                wanted.failures = wanted.failures.saturating_add(1);
            }
        }
    }

    /// Keeps the newest bulletin for a locker, and heeds what it says of the doors of this device's own reservations.
    pub(super) fn keep_bulletin(&mut self, told: BulletinFor) {
        let held = self.news.get(&told.locker).map_or(0, |held| held.number);
        let Some(bytes) = decode(&told.bulletin) else { return };
        let fits = bytes.len() <= postern_protocol::message::MAX_BULLETIN;
        if !self.lockers.contains_key(&told.locker) || !fits || told.number < held {
            return;
        }
        if self.wanted.lockers.get(&told.locker).is_some_and(|wanted| *wanted <= told.number) {
            self.wanted.lockers.remove(&told.locker);
        }
        for news in bulletin::parse(&bytes).map(|bulletin| bulletin.epochs).unwrap_or_default() {
            self.door_has_epoch(&told.locker, news.door.0, news.epoch.0);
        }
        self.news.insert(told.locker, Held { bulletin: told.bulletin, number: told.number });
    }

    /// Access of an earlier occupancy is not shown any more, and another is fetched.
    fn door_has_epoch(&mut self, locker: &str, door: u16, epoch: u32) {
        let here = self.reservations.values().filter(|reservation| {
            let compartment = reservation.compartment.as_ref();
            compartment.is_some_and(|it| (it.locker.as_str(), it.door) == (locker, door))
        });
        let higher = |id: &&str| self.epochs.get(*id).is_none_or(|known| *known < epoch);
        let ids: Vec<String> =
            here.map(|reservation| reservation.id.as_str()).filter(higher).map(str::to_owned).collect();
        for id in ids {
            self.epochs.insert(id, epoch);
        }
    }

    /// A bulletin to carry there.
    pub(crate) fn bulletin(&self, locker: &str) -> Option<Vec<u8>> {
        decode(&self.news.get(locker)?.bulletin)
    }

    /// A receipt of the locker acknowledges the news up to this number. What it acknowledges need not be carried there
    /// any more.
    pub(crate) fn acknowledged(&mut self, locker: &str, number: u32, carried: Option<&[u8]>) {
        if self.acknowledged.get(locker).is_none_or(|known| *known < number) {
            self.acknowledged.insert(locker.to_owned(), number);
        }
        let over = |held: &Held| {
            held.number <= number && (held.number > 0 || carried == decode(&held.bulletin).as_deref())
        };
        if self.news.get(locker).is_some_and(over) {
            self.news.remove(locker);
        }
        if self.wanted.lockers.get(locker).is_some_and(|wanted| *wanted <= number) {
            self.wanted.lockers.remove(locker);
        }
    }
}
