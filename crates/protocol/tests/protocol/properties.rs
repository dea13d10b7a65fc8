//! For every decoder: it never panics; what it takes encodes again to the same bytes; what is encoded is taken.

use postern_protocol::{
    ClockState, DeviceKey, Door, Epoch, Hello, IssuerKeys, KeyId, LockerId, Operation, OperationNonce,
    Operations, Timestamp, TokenId,
    bulletin::{self, Bulletin, DoorNews, Revocation, RevocationKind},
    delegation::{self, Delegation},
    gatt::Advertisement,
    issue,
    locker_side::Greeting,
    phone::Greeted,
    qr::{self, OpeningCode},
    receipt::{self, Outcome, Receipt, Source},
    token::{self, Claims},
};
use proptest::{collection::vec, option, prelude::*, sample::subsequence};

use crate::common::{self, Device, bytes, issuer, issuers, locker, sign1};

fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![0_u64..100, 1_700_000_000_u64..1_900_000_000, (1_u64 << 40) - 100..(1 << 40) - 1]
        .prop_map(Timestamp)
}

fn span() -> impl Strategy<Value = (Timestamp, Timestamp)> {
    (time(), 1_u64..100_000).prop_map(|(start, length)| {
        let end = Timestamp((start.0 + length).min((1 << 40) - 1));
        (Timestamp(start.0.min(end.0 - 1)), end)
    })
}

fn device_key() -> impl Strategy<Value = DeviceKey> {
    (any::<bool>(), 0_u8..8).prop_map(|(hardware, n)| {
        let name = format!("device {n}");
        if hardware { Device::p256(&name).public() } else { Device::ed25519(&name).public() }
    })
}

fn doors() -> impl Strategy<Value = Vec<Door>> {
    proptest::collection::btree_set(any::<u16>(), 1..=16).prop_map(|set| set.into_iter().map(Door).collect())
}

fn operations() -> impl Strategy<Value = Operations> {
    (1_u8..32).prop_map(|bits| Operations::from_bits(bits).unwrap())
}

prop_compose! {
    fn any_claims()(
        locker: [u8; 8], doors in doors(), epoch: u32, operations in operations(), (not_before, expires) in span(),
        issued_at in time(), id: [u8; 16], key in device_key(), uses in 1_u8.., delegable: bool,
        hello_nonce: Option<[u8; 16]>, carry_key in option::of(any::<[u8; 32]>()),
    ) -> Claims {
        // A courier's token has a key more, and fewer doors.
        let most = if carry_key.is_some() { 10 } else { 16 };
        let operations = if carry_key.is_some() { operations.with(Operation::Carry) } else { operations };
        Claims {
            key_id: KeyId(1),
            locker: LockerId(locker),
            doors: doors.into_iter().take(most).map(|door| (door, Epoch(epoch ^ u32::from(door.0)))).collect(),
            operations, not_before, expires, issued_at, id: TokenId(id), key, uses, delegable, hello_nonce,
            carry_key,
        }
    }
}

prop_compose! {
    fn any_delegation()(
        token: [u8; 16], to in device_key(), doors in doors(), operations in operations(),
        (not_before, expires) in span(), uses in 1_u8..,
    ) -> Delegation {
        Delegation { token: TokenId(token), to, doors, operations, not_before, expires, uses }
    }
}

prop_compose! {
    fn any_bulletin()(
        locker: [u8; 8], issued_at in time(), number: u32, doors in doors(), epoch: u32, ended in 0_u8..16,
        revoked in proptest::collection::btree_map((0_u8..3, any::<[u8; 16]>()), time(), 0..4),
        add in subsequence((0_u32..8).collect::<Vec<_>>(), 0..4),
        remove in proptest::collection::btree_set(any::<u32>(), 0..8), hello_nonce: Option<[u8; 16]>,
    ) -> Bulletin {
        Bulletin {
            locker: LockerId(locker),
            issued_at,
            number,
            epochs: doors.into_iter().map(|door| DoorNews { door, epoch: Epoch(epoch ^ u32::from(door.0)), ended_slots: ended }).collect(),
            revoked: revoked.into_iter().map(|((kind, name), at)| Revocation { kind: RevocationKind::try_from(kind).unwrap(), name, at }).collect(),
            add_keys: add.into_iter().map(|n| (KeyId(n), Device::ed25519(&format!("issuer {n}")).public_ed25519())).collect(),
            remove_keys: remove.into_iter().map(KeyId).collect(),
            hello_nonce,
            key_id: KeyId(1),
        }
    }
}

prop_compose! {
    fn any_receipt()(
        locker: [u8; 8], sequence: u32, previous: [u8; 16], token: [u8; 16], nonce: [u8; 8], door: u16,
        operation in 0_usize..4, outcome in 0_u8..7, at in time(), clock in 0_u8..3, handshake: [u8; 16], source in 0_u8..3, news: u32,
        pin in (any::<u32>(), 0_u8..4),
    ) -> Receipt {
        Receipt {
            locker: LockerId(locker), sequence, previous, token: if source == 1 { TokenId::of_pin(Epoch(pin.0), pin.1) } else { TokenId(token) }, nonce: OperationNonce(nonce),
            door: Door(door), operation: Operation::ALL[operation], outcome: Outcome::try_from(outcome).unwrap(), at,
            clock: ClockState::try_from(clock).unwrap(), handshake, source: Source::try_from(source).unwrap(), news,
        }
    }
}

/// Bytes that a decoder might take for something: noise, or a good message with a few bytes changed.
fn disturbed(good: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let len = good.len();
    prop_oneof![
        vec(any::<u8>(), 0..300),
        (vec((0..len, any::<u8>()), 1..4), 0..=len).prop_map(move |(changes, cut)| {
            let mut bytes = good.clone();
            for (at, value) in changes {
                bytes[at] = value;
            }
            // Half of them are cut as well.
            if cut % 2 == 0 {
                bytes.truncate(cut);
            }
            bytes
        }),
    ]
}

fn payload(message: &[u8]) -> Vec<u8> {
    let crate::cbor::Item::Array(parts) = crate::cbor::Item::parse(message) else { panic!("array") };
    let crate::cbor::Item::Bytes(payload) = &parts[2] else { panic!("payload") };
    payload.clone()
}

proptest! {
    #[test]
    fn tokens_agree(claims in any_claims()) {
        prop_assert!(issue::is_issuable(&claims));
        let token = issuer().sign_token(&claims);
        prop_assert_eq!(token::verify(&token, &issuers()), Ok(claims));
    }

    #[test]
    fn delegations_agree(part in any_delegation(), hardware: bool) {
        let owner = if hardware { Device::p256("device") } else { Device::ed25519("device") };
        let signed = delegation::assemble(&part, owner.sign(&delegation::signing_input(&part)));
        prop_assert_eq!(delegation::verify(&signed, &owner.public()), Ok(part.clone()));
        prop_assert_eq!(delegation::parse(&signed).unwrap().0, part);
    }

    #[test]
    fn bulletins_agree(bulletin in any_bulletin()) {
        prop_assert!(issue::is_publishable(&bulletin));
        let signed = issuer().sign_bulletin(&bulletin);
        prop_assert_eq!(bulletin::verify(&signed, &issuers()), Ok(bulletin));
    }

    #[test]
    fn receipts_agree(receipt in any_receipt()) {
        let signed = receipt::sign(&receipt, &locker());
        prop_assert_eq!(receipt::verify(&signed, &locker().identity().receipt_key), Ok(receipt));
    }

    #[test]
    fn opening_codes_agree(
        token in vec(any::<u8>(), 1..=384), door: u16, operation in 0_usize..5, at in time(), nonce: [u8; 8],
        signature in vec(any::<u8>(), 64),
    ) {
        let code = OpeningCode {
            token, door: Door(door), operation: Operation::ALL[operation], at, nonce: OperationNonce(nonce),
        };
        let signature: [u8; 64] = signature.try_into().unwrap();
        prop_assert_eq!(qr::parse(&qr::assemble(&code, signature)), Ok((code, signature)));
    }

    #[test]
    fn hellos_agree(boot: u32, clock in 0_u8..3, floor: u64, capabilities: u16, ephemeral: [u8; 32]) {
        let hello = Hello {
            version: 1, oldest: 1, boot, clock: ClockState::try_from(clock).unwrap(), floor: Timestamp(floor), capabilities,
        };
        let (_, message) = Greeting::start(&locker(), &hello, ephemeral);
        let greeted = Greeted::from_hello(&locker().identity(), &message).unwrap();
        prop_assert_eq!(greeted.hello(), &hello);
    }

    #[test]
    fn advertisements_agree(version in 1_u8.., state in 0_u8..8, short_id: [u8; 4]) {
        let advertisement = Advertisement {
            version, accepting: state & 1 != 0, low_battery: state & 2 != 0, clock_unset: state & 4 != 0, short_id,
        };
        prop_assert_eq!(Advertisement::decode(&advertisement.encode()), Some(advertisement));
    }

    #[test]
    fn advertisements_have_one_encoding(bytes in vec(any::<u8>(), 0..9), version_one: bool) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut().filter(|_| version_one) {
            *first = 1;
        }
        if let Some(known) = Advertisement::decode(&bytes).filter(|_| version_one) {
            prop_assert_eq!(&known.encode()[..], &bytes[..]);
        }
    }

    /// Signed nonsense: an issuer, a locker or an owner that has gone mad.
    #[test]
    fn signed_payloads_have_one_encoding(
        claims in disturbed(payload(&common::token(Device::ed25519("device").public()))),
        news in disturbed(payload(&issuer().sign_bulletin(&crate::strict::bulletin()))),
        proof in disturbed(payload(&receipt::sign(&crate::strict::receipt(), &locker()))),
    ) {
        let header = [0xa2, 0x01, 0x27, 0x04, 0x44, 0, 0, 0, 1];
        let token = sign1("postern/1 token", &header, &[0xa0], &claims, &bytes("issuer"));
        if let Ok(claims) = token::verify(&token, &issuers()) {
            prop_assert_eq!(issuer().sign_token(&claims), token);
        }
        let signed = sign1("postern/1 bulletin", &header, &[0xa0], &news, &bytes("issuer"));
        if let Ok(bulletin) = bulletin::verify(&signed, &issuers()) {
            prop_assert_eq!(issuer().sign_bulletin(&bulletin), signed);
        }
        let signed = sign1("postern/1 receipt", &header[..3].iter().map(|b| if *b == 0xa2 { 0xa1 } else { *b }).collect::<Vec<_>>(), &[0xa0], &proof, &locker().receipt_secret);
        if let Ok(receipt) = receipt::verify(&signed, &locker().identity().receipt_key) {
            prop_assert_eq!(receipt::sign(&receipt, &locker()), signed);
        }
    }

    /// Noise never panics a decoder, and never passes one.
    #[test]
    fn decoders_never_panic(
        token in disturbed(common::token(Device::ed25519("device").public())),
        hello in disturbed(common::greeting().1),
        text in "(PO1:)?[0-9A-Z $%*+./:-]{0,400}",
        anything: String,
    ) {
        let good = common::token(Device::ed25519("device").public());
        for bytes in [&token, &hello] {
            prop_assert!(token::verify(bytes, &issuers()).is_err() || *bytes == good);
            prop_assert!(bulletin::verify(bytes, &issuers()).is_err());
            prop_assert!(delegation::verify(bytes, &Device::p256("device").public()).is_err());
            prop_assert!(receipt::verify(bytes, &locker().identity().receipt_key).is_err());
            let _ = Greeted::from_hello(&locker().identity(), bytes);
            prop_assert!(common::greeting().0.accept(bytes).is_err());
        }
        for text in [&text, &anything] {
            if let Ok((code, signature)) = qr::parse(text) {
                prop_assert_eq!(&qr::assemble(&code, signature), text);
            }
            if let Ok(id) = text.parse::<LockerId>() {
                prop_assert_eq!(&id.to_string(), text);
            }
        }
        prop_assert!(token::verify(&token, &IssuerKeys::new()).is_err());
    }

    #[test]
    fn locker_ids_agree(id: [u8; 8]) {
        let id = LockerId(id);
        prop_assert_eq!(id.to_string().parse(), Ok(id));
        prop_assert!(id.to_string().replacen(char::is_numeric, "g", 1).parse::<LockerId>().is_err() || !id.to_string().contains(char::is_numeric));
    }
}
