//! A locker at its place, with an issuer and phones, in virtual time.

use std::collections::BTreeMap;

use ed25519_dalek::{Signer, SigningKey};
use postern_locker::{
    BootError, Config, Connection, Geometry, Keys, LocalAnswer, Locker, Notice, Output, Reason, Uptime,
    machine::Machine,
};
use postern_protocol::{
    DeviceKey, Door, Epoch, IssuerKeys, KeyId, LockerId, LockerIdentity, LockerKeys, Operation,
    OperationNonce, Operations, Refusal, Reply, Request, Timestamp, TokenId,
    delegation::{self, Delegation},
    frame::{self, Reassembler},
    issue::Issuer,
    phone::{self, Greeted},
    receipt::{self, Outcome, Receipt},
    token::Claims,
};
use zeroize::Zeroizing;

pub(crate) const T0: u64 = 1_900_000_000;
pub(crate) const LOCKER: LockerId = LockerId(*b"lindenho");
pub(crate) const A1: Door = Door(1);
pub(crate) const A2: Door = Door(2);
pub(crate) const PIN_SECRET: [u8; 32] = [0x50; 32];

/// A small journal, so that compaction is never far away.
pub(crate) const GEOMETRY: Geometry = Geometry { page_size: 2048, pages: 20, write_size: 8 };

/// A device: its key and the token it was given.
#[derive(Clone)]
pub(crate) struct Phone {
    pub(crate) key: SigningKey,
    pub(crate) claims: Claims,
    pub(crate) token: Vec<u8>,
    pub(crate) delegation: Option<Vec<u8>>,
}

/// One connection as the phone sees it.
pub(crate) struct Air {
    reassembler: Reassembler,
    pub(crate) messages: Vec<Vec<u8>>,
    pub(crate) hello: Option<Vec<u8>>,
    pub(crate) max_frame: usize,
    pub(crate) connected: bool,
}

pub(crate) struct Site {
    locker: Option<Locker<Machine>>,
    pub(crate) now: u64,
    pub(crate) config: Config,
    pub(crate) keys: Keys,
    pub(crate) issuer: Issuer,
    pub(crate) airs: BTreeMap<u16, Air>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) local: Vec<LocalAnswer>,
    /// UNIX milliseconds; goes on when the power is off.
    pub(crate) true_time: u64,
    /// Whether the wall clock is there and right.
    pub(crate) clock_runs: bool,
    next_connection: u16,
    next_id: u64,
}

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn device_key(key: &SigningKey) -> DeviceKey {
    DeviceKey::Ed25519(key.verifying_key().to_bytes())
}

pub(crate) fn nonce(number: u64) -> OperationNonce {
    OperationNonce(number.to_be_bytes())
}

pub(crate) fn operations(list: &[Operation]) -> Operations {
    list.iter().copied().collect()
}

impl Site {
    pub(crate) fn new() -> Self {
        let mut config = Config::new(vec![A1, A2, Door(3)]);
        config.remembered_tokens = 32;
        config.kept_receipts = 32;
        Self::with(config, GEOMETRY)
    }

    pub(crate) fn with(config: Config, geometry: Geometry) -> Self {
        let issuer = Issuer::new(KeyId(1), [7; 32]);
        let mut issuers = IssuerKeys::new();
        assert!(issuers.insert(KeyId(1), issuer.public()));
        let keys = Keys {
            locker: LockerKeys::from_seed(LOCKER, &[9; 32]),
            issuers,
            pin_secret: Some(Zeroizing::new(PIN_SECRET)),
        };
        let machine = Machine::new(config.doors.iter().copied(), geometry);
        let mut site = Self {
            locker: None,
            now: 0,
            config,
            keys,
            issuer,
            airs: BTreeMap::new(),
            notices: Vec::new(),
            local: Vec::new(),
            true_time: T0 * 1000,
            clock_runs: true,
            next_connection: 0,
            next_id: 0,
        };
        site.boot(machine).unwrap();
        site
    }

    /// Switches on.
    pub(crate) fn boot(&mut self, mut machine: Machine) -> Result<(), (BootError, Box<Machine>)> {
        self.now = 0;
        self.airs.clear();
        machine.wall = self.clock_runs.then_some(Timestamp(self.true_time / 1000));
        match Locker::boot(self.config.clone(), self.keys.clone(), machine, Uptime(0)) {
            Ok(locker) => {
                self.locker = Some(locker);
                self.drain();
                Ok(())
            }
            Err((error, machine)) => Err((error, Box::new(machine))),
        }
    }

    /// The same place without a running locker.
    pub(crate) fn unbooted(&self) -> Self {
        Self {
            locker: None,
            now: 0,
            config: self.config.clone(),
            keys: self.keys.clone(),
            issuer: self.issuer.clone(),
            airs: BTreeMap::new(),
            notices: Vec::new(),
            local: Vec::new(),
            true_time: self.true_time,
            clock_runs: self.clock_runs,
            next_connection: 0,
            next_id: self.next_id,
        }
    }

    /// Another world that begins like this one, with the machine switched off and on.
    pub(crate) fn fork(&self) -> Self {
        let mut site = self.unbooted();
        let mut machine = self.locker.as_ref().unwrap().machine().clone();
        machine.restore_power();
        site.boot(machine).map_err(|(error, _)| error).unwrap();
        site
    }

    /// Off, some seconds of darkness, on again.
    pub(crate) fn reboot(&mut self) {
        let mut machine = self.take_machine();
        machine.restore_power();
        self.true_time += 20_000;
        self.boot(machine).map_err(|(error, _)| error).unwrap();
    }

    pub(crate) fn take_machine(&mut self) -> Machine {
        self.locker.take().unwrap().into_hardware()
    }

    pub(crate) fn locker(&mut self) -> &mut Locker<Machine> {
        self.locker.as_mut().unwrap()
    }

    pub(crate) fn machine(&mut self) -> &mut Machine {
        self.locker().hardware()
    }

    pub(crate) fn openings(&mut self) -> u32 {
        self.machine().openings()
    }

    pub(crate) fn identity(&self) -> LockerIdentity {
        self.keys.locker.identity()
    }

    pub(crate) fn unix(&self) -> Timestamp {
        Timestamp(self.true_time / 1000)
    }

    pub(crate) fn uptime(&self) -> Uptime {
        Uptime(self.now)
    }

    /// Carries the locker's output to the phones.
    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.locker.as_mut().unwrap().poll_output() {
            match output {
                Output::Send { connection, frame } => {
                    // A notification reaches every subscribed central: tags must tell them apart.
                    for (number, air) in &mut self.airs {
                        if !air.connected {
                            continue;
                        }
                        assert!(*number != connection.0 || frame.len() <= air.max_frame);
                        if air.reassembler.tag().is_none() && *number != connection.0 {
                            continue;
                        }
                        if let Some(message) = air.reassembler.push(&frame).unwrap() {
                            assert_eq!(*number, connection.0, "a message for another central");
                            if air.hello.is_none() {
                                air.hello = Some(message);
                            } else {
                                air.messages.push(message);
                            }
                        }
                    }
                }
                Output::Disconnect { connection } => {
                    if let Some(air) = self.airs.get_mut(&connection.0) {
                        air.connected = false;
                    }
                }
                Output::Advertise(_) => {}
                Output::Local(answer) => self.local.push(answer),
                Output::Notice(notice) => self.notices.push(notice),
            }
        }
    }

    /// Lets this many milliseconds pass, ticking when the locker asks for it.
    pub(crate) fn pass(&mut self, milliseconds: u64) {
        let end = self.now + milliseconds;
        loop {
            let next = self.locker.as_ref().unwrap().poll_timeout(self.uptime()).0.max(self.now + 1).min(end);
            self.true_time += next - self.now;
            self.now = next;
            self.set_wall();
            let now = self.uptime();
            self.locker().tick(now);
            self.drain();
            if self.now >= end {
                return;
            }
        }
    }

    pub(crate) fn set_wall(&mut self) {
        let wall = self.clock_runs.then_some(self.unix());
        self.machine().wall = wall;
    }

    pub(crate) fn connect_with(&mut self, max_frame: usize) -> Connection {
        let connection = Connection(self.next_connection);
        self.next_connection += 1;
        self.airs.insert(
            connection.0,
            Air {
                reassembler: Reassembler::new(),
                messages: Vec::new(),
                hello: None,
                max_frame,
                connected: true,
            },
        );
        let now = self.uptime();
        self.locker().connected(connection, max_frame, now);
        self.drain();
        connection
    }

    /// Connects and subscribes.
    pub(crate) fn connect(&mut self) -> Connection {
        let connection = self.connect_with(244);
        self.subscribe(connection);
        connection
    }

    pub(crate) fn subscribe(&mut self, connection: Connection) {
        let now = self.uptime();
        self.locker().subscribed(connection, now);
        self.drain();
    }

    pub(crate) fn is_connected(&self, connection: Connection) -> bool {
        self.airs[&connection.0].connected
    }

    pub(crate) fn hello(&self, connection: Connection) -> Vec<u8> {
        self.airs[&connection.0].hello.clone().unwrap()
    }

    pub(crate) fn greeted(&self, connection: Connection) -> Greeted {
        Greeted::from_hello(&self.identity(), &self.hello(connection)).unwrap()
    }

    /// The frames in which a phone sends a message on this connection.
    pub(crate) fn frames(&self, connection: Connection, message: &[u8]) -> Vec<Vec<u8>> {
        let air = &self.airs[&connection.0];
        frame::fragments(message, air.reassembler.tag().unwrap(), air.max_frame).collect()
    }

    pub(crate) fn send(&mut self, connection: Connection, message: &[u8]) {
        for frame in self.frames(connection, message) {
            let now = self.uptime();
            self.locker().received(connection, &frame, now);
        }
        self.drain();
    }

    pub(crate) fn fresh_id(&mut self) -> TokenId {
        self.next_id += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.next_id.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
        id[8..].copy_from_slice(&self.next_id.to_be_bytes());
        TokenId(id)
    }

    /// Claims for door A1, quarter of an hour, one use.
    pub(crate) fn claims(&mut self, key: &SigningKey) -> Claims {
        let now = self.unix();
        Claims {
            key_id: KeyId(1),
            locker: LOCKER,
            doors: vec![(A1, Epoch(1))],
            operations: operations(&[Operation::Collect, Operation::Reopen]),
            not_before: now,
            expires: now.plus(900),
            issued_at: now,
            id: self.fresh_id(),
            key: device_key(key),
            uses: 1,
            delegable: false,
            hello_nonce: None,
            carry_key: None,
        }
    }

    pub(crate) fn phone(&mut self, seed: u8) -> Phone {
        self.phone_with(seed, |_| {})
    }

    pub(crate) fn phone_with(&mut self, seed: u8, change: impl FnOnce(&mut Claims)) -> Phone {
        let key = key(seed);
        let mut claims = self.claims(&key);
        change(&mut claims);
        let token = self.issuer.sign_token(&claims);
        Phone { key, claims, token, delegation: None }
    }

    /// One OPEN on a fresh connection; the session goes on with the returned value.
    pub(crate) fn open(&mut self, phone: &Phone, request: &Request) -> (Connection, phone::Session) {
        let connection = self.connect();
        let session = self.open_on(connection, phone, request);
        (connection, session)
    }

    pub(crate) fn open_on(
        &mut self,
        connection: Connection,
        phone: &Phone,
        request: &Request,
    ) -> phone::Session {
        let (message, session) = phone.seal(self.greeted(connection), request);
        self.send(connection, &message);
        session
    }

    /// The next reply on this connection, waiting at most `patience` milliseconds.
    pub(crate) fn reply(
        &mut self,
        connection: Connection,
        session: &mut phone::Session,
        patience: u64,
    ) -> Option<Reply> {
        let end = self.now + patience;
        loop {
            let air = self.airs.get_mut(&connection.0).unwrap();
            if !air.messages.is_empty() {
                let message = air.messages.remove(0);
                return Some(session.receive(&message).unwrap());
            }
            if self.now >= end || !air.connected {
                return None;
            }
            self.pass(10.min(end - self.now));
        }
    }

    /// Connects, opens, waits for the answer, disconnects.
    pub(crate) fn ask(&mut self, phone: &Phone, request: &Request) -> Option<Reply> {
        let (connection, mut session) = self.open(phone, request);
        let reply = self.reply(connection, &mut session, 6_000);
        self.disconnect(connection);
        reply
    }

    pub(crate) fn disconnect(&mut self, connection: Connection) {
        let now = self.uptime();
        self.airs.get_mut(&connection.0).unwrap().connected = false;
        self.locker().disconnected(connection, now);
        self.drain();
    }

    /// The receipt in a reply, verified.
    pub(crate) fn receipt(&self, reply: Option<Reply>) -> Receipt {
        match reply {
            Some(Reply::Receipt(bytes)) => receipt::verify(&bytes, &self.identity().receipt_key).unwrap(),
            other => panic!("no receipt: {other:?}"),
        }
    }

    pub(crate) fn expect(&self, reply: Option<Reply>, outcome: Outcome) -> Receipt {
        let receipt = self.receipt(reply);
        assert_eq!(receipt.outcome, outcome);
        receipt
    }

    /// The receipt in a closing, verified.
    pub(crate) fn closing(&self, reply: Option<Reply>, outcome: Outcome) -> Receipt {
        let Some(Reply::Closing(bytes)) = reply else { panic!("no closing") };
        let receipt = receipt::verify(&bytes, &self.identity().receipt_key).unwrap();
        assert_eq!(receipt.outcome, outcome);
        receipt
    }

    /// The receipts that were written since the last time.
    pub(crate) fn written(&mut self) -> Vec<Vec<u8>> {
        let notices = core::mem::take(&mut self.notices);
        let receipts = notices.into_iter().filter_map(|notice| match notice {
            Notice::Receipt(bytes) => Some(bytes),
            _ => None,
        });
        receipts.collect()
    }

    /// All kept receipts, verified, oldest first.
    pub(crate) fn kept(&mut self) -> Vec<Receipt> {
        let key = self.identity().receipt_key;
        let bytes: Vec<_> = self.locker().receipts().collect();
        bytes.iter().map(|bytes| receipt::verify(bytes, &key).unwrap()).collect()
    }

    /// A hand closes the door, and the locker has noticed.
    pub(crate) fn shut(&mut self, door: Door) {
        self.machine().close(door);
        self.pass(1_000);
    }

    /// The reason of the last refusal.
    pub(crate) fn last_refusal(&self) -> Option<Reason> {
        self.notices.iter().rev().find_map(|notice| match notice {
            Notice::Refused { reason, .. } => Some(*reason),
            _ => None,
        })
    }

    /// Asks, and holds the locker to the refusal: the coarse word outside, this reason inside, nothing moved.
    pub(crate) fn expect_refused(&mut self, phone: &Phone, request: &Request, reason: Reason) {
        let before = self.openings();
        let reply = self.ask(phone, request);
        assert_eq!(self.last_refusal(), Some(reason));
        let word = match reason {
            Reason::Clock => Refusal::ClockUnset,
            Reason::Busy => Refusal::Busy,
            Reason::Full => Refusal::Full,
            _ => Refusal::Refused,
        };
        assert_eq!(reply, Some(Reply::Refused(word)));
        assert_eq!(self.openings(), before);
        assert!(self.machine().compartments.values().all(|compartment| !compartment.energised));
    }
}

impl Phone {
    pub(crate) fn request(&self, operation: Operation, door: Door, number: u64) -> Request {
        Request {
            operation,
            door,
            nonce: nonce(number),
            token: self.token.clone(),
            delegation: self.delegation.clone(),
            bulletin: None,
        }
    }

    pub(crate) fn collect(&self, number: u64) -> Request {
        self.request(Operation::Collect, A1, number)
    }

    pub(crate) fn reopen(&self, number: u64) -> Request {
        self.request(Operation::Reopen, A1, number)
    }

    pub(crate) fn prove(&self, challenge: &[u8]) -> [u8; 64] {
        self.key.sign(challenge).to_bytes()
    }

    pub(crate) fn seal(&self, greeted: Greeted, request: &Request) -> (Vec<u8>, phone::Session) {
        let proof = self.prove(&greeted.challenge(request));
        let ephemeral = postern_protocol::token::hash(&greeted.hello_nonce());
        greeted.open(request, proof, ephemeral).unwrap()
    }

    pub(crate) fn again(&self, session: &mut phone::Session, request: &Request) -> Vec<u8> {
        let proof = self.prove(&session.challenge(request));
        session.request(request, proof).unwrap()
    }

    /// A guest of this owner.
    pub(crate) fn delegate(&self, seed: u8, change: impl FnOnce(&mut Delegation)) -> Self {
        let guest = key(seed);
        let mut delegation = Delegation {
            token: self.claims.id,
            to: device_key(&guest),
            doors: self.claims.doors.iter().map(|(door, _)| *door).collect(),
            operations: self.claims.operations,
            not_before: self.claims.not_before,
            expires: self.claims.expires,
            uses: 1,
        };
        change(&mut delegation);
        let signature = self.key.sign(&delegation::signing_input(&delegation)).to_bytes();
        let delegation = delegation::assemble(&delegation, signature);
        Self { key: guest, delegation: Some(delegation), ..self.clone() }
    }
}
