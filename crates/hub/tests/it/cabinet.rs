//! A cabinet that stands at a site and has no network: the real firmware on a machine in memory, with hands at its doors.

use std::collections::BTreeMap;

use postern_hub::clock::Clock;
use postern_locker::{
    Config, Connection, Geometry, Keys, LocalAnswer, Locker as Firmware, Output, Uptime,
    machine::{Machine, Mechanics},
};
use postern_protocol::{
    Door, IssuerKeys, KeyId, LockerIdentity, LockerKeys, Operation, OperationNonce, Refusal, Reply, Request,
    Timestamp,
    frame::{self, Reassembler},
    phone::{Greeted, Session},
    receipt::{self, Outcome},
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::{
    client::{Device, encode},
    world::{Locker, World},
};

/// Frames of a usual connection.
const FRAME: usize = 244;

/// What came of standing at a door.
#[derive(Debug)]
pub(crate) enum Visit {
    /// It came open; the receipts that the device was given, as it hands them in.
    Open(Vec<Value>),
    /// The locker said no.
    Refused(Refusal),
}

impl Visit {
    #[track_caller]
    pub(crate) fn receipts(self) -> Vec<Value> {
        match self {
            Self::Open(receipts) => receipts,
            Self::Refused(refusal) => panic!("refused: {refusal:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn refused(self) {
        assert!(matches!(self, Self::Refused(Refusal::Refused)), "{self:?}");
    }
}

/// What a hand does at the open door.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hand {
    /// Puts something in.
    Puts,
    /// Takes out what is there.
    Takes,
    /// Nothing.
    Nothing,
}

pub(crate) struct Cabinet {
    pub(crate) id: String,
    keys: LockerKeys,
    firmware: Firmware<Machine>,
    clock: Clock,
    uptime: u64,
    airs: BTreeMap<u16, (Reassembler, Vec<Vec<u8>>)>,
    local: Vec<LocalAnswer>,
    visits: u16,
    sensors: bool,
    openings: Vec<u32>,
    /// Seconds by which its wall clock is ahead.
    pub(crate) ahead: i64,
}

fn bytes(text: &Value) -> Vec<u8> {
    postern_hub::random::decode(text.as_str().unwrap()).unwrap()
}

/// The first door of a grant.
pub(crate) fn door(grant: &Value) -> u16 {
    grant["doors"][0].as_u64().unwrap() as u16
}

impl World {
    /// A cabinet joins the network. Door C2 is the only chilled one.
    pub(crate) async fn cabinet(&self, sensors: bool) -> Cabinet {
        self.cabinet_at("lindenhof", sensors).await
    }

    /// The same, at another site.
    pub(crate) async fn cabinet_at(&self, site: &str, sensors: bool) -> Cabinet {
        let locker = Locker { sensors, ..Locker::new() };
        let mut descriptor = locker.descriptor(site);
        descriptor["doors"][usize::from(Locker::door("C2")) - 1]["chilled"] = json!(true);
        let given =
            self.operator.post("/v1/operator/lockers", json!({ "descriptor": descriptor })).await.ok();
        let mut issuers = IssuerKeys::new();
        for key in given["issuer_keys"].as_array().unwrap() {
            let id = KeyId(u32::try_from(key["id"].as_u64().unwrap()).unwrap());
            assert!(issuers.insert(id, bytes(&key["key"]).try_into().unwrap()));
        }
        let pin_secret = Some(Zeroizing::new(bytes(&given["pin_secret"]).try_into().unwrap()));
        let doors: Vec<_> = (1..=16).map(Door).collect();
        let mut machine =
            Machine::new(doors.iter().copied(), Geometry { page_size: 4096, pages: 64, write_size: 8 });
        machine.wall = Some(Timestamp(self.clock.now() as u64));
        if !sensors {
            for compartment in machine.compartments.values_mut() {
                compartment.sensors.content = None;
            }
        }
        let mut config = Config::new(doors);
        config.remembered_tokens = 512;
        config.provisioned_at = Timestamp(given["now"].as_u64().unwrap());
        let keys = Keys { locker: locker.keys.clone(), issuers, pin_secret };
        let firmware = Firmware::boot(config, keys, machine, Uptime(0)).map_err(|(error, _)| error).unwrap();
        Cabinet {
            id: locker.id.clone(),
            keys: locker.keys,
            firmware,
            clock: self.clock.clone(),
            uptime: 0,
            airs: BTreeMap::new(),
            local: Vec::new(),
            visits: 0,
            sensors,
            openings: Vec::new(),
            ahead: 0,
        }
    }
}

impl Cabinet {
    fn identity(&self) -> LockerIdentity {
        self.keys.identity()
    }

    fn drain(&mut self) {
        while let Some(output) = self.firmware.poll_output() {
            match output {
                Output::Send { connection, frame } => {
                    if let Some((frames, messages)) = self.airs.get_mut(&connection.0) {
                        messages.extend(frames.push(&frame).unwrap());
                    }
                }
                Output::Disconnect { connection } => {
                    self.airs.remove(&connection.0);
                }
                Output::Local(answer) => self.local.push(answer),
                Output::Advertise(_) | Output::Notice(_) => {}
            }
        }
    }

    fn pass(&mut self, milliseconds: u64) {
        let end = self.uptime + milliseconds;
        while self.uptime < end {
            let next = self.firmware.poll_timeout(Uptime(self.uptime)).0;
            self.uptime = next.max(self.uptime + 1).min(end);
            let wall = Timestamp((self.clock.now() + self.ahead) as u64);
            self.firmware.hardware().wall = Some(wall);
            self.firmware.tick(Uptime(self.uptime));
            self.drain();
        }
    }

    fn send(&mut self, connection: Connection, message: &[u8]) {
        let Some((frames, _)) = self.airs.get(&connection.0) else { return };
        let frames: Vec<_> = frame::fragments(message, frames.tag().unwrap(), FRAME).collect();
        for frame in frames {
            self.firmware.received(connection, &frame, Uptime(self.uptime));
        }
        self.drain();
    }

    /// Connects with one request; the answers go on with the session.
    fn open(&mut self, device: &Device, request: &Request) -> (Connection, Session) {
        let (connection, greeted) = self.greet();
        self.ask(connection, greeted, device, request)
    }

    /// The first request to a locker that has greeted.
    fn ask(
        &mut self,
        connection: Connection,
        greeted: Greeted,
        device: &Device,
        request: &Request,
    ) -> (Connection, Session) {
        let proof = device.key.sign(&greeted.challenge(request));
        let (message, session) = greeted.open(request, proof, postern_hub::random::bytes()).unwrap();
        self.send(connection, &message);
        (connection, session)
    }

    fn again(&mut self, connection: Connection, session: &mut Session, device: &Device, request: &Request) {
        let proof = device.key.sign(&session.challenge(request));
        let message = session.request(request, proof).unwrap();
        self.send(connection, &message);
    }

    /// The next answer; events pass by. None where the locker hung up or says nothing.
    fn answer(&mut self, connection: Connection, session: &mut Session) -> Option<Reply> {
        for _ in 0..800 {
            let message = match self.airs.get_mut(&connection.0) {
                Some((_, messages)) if !messages.is_empty() => Some(messages.remove(0)),
                Some(_) => None,
                None => return None,
            };
            match message.map(|message| session.receive(&message).unwrap()) {
                Some(Reply::Event(_)) => {}
                Some(reply) => return Some(reply),
                None => self.pass(10),
            }
        }
        None
    }

    fn hang_up(&mut self, connection: Connection) {
        self.firmware.disconnected(connection, Uptime(self.uptime));
        self.airs.remove(&connection.0);
        self.drain();
    }

    fn uploaded(&self, receipt: &[u8]) -> Value {
        json!({ "locker": self.id, "receipt": encode(receipt) })
    }

    fn request(grant: &Value, operation: Operation) -> Request {
        Request {
            operation,
            door: Door(door(grant)),
            nonce: OperationNonce(postern_hub::random::bytes()),
            token: bytes(&grant["token"]),
            delegation: None,
            bulletin: None,
        }
    }

    fn hand(&mut self, at: Door, hand: Hand) {
        let sensors = self.sensors;
        let compartment = self.firmware.hardware().compartment(at);
        match hand {
            Hand::Puts if sensors => compartment.sensors.content = Some(true),
            Hand::Takes if sensors => compartment.sensors.content = Some(false),
            _ => {}
        }
        compartment.sensors.open = Some(false);
    }

    /// The sensor of a door does not notice that it comes open, or does again.
    pub(crate) fn sensor_sticks(&mut self, at: u16, sticks: bool) {
        let mechanics = if sticks { Mechanics::SensorStuck } else { Mechanics::Sound };
        self.firmware.hardware().compartment(Door(at)).mechanics = mechanics;
    }

    /// The sensor of a shut door says that it is open, until its hand next moves it.
    pub(crate) fn claims_open(&mut self, at: u16) {
        self.firmware.hardware().compartment(Door(at)).sensors.open = Some(true);
        self.pass(200);
    }

    /// Opens the door of a grant, with the news that the device has for this locker, does something, and closes the door.
    pub(crate) fn visit(
        &mut self,
        device: &Device,
        grant: &Value,
        operation: Operation,
        news: &Value,
        hand: Hand,
    ) -> Visit {
        let mut request = Self::request(grant, operation);
        let bulletin = news.as_array().into_iter().flatten().find(|one| one["locker"] == json!(self.id));
        let (connection, mut session) = if let Some(bulletin) = bulletin {
            let mut first = Self::request(grant, Operation::Status);
            first.bulletin = Some(bytes(&bulletin["bulletin"]));
            let (connection, mut session) = self.open(device, &first);
            match self.answer(connection, &mut session) {
                Some(Reply::Status(_)) => {}
                other => panic!("no status: {other:?}"),
            }
            request.bulletin = None;
            self.again(connection, &mut session, device, &request);
            (connection, session)
        } else {
            self.open(device, &request)
        };
        self.at_the_door(connection, &mut session, request.door, hand)
    }

    /// As [`Cabinet::visit`], by a device that fetches what it needs for this very greeting.
    pub(crate) async fn visit_bound(
        &mut self,
        device: &Device,
        reservation: &Value,
        operation: Operation,
        hand: Hand,
    ) -> Visit {
        let (connection, greeted) = self.greet();
        let asked = json!({ "reservations": [reservation["id"]], "hello_nonce": encode(greeted.hello_nonce()),
                            "locker_time": greeted.hello().floor.0 });
        let answer = device.post("/v1/tokens", asked).await.ok();
        let grant = &answer["grants"][0];
        let mut first = Self::request(grant, Operation::Status);
        first.bulletin = Some(bytes(&answer["bulletins"][0]["bulletin"]));
        let (connection, mut session) = self.ask(connection, greeted, device, &first);
        match self.answer(connection, &mut session) {
            Some(Reply::Status(_)) => {}
            other => panic!("no status: {other:?}"),
        }
        let request = Self::request(grant, operation);
        self.again(connection, &mut session, device, &request);
        self.at_the_door(connection, &mut session, request.door, hand)
    }

    /// The locker has been asked for a door: what somebody does there.
    fn at_the_door(
        &mut self,
        connection: Connection,
        session: &mut Session,
        door: Door,
        hand: Hand,
    ) -> Visit {
        let receipt = match self.answer(connection, session) {
            Some(Reply::Receipt(receipt)) => receipt,
            Some(Reply::Refused(refusal)) => {
                self.hang_up(connection);
                return Visit::Refused(refusal);
            }
            other => panic!("neither receipt nor refusal: {other:?}"),
        };
        self.openings.push(receipt::verify(&receipt, &self.identity().receipt_key).unwrap().sequence);
        let mut receipts = vec![self.uploaded(&receipt)];
        self.hand(door, hand);
        if receipt::verify(&receipt, &self.identity().receipt_key).unwrap().outcome == Outcome::Jammed {
            // So the sensor says; nothing is closed then.
            self.hang_up(connection);
            return Visit::Open(receipts);
        }
        match self.answer(connection, session) {
            Some(Reply::Closing(closing)) => receipts.push(self.uploaded(&closing)),
            other => panic!("no closing: {other:?}"),
        }
        self.hang_up(connection);
        Visit::Open(receipts)
    }

    /// What a gateway of the operator's takes from the locker: all that it has signed and keeps.
    pub(crate) fn uplink(&self) -> Vec<Value> {
        self.firmware.receipts().map(|receipt| self.uploaded(&receipt)).collect()
    }

    /// A gateway of the operator's brings news; whether the locker takes them.
    pub(crate) fn downlink(&mut self, bulletin: &Value) -> bool {
        let heard = self.firmware.bulletin_received(&bytes(&bulletin["bulletin"]), Uptime(self.uptime));
        self.drain();
        heard.is_ok()
    }

    /// What the locker greets a device with: the nonce that a bulletin or token may be bound to, and the time.
    pub(crate) fn greet(&mut self) -> (Connection, Greeted) {
        // Its wall clock runs on while nobody is there.
        self.pass(1);
        self.visits += 1;
        let connection = Connection(self.visits);
        self.airs.insert(connection.0, (Reassembler::new(), Vec::new()));
        self.firmware.connected(connection, FRAME, Uptime(self.uptime));
        self.firmware.subscribed(connection, Uptime(self.uptime));
        self.drain();
        let hello = self.airs.get_mut(&connection.0).unwrap().1.remove(0);
        (connection, Greeted::from_hello(&self.identity(), &hello).unwrap())
    }

    /// Places in the chain of the openings by devices, as their receipts said.
    pub(crate) fn openings(&self) -> &[u32] {
        &self.openings
    }

    /// Somebody types a PIN; the door that came open, which is closed again. None where it was refused.
    pub(crate) fn type_pin(&mut self, pin: &Value, hand: Hand) -> Option<u16> {
        self.pass(1);
        self.local.clear();
        self.firmware.pin_entered(pin.as_str().unwrap(), Uptime(self.uptime));
        self.drain();
        self.pass(1_000);
        let opened = self.local.iter().find_map(|answer| match answer {
            LocalAnswer::Done(door, Outcome::Opened) => Some(*door),
            _ => None,
        })?;
        self.hand(opened, hand);
        self.pass(1_000);
        Some(opened.0)
    }

    /// What a courier's device carries away, sealed, from the receipt that its grant names on.
    pub(crate) fn carry(&mut self, device: &Device, grant: &Value) -> Value {
        let mut wanted = u32::try_from(grant["receipts_from"].as_u64().unwrap()).unwrap();
        let mut parts = Vec::new();
        let mut request = Self::request(grant, Operation::Carry);
        request.nonce = OperationNonce::from_sequence(wanted);
        let (connection, mut session) = self.open(device, &request);
        loop {
            match self.answer(connection, &mut session) {
                Some(Reply::Carried(carried)) => {
                    parts.push(encode(&carried.sealed));
                    wanted = carried.next;
                    if carried.next == carried.head {
                        break;
                    }
                }
                other => panic!("nothing carried: {other:?}"),
            }
            request.nonce = OperationNonce::from_sequence(wanted);
            self.again(connection, &mut session, device, &request);
        }
        self.hang_up(connection);
        json!({ "locker": self.id, "parts": parts })
    }
}
