//! What is asked of a locker next: token, operation, nonce and news, as one pure function of what is known.

use postern_api::{
    reservation::Reservation,
    token::{Grant, Operation},
};

use super::{Pending, run::Fresh};
use crate::{view::ProblemCode, wallet};

/// What the exchange is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Open.
    Open,
    /// Open again, within the operator's minutes.
    Reopen,
    /// Find out what became of an opening, and whether its door is closed again. Nothing moves.
    Resolve,
}

/// What is known at this moment of one door.
pub(crate) struct Facts<'a> {
    /// What for.
    pub(crate) purpose: Purpose,
    /// This device's clock, UNIX seconds.
    pub(crate) now: i64,
    /// Whose door it is, if it is still known.
    pub(crate) reservation: Option<&'a Reservation>,
    /// Door number.
    pub(crate) door: u16,
    /// An operation whose outcome is unknown.
    pub(crate) unknown: Option<&'a Pending>,
    /// An opening that is known, of which it is asked whether the door is closed again.
    pub(crate) opened: Option<&'a Pending>,
    /// A token on this device that has not ended.
    pub(crate) kept: Option<&'a Grant>,
    /// The locker refused that token, or the hub says that it is of an earlier occupancy.
    pub(crate) kept_is_doubtful: bool,
    /// A token for this opening alone.
    pub(crate) fresh: &'a Fresh,
    /// What opens is to be bound to the HELLO with this nonce: the locker lost the time, or its clock is wrong.
    pub(crate) bound: Option<[u8; 16]>,
    /// It takes nothing else.
    pub(crate) must_be_bound: bool,
    /// The hub can be asked.
    pub(crate) online: bool,
    /// The owner's delegation, base64url, where access was given in person: the hub knows nothing of it.
    pub(crate) delegation: Option<&'a str>,
    /// What the locker refused in this opening already, by token id.
    pub(crate) refused: &'a [(String, Operation)],
    /// News to carry there.
    pub(crate) bulletin: Option<Vec<u8>>,
    /// For a new operation.
    pub(crate) nonce: [u8; 8],
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Choice {
    /// The hub's answer is on its way.
    Wait,
    /// Ask the hub for a token, bound to this HELLO or to none.
    Fetch(Option<[u8; 16]>),
    /// Ask the locker.
    Ask(Box<Exchange>),
    /// Nothing can be asked.
    Impossible(ProblemCode),
}

/// One question to a locker.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// Token, operation and nonce.
    pub(crate) pending: Pending,
    /// It is only asked about: nothing moves.
    pub(crate) status: bool,
    /// What is carried along.
    pub(crate) bulletin: Option<Vec<u8>>,
}

/// Chooses.
pub(crate) fn choose(facts: Facts<'_>) -> Choice {
    let id = facts.reservation.map(|reservation| reservation.id.as_str());
    let (fresh_grant, fresh_bulletin, fetched) = match facts.fresh {
        Fresh::Fetching(_) => return Choice::Wait,
        Fresh::None => (None, None, false),
        Fresh::Here { bound, grant, bulletin } => {
            let fits = facts.bound.is_none() || *bound == facts.bound;
            let grant = grant.as_ref().filter(|grant| fits && Some(grant.reservation.as_str()) == id);
            (grant, bulletin.clone().filter(|_| fits), *bound == facts.bound)
        }
    };
    if facts.bound.is_some() && fresh_grant.is_none() && fresh_bulletin.is_none() {
        if facts.online && !fetched {
            return Choice::Fetch(facts.bound);
        }
        if facts.must_be_bound {
            return Choice::Impossible(ProblemCode::LockerClockUnset);
        }
    }
    let bulletin = fresh_bulletin.or(facts.bulletin.clone());
    let ask = |pending: Pending, status| Choice::Ask(Box::new(Exchange { pending, status, bulletin }));

    let kept = facts.kept.filter(|_| fetched || !(facts.online && facts.kept_is_doubtful));
    let grant = fresh_grant.or(kept);
    if facts.purpose == Purpose::Resolve {
        // Of what another device, a PIN or a code did, a token tells as well.
        let anew = || {
            let grant = facts.kept?;
            let delegation = facts.delegation.map(str::to_owned);
            Some(Pending::new(grant, delegation, facts.door, Operation::Status, facts.nonce, facts.now))
        };
        let about = facts.unknown.or(facts.opened).cloned().or_else(anew);
        return match about {
            Some(pending) => ask(pending, true),
            None => Choice::Impossible(ProblemCode::TokenExpired),
        };
    }
    // The same token and nonce again, so that nothing moves twice; unless the customer asks anew where that could come
    // to nothing.
    let past = facts.unknown.filter(|pending| pending.is_past_asking(facts.now));
    if let Some(pending) = facts.unknown.filter(|_| past.is_none()) {
        if !pending.may_be_asked() {
            return Choice::Impossible(ProblemCode::LinkLost);
        }
        return ask(pending.clone(), false);
    }
    let operation = grant.and_then(|grant| {
        let usual = facts.reservation.and_then(|reservation| wallet::operation(reservation, grant));
        wished(&facts, usual, past.is_some(), fresh_grant.is_some(), grant)
    });
    match (grant, operation) {
        (Some(grant), Some(operation)) => {
            let delegation = facts.delegation.map(str::to_owned);
            let pending = Pending::new(grant, delegation, facts.door, operation, facts.nonce, facts.now);
            ask(pending.instead_of(past), false)
        }
        _ if facts.online && !fetched && facts.delegation.is_none() => Choice::Fetch(None),
        // A network would bring a token that is good, unless it was the hub's newest that the locker refused.
        (grant, _) => Choice::Impossible(
            if grant.is_some() && (facts.online || facts.delegation.is_some()) {
                ProblemCode::Refused
            } else {
                ProblemCode::TokenExpired
            },
        ),
    }
}

/// What is asked for with this token; none where it allows nothing that makes sense, or all of that was refused.
///
/// Where the door may have been open the locker takes Reopen, which costs no use; where it was not, the `usual`. A
/// second choice is made only with a token that the hub gave just now, knowing what it knows, or where nobody can know.
fn wished(
    facts: &Facts<'_>,
    usual: Option<Operation>,
    unknown: bool,
    fresh: bool,
    grant: &Grant,
) -> Option<Operation> {
    let again = Some(Operation::Reopen);
    let first = if facts.purpose == Purpose::Reopen || unknown { again } else { usual };
    // A new token without the usual operation says that the hub knows of an opening.
    let second = if first == again { usual } else { again.filter(|_| usual.is_none()) };
    let second = second.filter(|_| fresh || unknown);
    first.into_iter().chain(second).find(|operation| {
        grant.operations.contains(operation)
            && !facts.refused.iter().any(|(token, refused)| *token == grant.token_id && refused == operation)
    })
}
