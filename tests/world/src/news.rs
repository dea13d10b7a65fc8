//! What the hub ended before its time, by locker and in order: its news, from which bulletins are made, and of which the
//! reference asks whether a locker that acknowledges them heeds them.

use std::collections::BTreeMap;

use postern_protocol::{
    Door, Epoch, Timestamp, TokenId,
    bulletin::{DoorNews, MAX_REVOKED, Revocation, RevocationKind},
};
use postern_rules::revoked::Numbered;

/// Something that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything of a door below this epoch.
    Epoch(u16, u32),
    /// A token, which would have ended then.
    Token(TokenId, u64),
    /// A PIN slot of a door and an epoch.
    Slot(u16, u32, u8),
}

/// All that ended at one locker. The first has the number 1.
#[derive(Clone, Debug, Default)]
pub struct News(Vec<Ended>);

impl News {
    /// One more.
    pub fn add(&mut self, ended: Ended) {
        self.0.push(ended);
    }

    /// The number of the newest.
    pub fn number(&self) -> u32 {
        u32::try_from(self.0.len()).expect("few")
    }

    /// Those up to a number.
    pub fn up_to(&self, number: u32) -> impl Iterator<Item = &Ended> {
        self.0.iter().take(number as usize)
    }

    /// The number with which this ended.
    pub fn number_of(&self, ended: impl Fn(&Ended) -> bool) -> Option<u32> {
        self.0.iter().position(ended).map(|at| u32::try_from(at + 1).expect("few"))
    }

    /// Whether so many more tokens can be named in one bulletin.
    pub fn has_room(&self, more: usize, now: u64) -> bool {
        self.revoked(now).len() + more <= MAX_REVOKED
    }

    /// Tokens that would still be good.
    pub fn revoked(&self, now: u64) -> Vec<Revocation> {
        let mut revoked: Vec<Revocation> = self
            .0
            .iter()
            .filter_map(|ended| match ended {
                // A locker's clock may be behind.
                Ended::Token(id, end) if *end + 120 > now => {
                    Some(Revocation { kind: RevocationKind::Token, name: id.0, at: Timestamp(*end) })
                }
                _ => None,
            })
            .collect();
        revoked.sort_by_key(|it| (it.kind, it.name));
        revoked.dedup_by_key(|it| (it.kind, it.name));
        revoked
    }

    /// How many of such ended.
    pub fn count(&self, which: impl Fn(&Ended) -> bool) -> usize {
        self.0.iter().filter(|ended| which(ended)).count()
    }

    /// News of doors after a number, one for each door: its newest epoch that was told, and which slots of it have ended.
    pub fn of_doors(&self, known: u32) -> Vec<Numbered> {
        let mut doors: BTreeMap<u16, Numbered> = BTreeMap::new();
        for (ended, number) in self.0.iter().zip(1..) {
            let (door, epoch, slots) = match ended {
                Ended::Epoch(door, epoch) => (*door, *epoch, 0),
                Ended::Slot(door, epoch, slot) => (*door, *epoch, 1 << slot),
                Ended::Token(..) => continue,
            };
            let of_door = |ended_slots| Numbered {
                news: DoorNews { door: Door(door), epoch: Epoch(epoch), ended_slots },
                number,
            };
            let before = doors.get(&door).map(|it| it.news);
            let same = before.filter(|it| it.epoch.0 == epoch).map_or(0, |it| it.ended_slots);
            if before.is_none_or(|it| it.epoch.0 <= epoch) {
                doors.insert(door, of_door(same | slots));
            }
        }
        doors.into_values().filter(|it| it.number > known).collect()
    }
}
