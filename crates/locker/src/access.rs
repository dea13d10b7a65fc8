//! Who may open what: every check of PROTOCOL.md, in an order that leaks nothing.
//!
//! First what anyone can try (form, signatures, possession of the key), then what the token itself says, and only
//! then what the locker knows (time, epochs, uses, a busy door). So an answer that depends on the locker's state
//! goes to proven holders alone, and a guesser always hears the same word.

use postern_protocol::{
    ClockState, Door, Epoch, IssuerKeys, LockerId, Operation, OperationNonce, Refusal, Timestamp,
    bulletin::RevocationKind,
    delegation::{self, Delegation},
    token::{self, Claims},
};

use crate::{
    Config, Reason,
    clock::Reading,
    ledger::Ledger,
    links::Party,
    opening::Channel,
    record::{Guest, Intent, LastOpening, Mark, Opened},
    tokens::Newcomer,
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

/// The HELLO of a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Greeted {
    pub(crate) nonce: [u8; 16],
    /// Milliseconds since then.
    pub(crate) age: u64,
}

/// What is bound to a HELLO tells the time for so many milliseconds.
const TELLS_FOR: u64 = 30_000;

impl Greeted {
    pub(crate) const fn is_fresh(self) -> bool {
        self.age <= TELLS_FOR
    }
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
            let mark = Mark::of(&delegation.name());
            Some((delegation, mark))
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

    /// The device that proved possession, the owner's or a guest's, and the owner's.
    pub(crate) fn party(&self) -> Party {
        let owner = self.claims.key;
        let device = self.delegation.as_ref().map_or(owner, |(delegation, _)| delegation.to);
        Party { device, owner }
    }

    /// Whether a bulletin has ended this token or this delegation.
    fn is_revoked(&self, ledger: &Ledger) -> bool {
        let issued = self.claims.issued_at;
        let guest = self.delegation.as_ref().map(|(delegation, _)| delegation.to.name());
        let owner = self.claims.key.name();
        ledger.is_revoked(|kind, name, at| match kind {
            RevocationKind::Token => *name == self.claims.id.0,
            RevocationKind::Delegations => guest.is_some() && *name == self.claims.id.0,
            RevocationKind::Device => issued < at && (*name == owner || guest == Some(*name)),
        })
    }

    /// What the token (and the delegation) says of locker, door and operation. A status is for every holder.
    pub(crate) fn covers(&self, wish: Wish, locker: LockerId, ledger: &Ledger) -> Result<(), Reason> {
        if self.claims.locker != locker {
            return Err(Reason::Locker);
        }
        if self.delegation.as_ref().is_some_and(|(delegation, _)| !delegation.is_within(&self.claims)) {
            return Err(Reason::Delegation);
        }
        if self.is_revoked(ledger) {
            return Err(Reason::Revoked);
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

    /// Whether the locker may believe it knows the time for this token, in a session with this HELLO. `true` when the
    /// token itself tells the time.
    pub(crate) fn tells_time(&self, reading: Reading, hello: Option<Greeted>) -> Result<bool, Reason> {
        match (self.claims.hello_nonce, hello) {
            (Some(bound), Some(hello)) if hello.nonce == bound && hello.is_fresh() => {
                Ok(reading.may_be(self.claims.issued_at))
            }
            (Some(_), _) => Err(Reason::Clock),
            (None, _) => Ok(false),
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

    /// The token is of an epoch of this door below the one that the locker knows, or not for this door.
    pub(crate) fn is_behind(&self, door: Door, known: Epoch) -> bool {
        self.claims.epoch_of(door).is_none_or(|epoch| epoch < known)
    }

    /// Epoch, uses and the rule of reopening. `ago`: seconds since the door's last opening.
    pub(crate) fn may_move(
        &self,
        wish: Wish,
        ago: u64,
        ledger: &Ledger,
        config: &Config,
    ) -> Result<(), Reason> {
        let line = ledger.door(wish.door).ok_or(Reason::Door)?;
        if self.is_behind(wish.door, line.epoch) {
            return Err(Reason::Epoch);
        }
        let tokens = &ledger.tokens;
        let guest = self.delegation.as_ref().map(|(delegation, mark)| (delegation, *mark));
        let forgotten = tokens.may_be_forgotten(self.mark(), self.claims.expires)
            || guest.is_some_and(|(delegation, mark)| tokens.may_be_forgotten(mark, delegation.expires));
        if forgotten {
            return Err(Reason::Expired);
        }
        if wish.operation == Operation::Reopen {
            return if line.last.as_ref().is_some_and(|last| self.may_reopen(wish, last, ago, config)) {
                Ok(())
            } else {
                Err(Reason::Order)
            };
        }
        // A token that allows access is of the one whose door it is, and opens it anyway.
        let opens_anyway = self.claims.operations.contains(Operation::Access);
        if wish.operation == Operation::Deposit
            && !opens_anyway
            && line.last.as_ref().is_some_and(|last| !self.may_deposit_after(last, wish.door))
        {
            return Err(Reason::Order);
        }
        let spent = |mark, uses| tokens.used(mark).unwrap_or(0) >= uses;
        let guest_spent = guest.is_some_and(|(delegation, mark)| spent(mark, delegation.uses));
        if spent(self.mark(), self.claims.uses) || guest_spent {
            return Err(Reason::Uses);
        }
        if guest.is_some_and(|(_, mark)| tokens.has_guests_enough(self.mark(), mark)) {
            return Err(Reason::Guests);
        }
        let own = Newcomer { mark: self.mark(), several: self.claims.doors.len() > 1 };
        let theirs = guest.map(|(delegation, mark)| Newcomer { mark, several: delegation.doors.len() > 1 });
        let newcomers = [own, theirs.unwrap_or(own)];
        let newcomers = &newcomers[..if theirs.is_some() { 2 } else { 1 }];
        let index = ledger.index(wish.door).ok_or(Reason::Door)?;
        let raises = self.claims.epoch_of(wish.door).is_some_and(|epoch| epoch > line.epoch);
        if tokens.has_room(index, raises, ledger.floor, newcomers) { Ok(()) } else { Err(Reason::Full) }
    }

    /// A courier's token that is left over opens nothing once the customer was there, nor once something was measured inside, or
    /// put in by another courier's token: it is the customer's by then. Another one may only where the sensor said behind the
    /// closed door that nothing lies inside, and without a sensor where the door may not have opened at all.
    fn may_deposit_after(&self, last: &LastOpening, door: Door) -> bool {
        Some(last.epoch) != self.claims.epoch_of(door)
            || (last.operation == Operation::Deposit
                && ((last.token == self.mark() && last.inside != Some(true))
                    || last.inside == Some(false)
                    || (last.unsure && last.inside.is_none())))
    }

    /// One's own opening: by this token, or by another of the same occupancy unless either is a courier's.
    fn may_reopen(&self, wish: Wish, last: &LastOpening, ago: u64, config: &Config) -> bool {
        let deposits = self.claims.operations.contains(Operation::Deposit);
        self.claims.epoch_of(wish.door) == Some(last.epoch)
            && (last.token == self.mark() || (last.operation != Operation::Deposit && !deposits))
            && ago <= config.reopen_for
            && last.reopens < MAX_REOPENS
    }

    /// The last opening of the door in the token's epoch, by whatever means, unless it was a deposit by another token.
    pub(crate) fn last_opening(&self, door: Door, ledger: &Ledger) -> Option<Opened> {
        let line = ledger.door(door)?;
        let opened = line.opened.filter(|opened| Some(opened.epoch) == self.claims.epoch_of(door))?;
        let deposit = line.last.is_some_and(|last| last.operation == Operation::Deposit);
        (!deposit || opened.token == self.claims.id).then_some(opened)
    }

    /// What to write before the latch moves.
    pub(crate) fn intent(&self, wish: Wish, channel: Channel, reading: Reading, was_open: bool) -> Intent {
        Intent {
            token: self.claims.id,
            expires: self.claims.expires,
            several: self.claims.doors.len() > 1,
            delegation: self.delegation.as_ref().map(|(delegation, mark)| Guest {
                mark: *mark,
                expires: delegation.expires,
                several: delegation.doors.len() > 1,
            }),
            door: wish.door,
            epoch: self.claims.epoch_of(wish.door).unwrap_or_default(),
            operation: wish.operation,
            nonce: wish.nonce,
            handshake: channel.handshake,
            source: channel.source,
            at: reading.at,
            clock: reading.state,
            was_open,
            interrupted: false,
        }
    }
}

/// What a phone is told of the reason.
pub(crate) const fn refusal(reason: Reason) -> Refusal {
    match reason {
        Reason::Busy => Refusal::Busy,
        Reason::Full => Refusal::Full,
        Reason::Clock => Refusal::ClockUnset,
        Reason::Faulted => Refusal::OutOfOrder,
        _ => Refusal::Refused,
    }
}

/// Whether the reason shows that whoever asks proved nothing.
pub(crate) const fn is_guess(reason: Reason) -> bool {
    matches!(reason, Reason::Message | Reason::Handshake | Reason::Token | Reason::Delegation | Reason::Proof)
}
