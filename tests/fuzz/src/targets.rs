//! What is done with the bytes.

use std::sync::LazyLock;

use postern_locker::{Config, Connection, Geometry, Keys, Locker, Output, Uptime, machine::Machine};
use postern_protocol::{
    Door, LockerIdentity, Timestamp, bulletin as bulletins, carry as carrying, delegation as delegations,
    frame::{MAX_MESSAGE, Reassembler, Tag, fragments},
    locker_side::Greeting,
    phone::Greeted,
    qr as codes, receipt as receipts, token as tokens,
};
use snow::Builder;

use crate::fixture::{bstr, hello, issuer, issuers, locker, payload_of, secret, sign, sign1, vectors};

const TOKEN_HEADER: &[u8] = &[0xa2, 0x01, 0x27, 0x04, 0x44, 0, 0, 0, 1];
const RECEIPT_HEADER: &[u8] = &[0xa1, 0x01, 0x27];

/// Splits an input into pieces: each begins with its length in one byte.
fn pieces(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first()?;
        let (piece, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        bytes = rest;
        Some(piece)
    })
}

fn joined<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    pieces
        .into_iter()
        .flat_map(|piece| [&[piece.len().min(255) as u8][..], &piece[..piece.len().min(255)]].concat())
        .collect()
}

/// A sequence of frames, to a phone that knows its tag, to one that does not, and to a whole locker: no message is
/// larger than allowed, what comes out goes in again, and no latch moves.
pub fn fragment(bytes: &[u8]) {
    let mut known = Reassembler::with_tag(Tag(1));
    let mut learning = Reassembler::new();
    for frame in pieces(bytes) {
        for reassembler in [&mut known, &mut learning] {
            if let Ok(Some(message)) = reassembler.push(frame) {
                assert!((1..=MAX_MESSAGE).contains(&message.len()));
                assert!(!reassembler.is_partial());
                let tag = reassembler.tag().expect("a message had one");
                let mut again = Reassembler::with_tag(tag);
                let whole = fragments(&message, tag, 20).map(|frame| again.push(&frame)).last();
                assert_eq!(whole, Some(Ok(Some(message))));
            }
        }
    }
    let mut cabinet = cabinet(Machine::new([Door(7)], GEOMETRY)).expect("a blank flash");
    let link = Connection(1);
    let mut now = Uptime(10);
    cabinet.connected(link, 20, now);
    cabinet.subscribed(link, now);
    for frame in pieces(bytes) {
        cabinet.received(link, frame, now);
        now = now.plus(50);
        cabinet.tick(now);
        while let Some(output) = cabinet.poll_output() {
            if let Output::Send { frame, .. } = output {
                assert!(frame.len() <= 20);
            }
        }
    }
    assert_eq!(cabinet.hardware().openings(), 0, "a latch moved");
}

/// Frames of the frozen messages.
#[must_use]
pub fn fragment_seeds() -> Vec<Vec<u8>> {
    let mut messages = vectors("session", "message");
    messages.truncate(12);
    messages
        .iter()
        .flat_map(|message| {
            [20, 182].map(|size| {
                let frames: Vec<_> = fragments(message, Tag(1), size).collect();
                joined(frames.iter().map(Vec::as_slice))
            })
        })
        .collect()
}

/// Whole messages in clear: HELLO to a phone, anything to a locker.
pub fn message(bytes: &[u8]) {
    let identity = locker().identity();
    if let Ok(greeted) = Greeted::from_hello(&identity, bytes) {
        let (_, again) = Greeting::start(&locker(), greeted.hello(), secret("locker ephemeral"));
        // All but the ephemeral key.
        assert_eq!((&again[..3], &again[35..]), (&bytes[..3], &bytes[35..]));
    }
    let (greeting, _) = Greeting::start(&locker(), &hello(), secret("locker ephemeral"));
    let accepted = greeting.accept(bytes);
    assert!(accepted.is_err() || FROZEN.iter().any(|known| known == bytes), "an OPEN out of nothing");
}

static FROZEN: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| vectors("session", "message"));
static TOKEN: LazyLock<Vec<u8>> = LazyLock::new(|| vectors("token", "bytes").swap_remove(0));

/// Messages of the frozen sessions.
#[must_use]
pub fn message_seeds() -> Vec<Vec<u8>> {
    vectors("session", "message")
}

fn noise(identity: &LockerIdentity) -> Vec<u8> {
    [b"postern".as_slice(), &[1, 1], &postern_protocol::gatt::SERVICE_UUID.to_be_bytes(), &identity.id.0]
        .concat()
}

/// Plaintexts, sealed by somebody who knows the session's keys: a mad phone and a mad locker.
pub fn plaintext(bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(MAX_MESSAGE - 60)];
    let identity = locker().identity();
    let (greeting, message) = Greeting::start(&locker(), &hello(), secret("locker ephemeral"));
    let prologue = noise(&identity);
    let name = || "Noise_KN_25519_ChaChaPoly_BLAKE2s".parse().expect("known to snow");
    let ephemeral = secret("phone ephemeral");
    let mut mad = Builder::new(name())
        .prologue(&prologue)
        .and_then(|builder| builder.remote_public_key(&identity.static_key))
        .and_then(|builder| builder.fixed_ephemeral_key_for_testing_only(&ephemeral).build_responder())
        .expect("complete");
    let mut buffer = [0; 2048];
    mad.read_message(&message[3..], &mut buffer).expect("a good HELLO");
    let length = mad.write_message(bytes, &mut buffer).expect("fits");
    let open = [&[2], &buffer[..length]].concat();
    let Ok((mut session, received)) = greeting.accept(&open) else { return reply(bytes) };
    let greeted = Greeted::from_hello(&identity, &message).expect("a good HELLO");
    let (again, mut phone) =
        greeted.open(&received.request, received.proof, ephemeral).expect("it was taken");
    assert_eq!(again, open, "a second encoding of a request");
    let further = phone.request(&received.request, received.proof).expect("it was taken");
    assert_eq!(session.receive(&further).map(|received| received.request), Ok(received.request));
    reply(bytes);
}

fn reply(bytes: &[u8]) {
    let identity = locker().identity();
    let keys = locker();
    let prologue = noise(&identity);
    let mut mad = Builder::new("Noise_KN_25519_ChaChaPoly_BLAKE2s".parse().expect("known to snow"))
        .prologue(&prologue)
        .and_then(|builder| builder.local_private_key(&*keys.static_secret))
        .and_then(|builder| builder.build_initiator())
        .expect("complete");
    let mut buffer = [0; 2048];
    let payload = [&[0, 0, 0, 3, 0][..], &1_800_000_000_u64.to_be_bytes(), &[0, 3]].concat();
    let length = mad.write_message(&payload, &mut buffer).expect("fits");
    let greeted =
        Greeted::from_hello(&identity, &[&[1, 1, 1], &buffer[..length]].concat()).expect("a good HELLO");
    let request = postern_protocol::Request {
        operation: postern_protocol::Operation::Status,
        door: Door(7),
        nonce: postern_protocol::OperationNonce([0; 8]),
        token: vec![1],
        delegation: None,
        bulletin: None,
    };
    let (open, mut phone) = greeted.open(&request, [0; 64], secret("phone ephemeral")).expect("fits");
    mad.read_message(&open[1..], &mut buffer).expect("good OPEN");
    let mut mad = mad.into_transport_mode().expect("finished");
    let length = mad.write_message(bytes, &mut buffer).expect("fits");
    if let Ok(known) = phone.receive(&[&[4], &buffer[..length]].concat()) {
        let (greeting, message) = Greeting::start(&locker(), &hello(), secret("locker ephemeral"));
        let greeted = Greeted::from_hello(&identity, &message).expect("a good HELLO");
        let (open, _) = greeted.open(&request, [0; 64], secret("phone ephemeral")).expect("fits");
        let (mut session, _) = greeting.accept(&open).expect("good OPEN");
        let again = session.seal(&known).expect("it was taken");
        assert_eq!(again.len(), 1 + bytes.len() + 16, "a second encoding of a reply");
    }
}

/// Requests and replies as PROTOCOL.md writes them.
#[must_use]
pub fn plaintext_seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![
        vec![0x82, 1, 0],
        vec![0x83, 1, 1, 0x18, 30],
        vec![0x83, 2, 7, 1],
        [&[0x87, 3, 7, 0xf4, 0xf6, 0, 0x1a][..], &1_800_000_000_u32.to_be_bytes(), &[0xf6]].concat(),
        vec![0x82, 1, 6],
    ];
    seeds.extend(
        vectors("session", "closing").iter().map(|closing| [&[0x82, 5][..], &bstr(closing)].concat()),
    );
    seeds.extend(
        vectors("carried", "sealed")
            .iter()
            .map(|part| [&[0x84, 4][..], &bstr(part), &[4, 0x18, 99]].concat()),
    );
    seeds.extend(
        vectors("session", "receipt").iter().map(|receipt| [&[0x82, 0][..], &bstr(receipt)].concat()),
    );
    for token in vectors("session", "token") {
        let proof = bstr(&[7; 64]);
        seeds.push([&[0x87, 0, 7, 0x48][..], &[9; 8], &bstr(&token), &[0xf6, 0xf6], &proof].concat());
        seeds.push(
            [&[0x87, 4, 7, 0x48][..], &[9; 8], &bstr(&token), &bstr(&[1; 90]), &bstr(&[2; 99]), &proof]
                .concat(),
        );
    }
    seeds
}

/// Tokens: as they are, and as a payload that the issuer has signed.
pub fn token(bytes: &[u8]) {
    for token in [bytes.to_vec(), sign1("postern/1 token", TOKEN_HEADER, bytes, &secret("issuer"))] {
        if let Ok(claims) = tokens::verify(&token, &issuers()) {
            assert_eq!(issuer().sign_token(&claims), token, "a second encoding");
            assert!(!claims.is_valid_at(claims.expires) && claims.is_valid_at(claims.not_before));
            let _ = claims.epoch_of(Door(7));
        }
    }
}

/// Payloads and tokens.
#[must_use]
pub fn token_seeds() -> Vec<Vec<u8>> {
    let tokens = vectors("token", "bytes");
    tokens
        .iter()
        .map(|token| payload_of(token))
        .chain(tokens.clone())
        .chain(vectors("refused", "token"))
        .collect()
}

/// Bulletins, likewise.
pub fn bulletin(bytes: &[u8]) {
    for signed in [bytes.to_vec(), sign1("postern/1 bulletin", TOKEN_HEADER, bytes, &secret("issuer"))] {
        if let Ok(news) = bulletins::verify(&signed, &issuers()) {
            assert_eq!(issuer().sign_bulletin(&news), signed, "a second encoding");
        }
    }
}

/// Payloads and bulletins.
#[must_use]
pub fn bulletin_seeds() -> Vec<Vec<u8>> {
    let all = vectors("bulletin", "bytes");
    all.iter().map(|signed| payload_of(signed)).chain(all.clone()).collect()
}

/// Delegations: as they are, and as a payload that the owner has signed.
pub fn delegation(bytes: &[u8]) {
    let owner = postern_protocol::DeviceKey::Ed25519(
        ed25519_dalek::SigningKey::from_bytes(&secret("device")).verifying_key().to_bytes(),
    );
    let signature = sign("device", &[b"postern/1 delegation\0", bytes].concat());
    let made = [&[0x82][..], &bstr(bytes), &bstr(&signature)].concat();
    let claims = tokens::verify(&TOKEN, &issuers()).expect("frozen");
    for delegated in [bytes.to_vec(), made] {
        if let Ok(part) = delegations::verify(&delegated, &owner) {
            let (same, signature) = delegations::parse(&delegated).expect("it was taken");
            assert_eq!(delegations::assemble(&same, signature), delegated, "a second encoding");
            if part.is_within(&claims) {
                assert!(
                    claims.delegable
                        && part.uses <= claims.uses
                        && part.operations.is_subset_of(claims.operations)
                );
                assert!(part.doors.iter().all(|door| claims.epoch_of(*door).is_some()));
            }
        }
    }
}

/// Payloads and delegations.
#[must_use]
pub fn delegation_seeds() -> Vec<Vec<u8>> {
    let all = vectors("delegation", "bytes");
    all.iter().map(|whole| whole[3..whole.len() - 66].to_vec()).chain(all.clone()).collect()
}

/// Receipts, as they are and signed by the locker.
pub fn receipt(bytes: &[u8]) {
    let key = locker().identity().receipt_key;
    let made = sign1("postern/1 receipt", RECEIPT_HEADER, bytes, &locker().receipt_secret);
    for signed in [bytes.to_vec(), made] {
        if let Ok(known) = receipts::verify(&signed, &key) {
            assert_eq!(receipts::sign(&known, &locker()), signed, "a second encoding");
        }
    }
}

/// Payloads and receipts.
#[must_use]
pub fn receipt_seeds() -> Vec<Vec<u8>> {
    let all = vectors("receipt", "bytes");
    all.iter().map(|signed| payload_of(signed)).chain(all.clone()).collect()
}

/// Receipts that a courier carries, as they are and sealed by somebody who knows the hub's key: a mad locker.
pub fn carried(bytes: &[u8]) {
    let (secret, id) = (secret("hub carry"), locker().id);
    let prologue = [b"postern/1 carry\0".as_slice(), &id.0].concat();
    let (key, ephemeral) = (carrying::public(&secret), self::secret("carry ephemeral"));
    let mut mad = Builder::new("Noise_N_25519_ChaChaPoly_BLAKE2s".parse().expect("known to snow"))
        .prologue(&prologue)
        .and_then(|builder| builder.remote_public_key(&key))
        .and_then(|builder| builder.fixed_ephemeral_key_for_testing_only(&ephemeral).build_initiator())
        .expect("complete");
    let mut buffer = [0; 2048];
    let payload = &bytes[..bytes.len().min(1900)];
    let length = mad.write_message(payload, &mut buffer).expect("fits");
    for sealed in [bytes, &buffer[..length]] {
        if let Ok(receipts) = carrying::open(&secret, id, sealed) {
            let again = carrying::seal(&key, id, &receipts, &ephemeral);
            // What came as it is has another ephemeral key.
            if sealed[..32] != buffer[..32] {
                continue;
            }
            assert_eq!(again.as_deref(), Ok(sealed), "a second encoding");
        }
    }
}

/// Payloads and sealed parts.
#[must_use]
pub fn carried_seeds() -> Vec<Vec<u8>> {
    let receipts = vectors("receipt", "bytes");
    let mut seeds = vectors("carried", "sealed");
    seeds.push(
        [&[0x84][..], &receipts[..4].iter().flat_map(|receipt| bstr(receipt)).collect::<Vec<_>>()].concat(),
    );
    seeds.push(vec![0x80]);
    seeds
}

/// Text before a scanner, and CBOR in base45.
pub fn qr(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok((code, signature)) = codes::parse(&text) {
        assert_eq!(codes::assemble(&code, signature), text, "a second text");
    }
    let mut cabinet = cabinet(Machine::new([Door(7)], GEOMETRY)).expect("a blank flash");
    cabinet.scanned(&text, Uptime(10));
    cabinet.pin_entered(&text, Uptime(10));
    for step in 0..20 {
        cabinet.tick(Uptime(10 + step * 100));
        while cabinet.poll_output().is_some() {}
    }
    assert_eq!(cabinet.hardware().openings(), 0, "a latch moved");
}

/// The frozen codes, and other texts that a scanner meets.
#[must_use]
pub fn qr_seeds() -> Vec<Vec<u8>> {
    let mut seeds = vectors("opening_code", "text");
    seeds.push(b"https://id.gs1.org/00/340123450000000012".to_vec());
    seeds.push(b"12345678".to_vec());
    seeds
}

const GEOMETRY: Geometry = Geometry { page_size: 1024, pages: 48, write_size: 4 };

fn cabinet(machine: Machine) -> Result<Locker<Machine>, postern_locker::BootError> {
    let config = Config { remembered_tokens: 16, kept_receipts: 16, ..Config::new(vec![Door(7)]) };
    let keys = Keys { locker: locker(), issuers: issuers(), pin_secret: None };
    Locker::boot(config, keys, machine, Uptime(0)).map_err(|(error, _)| error)
}

/// What lies in the flash at power-on: the locker starts or says why not, and if it starts it works on; nothing in
/// there moves a latch.
pub fn journal(bytes: &[u8]) {
    let mut machine = Machine::new([Door(7)], GEOMETRY);
    let flash = machine.flash();
    let length = bytes.len().min(flash.len());
    flash[..length].copy_from_slice(&bytes[..length]);
    let Ok(mut locker) = cabinet(machine) else { return };
    let mut now = Uptime(0);
    for _ in 0..5 {
        locker.tick(now);
        while locker.poll_output().is_some() {}
        now = now.plus(300);
    }
    locker.connected(Connection(1), 100, now);
    assert!(!locker.read_hello(Connection(1), now).is_empty());
    for receipt in locker.receipts().take(10) {
        let _ = receipts::verify(&receipt, &self::locker().identity().receipt_key);
    }
    assert_eq!(locker.hardware().openings(), 0, "a latch moved");
    // And once more from what it has left behind.
    let again = cabinet(locker.into_hardware());
    assert!(again.is_ok(), "it does not start from its own journal");
}

/// The flash of a blank locker, of one that has started a few times, and of one that has opened a door.
///
/// # Panics
/// When the locker does not open for a good token: then there is nothing to fuzz.
#[must_use]
pub fn journal_seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![];
    let mut machine = Machine::new([Door(7)], GEOMETRY);
    machine.wall = Some(Timestamp(1_800_000_010));
    for _ in 0..3 {
        let locker = cabinet(machine).expect("starts");
        machine = locker.into_hardware();
        seeds.push(machine.flash().to_vec());
        machine.restore_power();
    }
    let mut locker = cabinet(machine).expect("starts");
    let link = Connection(1);
    locker.connected(link, 500, Uptime(10));
    let hello = locker.read_hello(link, Uptime(10));
    let tag = Tag(hello[1]);
    let greeted = Greeted::from_hello(&self::locker().identity(), &hello[4..]).expect("a good HELLO");
    let request = postern_protocol::Request {
        operation: postern_protocol::Operation::Collect,
        door: Door(7),
        nonce: postern_protocol::OperationNonce([5; 8]),
        token: vectors("token", "bytes").swap_remove(0),
        delegation: None,
        bulletin: None,
    };
    let proof = sign("device", &greeted.challenge(&request));
    let (open, _) = greeted.open(&request, proof, secret("phone ephemeral")).expect("fits");
    for frame in fragments(&open, tag, 500) {
        locker.received(link, &frame, Uptime(20));
    }
    for step in 0..40 {
        locker.tick(Uptime(20 + step * 50));
        while locker.poll_output().is_some() {}
    }
    assert_eq!(locker.hardware().openings(), 1, "a good token opens");
    let mut machine = locker.into_hardware();
    seeds.push(machine.flash().to_vec());
    seeds
}
