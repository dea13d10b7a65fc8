//! The append-only journal in flash: pages, banks, torn writes.
//!
//! The region is two banks of pages. One is live: 64 bytes of header (two copies of magic, generation and checksum),
//! then records, none across a page's end. When it is full, the other bank is erased, a snapshot is written into it
//! and only then its header, with the next generation: whatever is cut off, one bank is whole. A boot takes the
//! whole bank of the highest generation.
//!
//! A record is `length u16 ‖ kind u8 ‖ 0x5A ‖ payload ‖ CRC-32`, filled with `0xFF` to the write size. A write cut
//! short fails its checksum; the page is then left alone and the next begins with the boot record. A bad record with
//! more behind it, or a page after it that does not begin so, is no torn write but damage, and is reported.

use alloc::vec::Vec;

use crate::{
    Flash, FlashError, Geometry,
    record::{KIND_ARCHIVED, KIND_BOOT, KIND_COMPLETION, MAX_RECORD, Record},
};

const HEADER: u32 = 64;
const SLOT: usize = 32;
const MAGIC: [u8; 4] = *b"PLJ1";
const HEAD: usize = 4;
const MARK: u8 = 0x5A;
const MAX_FRAMED: usize = HEAD + MAX_RECORD + 4;
/// Heap that the journal holds: one record, filled up to the largest write size.
pub(crate) const SCRATCH: usize = MAX_FRAMED + 32;

/// Why the journal could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JournalError {
    Flash,
    Damaged,
    /// A record of this kind, whole, which this firmware does not know.
    Unknown(u8),
}

impl From<FlashError> for JournalError {
    fn from(_: FlashError) -> Self {
        Self::Flash
    }
}

/// Why a record was not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AppendError {
    Flash,
    /// The bank is full: compact, then append again.
    Full,
}

impl From<FlashError> for AppendError {
    fn from(_: FlashError) -> Self {
        Self::Flash
    }
}

/// Where the journal stands in its flash.
#[derive(Debug)]
pub(crate) struct Journal {
    geometry: Geometry,
    bank: u32,
    generation: u32,
    /// Within the bank.
    page: u32,
    /// Within the page.
    offset: u32,
    /// Pages of the other bank that are known to be erased, from its first.
    spare_erased: u32,
    scratch: Vec<u8>,
}

impl Journal {
    /// Finds the live bank and hands every record to `each`, in the order of writing. `None` when the region has
    /// never held a journal.
    pub(crate) fn open<F: Flash>(
        flash: &F,
        mut each: impl FnMut(Place, u8, &[u8]) -> Result<(), JournalError>,
    ) -> Result<Option<Self>, JournalError> {
        let geometry = flash.geometry();
        let mut journal = Self::at(geometry, 0, 0);
        let mut best: Option<(u32, u32)> = None;
        let mut doubtful = false;
        for bank in 0..2 {
            let (generation, written) = journal.read_header(flash, bank)?;
            doubtful |= generation.is_none() && written;
            if let Some(generation) = generation
                && best.is_none_or(|(_, highest)| generation > highest)
            {
                best = Some((bank, generation));
            }
        }
        let Some((bank, generation)) = best else {
            return if doubtful { Err(JournalError::Damaged) } else { Ok(None) };
        };
        journal = Self::at(geometry, bank, generation);
        let (page, offset) = journal.scan(flash, &mut each)?;
        (journal.page, journal.offset) = (page, offset);
        Ok(Some(journal))
    }

    /// Lays out a journal with this snapshot, in a region that has none.
    pub(crate) fn create<F: Flash>(
        flash: &mut F,
        snapshot: impl Iterator<Item = Record>,
    ) -> Result<Self, JournalError> {
        let mut journal = Self::at(flash.geometry(), 1, 0);
        journal.compact(flash, snapshot, |_| false)?;
        Ok(journal)
    }

    fn at(geometry: Geometry, bank: u32, generation: u32) -> Self {
        Self {
            geometry,
            bank,
            generation,
            page: 0,
            offset: HEADER,
            spare_erased: 0,
            scratch: Vec::with_capacity(SCRATCH),
        }
    }

    /// Pages of one bank.
    fn bank_pages(&self) -> u32 {
        self.geometry.pages / 2
    }

    fn address(&self, bank: u32, page: u32, offset: u32) -> u32 {
        (bank * self.bank_pages() + page) * self.geometry.page_size + offset
    }

    /// The bank's generation if its header is whole, and whether its second copy has been written to at all.
    fn read_header<F: Flash>(&self, flash: &F, bank: u32) -> Result<(Option<u32>, bool), FlashError> {
        let mut header = [0; HEADER as usize];
        flash.read(self.address(bank, 0, 0), &mut header)?;
        let (first, second) = header.split_at(SLOT);
        let generation = parse_slot(first).or_else(|| parse_slot(second));
        Ok((generation, second.iter().any(|byte| *byte != 0xFF)))
    }

    /// Hands over the records of the live bank. Returns where the next may be written.
    fn scan<F: Flash>(
        &self,
        flash: &F,
        each: &mut impl FnMut(Place, u8, &[u8]) -> Result<(), JournalError>,
    ) -> Result<(u32, u32), JournalError> {
        let mut buffer = [0; MAX_FRAMED];
        let mut cursor = Cursor { page: 0, offset: HEADER, after_torn: false };
        while let Some((kind, length)) = self.next_record(flash, &mut cursor, &mut buffer)? {
            let place = Place { page: cursor.page, offset: cursor.offset - self.framed(length) };
            each(place, kind, &buffer[HEAD..HEAD + length])?;
        }
        Ok((cursor.page, cursor.offset))
    }

    /// Reads the record at the cursor into `buffer` (behind its head) and moves on; `None` at the end, where the
    /// cursor then says where the next record may be written.
    fn next_record<F: Flash>(
        &self,
        flash: &F,
        cursor: &mut Cursor,
        buffer: &mut [u8; MAX_FRAMED],
    ) -> Result<Option<(u8, usize)>, JournalError> {
        while cursor.page < self.bank_pages() {
            match self.read_record(flash, cursor.page, cursor.offset, buffer)? {
                Found::Record { kind, length } => {
                    if cursor.after_torn && kind != KIND_BOOT {
                        return Err(JournalError::Damaged);
                    }
                    cursor.after_torn = false;
                    cursor.offset += self.framed(length);
                    return Ok(Some((kind, length)));
                }
                Found::End if self.is_blank(flash, cursor.page + 1, 0)? => return Ok(None),
                Found::End => {}
                Found::Torn => cursor.after_torn = true,
                Found::Damage => return Err(JournalError::Damaged),
            }
            cursor.page += 1;
            cursor.offset = 0;
        }
        Ok(None)
    }

    fn read_record<F: Flash>(
        &self,
        flash: &F,
        page: u32,
        offset: u32,
        buffer: &mut [u8; MAX_FRAMED],
    ) -> Result<Found, FlashError> {
        let room = self.geometry.page_size - offset;
        if room < self.framed(0) {
            return Ok(Found::End);
        }
        let address = self.address(self.bank, page, offset);
        let (head, rest) = buffer.split_at_mut(HEAD);
        flash.read(address, head)?;
        let length = usize::from(u16::from_le_bytes([head[0], head[1]]));
        let plausible = length <= MAX_RECORD && head[3] == MARK && self.framed(length) <= room;
        if plausible {
            let body = &mut rest[..length + 4];
            flash.read(address + HEAD as u32, body)?;
            let (payload, crc) = body.split_at(length);
            if crc == crc32(&[head, payload]).to_le_bytes() {
                return Ok(Found::Record { kind: head[2], length });
            }
        }
        if self.is_blank(flash, page, offset)? {
            return Ok(Found::End);
        }
        // A write cut short reaches no further than the record it began; what lies behind it must be untouched.
        let extent = if plausible { self.framed(length) } else { self.framed(0) };
        Ok(if self.is_blank(flash, page, offset + extent.min(room))? { Found::Torn } else { Found::Damage })
    }

    /// Whether the rest of a page is erased. True beyond the bank's end.
    fn is_blank<F: Flash>(&self, flash: &F, page: u32, offset: u32) -> Result<bool, FlashError> {
        if page >= self.bank_pages() {
            return Ok(true);
        }
        self.is_erased(flash, self.address(self.bank, page, offset), self.geometry.page_size - offset)
    }

    fn is_erased<F: Flash>(&self, flash: &F, mut address: u32, mut length: u32) -> Result<bool, FlashError> {
        const ERASED: [u8; 64] = [0xFF; 64];
        let mut buffer = [0; ERASED.len()];
        while length > 0 {
            let part = length.min(ERASED.len() as u32);
            let bytes = &mut buffer[..part as usize];
            flash.read(address, bytes)?;
            if *bytes != ERASED[..part as usize] {
                return Ok(false);
            }
            address += part;
            length -= part;
        }
        Ok(true)
    }

    /// Bytes that a payload of this length takes in flash.
    fn framed(&self, length: usize) -> u32 {
        framed(length, self.geometry.write_size)
    }

    /// Writes one record behind the last.
    pub(crate) fn append<F: Flash>(&mut self, flash: &mut F, record: &Record) -> Result<Place, AppendError> {
        self.append_payload(flash, record.kind(), |out| record.encode(out))
    }

    fn append_payload<F: Flash>(
        &mut self,
        flash: &mut F,
        kind: u8,
        encode: impl FnOnce(&mut Vec<u8>),
    ) -> Result<Place, AppendError> {
        self.scratch.clear();
        self.scratch.extend([0, 0, kind, MARK]);
        encode(&mut self.scratch);
        let length = self.scratch.len() - HEAD;
        debug_assert!(length <= MAX_RECORD, "a record is cut to size where it is made");
        let short = u16::try_from(length).map_err(|_| AppendError::Flash)?;
        self.scratch[..2].copy_from_slice(&short.to_le_bytes());
        let crc = crc32(&[&self.scratch]);
        self.scratch.extend(crc.to_le_bytes());
        let framed = self.framed(length);
        self.scratch.resize(framed as usize, 0xFF);
        if self.page < self.bank_pages() && self.offset + framed > self.geometry.page_size {
            self.page += 1;
            self.offset = 0;
        }
        if self.page >= self.bank_pages() {
            return Err(AppendError::Full);
        }
        let address = self.address(self.bank, self.page, self.offset);
        let place = Place { page: self.page, offset: self.offset };
        // Moved first: after a failed write these bytes are in doubt and must not be written again.
        self.offset += framed;
        flash.program(address, &self.scratch)?;
        Ok(place)
    }

    /// Moves to the other bank: the snapshot is all that is kept, and of the finished openings those that `keep`
    /// chooses by their payload.
    pub(crate) fn compact<F: Flash>(
        &mut self,
        flash: &mut F,
        snapshot: impl Iterator<Item = Record>,
        keep: impl Fn(&[u8]) -> bool,
    ) -> Result<(), JournalError> {
        while self.erase_spare(flash)? {}
        let mut next = Self::at(self.geometry, 1 - self.bank, self.generation + 1);
        for record in snapshot {
            next.append(flash, &record).map_err(|_| JournalError::Flash)?;
        }
        if self.generation > 0 {
            let mut buffer = [0; MAX_FRAMED];
            let mut cursor = Cursor { page: 0, offset: HEADER, after_torn: false };
            while let Some((kind, length)) = self.next_record(flash, &mut cursor, &mut buffer)? {
                let payload = &buffer[HEAD..HEAD + length];
                if matches!(kind, KIND_COMPLETION | KIND_ARCHIVED) && keep(payload) {
                    next.append_payload(flash, KIND_ARCHIVED, |out| out.extend(payload))
                        .map_err(|_| JournalError::Flash)?;
                }
            }
        }
        let slot = make_slot(next.generation);
        flash.program(next.address(next.bank, 0, 0), &slot)?;
        flash.program(next.address(next.bank, 0, SLOT as u32), &slot)?;
        *self = next;
        Ok(())
    }

    /// Erases one more page of the other bank; false when all are.
    pub(crate) fn erase_spare<F: Flash>(&mut self, flash: &mut F) -> Result<bool, FlashError> {
        if self.spare_erased >= self.bank_pages() {
            return Ok(false);
        }
        let page = (1 - self.bank) * self.bank_pages() + self.spare_erased;
        if !self.is_erased(flash, page * self.geometry.page_size, self.geometry.page_size)? {
            flash.erase(page)?;
        }
        self.spare_erased += 1;
        Ok(true)
    }

    /// Whether less than an eighth of the bank is left.
    pub(crate) fn nearly_full(&self) -> bool {
        self.page + (self.bank_pages() / 8).max(1) >= self.bank_pages()
    }

    /// Hands over every record of the live bank again.
    pub(crate) fn replay<F: Flash>(
        &self,
        flash: &F,
        mut each: impl FnMut(Place, u8, &[u8]),
    ) -> Result<(), JournalError> {
        self.scan(flash, &mut |place, kind, payload| {
            each(place, kind, payload);
            Ok(())
        })
        .map(|_| ())
    }

    /// The record at a place that [`Self::append`] or a replay of this bank gave.
    pub(crate) fn read<F: Flash>(&self, flash: &F, place: Place) -> Option<Record> {
        let mut buffer = [0; MAX_FRAMED];
        match self.read_record(flash, place.page, place.offset, &mut buffer) {
            Ok(Found::Record { kind, length }) => Record::decode(kind, &buffer[HEAD..HEAD + length]).ok(),
            _ => None,
        }
    }
}

/// Where in the live bank a record lies; good until the next compaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    page: u32,
    offset: u32,
}

/// How far a replay is.
struct Cursor {
    page: u32,
    offset: u32,
    /// The record before was cut short.
    after_torn: bool,
}

enum Found {
    Record { kind: u8, length: usize },
    End,
    Torn,
    Damage,
}

/// Bytes in flash of a record with a payload of `length`.
pub(crate) fn framed(length: usize, write_size: u32) -> u32 {
    let bytes = u32::try_from(HEAD + length + 4).unwrap_or(u32::MAX / 2);
    bytes.div_ceil(write_size) * write_size
}

fn make_slot(generation: u32) -> [u8; SLOT] {
    let mut slot = [0xFF; SLOT];
    slot[..4].copy_from_slice(&MAGIC);
    slot[4..8].copy_from_slice(&generation.to_le_bytes());
    let crc = crc32(&[&slot[..8]]);
    slot[8..12].copy_from_slice(&crc.to_le_bytes());
    slot
}

fn parse_slot(slot: &[u8]) -> Option<u32> {
    let generation = u32::from_le_bytes(slot.get(4..8)?.try_into().ok()?);
    (slot == make_slot(generation)).then_some(generation)
}

/// CRC-32 (IEEE 802.3, reflected), four bits a step: small, and flash is slower.
pub(crate) fn crc32(parts: &[&[u8]]) -> u32 {
    const TABLE: [u32; 16] = {
        let mut table = [0; 16];
        let mut index = 0;
        while index < 16 {
            let mut value = index as u32;
            let mut bit = 0;
            while bit < 4 {
                value = if value & 1 == 1 { value >> 1 ^ 0xEDB8_8320 } else { value >> 1 };
                bit += 1;
            }
            table[index] = value;
            index += 1;
        }
        table
    };
    let step = |crc: u32, nibble: u32| crc >> 4 ^ TABLE[((crc ^ nibble) & 0xF) as usize];
    !parts
        .iter()
        .flat_map(|part| part.iter())
        .fold(u32::MAX, |crc, byte| step(step(crc, u32::from(*byte)), u32::from(*byte) >> 4))
}

#[cfg(all(test, feature = "test-hardware"))]
mod tests {
    use alloc::vec::Vec;

    use postern_protocol::{Door, IssuerKeys};

    use super::*;
    use crate::{
        BootError, Config,
        machine::{Machine, PowerCut},
        record::IGNORABLE,
        store::Store,
    };

    const GEOMETRY: Geometry = Geometry { page_size: 2048, pages: 20, write_size: 8 };

    fn config() -> Config {
        let mut config = Config::new(Vec::from([Door(1)]));
        (config.remembered_tokens, config.kept_receipts) = (16, 16);
        config
    }

    /// SECURITY.md, unknown_word: a record of later firmware is passed over where it says so itself, and otherwise stops the
    /// start with its number; nothing behind it is lost.
    #[test]
    fn unknown_word() {
        for kind in [IGNORABLE, IGNORABLE | 77, 77, 0x7F, 0] {
            let mut machine = Machine::new([Door(1)], GEOMETRY);
            let mut store = Store::open(&mut machine, &config(), &IssuerKeys::new()).expect("a new one");
            store.commit(&mut machine, &Record::Boot(1)).expect("sound flash");
            store.journal().append_payload(&mut machine, kind, |out| out.extend([1, 2, 3])).expect("room");
            store.commit(&mut machine, &Record::PinFailures(3)).expect("sound flash");
            match Store::open(&mut machine, &config(), &IssuerKeys::new()) {
                Ok(store) => {
                    assert_ne!(kind & IGNORABLE, 0);
                    assert_eq!((store.ledger().boot, store.ledger().pin_failures), (1, 3));
                }
                Err(error) => {
                    assert_eq!(kind & IGNORABLE, 0);
                    assert_eq!(error, BootError::UnknownRecord { kind });
                    assert!(alloc::format!("{error}").contains(&alloc::format!("kind {kind}")));
                }
            }
        }
        // A torn one is torn, whatever its kind.
        let mut machine = Machine::new([Door(1)], GEOMETRY);
        let mut store = Store::open(&mut machine, &config(), &IssuerKeys::new()).expect("a new one");
        machine.restore_power();
        machine.cut_power(PowerCut { step: 0, bytes: 9, ragged: true });
        assert!(store.journal().append_payload(&mut machine, 77, |out| out.extend([9; 30])).is_err());
        machine.restore_power();
        assert!(Store::open(&mut machine, &config(), &IssuerKeys::new()).is_ok());
    }
}
