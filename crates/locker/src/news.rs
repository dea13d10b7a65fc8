//! Bulletins: what the hub has any phone tell the locker.

use alloc::vec::Vec;

use postern_protocol::{
    IssuerKeys,
    bulletin::{self, Bulletin},
};

use crate::{
    Hardware, Locker, Notice, Output, Reason, Uptime,
    record::{CHUNK, Record},
};

impl<H: Hardware> Locker<H> {
    /// Takes a bulletin in, whoever brought it and whatever becomes of the request around it. One that is not for
    /// this locker, not signed by a trusted issuer or no news at all changes nothing.
    ///
    /// Epochs and the floor only rise, so that an old bulletin harms nothing; issuer keys follow the newest bulletin
    /// that named any. The clock counts as told only by a bulletin for this session's HELLO.
    ///
    /// # Errors
    /// [`Reason::Faulted`]: it is heeded, and a start would forget it. No answer may say that it is known here: whoever
    /// brought it would not bring it again.
    pub(crate) fn take_bulletin(&mut self, bytes: &[u8], hello: [u8; 16], now: Uptime) -> Result<(), Reason> {
        let Ok(bulletin) = bulletin::verify(bytes, &self.store.ledger().issuers) else { return Ok(()) };
        if bulletin.locker != self.keys.locker.id {
            return Ok(());
        }
        let reading = self.time(now);
        if bulletin.hello_nonce == Some(hello) && reading.may_be(bulletin.issued_at) {
            self.clock.tell(bulletin.issued_at, now);
        } else {
            self.clock.raise(bulletin.issued_at, now);
        }
        let ledger = self.store.ledger();
        let mut records = Vec::new();
        let raised: Vec<_> = bulletin
            .epochs
            .iter()
            .copied()
            .filter(|(door, epoch)| ledger.door(*door).is_some_and(|line| *epoch > line.epoch))
            .collect();
        records.extend(raised.chunks(CHUNK).map(|chunk| Record::Epochs(chunk.to_vec())));
        if bulletin.issued_at > ledger.issuers_at
            && let Some(issuers) = changed(&ledger.issuers, &bulletin)
        {
            records.push(Record::Issuers {
                at: bulletin.issued_at,
                keys: issuers.iter().map(|(id, key)| (id, *key)).collect(),
            });
        }
        if !records.is_empty() {
            records.push(Record::Floor(bulletin.issued_at));
            for record in &records {
                // A failure is noted by `commit` itself; what was written stays true.
                if self.commit(record).is_err() {
                    self.store.heed(record);
                    self.forgetful = true;
                }
            }
            self.push(Output::Notice(Notice::Bulletin));
        }
        if self.forgetful { Err(Reason::Faulted) } else { Ok(()) }
    }
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
