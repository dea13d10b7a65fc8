//! Measures one opening on the processor itself, phone and issuer played by the same image, and says so in one line of
//! JSON over semihosting. Fails when a bound is passed.
//!
//! Under `-icount shift=0` the numbers repeat exactly.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::{vec, vec::Vec};

use board::{
    cabinet::Cabinet,
    heap, stack,
    timer::{INSTRUCTIONS_PER_TICK, Timer},
};
use cortex_m_rt::entry;
use cortex_m_semihosting::{debug, hprintln};
use ed25519_dalek::{Signer, SigningKey};
use postern_locker::{
    Config, Connection, Fittings, Keys, Locker, Output, Sensors, Uptime,
    serial::{FromBoard, Provision},
};
use postern_protocol::{
    ClockState, DeviceKey, Door, Epoch, Hello, IssuerKeys, KeyId, LockerId, LockerIdentity, LockerKeys,
    Operation, OperationNonce, Reply, Request, Timestamp, TokenId,
    frame::{self, Reassembler, Tag},
    issue::Issuer,
    locker_side::Greeting,
    phone::Greeted,
    receipt::{self, Outcome, Receipt, Source},
    token::{self, Claims},
};

const DOOR: Door = Door(17);
const NOW: Timestamp = Timestamp(1_900_000_000);
const ID: LockerId = LockerId(*b"mps2an38");
const LINK: Connection = Connection(1);
const FRAME: u16 = 244;

#[entry]
fn main() -> ! {
    let mut timer = Timer::start();
    let device = SigningKey::from_bytes(&[1; 32]);
    let issuer = Issuer::new(KeyId(1), [7; 32]);
    let mut issuers = IssuerKeys::new();
    assert!(issuers.insert(KeyId(1), issuer.public()));
    let keys = Keys { locker: LockerKeys::from_seed(ID, &[9; 32]), issuers, pin_secret: None };
    let doors: Vec<Door> = (1..=100).map(Door).collect();
    let provision = Provision {
        keys: keys.clone(),
        seed: [5; 32],
        fittings: Fittings::default(),
        provisioned_at: NOW,
        connections: 4,
        remembered_tokens: 10_000,
        doors: doors.clone(),
        open: Vec::new(),
    };
    let mut cabinet = Cabinet::new(&provision);
    cabinet.set_clock(Some(NOW));
    let before = timer.ticks();
    let Ok(mut locker) = Locker::boot(Config::new(doors), keys.clone(), cabinet, Uptime(0)) else {
        panic!("no start")
    };
    let start = timer.ticks() - before;
    let tables = heap::marks().used;
    let identity = keys.locker.identity();

    // The second opening counts: the first lets every buffer grow to its size.
    let mut costs = Vec::new();
    for number in 0..2_u64 {
        costs.push(open(&mut locker, &mut timer, &identity, &device, &issuer, number));
    }
    let (opening, allocations, peak) = costs[1];
    let primitives = primitives(&keys, &mut timer, &identity, &device, &issuer);
    let per_mille = opening * 1000 / primitives;
    hprintln!(
        "{{\"opening_instructions\":{},\"primitive_instructions\":{},\"ratio_per_mille\":{},\"start_instructions\":{},\
         \"heap_tables\":{},\"heap_opening_peak\":{},\"heap_allocations\":{},\"heap_size\":{},\
         \"stack_peak\":{},\"stack_size\":{}}}",
        opening * INSTRUCTIONS_PER_TICK,
        primitives * INSTRUCTIONS_PER_TICK,
        per_mille,
        start * INSTRUCTIONS_PER_TICK,
        tables,
        peak,
        allocations,
        heap::SIZE,
        stack::peak(),
        stack::size(),
    );
    debug::exit(if per_mille <= 1300 { debug::EXIT_SUCCESS } else { debug::EXIT_FAILURE });
    loop {
        cortex_m::asm::wfi();
    }
}

fn request(issuer: &Issuer, device: &SigningKey, number: u64) -> Request {
    let mut id = [0x5a; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    let claims = Claims {
        key_id: KeyId(1),
        locker: ID,
        doors: vec![(DOOR, Epoch(1))],
        operations: [Operation::Collect].into_iter().collect(),
        not_before: NOW,
        expires: NOW.plus(900),
        issued_at: NOW,
        id: TokenId(id),
        key: DeviceKey::Ed25519(device.verifying_key().to_bytes()),
        uses: 1,
        delegable: false,
        hello_nonce: None,
        carry_key: None,
    };
    Request {
        operation: Operation::Collect,
        door: DOOR,
        nonce: OperationNonce(number.to_be_bytes()),
        token: issuer.sign_token(&claims),
        delegation: None,
        bulletin: None,
    }
}

fn frames(locker: &mut Locker<Cabinet>) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let Some(output) = locker.poll_output() {
        if let Output::Send { frame, .. } = output {
            frames.push(frame);
        }
    }
    frames
}

/// One opening: ticks inside the firmware, allocations, and the most heap beyond the tables.
fn open(
    locker: &mut Locker<Cabinet>,
    timer: &mut Timer,
    identity: &LockerIdentity,
    device: &SigningKey,
    issuer: &Issuer,
    number: u64,
) -> (u64, u32, usize) {
    // The firmware's milliseconds are the story's, not the timer's: the phone's work on this same processor is left out.
    let now = Uptime(number * 10_000);
    let request = request(issuer, device, number);
    let mut reassembler = Reassembler::new();
    heap::reset_marks();
    let base = heap::marks().used;

    let began = timer.ticks();
    locker.connected(LINK, FRAME.into(), now);
    locker.subscribed(LINK, now);
    let hello = frames(locker);
    let mut ticks = timer.ticks() - began;
    let first = heap::marks();

    let Some(hello) = hello.iter().find_map(|frame| reassembler.push(frame).ok().flatten()) else {
        panic!("no HELLO")
    };
    let Ok(greeted) = Greeted::from_hello(identity, &hello) else { panic!("HELLO") };
    let proof = device.sign(&greeted.challenge(&request)).to_bytes();
    let Ok((message, mut session)) = greeted.open(&request, proof, token::hash(&hello)) else {
        panic!("OPEN")
    };
    let tag = reassembler.tag().unwrap_or(Tag(0));
    let written: Vec<_> = frame::fragments(&message, tag, FRAME.into()).collect();
    let phone = heap::marks().used;
    heap::reset_marks();

    let began = timer.ticks();
    for frame in &written {
        locker.received(LINK, frame, now);
    }
    ticks += timer.ticks() - began;
    let latched = locker.hardware().latches.iter().any(|it| *it == FromBoard::Latch(DOOR, true));
    assert!(latched, "no latch");
    locker.hardware().set_sensors(DOOR, Sensors { open: Some(true), ..Sensors::default() });
    let began = timer.ticks();
    locker.tick(now.plus(10));
    locker.tick(now.plus(40));
    let answer = frames(locker);
    ticks += timer.ticks() - began;
    let second = heap::marks();

    let Some(reply) = answer.iter().find_map(|frame| reassembler.push(frame).ok().flatten()) else {
        panic!("no RECEIPT")
    };
    let Ok(Reply::Receipt(bytes)) = session.receive(&reply) else { panic!("RECEIPT") };
    let Ok(receipt) = receipt::verify(&bytes, &identity.receipt_key) else { panic!("receipt") };
    assert!(receipt.outcome == Outcome::Opened);

    locker.disconnected(LINK, now.plus(50));
    locker.hardware().set_sensors(DOOR, Sensors { open: Some(false), ..Sensors::default() });
    locker.tick(now.plus(1000));
    locker.tick(now.plus(1100));
    drop(frames(locker));
    locker.hardware().latches.clear();
    let peak = (first.peak - base).max(second.peak - phone + (first.used - base));
    (ticks, first.allocations + second.allocations, peak)
}

/// The cryptography of one opening without a firmware around it.
fn primitives(
    keys: &Keys,
    timer: &mut Timer,
    identity: &LockerIdentity,
    device: &SigningKey,
    issuer: &Issuer,
) -> u64 {
    let request = request(issuer, device, 99);
    let hello = Hello { version: 1, oldest: 1, boot: 1, clock: ClockState::Set, floor: NOW, capabilities: 0 };
    let began = timer.ticks();
    let (greeting, message) = Greeting::start(&keys.locker, &hello, [3; 32]);
    let mut ticks = timer.ticks() - began;
    let Ok(greeted) = Greeted::from_hello(identity, &message) else { panic!("HELLO") };
    let proof = device.sign(&greeted.challenge(&request)).to_bytes();
    let Ok((open, _)) = greeted.open(&request, proof, [4; 32]) else { panic!("OPEN") };
    let began = timer.ticks();
    let Ok((mut session, received)) = greeting.accept(&open) else { panic!("OPEN") };
    let Ok(claims) = token::verify(&received.request.token, &keys.issuers) else { panic!("token") };
    assert!(claims.key.verify(&received.challenge, &received.proof));
    let signed = receipt::sign(
        &Receipt {
            locker: ID,
            sequence: 1,
            previous: [0; 16],
            token: claims.id,
            nonce: received.request.nonce,
            door: DOOR,
            operation: Operation::Collect,
            outcome: Outcome::Opened,
            at: NOW,
            clock: ClockState::Set,
            handshake: session.handshake_id(),
            source: Source::Radio,
            news: 0,
        },
        &keys.locker,
    );
    let Ok(_) = session.seal(&Reply::Receipt(signed)) else { panic!("seal") };
    ticks += timer.ticks() - began;
    ticks
}
