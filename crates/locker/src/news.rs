//! Bulletins: what the hub has any phone tell the locker.

use alloc::vec::Vec;
use core::cmp::Ordering;

use postern_protocol::{
    ClockState, IssuerKeys, Timestamp,
    bulletin::{self, Bulletin},
};

use crate::{
    Hardware, Locker, Notice, Output, Reason, Uptime,
    access::Greeted,
    clock::{Clock, LAG},
    ledger::Ledger,
    record::{CHUNK, Record},
};

impl<H: Hardware> Locker<H> {
    /// Takes a bulletin in, whoever brought it and whatever becomes of the request around it. One that is not for
    /// this locker, not signed by a trusted issuer or no news at all changes nothing.
    ///
    /// Epochs only rise, so that an old bulletin harms nothing; revocations are those of the highest number, of the latest where several have it, and issuer
    /// keys follow the newest bulletin that named any, also where it changed nothing. The clock counts as told only by a bulletin for this session's
    /// HELLO, within 30 s of it.
    ///
    /// # Errors
    /// [`Reason::Faulted`]: it is heeded, and a start would forget it. No answer may say that it is known here: whoever
    /// brought it would not bring it again.
    pub(crate) fn take_bulletin(
        &mut self,
        bytes: &[u8],
        hello: Option<Greeted>,
        now: Uptime,
    ) -> Result<(), Reason> {
        let Ok(bulletin) = bulletin::verify(bytes, &self.store.ledger().issuers) else { return Ok(()) };
        if bulletin.locker != self.keys.locker.id {
            return Ok(());
        }
        let correction = self.take_time(&bulletin, hello, now);
        let ledger = self.store.ledger();
        let mut records = Vec::new();
        let raised: Vec<_> = bulletin.epochs.iter().copied().filter(|news| ledger.is_news(news)).collect();
        records.extend(raised.chunks(CHUNK).map(|chunk| Record::Epochs(chunk.to_vec())));
        let same = bulletin.number == ledger.news && bulletin.revoked == ledger.revoked;
        if !same && is_newer(ledger, &bulletin) {
            records.push(Record::News { number: bulletin.number, revoked: bulletin.revoked.clone() });
            records.push(Record::NewsAt(bulletin.issued_at));
        }
        let says_any = bulletin.number > 0 || !bulletin.revoked.is_empty();
        let dates = same && says_any && ledger.news_at.is_none_or(|at| at < bulletin.issued_at);
        let names = !bulletin.add_keys.is_empty() || !bulletin.remove_keys.is_empty();
        let names = names && bulletin.issued_at > ledger.issuers_named_at;
        let issuers = if names { changed(&ledger.issuers, &bulletin) } else { None };
        let only_names = names && issuers.is_none();
        if let Some(issuers) = issuers {
            records.push(Record::Issuers {
                at: bulletin.issued_at,
                keys: issuers.iter().map(|(id, key)| (id, *key)).collect(),
            });
        }
        if !records.is_empty() {
            self.push(Output::Notice(Notice::Bulletin));
        }
        if let Some(corrected) = correction {
            records.push(corrected);
        } else if !records.is_empty() {
            records.push(Record::Floor(self.time(now).at));
        }
        if only_names {
            // Nothing changes, and nothing that was signed before this changes anything any more.
            records.push(Record::IssuersNamedAt(bulletin.issued_at));
        }
        if dates {
            records.push(Record::NewsAt(bulletin.issued_at));
        }
        for record in &records {
            // A failure is noted by `commit` itself; what was written stays true.
            if self.commit(record).is_err() {
                self.store.heed(record);
                self.forgetful = true;
            }
        }
        if self.forgetful { Err(Reason::Faulted) } else { Ok(()) }
    }

    /// What the bulletin says of the time. One bound to this HELLO sets a clock that has lost the time, or corrects one
    /// that runs wrong, in both directions; what is then to be written.
    fn take_time(&mut self, bulletin: &Bulletin, hello: Option<Greeted>, now: Uptime) -> Option<Record> {
        let at = bulletin.issued_at;
        let reading = self.time(now);
        let fresh = hello.filter(|hello| hello.is_fresh());
        let bound = fresh.is_some_and(|hello| bulletin.hello_nonce == Some(hello.nonce));
        if !bound {
            if reading.state != ClockState::Unset && !self.clock.vetoes(at, now) {
                self.clock.raise(at, now);
            }
            return None;
        }
        let lost = reading.state == ClockState::Unset;
        let corrected = if lost && reading.may_be(at) {
            self.clock.tell(at, now);
            None
        } else if let Some(at) = Clock::correction(reading, at, self.config.provisioned_at) {
            self.clock.correct(at, now);
            Some(seconds_between(reading.at, at))
        } else if reading.may_be(at) && !self.clock.vetoes(at, now) {
            self.clock.tell(at, now);
            None
        } else {
            return None;
        };
        let offset = self.store.ledger().offset;
        let wall = self.hardware.wall_clock();
        let off = wall.map(|wall| seconds_between(wall, at)).filter(|wanted| wanted.abs_diff(offset) > LAG);
        let moved = corrected.or(off.map(|wanted| wanted.saturating_sub(offset)))?;
        self.push(Output::Notice(Notice::Corrected { seconds: moved }));
        Some(Record::Corrected { floor: self.clock.floor(), offset: off.unwrap_or(offset) })
    }
}

/// Whether the revocations of this bulletin take the place of those that are known. More than one may have the same number:
/// what is revoked counts up to it only where all of the doors' news fits too. Of those the latest counts, and nobody can
/// bring an earlier one back.
fn is_newer(ledger: &Ledger, bulletin: &Bulletin) -> bool {
    match bulletin.number.cmp(&ledger.news) {
        Ordering::Less => false,
        Ordering::Equal => ledger.news_at.is_some_and(|at| at < bulletin.issued_at),
        Ordering::Greater => true,
    }
}

/// From one time to the other; negative where that is earlier.
fn seconds_between(from: Timestamp, to: Timestamp) -> i64 {
    let signed = |time: Timestamp| i64::try_from(time.0).unwrap_or(i64::MAX);
    signed(to).saturating_sub(signed(from))
}

/// The issuers after the bulletin; none when it changes nothing or would leave the locker without any, too many, or
/// with one name for two keys.
fn changed(issuers: &IssuerKeys, bulletin: &Bulletin) -> Option<IssuerKeys> {
    let mut next = issuers.clone();
    for id in &bulletin.remove_keys {
        next.remove(*id);
    }
    let fit = bulletin.add_keys.iter().all(|(id, key)| next.insert(*id, *key));
    (fit && next != *issuers && next.iter().next().is_some()).then_some(next)
}
