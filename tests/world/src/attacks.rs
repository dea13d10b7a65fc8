//! What those do who mean harm. Each attack is made with everything that the design grants the attacker: the air, every
//! token ever signed, devices and tokens of their own.

use ed25519_dalek::{Signer, SigningKey};
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
                let unix = self.unix();
                let old: Vec<Wish> = self
                    .tokens_of(victim, locker)
                    .iter()
                    .filter(|issued| {
                        let (door, epoch) = issued.claims.doors[0];
                        issued.claims.expires.0 + 120 < unix || epoch.0 < self.reference.epoch(locker, door.0)
                    })
                    .map(|issued| self.plain_wish(issued))
                    .collect();
                let key = self.phones[victim].key.clone();
                self.send_agent(Errand::Harm, key, locker, old);
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

    /// What a guest could try with a token that was passed on to them: every one of these must be refused.
    fn malicious_guest(&mut self, victim: usize, locker: usize) {
        let Some(issued) = self.tokens_of(victim, locker).into_iter().next_back() else { return };
        let unix = self.unix();
        let guest = SigningKey::from_bytes(&self.dice.bytes());
        let owner = self.phones[victim].key.clone();
        let (door, _) = issued.claims.doors[0];
        let other = Door(door.0 % self.cabinets[locker].doors + 1);
        let given = Delegation {
            token: issued.claims.id,
            to: public(&guest),
            doors: vec![door],
            operations: Operations::NONE.with(Operation::Reopen),
            not_before: Timestamp(unix.saturating_sub(120)),
            expires: Timestamp(issued.claims.expires.0),
            uses: 1,
        };
        let sign = |delegation: &Delegation, by: &SigningKey| {
            let signature = by.sign(&delegation::signing_input(delegation)).to_bytes();
            delegation::assemble(delegation, signature)
        };
        let honest = sign(&given, &owner);
        // Passed on by the guest, to the guest's own second key; written wider by the guest; of another token.
        let everything = issued.claims.operations;
        let wider = sign(&Delegation { operations: everything, uses: 9, ..given.clone() }, &guest);
        let mut token = given.token;
        token.0[0] ^= 1;
        let strange = sign(&Delegation { token, operations: everything, ..given.clone() }, &owner);
        let over = Delegation {
            operations: everything,
            not_before: Timestamp(unix.saturating_sub(900)),
            expires: Timestamp(unix.saturating_sub(300)),
            ..given
        };
        let over = sign(&over, &owner);
        for (operation, door, delegation) in [
            (Operation::Collect, door, honest.clone()),
            (Operation::Collect, other, honest),
            (Operation::Collect, door, wider),
            (Operation::Collect, door, strange),
            (Operation::Collect, door, over),
        ] {
            let wish = Wish {
                operation,
                door,
                token: issued.bytes.clone(),
                delegation: Some(delegation),
                bulletin: None,
                nonce: OperationNonce(self.dice.bytes()),
            };
            self.send_agent(Errand::Harm, guest.clone(), locker, vec![wish]);
        }
    }

    fn tokens_of(&self, victim: usize, locker: usize) -> Vec<Issued> {
        let id = self.cabinets[locker].keys.identity().id;
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
            let identity = self.cabinets[locker].keys.identity();
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
        // A customer of another locker, who has a good token there.
        if let Some(booking) = self.hub.bookings.iter().position(|it| it.locker != locker) {
            let key = public(&self.phones[customer].key);
            let issued = self.hub.mint(booking, key, issued.claims.operations, self.unix(), None);
            wishes.push(self.plain_wish(&issued));
        }
        for wish in wishes {
            let key = self.phones[customer].key.clone();
            self.send_agent(Errand::Greed, key, locker, vec![wish]);
        }
    }
}
