//! Where the kept receipts lie, and which of them goes when there is no place for one more.

use alloc::{collections::VecDeque, vec::Vec};

use postern_protocol::{Door, OperationNonce};

use crate::{
    journal::Place,
    record::{Completion, Mark},
};

/// Where a receipt lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    pub(crate) token: Mark,
    pub(crate) nonce: OperationNonce,
    pub(crate) sequence: u32,
    pub(crate) closing: bool,
    /// Place of the door among [`Receipts::doors`].
    door: u16,
    pub(crate) place: Place,
}

/// An index of the kept receipts, oldest first.
///
/// When all places are taken the oldest receipt goes of the door that has most: whoever opens and closes one door without
/// end pushes out the receipts of that door alone, and a door with no more than its equal share never loses any.
#[derive(Debug)]
pub(crate) struct Receipts {
    kept: VecDeque<Kept>,
    /// Ascending; doors that the configuration no longer has count as one more, behind the last.
    doors: Vec<Door>,
    /// How many receipts each of them has.
    counts: Vec<u32>,
    most: usize,
}

impl Receipts {
    /// Room for so many, all of it taken at once.
    pub(crate) fn new(mut doors: Vec<Door>, most: u32) -> Self {
        doors.sort_unstable();
        let counts = alloc::vec![0; doors.len() + 1];
        let most = most as usize;
        Self { kept: VecDeque::with_capacity(most + 1), doors, counts, most }
    }

    /// Bytes of heap for these limits.
    pub(crate) const fn memory(doors: usize, most: usize) -> usize {
        (most + 1) * size_of::<Kept>() + doors * size_of::<Door>() + (doors + 1) * size_of::<u32>()
    }

    /// One more, the newest.
    pub(crate) fn push(&mut self, done: &Completion, place: Place) {
        let door = self.doors.binary_search(&done.door).unwrap_or(self.doors.len());
        self.kept.push_back(Kept {
            token: done.token,
            nonce: done.nonce,
            sequence: done.sequence,
            closing: done.outcome.is_closing(),
            door: u16::try_from(door).unwrap_or(u16::MAX),
            place,
        });
        self.counts[door] += 1;
        if self.kept.len() > self.most {
            self.make_room();
        }
    }

    fn make_room(&mut self) {
        let most = self.counts.iter().copied().max().unwrap_or(0);
        let oldest = self.kept.iter().position(|kept| self.counts[usize::from(kept.door)] == most);
        if let Some(gone) = oldest.and_then(|index| self.kept.remove(index)) {
            self.counts[usize::from(gone.door)] -= 1;
        }
    }

    /// None is kept, and the room stays.
    pub(crate) fn clear(&mut self) {
        self.kept.clear();
        self.counts.fill(0);
    }

    /// Whether the receipt with this sequence is kept.
    pub(crate) fn has(&self, sequence: u32) -> bool {
        self.kept.binary_search_by_key(&sequence, |kept| kept.sequence).is_ok()
    }

    /// All of them, oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Kept> {
        self.kept.iter()
    }
}
