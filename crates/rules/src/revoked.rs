//! How much news fits a bulletin, and what becomes of the rest (PROTOCOL.md, bulletin).

use std::collections::BTreeMap;

use postern_protocol::{
    IssuerKeys, KeyId,
    bulletin::{Bulletin, DoorNews, MAX_EPOCHS, MAX_REVOKED},
    issue,
};

/// The keys that a bulletin tells a locker to drop, of all that have retired since it joined: the newest, as many as a locker
/// holds at all. Those before were told of in their time.
#[must_use]
pub fn dropped(mut retired: Vec<KeyId>) -> Vec<KeyId> {
    retired.sort_unstable();
    retired.split_off(retired.len().saturating_sub(IssuerKeys::MAX))
}

/// News of a door with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// What is to be told.
    pub news: DoorNews,
    /// When, among the news of the locker.
    pub number: u32,
}

/// Puts in as many news of doors as the air holds, oldest first, and gives the bulletin the number up to which it is
/// complete: whoever has taken it in acknowledges no news that it did not hold. `newest` is the number of the newest news
/// of the locker. False where not even the rest fits.
#[must_use]
pub fn fit(bulletin: &mut Bulletin, mut doors: Vec<Numbered>, newest: u32) -> bool {
    doors.sort_by_key(|door| door.number);
    let mut holds = doors.len().min(MAX_EPOCHS);
    loop {
        bulletin.number = doors.get(holds).map_or(newest, |left_out| left_out.number.saturating_sub(1));
        bulletin.epochs = doors[..holds].iter().map(|door| door.news).collect();
        bulletin.epochs.sort_by_key(|news| news.door);
        if issue::is_publishable(bulletin) {
            return true;
        }
        let Some(fewer) = holds.checked_sub(1) else { return false };
        holds = fewer;
    }
}

/// Most tokens of one reservation that the bulletins of a locker name at a time. Whoever has had more minted has the door's
/// epoch raised instead, and takes nobody's place.
pub const MOST_NAMED: usize = 4;

/// Which of the living revocations of a locker, of which each is somebody's, oldest first, become a higher epoch of their
/// doors so that the rest fit a bulletin: of whoever has most at that moment, the oldest. Of several who have as many, it is the
/// one whose is the oldest.
#[must_use]
pub fn make_room<S: Ord>(whose: &[S]) -> Vec<usize> {
    let mut left: Vec<usize> = (0..whose.len()).collect();
    let mut go = Vec::new();
    while left.len() > MAX_REVOKED {
        let mut counts = BTreeMap::new();
        for place in &left {
            *counts.entry(&whose[*place]).or_insert(0_usize) += 1;
        }
        let most = counts.values().max().copied().unwrap_or_default();
        let Some(at) = left.iter().position(|place| counts.get(&whose[*place]) == Some(&most)) else { break };
        go.push(left.remove(at));
    }
    go
}

#[cfg(test)]
mod tests {
    use postern_protocol::{
        Door, Epoch, KeyId, LockerId, Timestamp,
        bulletin::{Revocation, RevocationKind},
    };

    use super::*;

    fn bulletin() -> Bulletin {
        let revocation = |n: usize| Revocation {
            kind: RevocationKind::Token,
            name: [n as u8; 16],
            at: Timestamp(1_800_000_000),
        };
        Bulletin {
            locker: LockerId([7; 8]),
            issued_at: Timestamp(1_790_000_000),
            number: 0,
            epochs: Vec::new(),
            revoked: (0..MAX_REVOKED).map(revocation).collect(),
            add_keys: vec![(
                KeyId(1),
                ed25519_dalek::SigningKey::from_bytes(&[9; 32]).verifying_key().to_bytes(),
            )],
            remove_keys: Vec::new(),
            hello_nonce: Some([5; 16]),
            key_id: KeyId(0),
        }
    }

    #[test]
    fn what_does_not_fit_is_the_newest_and_is_not_acknowledged() {
        // The newest has the lowest door, so that the order of doors is not the order of time.
        let doors: Vec<_> = (0..48_u32)
            .map(|n| Numbered {
                news: DoorNews { door: Door(400 - n as u16), epoch: Epoch(70_000), ended_slots: 15 },
                number: 100 + n,
            })
            .collect();
        let mut told = bulletin();
        assert!(fit(&mut told, doors.clone(), 147));
        assert!(issue::is_publishable(&told));
        let holds = told.epochs.len();
        assert!((1..48).contains(&holds), "{holds}");
        assert_eq!(told.number, 100 + holds as u32 - 1);
        let mut oldest: Vec<_> = doors[..holds].iter().map(|door| door.news).collect();
        oldest.sort_by_key(|news| news.door);
        assert_eq!(told.epochs, oldest);
        // All of it, in as many bulletins as it takes.
        let mut heard = 0;
        let mut bulletins = 0;
        while heard < 147 {
            let rest = doors.iter().filter(|door| door.number > heard).copied().collect();
            let mut told = bulletin();
            assert!(fit(&mut told, rest, 147));
            assert!(told.number > heard);
            heard = told.number;
            bulletins += 1;
        }
        assert!(bulletins < 20, "{bulletins}");
    }

    #[test]
    fn after_any_number_of_rotations_a_bulletin_fits() {
        for retired in [0, 1, 8, 9, 40_u32] {
            let mut told = bulletin();
            told.add_keys[0].0 = KeyId(retired + 1);
            told.remove_keys = dropped((1..=retired).map(KeyId).collect());
            assert!(fit(&mut told, Vec::new(), 9), "{retired}");
            assert_eq!(told.remove_keys.len(), retired.min(8) as usize);
            assert!(retired == 0 || told.remove_keys.last() == Some(&KeyId(retired)), "the newest");
        }
    }

    #[test]
    fn everything_that_fits_is_acknowledged_with_the_newest_number() {
        let mut told = bulletin();
        assert!(fit(&mut told, Vec::new(), 9));
        assert_eq!(told.number, 9);
    }

    #[test]
    fn whoever_has_most_makes_room() {
        assert!(make_room(&["ada"; 16]).is_empty());
        assert_eq!(make_room(&["ada"; 17]), [0], "the oldest of one's own");
        let mut whose = vec!["ada"];
        whose.extend(["mallory"; 15]);
        whose.push("ben");
        assert_eq!(make_room(&whose), [1], "not the oldest of all");
        whose.extend(["ben"; 3]);
        assert_eq!(make_room(&whose), [1, 2, 3, 4]);
        let each: Vec<_> = (0..18).collect();
        assert_eq!(make_room(&each), [0, 1], "who all have one");
        let two: Vec<_> = (0..18).map(|n| n % 2).collect();
        assert_eq!(make_room(&two), [0, 1], "in turn");
    }
}
