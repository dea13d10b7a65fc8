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
            let grant = grant.as_deref().filter(|grant| fits && Some(grant.reservation.as_str()) == id);
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
        let answered = facts.unknown.or(facts.opened).filter(|pending| !pending.unanswered);
        let about = answered.cloned().or_else(anew);
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
    let operation = grant.and_then(|grant| wished(&facts, past.is_some(), fresh_grant.is_some(), grant));
    match (grant, operation) {
        (Some(grant), Some(operation)) => {
            let delegation = facts.delegation.map(str::to_owned);
            let pending = Pending::new(grant, delegation, facts.door, operation, facts.nonce, facts.now);
            ask(pending.instead_of(past), false)
        }
        _ if facts.online && !fetched && facts.delegation.is_none() => Choice::Fetch(None),
        // A network would bring a token that is good, unless it was the hub's newest that the locker refused.
        (grant, _) => {
            Choice::Impossible(if grant.is_some() && (facts.online || facts.delegation.is_some()) {
                ProblemCode::Refused
            } else {
                ProblemCode::TokenExpired
            })
        }
    }
}

/// What is asked for with this token; none where it allows nothing that makes sense, or all of that was refused.
///
/// Where the door may have been open the locker takes Reopen, which costs no use; where it was not, what is usual. The
/// other of these is tried only with a token that the hub gave just now, knowing what it knows, or where nobody can know.
fn wished(facts: &Facts<'_>, unknown: bool, fresh: bool, grant: &Grant) -> Option<Operation> {
    let usual: Vec<Operation> = facts
        .reservation
        .into_iter()
        .flat_map(|reservation| wallet::operations(reservation, grant))
        .collect();
    let again = facts.purpose == Purpose::Reopen || unknown;
    let reopen = vec![Operation::Reopen];
    let (first, second) = match (again, usual.is_empty()) {
        (true, _) => (reopen, usual),
        // A new token without the usual operation says that the hub knows of an opening.
        (false, true) => (usual, reopen),
        (false, false) => (usual, Vec::new()),
    };
    let second = second.into_iter().filter(|_| fresh || unknown);
    first.into_iter().chain(second).find(|operation| {
        grant.operations.contains(operation)
            && !facts.refused.iter().any(|(token, refused)| *token == grant.token_id && refused == operation)
    })
}

#[cfg(test)]
mod tests {
    use postern_api::reservation::{Carrier, Compartment, Kind, Role, State};

    use super::*;

    const NOW: i64 = 1_000_000;
    const HELLO: [u8; 16] = [4; 16];

    fn reservation() -> Reservation {
        Reservation {
            id: "r".into(),
            version: 1,
            kind: Kind::Pickup,
            state: State::Ready,
            title: String::new(),
            carrier: Carrier { id: String::new(), name: String::new() },
            reference: None,
            site: None,
            compartment: Some(Compartment { locker: "l".into(), door: 3, label: "B3".into() }),
            role: Role::Owner,
            until: None,
            since: None,
            identification: None,
            unproven: false,
            checking: false,
            care: None,
            lent: false,
            flat: None,
            opening: None,
            actions: Vec::new(),
            shares: Vec::new(),
            timeline: Vec::new(),
            reports: Vec::new(),
        }
    }

    fn grant(name: &str, operations: &[Operation]) -> Grant {
        Grant {
            reservation: "r".into(),
            locker: "l".into(),
            doors: vec![3],
            operations: operations.to_vec(),
            not_before: 0,
            expires: NOW + 100,
            uses: 1,
            delegable: true,
            token_id: name.into(),
            token: name.into(),
            occupancy: 1,
            pin: None,
            no_pin: None,
            receipts_from: None,
        }
    }

    fn usual(name: &str) -> Grant {
        grant(name, &[Operation::Collect, Operation::Reopen, Operation::Status])
    }

    fn pending(name: &str, operation: Operation) -> Pending {
        Pending::new(&usual(name), None, 3, operation, [1; 8], NOW - 10)
    }

    fn here(bound: Option<[u8; 16]>, grant: Option<Grant>) -> Fresh {
        Fresh::Here { bound, grant: grant.map(Box::new), bulletin: None }
    }

    /// A customer with a good token, online, who opens for the first time.
    fn facts<'a>(reservation: &'a Reservation, kept: &'a Grant, fresh: &'a Fresh) -> Facts<'a> {
        Facts {
            purpose: Purpose::Open,
            now: NOW,
            reservation: Some(reservation),
            door: 3,
            unknown: None,
            opened: None,
            kept: Some(kept),
            kept_is_doubtful: false,
            fresh,
            bound: None,
            must_be_bound: false,
            online: true,
            delegation: None,
            refused: &[],
            bulletin: Some(b"news".to_vec()),
            nonce: [9; 8],
        }
    }

    /// In short: token and operation, `status` of which token, or why nothing is asked.
    fn said(choice: &Choice) -> String {
        match choice {
            Choice::Wait => "wait".into(),
            Choice::Fetch(None) => "fetch".into(),
            Choice::Fetch(Some(_)) => "fetch bound".into(),
            Choice::Impossible(code) => format!("{code:?}"),
            Choice::Ask(exchange) => {
                let pending = &exchange.pending;
                let what = if exchange.status { "status".into() } else { format!("{:?}", pending.operation) };
                let anew = if pending.nonce == [9; 8] { " anew" } else { "" };
                let instead = if pending.replaces.is_some() { " instead" } else { "" };
                format!("{} {what}{anew}{instead}", pending.token_id)
            }
        }
    }

    #[test]
    fn token_operation_and_nonce_are_chosen_by_what_is_known() {
        let (r, kept, none) = (reservation(), usual("kept"), Fresh::None);
        let waiting = pending("old", Operation::Collect);
        let over = Pending { expires: NOW, ..waiting.clone() };
        let unsure = Pending { locker_unsure: true, ..waiting.clone() };
        let silent = Pending { unanswered: true, ..waiting.clone() };
        let tired = Pending { handshakes: vec![[0; 16]; 256], ..waiting.clone() };
        let opened = pending("opened", Operation::Collect);
        let again = grant("again", &[Operation::Reopen, Operation::Status]);
        let (fresh, fresh_again) = (here(None, Some(usual("fresh"))), here(None, Some(again.clone())));
        let (no_fresh, fetching) = (here(None, None), Fresh::Fetching(None));
        let (bound, no_bound) = (here(Some(HELLO), Some(usual("bound"))), here(Some(HELLO), None));
        let refused = |token: &str| vec![(token.to_owned(), Operation::Collect)];
        let (kept_refused, fresh_refused) = (refused("kept"), refused("fresh"));
        let back = Reservation { kind: Kind::Return, ..reservation() };
        let puts = grant("puts", &[Operation::Deposit, Operation::Access, Operation::Reopen]);
        let put_refused = vec![("puts".to_owned(), Operation::Deposit)];
        let usually = || facts(&r, &kept, &none);
        let resolve = || Facts { purpose: Purpose::Resolve, ..usually() };
        let cases: Vec<(&str, Facts<'_>, &str)> = vec![
            ("a good token", usually(), "kept Collect anew"),
            ("and no network", Facts { online: false, ..usually() }, "kept Collect anew"),
            ("the hub is being asked", Facts { fresh: &fetching, ..usually() }, "wait"),
            ("no token", Facts { kept: None, ..usually() }, "fetch"),
            ("no token, no network", Facts { kept: None, online: false, ..usually() }, "TokenExpired"),
            ("a doubtful token", Facts { kept_is_doubtful: true, ..usually() }, "fetch"),
            (
                "a doubtful token, no network: it may still be good",
                Facts { kept_is_doubtful: true, online: false, ..usually() },
                "kept Collect anew",
            ),
            ("a fresh token", Facts { fresh: &fresh, ..usually() }, "fresh Collect anew"),
            ("the hub gave none", Facts { fresh: &no_fresh, ..usually() }, "kept Collect anew"),
            ("the locker refused it", Facts { refused: &kept_refused, ..usually() }, "fetch"),
            (
                "it refused the newest",
                Facts { refused: &fresh_refused, fresh: &fresh, ..usually() },
                "Refused",
            ),
            (
                "it refused, no network",
                Facts { refused: &kept_refused, online: false, ..usually() },
                "TokenExpired",
            ),
            ("the hub knows of an opening", Facts { fresh: &fresh_again, ..usually() }, "again Reopen anew"),
            (
                "a token that only reopens, from before: nothing says that there was an opening",
                Facts { kept: Some(&again), online: false, ..usually() },
                "TokenExpired",
            ),
            ("again", Facts { purpose: Purpose::Reopen, ..usually() }, "kept Reopen anew"),
            ("unknown: the same once more", Facts { unknown: Some(&waiting), ..usually() }, "old Collect"),
            (
                "unknown, whatever became of the token since",
                Facts { unknown: Some(&waiting), kept: None, online: false, ..usually() },
                "old Collect",
            ),
            ("unknown, asked too often", Facts { unknown: Some(&tired), ..usually() }, "LinkLost"),
            (
                "unknown, and the token ended: anew",
                Facts { unknown: Some(&over), ..usually() },
                "kept Reopen anew instead",
            ),
            (
                "the locker cannot tell: anew",
                Facts { unknown: Some(&unsure), ..usually() },
                "kept Reopen anew instead",
            ),
            ("asking", Facts { unknown: Some(&waiting), ..resolve() }, "old status"),
            ("asking after its end", Facts { unknown: Some(&over), kept: None, ..resolve() }, "old status"),
            ("asking about a known opening", Facts { opened: Some(&opened), ..resolve() }, "opened status"),
            (
                "what is unknown comes first",
                Facts { unknown: Some(&waiting), opened: Some(&opened), ..resolve() },
                "old status",
            ),
            (
                "the token was taken back: asking by another",
                Facts { opened: Some(&silent), ..resolve() },
                "kept status anew",
            ),
            (
                "unknown, and the token was taken back: anew",
                Facts { unknown: Some(&silent), ..usually() },
                "kept Reopen anew instead",
            ),
            ("asking what others did", resolve(), "kept status anew"),
            ("with nothing to ask by", Facts { kept: None, ..resolve() }, "TokenExpired"),
            (
                "the locker lost the time",
                Facts { bound: Some(HELLO), must_be_bound: true, ..usually() },
                "fetch bound",
            ),
            (
                "and there is no network",
                Facts { bound: Some(HELLO), must_be_bound: true, online: false, ..usually() },
                "LockerClockUnset",
            ),
            (
                "a token for this HELLO",
                Facts { bound: Some(HELLO), must_be_bound: true, fresh: &bound, ..usually() },
                "bound Collect anew",
            ),
            (
                "a token for another HELLO",
                Facts { bound: Some([7; 16]), must_be_bound: true, fresh: &bound, ..usually() },
                "fetch bound",
            ),
            (
                "the hub gave none for it",
                Facts { bound: Some(HELLO), must_be_bound: true, fresh: &no_bound, ..usually() },
                "LockerClockUnset",
            ),
            ("its clock is wrong", Facts { bound: Some(HELLO), ..usually() }, "fetch bound"),
            (
                "its clock is wrong, and the hub does not help",
                Facts { bound: Some(HELLO), fresh: &no_bound, ..usually() },
                "kept Collect anew",
            ),
            (
                "a return",
                Facts { reservation: Some(&back), kept: Some(&puts), ..usually() },
                "puts Deposit anew",
            ),
            (
                "a return that was opened by PIN before",
                Facts { reservation: Some(&back), kept: Some(&puts), refused: &put_refused, ..usually() },
                "puts Access anew",
            ),
            ("a guest in person", Facts { delegation: Some("d"), ..usually() }, "kept Collect anew"),
            (
                "a guest in person whose access was refused",
                Facts { delegation: Some("d"), refused: &kept_refused, ..usually() },
                "Refused",
            ),
            (
                "a guest in person whose access ended",
                Facts { delegation: Some("d"), kept: None, ..usually() },
                "TokenExpired",
            ),
        ];
        for (name, facts, expected) in cases {
            assert_eq!(said(&choose(facts)), expected, "{name}");
        }
    }

    #[test]
    fn news_go_with_whatever_is_asked_and_what_is_bound_to_this_hello_goes_first() {
        let (r, kept) = (reservation(), usual("kept"));
        let carried = |facts: Facts<'_>| match choose(facts) {
            Choice::Ask(exchange) => exchange.bulletin,
            other => panic!("{other:?}"),
        };
        assert_eq!(carried(facts(&r, &kept, &Fresh::None)).unwrap(), b"news");
        let resolve = Facts { purpose: Purpose::Resolve, ..facts(&r, &kept, &Fresh::None) };
        assert_eq!(carried(resolve).unwrap(), b"news");
        let fresh = Fresh::Here { bound: Some(HELLO), grant: None, bulletin: Some(b"bound".to_vec()) };
        let bound = Facts { bound: Some(HELLO), must_be_bound: true, ..facts(&r, &kept, &fresh) };
        assert_eq!(carried(bound).unwrap(), b"bound");
    }
}
