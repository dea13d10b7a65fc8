//! The tokens and delegations whose uses are counted, each until it ends, with room for every door.

use alloc::vec::Vec;

use postern_protocol::{Door, Timestamp};

use crate::record::{Mark, TokenLine};

/// Openings that came to nothing (jammed, already open) which a token is not charged for; from then on it is.
pub(crate) const FREE_FAILURES: u8 = 3;
/// Delegations of one token that are remembered; a further one is refused.
pub(crate) const MAX_GUESTS: u8 = 8;
/// Every door has room for so many at least.
const ROOM: usize = 16;

/// Failures that were not charged (bits 0 and 1), delegations of this token (bits 2 to 5), names several doors (bit 6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(pub(crate) u8);

impl Flags {
    const SEVERAL: u8 = 1 << 6;

    const fn new(several: bool) -> Self {
        Self(if several { Self::SEVERAL } else { 0 })
    }

    const fn idle(self) -> u8 {
        self.0 & 0b11
    }

    const fn guests(self) -> u8 {
        self.0 >> 2 & 0b1111
    }

    const fn names_several(self) -> bool {
        self.0 & Self::SEVERAL != 0
    }
}

/// The remembered tokens: parallel columns, since padding would cost a sixth more.
///
/// Each counts at the door where it was first used. One that names a single door goes when that door's epoch rises: the
/// locker refuses it by its epoch from then on. One that names several may still open another of them, and stays; such
/// take at most half of a door's room, so that the next customer of the door always finds some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tokens {
    marks: Vec<Mark>,
    expires: Vec<u32>,
    used: Vec<u8>,
    flags: Vec<Flags>,
    /// Place of the door in the table of doors.
    doors: Vec<u8>,
    /// Places for each door, and in all.
    room: usize,
    places: usize,
    /// The latest end among those that were forgotten because they had ended. The clock may be corrected backwards: what
    /// ended before this and is not known here may have been used.
    pub(crate) forgotten: u32,
}

/// A token or delegation that is to be counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Newcomer {
    pub(crate) mark: Mark,
    pub(crate) several: bool,
}

impl Tokens {
    /// Bytes of one place in the table.
    const BYTES: usize = size_of::<Mark>() + size_of::<u32>() + size_of::<[u8; 3]>();

    const fn room(doors: usize, tokens: usize) -> usize {
        let share = tokens / doors;
        if share > ROOM { share } else { ROOM }
    }

    /// Bytes of heap for so many doors, and tokens in all.
    pub(crate) const fn memory(doors: usize, tokens: usize) -> usize {
        doors * Self::room(doors, tokens) * Self::BYTES
    }

    /// Places for so many doors, and tokens in all.
    pub(crate) const fn places(doors: usize, tokens: usize) -> usize {
        doors * Self::room(doors, tokens)
    }

    /// All its memory, taken at once.
    pub(crate) fn new(doors: usize, tokens: usize) -> Self {
        let places = Self::places(doors, tokens);
        Self {
            marks: Vec::with_capacity(places),
            expires: Vec::with_capacity(places),
            used: Vec::with_capacity(places),
            flags: Vec::with_capacity(places),
            doors: Vec::with_capacity(places),
            room: Self::room(doors, tokens),
            places,
            forgotten: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.marks.len()
    }

    fn position(&self, mark: Mark) -> Option<usize> {
        self.marks.iter().position(|known| *known == mark)
    }

    pub(crate) fn line(&self, index: usize, door: impl Fn(usize) -> Door) -> TokenLine {
        TokenLine {
            mark: self.marks[index],
            expires: self.expires[index],
            used: self.used[index],
            flags: self.flags[index].0,
            door: door(usize::from(self.doors[index])),
        }
    }

    pub(crate) fn restore(&mut self, line: &TokenLine, door: usize) {
        if self.len() < self.places {
            self.marks.push(line.mark);
            self.expires.push(line.expires);
            self.used.push(line.used);
            self.flags.push(Flags(line.flags));
            self.doors.push(door_byte(door));
        }
    }

    /// Uses of a token or delegation that have been counted; none if it was never seen, or is long over.
    pub(crate) fn used(&self, mark: Mark) -> Option<u8> {
        self.position(mark).map(|index| self.used[index])
    }

    /// Whether it ends no later than something that was forgotten, and so may have been used and forgotten itself.
    pub(crate) fn may_be_forgotten(&self, mark: Mark, expires: Timestamp) -> bool {
        seconds(expires) <= self.forgotten && self.position(mark).is_none()
    }

    /// Whether the token has as many delegations as are remembered, and this is none of them.
    pub(crate) fn has_guests_enough(&self, token: Mark, guest: Mark) -> bool {
        self.position(token).is_some_and(|index| self.flags[index].guests() >= MAX_GUESTS)
            && self.position(guest).is_none()
    }

    /// Whether there is room at the door for those of them that are not known yet. `raises`: they raise the door's epoch,
    /// and so make room first.
    pub(crate) fn has_room(
        &self,
        door: usize,
        raises: bool,
        floor: Timestamp,
        newcomers: &[Newcomer],
    ) -> bool {
        let unknown = || newcomers.iter().filter(|new| self.position(new.mark).is_none());
        let (all, several) = self.living(door, floor);
        let all = if raises { several } else { all };
        all + unknown().count() <= self.room
            && (unknown().all(|new| !new.several)
                || several + unknown().filter(|new| new.several).count() <= self.room / 2)
    }

    /// Entries of a door that have not ended, and how many of them name several doors.
    fn living(&self, door: usize, floor: Timestamp) -> (usize, usize) {
        let door = door_byte(door);
        let living = (0..self.len())
            .filter(|index| self.doors[*index] == door && self.expires[*index] >= seconds(floor));
        living.fold((0, 0), |(all, several), index| {
            (all + 1, several + usize::from(self.flags[index].names_several()))
        })
    }

    /// Counts a use; true when it was known. That there is room was checked before: at a door whose places are all taken
    /// an entry goes that has ended.
    pub(crate) fn charge(
        &mut self,
        mark: Mark,
        expires: Timestamp,
        several: bool,
        door: usize,
        floor: Timestamp,
    ) -> bool {
        if let Some(index) = self.position(mark) {
            self.used[index] = self.used[index].saturating_add(1);
            return true;
        }
        let at = door_byte(door);
        let taken = self.doors.iter().filter(|known| **known == at).count();
        if taken < self.room && self.len() < self.places {
            self.marks.push(mark);
            self.expires.push(seconds(expires));
            self.used.push(1);
            self.flags.push(Flags::new(several));
            self.doors.push(at);
            return false;
        }
        let over = |index: &usize| self.expires[*index] < seconds(floor);
        let index = (0..self.len())
            .filter(over)
            .find(|index| self.doors[*index] == at)
            .or_else(|| (0..self.len()).find(over));
        if let Some(index) = index {
            self.forgotten = self.forgotten.max(self.expires[index]);
            self.marks[index] = mark;
            self.expires[index] = seconds(expires);
            self.used[index] = 1;
            self.flags[index] = Flags::new(several);
            self.doors[index] = at;
        }
        false
    }

    /// One more delegation of this token is remembered.
    pub(crate) fn count_guest(&mut self, token: Mark) {
        if let Some(index) = self.position(token) {
            let flags = &mut self.flags[index];
            if flags.guests() < MAX_GUESTS {
                flags.0 += 1 << 2;
            }
        }
    }

    /// Gives a use back after an opening that came to nothing, unless that has happened too often.
    pub(crate) fn refund(&mut self, mark: Mark) {
        if let Some(index) = self.position(mark)
            && self.flags[index].idle() < FREE_FAILURES
        {
            self.used[index] = self.used[index].saturating_sub(1);
            self.flags[index].0 += 1;
        }
    }

    /// The door's epoch has risen: those that are for this door alone are refused by it from now on.
    pub(crate) fn epoch_raised(&mut self, door: usize) {
        let door = door_byte(door);
        for index in (0..self.len()).rev() {
            if self.doors[index] == door && !self.flags[index].names_several() {
                self.marks.swap_remove(index);
                self.expires.swap_remove(index);
                self.used.swap_remove(index);
                self.flags.swap_remove(index);
                self.doors.swap_remove(index);
            }
        }
    }
}

/// [`crate::MAX_DOORS`] places have numbers of one byte.
fn door_byte(door: usize) -> u8 {
    u8::try_from(door).unwrap_or(u8::MAX)
}

fn seconds(time: Timestamp) -> u32 {
    u32::try_from(time.0).unwrap_or(u32::MAX)
}
