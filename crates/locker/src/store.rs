//! Journal and ledger together: a fact counts once it is in flash.

use alloc::vec::Vec;

use postern_protocol::{IssuerKeys, OperationNonce};

use crate::{
    BootError, Config, Flash, Geometry,
    journal::{self, AppendError, Journal, JournalError},
    kept::{Kept, Receipts},
    ledger::Ledger,
    record::{
        self, CHUNK, Completion, IGNORABLE, KIND_ARCHIVED, KIND_COMPLETION, MAX_RECORD, Malformed, Mark,
        Record,
    },
    tokens::Tokens,
};

/// The flash failed: nothing may be opened any more, since nothing could be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Faulted;

/// What the locker remembers, in flash and in memory.
pub(crate) struct Store {
    journal: Journal,
    ledger: Ledger,
    receipts: Receipts,
}

impl Store {
    /// Replays the journal, or lays out a new one.
    pub(crate) fn open<F: Flash>(
        flash: &mut F,
        config: &Config,
        issuers: &IssuerKeys,
    ) -> Result<Self, BootError> {
        let geometry = flash.geometry();
        check(geometry)?;
        let needed = flash_needed(config, geometry);
        if u64::from(geometry.page_size) * u64::from(geometry.pages) < needed {
            return Err(BootError::FlashTooSmall { needed });
        }
        let mut ledger = Ledger::new(config, issuers.clone());
        let mut receipts = Receipts::new(config.doors.clone(), config.kept_receipts);
        let found = Journal::open(flash, |place, kind, payload| {
            // The checksum was good: what does not decode was written by other firmware.
            let record = match Record::decode(kind, payload) {
                Ok(record) => record,
                Err(Malformed) if kind & IGNORABLE != 0 => return Ok(()),
                Err(Malformed) => return Err(JournalError::Unknown(kind)),
            };
            remember(&mut receipts, &record, place);
            ledger.apply(&record);
            Ok(())
        })?;
        // Until a bulletin has changed them the issuers are those of the provisioning, also of a later one.
        ledger.provision(issuers);
        let journal = match found {
            Some(journal) => journal,
            None => Journal::create(flash, ledger.snapshot())?,
        };
        Ok(Self { journal, ledger, receipts })
    }

    /// What is known.
    pub(crate) const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// For tests that write what this firmware does not.
    #[cfg(all(test, feature = "test-hardware"))]
    pub(crate) const fn journal(&mut self) -> &mut Journal {
        &mut self.journal
    }

    /// Writes a fact, then takes it in.
    pub(crate) fn commit<F: Flash>(&mut self, flash: &mut F, record: &Record) -> Result<(), Faulted> {
        let place = match self.journal.append(flash, record) {
            Ok(place) => place,
            Err(AppendError::Full) => {
                self.compact(flash)?;
                self.journal.append(flash, record).map_err(|_| Faulted)?
            }
            Err(AppendError::Flash) => return Err(Faulted),
        };
        remember(&mut self.receipts, record, place);
        self.ledger.apply(record);
        Ok(())
    }

    /// Takes in what the flash no longer takes. Only for what forbids: it holds until the next start and no longer.
    pub(crate) fn heed(&mut self, record: &Record) {
        self.ledger.apply(record);
    }

    fn compact<F: Flash>(&mut self, flash: &mut F) -> Result<(), Faulted> {
        // Sequence and kind are enough to choose by.
        let receipts = &mut self.receipts;
        self.journal
            .compact(flash, self.ledger.snapshot(), |payload| {
                record::sequence(payload).is_some_and(|sequence| receipts.has(sequence))
            })
            .map_err(|_| Faulted)?;
        receipts.clear();
        self.journal
            .replay(flash, |place, kind, payload| {
                if matches!(kind, KIND_COMPLETION | KIND_ARCHIVED)
                    && let Ok(record) = Record::decode(kind, payload)
                {
                    remember(receipts, &record, place);
                }
            })
            .map_err(|_| Faulted)
    }

    /// Does what can be done ahead, a page at a time: call when nobody waits.
    pub(crate) fn tidy<F: Flash>(&mut self, flash: &mut F) -> Result<(), Faulted> {
        if self.journal.erase_spare(flash).map_err(|_| Faulted)? {
            return Ok(());
        }
        if self.journal.nearly_full() { self.compact(flash) } else { Ok(()) }
    }

    /// The finished opening of this token with this nonce.
    pub(crate) fn find<F: Flash>(&self, flash: &F, token: Mark, nonce: OperationNonce) -> Option<Completion> {
        self.read(flash, |kept| !kept.closing && kept.token == token && kept.nonce == nonce)
    }

    /// The closing of that opening, if it has been closed.
    pub(crate) fn closing<F: Flash>(&self, flash: &F, opening: &Completion) -> Option<Completion> {
        let (token, nonce) = (opening.token, opening.nonce);
        self.read(flash, |kept| kept.closing && kept.token == token && kept.nonce == nonce)
    }

    /// The receipt with that sequence.
    pub(crate) fn receipt<F: Flash>(&self, flash: &F, sequence: u32) -> Option<Vec<u8>> {
        self.read(flash, |kept| kept.sequence == sequence).map(|done| done.receipt)
    }

    /// The kept receipts from that sequence on, oldest first.
    pub(crate) fn receipts_from<'a, F: Flash>(
        &'a self,
        flash: &'a F,
        first: u32,
    ) -> impl Iterator<Item = (u32, Vec<u8>)> + 'a {
        let kept = self.receipts.iter().filter(move |kept| kept.sequence >= first);
        kept.filter_map(|kept| match self.journal.read(flash, kept.place)? {
            Record::Completion(done) | Record::Archived(done) => Some((done.sequence, done.receipt)),
            _ => None,
        })
    }

    fn read<F: Flash>(&self, flash: &F, is_it: impl Fn(&Kept) -> bool) -> Option<Completion> {
        let kept = self.receipts.iter().rev().find(|kept| is_it(kept))?;
        match self.journal.read(flash, kept.place)? {
            Record::Completion(completion) | Record::Archived(completion) => Some(completion),
            _ => None,
        }
    }

    /// All kept receipts, oldest first.
    pub(crate) fn receipts<'a, F: Flash>(&'a self, flash: &'a F) -> impl Iterator<Item = Completion> + 'a {
        self.receipts.iter().filter_map(|kept| match self.journal.read(flash, kept.place)? {
            Record::Completion(completion) | Record::Archived(completion) => Some(completion),
            _ => None,
        })
    }

    /// Bytes of heap for these limits, all taken at start-up.
    pub(crate) const fn memory(doors: usize, tokens: usize, receipts: usize) -> usize {
        Ledger::memory(doors, tokens) + Receipts::memory(doors, receipts) + journal::SCRATCH
    }
}

fn remember(receipts: &mut Receipts, record: &Record, place: journal::Place) {
    if let Record::Completion(done) | Record::Archived(done) = record {
        receipts.push(done, place);
    }
}

fn check(geometry: Geometry) -> Result<(), BootError> {
    if !(1024..=65_536).contains(&geometry.page_size) || !geometry.page_size.is_power_of_two() {
        return Err(BootError::Config("page size"));
    }
    if !geometry.write_size.is_power_of_two() || geometry.write_size > 32 {
        return Err(BootError::Config("write size"));
    }
    if geometry.pages < 4 || geometry.pages > 1 << 15 {
        return Err(BootError::Config("number of pages"));
    }
    Ok(())
}

/// Bytes of flash that these limits need: two banks, each with room for a snapshot of everything and a quarter more.
#[must_use]
pub(crate) fn flash_needed(config: &Config, geometry: Geometry) -> u64 {
    let framed = |payload: usize| u64::from(journal::framed(payload, geometry.write_size));
    let places = Tokens::places(config.doors.len(), config.remembered_tokens);
    let tables = places.div_ceil(CHUNK) as u64 * framed(record::TOKENS_RECORD)
        + config.doors.len().div_ceil(record::DOOR_CHUNK) as u64 * framed(record::DOORS_RECORD)
        + config.doors.len() as u64 * framed(record::INTENT_RECORD)
        + u64::from(config.kept_receipts) * framed(record::COMPLETION_RECORD)
        + framed(record::NEWS_RECORD)
        + 2 * framed(size_of::<u64>())
        + 7 * framed(record::ISSUERS_RECORD);
    // The end of every page may stay empty for want of room for one more of the longest records.
    let usable = u64::from(geometry.page_size) - framed(MAX_RECORD).min(u64::from(geometry.page_size) / 2);
    let pages = (tables + 64).div_ceil(usable);
    2 * (pages + (pages / 4).max(1)) * u64::from(geometry.page_size)
}

impl From<JournalError> for BootError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Flash => Self::Flash(crate::FlashError),
            JournalError::Damaged => Self::JournalDamaged,
            JournalError::Unknown(kind) => Self::UnknownRecord { kind },
        }
    }
}
