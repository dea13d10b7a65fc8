//! What a token grants, and what its holder may pass on.

use postern_protocol::{
    DeviceKey, Door, Epoch, LockerId, Operation, Operations, Timestamp, TokenId,
    delegation::{self, Delegation, DelegationError},
    pin,
    receipt::{PinUse, Receipt, Source},
    token::Claims,
};
use proptest::prelude::*;

use crate::common::{self, Device, NOW, bytes, claims, delegation as child};

/// SECURITY.md: exact at nbf and exp plus and minus one second.
#[test]
fn expiry_boundary() {
    let token = claims(Device::ed25519("device").public());
    let part = child(Device::ed25519("guest").public());
    for (at, valid) in [
        (Timestamp(token.not_before.0 - 1), false),
        (token.not_before, true),
        (token.not_before.plus(1), true),
        (Timestamp(token.expires.0 - 1), true),
        (token.expires, false),
        (token.expires.plus(1), false),
    ] {
        assert_eq!(token.is_valid_at(at), valid, "{at:?}");
    }
    for (at, valid) in [
        (Timestamp(part.not_before.0 - 1), false),
        (part.not_before, true),
        (Timestamp(part.expires.0 - 1), true),
        (part.expires, false),
    ] {
        assert_eq!(part.is_valid_at(at), valid, "{at:?}");
    }
}

/// SECURITY.md: a child never exceeds its parent.
#[test]
fn delegation_widen() {
    let mut parent = claims(Device::ed25519("device").public());
    parent.doors = vec![(Door(7), Epoch(1)), (Door(9), Epoch(1))];
    parent.uses = 3;
    let good = child(Device::ed25519("guest").public());
    assert!(good.is_within(&parent));
    for (name, wide) in [
        ("another door", Delegation { doors: vec![Door(7), Door(8)], ..good.clone() }),
        (
            "another operation",
            Delegation { operations: Operations::NONE.with(Operation::Deposit), ..good.clone() },
        ),
        ("sooner", Delegation { not_before: Timestamp(parent.not_before.0 - 1), ..good.clone() }),
        ("later", Delegation { expires: parent.expires.plus(1), ..good.clone() }),
        ("more often", Delegation { uses: 4, ..good.clone() }),
        ("another token", Delegation { token: TokenId([0; 16]), ..good.clone() }),
    ] {
        assert!(!wide.is_within(&parent), "{name}");
    }
    assert!(!good.is_within(&Claims { delegable: false, ..parent.clone() }), "not delegable");
    assert!(!good.is_within(&Claims { key: good.to, ..parent }), "to oneself");
}

/// SECURITY.md: depth 2 refused. A guest's delegation is not signed by the owner, and there is no other form.
#[test]
fn delegation_depth() {
    for owner in Device::both("device") {
        for guest in Device::both("guest") {
            let second = child(Device::ed25519("guest of the guest").public());
            let by_guest = delegation::assemble(&second, guest.sign(&delegation::signing_input(&second)));
            assert_eq!(delegation::verify(&by_guest, &owner.public()), Err(DelegationError::Signature));
            // Nor does a delegation hold another one.
            let first = child(guest.public());
            let good = delegation::assemble(&first, owner.sign(&delegation::signing_input(&first)));
            assert_eq!(delegation::verify(&good, &owner.public()), Ok(first));
            let nested = [&[0x82, 0x58, good.len() as u8][..], &good, &[0x58, 64], &[0; 64]].concat();
            assert_eq!(delegation::verify(&nested, &owner.public()), Err(DelegationError::Malformed));
        }
    }
}

#[test]
fn every_bit_of_a_delegation_is_signed() {
    let owner = Device::p256("device");
    let part = child(Device::ed25519("guest").public());
    let good = delegation::assemble(&part, owner.sign(&delegation::signing_input(&part)));
    for bit in 0..good.len() * 8 {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(delegation::verify(&flipped, &owner.public()).is_err(), "bit {bit}");
    }
}

/// A signature under one key is none under another, of either kind.
#[test]
fn a_proof_is_good_for_its_own_key_only() {
    let message = b"message";
    let keys = ["device", "guest"].map(Device::both).concat();
    for (a, signer) in keys.iter().enumerate() {
        let signature = signer.sign(message);
        for (b, verifier) in keys.iter().enumerate() {
            assert_eq!(verifier.public().verify(message, &signature), a == b);
        }
        assert!(!signer.public().verify(b"another", &signature));
        assert!(!signer.public().verify(message, &[0; 64]));
    }
    // Both values of s are taken for P-256: hardware does not normalise it.
    let Device::P256(key) = Device::p256("device") else { unreachable!() };
    let signature = p256::ecdsa::Signature::from_slice(&Device::p256("device").sign(message)).unwrap();
    let (r, s) = signature.split_scalars();
    let other = p256::ecdsa::Signature::from_scalars(r, -s).unwrap();
    assert!(Device::P256(key).public().verify(message, &other.to_bytes().into()));
}

/// SECURITY.md: uses are counted by a name that another encoding or signature of the same thing does not change.
#[test]
fn malleable_uses() {
    let owner = Device::p256("device");
    let part = child(Device::ed25519("guest").public());
    let signature =
        p256::ecdsa::Signature::from_slice(&owner.sign(&delegation::signing_input(&part))).unwrap();
    let (r, s) = signature.split_scalars();
    let bent = p256::ecdsa::Signature::from_scalars(r, -s).unwrap();
    let [one, other] = [signature, bent].map(|signature| {
        let bytes = delegation::assemble(&part, signature.to_bytes().into());
        (bytes.clone(), delegation::verify(&bytes, &owner.public()).expect("good, both ways"))
    });
    assert_ne!(delegation::hash(&one.0), delegation::hash(&other.0));
    assert_eq!(one.1.name(), other.1.name());
    for different in [
        Delegation { uses: 2, ..part.clone() },
        Delegation { to: Device::p256("guest").public(), ..part.clone() },
        Delegation { token: TokenId([0; 16]), ..part.clone() },
    ] {
        assert_ne!(different.name(), part.name());
    }
}

/// What a keypad tries: twelve at most for a door, and no slot that has ended.
#[test]
fn pins_of_a_door_are_bounded() {
    let list = |epoch, ended| pin::candidates(Epoch(epoch), ended).collect::<Vec<_>>();
    assert_eq!(list(41, 0).len(), 12);
    assert_eq!(list(41, 0)[0], PinUse { epoch: Epoch(41), slot: 0 });
    assert_eq!(list(41, 0)[11], PinUse { epoch: Epoch(43), slot: 3 });
    let left: Vec<_> = list(41, 0b0101).into_iter().filter(|pin| pin.epoch == Epoch(41)).collect();
    assert_eq!(left.iter().map(|pin| pin.slot).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(list(41, 0b1111).len(), 8, "the next epochs are not touched");
    assert!(list(0, 0).iter().all(|pin| pin.epoch > Epoch(0)) && list(0, 0).len() == 8);
    assert_eq!(list(u32::MAX, 0).len(), 4);
}

/// A receipt says which PIN it was, and nothing else is taken for one.
#[test]
fn a_receipt_names_the_pin() {
    let by = |source, token| Receipt { source, token, ..crate::strict::receipt() };
    let pin = PinUse { epoch: Epoch(70_000), slot: 3 };
    let token = TokenId::of_pin(pin.epoch, pin.slot);
    assert_eq!(by(Source::Pin, token).pin(), Some(pin));
    assert_eq!(by(Source::Radio, token).pin(), None);
    let key = common::locker().identity().receipt_key;
    for (bad, good) in [(TokenId::of_pin(pin.epoch, 4), false), (TokenId([1; 16]), false), (token, true)] {
        let signed = postern_protocol::receipt::sign(&by(Source::Pin, bad), &common::locker());
        assert_eq!(postern_protocol::receipt::verify(&signed, &key).is_ok(), good);
    }
}

#[test]
fn device_keys_have_one_form() {
    let Device::P256(key) = Device::p256("device") else { unreachable!() };
    let mut point: [u8; 33] = key.verifying_key().to_sec1_point(true).as_bytes().try_into().unwrap();
    assert!(DeviceKey::P256(point).is_valid());
    // 5 is "compact" in SEC 1 drafts; 4 and 0 are other forms.
    for first in (0..=255).filter(|first| !matches!(first, 2 | 3)) {
        point[0] = first;
        assert!(!DeviceKey::P256(point).is_valid(), "{first}");
        assert!(!DeviceKey::P256(point).verify(b"", &[1; 64]));
    }
}

#[test]
fn a_pin_belongs_to_one_slot_of_one_door_in_one_epoch() {
    let secret = bytes("pin secret");
    let locker = common::locker().id;
    let pin = pin::derive(&secret, locker, Door(7), Epoch(41), 1);
    assert_eq!(pin.len(), pin::DIGITS);
    assert!(pin.bytes().all(|digit| digit.is_ascii_digit()));
    assert!(pin::equal(&pin, &pin.clone()));
    for other in [
        pin::derive(&bytes("another secret"), locker, Door(7), Epoch(41), 1),
        pin::derive(&secret, LockerId([0; 8]), Door(7), Epoch(41), 1),
        pin::derive(&secret, locker, Door(8), Epoch(41), 1),
        pin::derive(&secret, locker, Door(7), Epoch(42), 1),
        pin::derive(&secret, locker, Door(7), Epoch(41), 0),
        pin[..7].to_owned(),
        format!("{pin}0"),
        String::new(),
    ] {
        assert!(!pin::equal(&pin, &other), "{other}");
    }
}

proptest! {
    /// Whatever a child says: if it is within its parent, there is no request that the child allows and the parent
    /// does not.
    #[test]
    fn what_a_child_allows_its_parent_allows(
        doors in proptest::collection::btree_set(0_u16..6, 1..4),
        operations in 1_u8..64, start in 0_u64..40, length in 1_u64..40, uses in 1_u8..4, delegable: bool,
        own_doors in proptest::collection::btree_set(0_u16..6, 1..4),
        own_operations in 1_u8..64, own_start in 0_u64..40, own_length in 1_u64..40, own_uses in 1_u8..4,
    ) {
        let parent = Claims {
            doors: doors.iter().map(|door| (Door(*door), Epoch(0))).collect(),
            operations: Operations::from_bits(operations).unwrap(),
            not_before: NOW.plus(start),
            expires: NOW.plus(start + length),
            uses,
            delegable,
            ..claims(Device::ed25519("device").public())
        };
        let part = Delegation {
            doors: own_doors.iter().copied().map(Door).collect(),
            operations: Operations::from_bits(own_operations).unwrap(),
            not_before: NOW.plus(own_start),
            expires: NOW.plus(own_start + own_length),
            uses: own_uses,
            ..child(Device::ed25519("guest").public())
        };
        let mut exceeds = !delegable || own_uses > uses;
        for door in 0..6 {
            for operation in Operation::ALL {
                for second in 0..100 {
                    let child_allows = part.doors.contains(&Door(door))
                        && part.operations.contains(operation)
                        && part.is_valid_at(NOW.plus(second));
                    let parent_allows = parent.epoch_of(Door(door)).is_some()
                        && parent.operations.contains(operation)
                        && parent.is_valid_at(NOW.plus(second));
                    exceeds |= child_allows && !parent_allows;
                }
            }
        }
        prop_assert_eq!(part.is_within(&parent), !exceeds);
    }
}
