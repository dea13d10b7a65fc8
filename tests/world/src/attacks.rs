//! What those do who mean harm. Each attack is made with everything that the design grants the attacker: the air, every
//! token ever signed, devices and tokens of their own.

use ed25519_dalek::{Signer, SigningKey};
use postern_api::reservation::State;
use postern_protocol::{
    Door, OperationNonce, Timestamp,
    delegation::{self, Delegation},
    message::{Operation, Operations},
};

use crate::{
    agent::{Agent, Errand, Wish, public},
    air::Who,
    hub::Issued,
    plan::Attack,
    reference::CLOCK_TOLERANCE,
    world::{Happening, World},
};

impl World {
    pub(crate) fn attack(&mut self, attack: Attack, locker: usize, victim: usize) {
        match attack {
            Attack::Replay => self.replay(locker),
            Attack::StolenToken => {
                let thief = SigningKey::from_bytes(&self.dice.bytes());
                let wishes = self.tokens_of(victim, locker).iter().map(|it| self.plain_wish(it)).collect();
                self.send_agent(Errand::Harm, thief, locker, wishes);
            }
            Attack::PatchedClient => self.patched(locker, victim),
            Attack::Impostor => self.phones[victim].impostor = true,
            Attack::Hog => {
                for _ in 0..3 {
                    let key = SigningKey::from_bytes(&self.dice.bytes());
                    self.send_agent(Errand::Hog, key, locker, Vec::new());
                }
            }
            Attack::OldToken => {
                // The customer has noticed: what waits is taken back, and somebody brings the locker the news.
                let waits = |booking: &usize| {
                    let it = &self.hub.bookings[*booking];
                    it.locker == locker && it.state == State::Ready
                };
                if let Some(booking) = self.hub.of(victim).iter().copied().find(waits) {
                    let unix = self.unix();
                    self.hub.revoke(booking, unix);
                    self.poke();
                    self.carry_bulletin(locker);
                }
                self.after(5_000, Happening::Backup { locker, victim });
            }
            Attack::MaliciousGuest => self.malicious_guest(victim, locker),
            Attack::GuessPin => {
                for _ in 0..6 {
                    let digits = format!("{:08}", self.dice.below(100_000_000));
                    self.type_pin(locker, None, &digits);
                }
            }
            Attack::Garbage => {
                let noise = (0..3).map(|_| self.dice.bytes::<90>().to_vec()).collect();
                let key = SigningKey::from_bytes(&self.dice.bytes());
                self.send_agent(Errand::Play(noise), key, locker, Vec::new());
            }
        }
    }

    /// A stolen backup, key and all, of which the tokens ended or were taken back.
    pub(crate) fn use_backup(&mut self, locker: usize, victim: usize) {
        let unix = self.unix();
        let old: Vec<Wish> = self
            .tokens_of(victim, locker)
            .iter()
            .filter(|issued| {
                let (door, epoch) = issued.claims.doors[0];
                issued.claims.expires.0 + 120 < unix
                    || epoch.0 < self.reference.epoch(locker, door.0)
                    || self.reference.knows_revoked(locker, &self.hub, issued.claims.id)
            })
            .map(|issued| self.plain_wish(issued))
            .collect();
        let key = self.phones[victim].key.clone();
        self.send_agent(Errand::Harm, key, locker, old);
    }

    /// What a guest could try with tokens that were passed on to them: every one of these must be refused.
    fn malicious_guest(&mut self, victim: usize, locker: usize) {
        let good = self.good_tokens_of(victim, locker);
        let (Some(oldest), Some(newest)) = (good.first().cloned(), good.last().cloned()) else { return };
        let unix = self.unix();
        let guest = SigningKey::from_bytes(&self.dice.bytes());
        let owner = self.phones[victim].key.clone();
        let (door, _) = newest.claims.doors[0];
        let other = Door(door.0 % self.cabinets[locker].doors + 1);
        let collect = Operations::NONE.with(Operation::Collect);
        // All that can be passed on to fetch one parcel.
        let whole = |issued: &Issued| Delegation {
            token: issued.claims.id,
            to: public(&guest),
            doors: vec![issued.claims.doors[0].0],
            operations: collect,
            not_before: issued.claims.not_before,
            expires: issued.claims.expires,
            uses: 1,
        };
        let sign = |delegation: &Delegation, by: &SigningKey| {
            let signature = by.sign(&delegation::signing_input(delegation)).to_bytes();
            delegation::assemble(delegation, signature)
        };
        let less = Delegation { operations: Operations::NONE.with(Operation::Reopen), ..whole(&newest) };
        let honest = sign(&less, &owner);
        // Written by the guest; written wider by the guest; of another token; over for longer than clocks are wrong.
        let forged = sign(&whole(&newest), &guest);
        let wider = Delegation { operations: newest.claims.operations, uses: 9, ..whole(&newest) };
        let mut strange = whole(&newest);
        strange.token.0[0] ^= 1;
        let over =
            Delegation { expires: Timestamp(unix.saturating_sub(2 * CLOCK_TOLERANCE)), ..whole(&oldest) };
        let mut tries = vec![
            (&newest, door, forged),
            (&newest, door, honest.clone()),
            (&newest, other, honest),
            (&newest, door, sign(&wider, &guest)),
            (&newest, door, sign(&strange, &owner)),
        ];
        if over.not_before < over.expires {
            tries.insert(0, (&oldest, over.doors[0], sign(&over, &owner)));
        }
        for (issued, door, delegation) in tries {
            let wish = Wish {
                operation: Operation::Collect,
                door,
                token: issued.bytes.clone(),
                delegation: Some(delegation),
                bulletin: None,
                nonce: OperationNonce(self.dice.bytes()),
            };
            self.send_agent(Errand::Harm, guest.clone(), locker, vec![wish]);
        }
    }

    /// Tokens with which the victim could fetch a parcel now, as far as the hub knows, oldest first.
    fn good_tokens_of(&self, victim: usize, locker: usize) -> Vec<Issued> {
        let id = self.cabinets[locker].identity.id;
        let (key, unix) = (public(&self.phones[victim].key), self.unix());
        let good = |issued: &&Issued| {
            let claims = &issued.claims;
            let (door, epoch) = claims.doors[0];
            (claims.locker, claims.key) == (id, key)
                && unix < claims.expires.0
                && claims.hello_nonce.is_none()
                && claims.operations.contains(Operation::Collect)
                && epoch.0 == self.hub.epoch(locker, door.0)
        };
        let mut tokens: Vec<Issued> = self.hub.ledger.values().filter(good).cloned().collect();
        tokens.sort_by_key(|issued| (issued.claims.issued_at, issued.claims.id));
        tokens
    }

    fn tokens_of(&self, victim: usize, locker: usize) -> Vec<Issued> {
        let id = self.cabinets[locker].identity.id;
        let key = public(&self.phones[victim].key);
        let theirs = |issued: &&Issued| issued.claims.locker == id && issued.claims.key == key;
        self.hub.ledger.values().filter(theirs).take(4).cloned().collect()
    }

    fn plain_wish(&self, issued: &Issued) -> Wish {
        let mut dice = self.dice.clone();
        Wish {
            operation: Operation::Collect,
            door: issued.claims.doors[0].0,
            token: issued.bytes.clone(),
            delegation: None,
            bulletin: None,
            nonce: OperationNonce(dice.bytes()),
        }
    }

    /// Everything that phones sent to this locker, on a connection of one's own.
    fn replay(&mut self, locker: usize) {
        let captured: Vec<Vec<Vec<u8>>> = self
            .links
            .iter()
            .filter(|link| {
                link.locker == locker && matches!(link.who, Who::Phone { .. }) && !link.sent.is_empty()
            })
            .map(|link| link.sent.iter().rev().cloned().collect())
            .collect();
        for messages in captured.into_iter().rev().take(3) {
            let key = SigningKey::from_bytes(&self.dice.bytes());
            let identity = self.cabinets[locker].identity;
            let seed = self.dice.roll();
            self.agents.push(Agent::new(Errand::Play(messages), key, identity, Vec::new(), seed));
            let who = Who::Agent(self.agents.len() - 1);
            self.after(50, Happening::Dialled { who, locker, patience: 5_000 });
        }
    }

    /// The victim turns out to be no victim: an app of their own making that ignores every limit.
    fn patched(&mut self, locker: usize, customer: usize) {
        let Some(issued) = self.tokens_of(customer, locker).into_iter().next_back() else { return };
        self.phones[customer].honest = false;
        let mut wishes = vec![];
        let other = Door(issued.claims.doors[0].0.0 % self.cabinets[locker].doors + 1);
        for (operation, door) in [
            (Operation::Collect, issued.claims.doors[0].0),
            (Operation::Collect, issued.claims.doors[0].0),
            (Operation::Collect, issued.claims.doors[0].0),
            (Operation::Collect, other),
            (Operation::Deposit, issued.claims.doors[0].0),
            (Operation::Access, issued.claims.doors[0].0),
            (Operation::Reopen, issued.claims.doors[0].0),
            (Operation::Reopen, issued.claims.doors[0].0),
            (Operation::Reopen, issued.claims.doors[0].0),
            (Operation::Reopen, issued.claims.doors[0].0),
        ] {
            let nonce = OperationNonce(self.dice.bytes());
            let token = issued.bytes.clone();
            wishes.push(Wish { operation, door, token, delegation: None, bulletin: None, nonce });
        }
        // What is left of parcels that were fetched: their doors may be somebody else's by now.
        let left_over: Vec<Issued> = self
            .tokens_of(customer, locker)
            .into_iter()
            .filter(|it| it.reservation.is_some_and(|booking| !self.hub.open.contains(&booking)))
            .collect();
        wishes.extend(left_over.iter().map(|issued| self.plain_wish(issued)));
        // A customer of another locker, who has a good token there.
        if let Some(booking) = self.hub.bookings.iter().position(|it| it.locker != locker) {
            let key = public(&self.phones[customer].key);
            let issued = self.hub.mint(booking, key, issued.claims.operations, self.unix(), None);
            wishes.push(self.plain_wish(&issued));
        }
        // One after the other in one session, the last first: open, and open again and again.
        let door = issued.claims.doors[0].0;
        let again = [[Operation::Reopen; 5].as_slice(), &[Operation::Collect]].concat();
        let again = again.into_iter().map(|operation| Wish {
            operation,
            door,
            token: issued.bytes.clone(),
            delegation: None,
            bulletin: None,
            nonce: OperationNonce(self.dice.bytes()),
        });
        let again = again.collect();
        self.send_agent(Errand::Greed, self.phones[customer].key.clone(), locker, again);
        for wish in wishes {
            let key = self.phones[customer].key.clone();
            self.send_agent(Errand::Greed, key, locker, vec![wish]);
        }
    }
}
