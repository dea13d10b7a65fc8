//! SECURITY.md, vectors: the primitives against Project Wycheproof, through the functions that the protocol calls.

use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit,
    aead::{Aead, Payload},
};
use postern_protocol::DeviceKey;
use wycheproof::{TestResult, aead, ecdsa, eddsa, hkdf, xdh};

/// Checks one verdict: valid must pass, invalid must not.
fn check(result: TestResult, passed: bool, what: impl FnOnce() -> String) {
    match result {
        TestResult::Valid => assert!(passed, "{}", what()),
        TestResult::Invalid => assert!(!passed, "{}", what()),
        TestResult::Acceptable => {}
    }
}

#[test]
fn vectors_ed25519() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let mut tried = 0;
    for group in set.test_groups {
        let key: [u8; 32] = group.key.pk[..].try_into().unwrap();
        let key = DeviceKey::Ed25519(key);
        for test in group.tests {
            let passed =
                <[u8; 64]>::try_from(&test.sig[..]).is_ok_and(|signature| key.verify(&test.msg, &signature));
            check(test.result, passed, || format!("Ed25519 {}: {}", test.tc_id, test.comment));
            tried += 1;
        }
    }
    println!("Ed25519: {tried}");
    assert!(tried > 100);
}

#[test]
fn vectors_p256() {
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363).unwrap();
    let mut tried = 0;
    for group in set.test_groups {
        let point = &group.key.key;
        assert_eq!((point.len(), point[0]), (65, 4));
        let mut compressed = [0; 33];
        compressed[0] = 2 + (point[64] & 1);
        compressed[1..].copy_from_slice(&point[1..33]);
        let key = DeviceKey::P256(compressed);
        for test in group.tests {
            let passed =
                <[u8; 64]>::try_from(&test.sig[..]).is_ok_and(|signature| key.verify(&test.msg, &signature));
            check(test.result, passed, || format!("P-256 {}: {}", test.tc_id, test.comment));
            tried += 1;
        }
    }
    println!("P-256: {tried}");
    assert!(tried > 200);
}

/// Where the shared secret is zero, the handshake refuses; the rest agrees.
#[test]
fn vectors_x25519() {
    let set = xdh::TestSet::load(xdh::TestName::X25519).unwrap();
    let (mut tried, mut zero) = (0, 0);
    for group in set.test_groups {
        for test in group.tests {
            let Ok(public) = <[u8; 32]>::try_from(&test.public_key[..]) else { continue };
            let secret: [u8; 32] = test.private_key[..].try_into().unwrap();
            let shared = x25519_dalek::StaticSecret::from(secret)
                .diffie_hellman(&x25519_dalek::PublicKey::from(public));
            assert_eq!(shared.as_bytes()[..], test.shared_secret[..], "X25519 {}", test.tc_id);
            let is_zero = test.flags.contains(&xdh::TestFlag::ZeroSharedSecret);
            assert_eq!(shared.was_contributory(), !is_zero, "X25519 {}", test.tc_id);
            tried += 1;
            zero += u32::from(is_zero);
        }
    }
    println!("X25519: {tried}, {zero} of them with a zero secret");
    assert!(tried > 400 && zero > 10);
}

#[test]
fn vectors_chacha20_poly1305() {
    let set = aead::TestSet::load(aead::TestName::ChaCha20Poly1305).unwrap();
    let mut tried = 0;
    for group in set.test_groups.into_iter().filter(|group| group.nonce_size == 96) {
        for test in group.tests {
            let key: [u8; 32] = test.key[..].try_into().unwrap();
            let nonce: [u8; 12] = test.nonce[..].try_into().unwrap();
            let cipher = ChaCha20Poly1305::new(&key.into());
            let sealed = [&test.ct[..], &test.tag[..]].concat();
            let opened = cipher.decrypt(&nonce.into(), Payload { msg: &sealed, aad: &test.aad });
            let passed = opened.is_ok_and(|plaintext| plaintext == test.pt[..]);
            check(test.result, passed, || format!("ChaCha20-Poly1305 {}: {}", test.tc_id, test.comment));
            if test.result == TestResult::Valid {
                let again = cipher.encrypt(&nonce.into(), Payload { msg: &test.pt, aad: &test.aad }).unwrap();
                assert_eq!(again, sealed);
            }
            tried += 1;
        }
    }
    println!("ChaCha20-Poly1305: {tried}");
    assert!(tried > 200);
}

#[test]
fn vectors_hkdf_sha256() {
    let set = hkdf::TestSet::load(hkdf::TestName::HkdfSha256).unwrap();
    let mut tried = 0;
    for group in set.test_groups {
        for test in group.tests {
            let hkdf = ::hkdf::Hkdf::<sha2::Sha256>::new(Some(&test.salt), &test.ikm);
            let mut okm = vec![0; test.size];
            let passed = hkdf.expand(&test.info, &mut okm).is_ok() && okm == test.okm[..];
            check(test.result, passed, || format!("HKDF {}: {}", test.tc_id, test.comment));
            tried += 1;
        }
    }
    println!("HKDF-SHA256: {tried}");
    assert!(tried > 50);
}
