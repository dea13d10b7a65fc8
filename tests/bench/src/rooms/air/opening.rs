//! What one opening costs the locker's processor, against the sum of its cryptographic primitives: HELLO, OPEN, both
//! journal writes, the door and the receipt.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use ed25519_dalek::{Signer, SigningKey};
use p256::ecdsa::{Signature, SigningKey as EcKey};
use postern_locker::{Config, Connection, Geometry, Keys, Locker, Output, Uptime, machine::Machine};
use postern_protocol::{
    DeviceKey, Door, Epoch, Hello, IssuerKeys, KeyId, LockerId, LockerIdentity, LockerKeys, Operation,
    OperationNonce, Request, Timestamp, TokenId,
    frame::{self, Reassembler},
    issue::Issuer,
    locker_side::Greeting,
    phone::Greeted,
    receipt::{self, Outcome, Receipt, Source},
    token::{self, Claims},
};

use crate::{
    bench::Bench,
    report::{Curve, Line, Measurement, Unit},
    stat::{Samples, pairs},
};

/// Doors take turns: each has an equal share of the places for tokens.
const fn door(number: u32) -> Door {
    Door((number % 100) as u16 + 1)
}

const NOW: Timestamp = Timestamp(1_900_000_000);
/// Openings of one sample.
const ROUNDS: u32 = 100;

enum Device {
    Ed25519(SigningKey),
    P256(EcKey),
}

impl Device {
    fn public(&self) -> DeviceKey {
        match self {
            Self::Ed25519(key) => DeviceKey::Ed25519(key.verifying_key().to_bytes()),
            Self::P256(key) => {
                let point = key.verifying_key().to_sec1_point(true);
                DeviceKey::P256(point.as_bytes().try_into().expect("33 bytes"))
            }
        }
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        match self {
            Self::Ed25519(key) => key.sign(message).to_bytes(),
            Self::P256(key) => {
                let signature: Signature = key.sign(message);
                signature.to_bytes().as_slice().try_into().expect("64 bytes")
            }
        }
    }
}

/// For an Ed25519 and for a P-256 device.
pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    let devices = [
        ("ed25519", "Ed25519", Device::Ed25519(SigningKey::from_bytes(&[1; 32]))),
        ("p256", "P-256", Device::P256(EcKey::from_slice(&[1; 32]).context("a scalar")?)),
    ];
    for (name, title, device) in devices {
        let name = format!("air.opening.cpu.{name}");
        if !bench.wants(&name) {
            continue;
        }
        let samples = pairs(bench.runs(40), || openings(&device), || primitives(&device))?;
        let title = format!("Processor time of an opening, {title} device");
        bench.add(
            Measurement::paired(&name, &title, Unit::Seconds, "its primitives", &samples).at_most_times(1.3).note(
                "HELLO, OPEN, journal, door and receipt of the firmware, the phone left out; beside it the same handshake, \
                 token, proof, receipt and encryption without a firmware around them",
            ),
        );
    }
    if bench.wants("air.journal.growth") { growth(bench) } else { Ok(()) }
}

fn keys() -> (Keys, Issuer) {
    let issuer = Issuer::new(KeyId(1), [7; 32]);
    let mut issuers = IssuerKeys::new();
    assert!(issuers.insert(KeyId(1), issuer.public()), "room for one");
    let locker = LockerKeys::from_seed(LockerId(*b"lindenho"), &[9; 32]);
    (Keys { locker, issuers, pin_secret: None }, issuer)
}

fn claims(device: &Device, number: u32) -> Claims {
    let mut id = [0x5a; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    Claims {
        key_id: KeyId(1),
        locker: LockerId(*b"lindenho"),
        doors: vec![(door(number), Epoch(1))],
        operations: [Operation::Collect].into_iter().collect(),
        not_before: NOW,
        // Alive through all of it, so that each is remembered.
        expires: NOW.plus(86_000),
        issued_at: NOW,
        id: TokenId(id),
        key: device.public(),
        uses: 1,
        delegable: false,
        hello_nonce: None,
        carry_key: None,
    }
}

/// All of the firmware's work, the phone's left out.
fn openings(device: &Device) -> Result<f64> {
    let mut site = Site::new()?;
    site.open(device, ROUNDS)
}

/// A locker of 100 doors, and what it has to do.
struct Site {
    locker: Locker<Machine>,
    issuer: Issuer,
    identity: LockerIdentity,
    /// Openings so far.
    opened: u32,
}

impl Site {
    fn new() -> Result<Self> {
        let (keys, issuer) = keys();
        let identity = keys.locker.identity();
        let geometry = Geometry { page_size: 4096, pages: 256, write_size: 8 };
        let mut machine = Machine::new((1..=100).map(Door), geometry);
        machine.wall = Some(NOW);
        let config = Config::new((1..=100).map(Door).collect());
        let Ok(locker) = Locker::boot(config, keys, machine, Uptime(0)) else {
            bail!("the firmware does not start")
        };
        Ok(Self { locker, issuer, identity, opened: 0 })
    }

    /// So many openings more, each with a token of its own; seconds of one.
    fn open(&mut self, device: &Device, rounds: u32) -> Result<f64> {
        let Self { locker, issuer, identity, opened } = self;
        let connection = Connection(1);
        let mut spent = Duration::ZERO;
        for number in *opened..*opened + rounds {
            let now = Uptime(u64::from(number) * 1000);
            let token = issuer.sign_token(&claims(device, number));
            let start = Instant::now();
            locker.connected(connection, 244, now);
            locker.subscribed(connection, now);
            let frames = sent(locker);
            spent += start.elapsed();

            let mut reassembler = Reassembler::new();
            let hello = frames.iter().find_map(|frame| reassembler.push(frame).ok()?).context("no HELLO")?;
            let request = Request {
                operation: Operation::Collect,
                door: door(number),
                nonce: OperationNonce(u64::from(number).to_be_bytes()),
                token,
                delegation: None,
                bulletin: None,
            };
            let greeted = Greeted::from_hello(identity, &hello)?;
            let proof = device.sign(&greeted.challenge(&request));
            let (open, _) = greeted.open(&request, proof, token::hash(&hello))?;
            let frames: Vec<_> = frame::fragments(&open, reassembler.tag().context("no tag")?, 244).collect();

            let start = Instant::now();
            for frame in &frames {
                locker.received(connection, frame, now);
            }
            // The door springs open; twice, for the sensor to settle.
            locker.tick(now.plus(10));
            locker.tick(now.plus(40));
            let answer = sent(locker);
            spent += start.elapsed();
            ensure!(!answer.is_empty(), "no receipt");

            locker.disconnected(connection, now);
            locker.hardware().close(door(number));
            locker.tick(now.plus(500));
            locker.tick(now.plus(600));
            // The closing has a receipt of its own.
            locker.tick(now.plus(750));
            drop(sent(locker));
        }
        *opened += rounds;
        ensure!(locker.hardware().openings() == *opened, "a latch did not move");
        Ok(spent.as_secs_f64() / f64::from(rounds))
    }
}

/// What an opening costs a locker that remembers more and more tokens which are still alive, and has written as much into
/// its journal.
fn growth(bench: &mut Bench) -> Result<()> {
    let sizes: &[u32] = if bench.quick() { &[100, 1_000] } else { &[100, 1_000, 9_800] };
    let device = Device::Ed25519(SigningKey::from_bytes(&[1; 32]));
    let mut points: Vec<(f64, Samples)> =
        sizes.iter().map(|size| (f64::from(*size), Samples::default())).collect();
    for _ in 0..bench.runs(8) {
        let mut site = Site::new()?;
        for (size, (_, samples)) in sizes.iter().zip(&mut points) {
            site.open(&device, size - site.opened)?;
            samples.0.push(site.open(&device, ROUNDS)?);
        }
    }
    let line = Line::new("processor time of an opening", &points);
    let title = "The locker, by the tokens that its journal remembers";
    bench.draw(Curve::new("air.journal.growth", title, "live tokens", Unit::Seconds, vec![line]));
    Ok(())
}

fn sent(locker: &mut Locker<Machine>) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let Some(output) = locker.poll_output() {
        if let Output::Send { frame, .. } = output {
            frames.push(frame);
        }
    }
    frames
}

/// The same cryptography without a firmware around it: handshake, token, proof, receipt, encryption of the answer.
fn primitives(device: &Device) -> Result<f64> {
    let (keys, issuer) = keys();
    let identity = keys.locker.identity();
    let mut spent = Duration::ZERO;
    for number in 0..ROUNDS {
        let token = issuer.sign_token(&claims(device, number));
        let hello = Hello {
            version: 1,
            oldest: 1,
            boot: 1,
            clock: postern_protocol::ClockState::Set,
            floor: NOW,
            capabilities: 0,
        };
        let start = Instant::now();
        let (greeting, message) = Greeting::start(&keys.locker, &hello, token::hash(&number.to_be_bytes()));
        spent += start.elapsed();
        let request = Request {
            operation: Operation::Collect,
            door: door(number),
            nonce: OperationNonce(u64::from(number).to_be_bytes()),
            token,
            delegation: None,
            bulletin: None,
        };
        let greeted = Greeted::from_hello(&identity, &message)?;
        let proof = device.sign(&greeted.challenge(&request));
        let (open, _) = greeted.open(&request, proof, token::hash(&message))?;
        let start = Instant::now();
        let (mut session, received) = greeting.accept(&open)?;
        let claims = token::verify(&received.request.token, &keys.issuers)?;
        ensure!(claims.key.verify(&received.challenge, &received.proof), "not the proof");
        let signed = receipt::sign(
            &Receipt {
                locker: keys.locker.id,
                sequence: number,
                previous: [0; 16],
                token: claims.id,
                nonce: received.request.nonce,
                door: door(number),
                operation: Operation::Collect,
                outcome: Outcome::Opened,
                at: NOW,
                clock: postern_protocol::ClockState::Set,
                handshake: session.handshake_id(),
                source: Source::Radio,
                news: 0,
            },
            &keys.locker,
        );
        black_box(session.seal(&postern_protocol::Reply::Receipt(signed))?);
        spent += start.elapsed();
    }
    Ok(spent.as_secs_f64() / f64::from(ROUNDS))
}
