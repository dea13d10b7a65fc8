//! Who may open what: every check of PROTOCOL.md, in an order that leaks nothing.
//!
//! First what anyone can try (form, signatures, possession of the key), then what the token itself says, and only
//! then what the locker knows (time, epochs, uses, a busy door). So an answer that depends on the locker's state
//! goes to proven holders alone, and a guesser always hears the same word.

use postern_protocol::{
    ClockState, Door, IssuerKeys, LockerId, Operation, OperationNonce, Refusal, Timestamp,
    delegation::{self, Delegation},
    token::{self, Claims},
};

use crate::{
    Config, Reason,
    clock::Reading,
    ledger::Ledger,
    opening::Channel,
    record::{Intent, LastOpening, Mark},
};

/// How often one opening may be reopened.
pub(crate) const MAX_REOPENS: u8 = 3;

/// A proven holder of a token, or of a delegation of it.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    pub(crate) claims: Claims,
    delegation: Option<(Delegation, Mark)>,
}

/// What somebody at the radio or the scanner presents.
pub(crate) struct Presented<'a> {
    pub(crate) token: &'a [u8],
    pub(crate) delegation: Option<&'a [u8]>,
    /// What the holder's key must have signed.
    pub(crate) challenge: &'a [u8],
    pub(crate) proof: &'a [u8; 64],
}

/// What a holder asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) operation: Operation,
    pub(crate) door: Door,
    pub(crate) nonce: OperationNonce,
}

/// Proves the holder: signatures and possession.
pub(crate) fn authenticate(presented: &Presented<'_>, issuers: &IssuerKeys) -> Result<Holder, Reason> {
    let claims = token::verify(presented.token, issuers).map_err(|_| Reason::Token)?;
    let delegation = match presented.delegation {
        None => None,
        Some(bytes) => {
            let delegation = delegation::verify(bytes, &claims.key).map_err(|_| Reason::Delegation)?;
            let mut name = [0; 16];
            name.copy_from_slice(&delegation::hash(bytes)[..16]);
            Some((delegation, Mark::of(&name)))
        }
    };
    let key = delegation.as_ref().map_or(&claims.key, |(delegation, _)| &delegation.to);
    if !key.verify(presented.challenge, presented.proof) {
        return Err(Reason::Proof);
    }
    Ok(Holder { claims, delegation })
}

impl Holder {
    /// The token's mark.
    pub(crate) fn mark(&self) -> Mark {
        Mark::of(&self.claims.id.0)
    }

    /// Whether this is the owner, not a guest.
    pub(crate) const fn is_owner(&self) -> bool {
        self.delegation.is_none()
    }

    /// What the token (and the delegation) says of locker, door and operation. A status is for every holder.
    pub(crate) fn covers(&self, wish: Wish, locker: LockerId) -> Result<(), Reason> {
        if self.claims.locker != locker {
            return Err(Reason::Locker);
        }
        if self.delegation.as_ref().is_some_and(|(delegation, _)| !delegation.is_within(&self.claims)) {
            return Err(Reason::Delegation);
        }
        let named = self.claims.epoch_of(wish.door).is_some()
            && self.delegation.as_ref().is_none_or(|(delegation, _)| delegation.doors.contains(&wish.door));
        if !named {
            return Err(Reason::Door);
        }
        let operations =
            self.delegation.as_ref().map_or(self.claims.operations, |(delegation, _)| delegation.operations);
        if wish.operation != Operation::Status && !operations.contains(wish.operation) {
            return Err(Reason::Operation);
        }
        Ok(())
    }

    /// Whether the locker may believe it knows the time for this token, in a session with this HELLO nonce. `true`
    /// when the token itself tells the time.
    pub(crate) fn tells_time(&self, reading: Reading, hello: Option<[u8; 16]>) -> Result<bool, Reason> {
        match self.claims.hello_nonce {
            Some(bound) if hello != Some(bound) => Err(Reason::Clock),
            Some(_) => Ok(reading.may_be(self.claims.issued_at)),
            None => Ok(false),
        }
        .and_then(|tells| {
            let known = tells || reading.state != ClockState::Unset;
            if known { Ok(tells) } else { Err(Reason::Clock) }
        })
    }

    /// Time and length of life. `now` has been raised by this token's own time of signing.
    pub(crate) fn is_current(&self, now: Timestamp, longest: u64) -> Result<(), Reason> {
        if self.claims.expires.since(self.claims.issued_at) > longest {
            return Err(Reason::Lifetime);
        }
        let delegation = self.delegation.as_ref().map(|(delegation, _)| delegation);
        let starts =
            delegation.map_or(self.claims.not_before, |it| it.not_before.max(self.claims.not_before));
        let ends = delegation.map_or(self.claims.expires, |it| it.expires.min(self.claims.expires));
        if now < starts {
            Err(Reason::Early)
        } else if now >= ends {
            Err(Reason::Expired)
        } else {
            Ok(())
        }
    }

    /// Epoch, uses and the rule of reopening.
    pub(crate) fn may_move(
        &self,
        wish: Wish,
        now: Timestamp,
        ledger: &Ledger,
        config: &Config,
    ) -> Result<(), Reason> {
        let line = ledger.door(wish.door).ok_or(Reason::Door)?;
        if self.claims.epoch_of(wish.door).is_none_or(|epoch| epoch < line.epoch) {
            return Err(Reason::Epoch);
        }
        if wish.operation == Operation::Reopen {
            return if line.last.as_ref().is_some_and(|last| self.may_reopen(wish, last, now, config)) {
                Ok(())
            } else {
                Err(Reason::Order)
            };
        }
        let spent = |mark, uses| ledger.used(mark).unwrap_or(0) >= uses;
        let guest_spent =
            self.delegation.as_ref().is_some_and(|(delegation, mark)| spent(*mark, delegation.uses));
        if spent(self.mark(), self.claims.uses) || guest_spent {
            return Err(Reason::Uses);
        }
        if !ledger.has_room(2) {
            return Err(Reason::Busy);
        }
        Ok(())
    }

    /// One's own opening: by this token, or by another of the same reservation unless that was the courier's.
    fn may_reopen(&self, wish: Wish, last: &LastOpening, now: Timestamp, config: &Config) -> bool {
        self.claims.epoch_of(wish.door) == Some(last.epoch)
            && (last.token == self.mark() || last.operation != Operation::Deposit)
            && now.since(last.at) <= config.reopen_for
            && last.reopens < MAX_REOPENS
    }

    /// What to write before the latch moves.
    pub(crate) fn intent(&self, wish: Wish, channel: Channel, reading: Reading, was_open: bool) -> Intent {
        Intent {
            token: self.claims.id,
            expires: self.claims.expires,
            delegation: self.delegation.as_ref().map(|(delegation, mark)| (*mark, delegation.expires)),
            door: wish.door,
            epoch: self.claims.epoch_of(wish.door).unwrap_or_default(),
            operation: wish.operation,
            nonce: wish.nonce,
            handshake: channel.handshake,
            source: channel.source,
            at: reading.at,
            clock: reading.state,
            was_open,
        }
    }
}

/// What a phone is told of the reason.
pub(crate) const fn refusal(reason: Reason) -> Refusal {
    match reason {
        Reason::Busy => Refusal::Busy,
        Reason::Clock => Refusal::ClockUnset,
        Reason::Faulted => Refusal::OutOfOrder,
        _ => Refusal::Refused,
    }
}

/// Whether the reason shows that whoever asks proved nothing.
pub(crate) const fn is_guess(reason: Reason) -> bool {
    matches!(reason, Reason::Message | Reason::Handshake | Reason::Token | Reason::Delegation | Reason::Proof)
}
