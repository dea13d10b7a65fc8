//! What holds for every [`Secrets`] and every [`DeviceKeys`]. A failure panics with what did not hold.

use crate::{Algorithm, DeviceKeys, Secrets};

/// Names and values come back as they were put in, and nothing else does.
pub async fn secrets(secrets: &dyn Secrets) {
    let binary: Vec<u8> = (0..=255).collect();
    let long = vec![0xA5; 2000];

    assert_eq!(read(secrets, "first").await, None, "a new profile is empty");
    secrets.delete("first").await.expect("forgetting what is not there is no error");

    secrets.set("first", b"one").await.expect("set");
    assert_eq!(read(secrets, "first").await.as_deref(), Some(b"one".as_slice()));
    assert_eq!(read(secrets, "second").await, None, "a name has its own secret");

    secrets.set("first", &binary).await.expect("replace");
    assert_eq!(read(secrets, "first").await, Some(binary), "every byte survives");
    secrets.set("first", &long).await.expect("a long one");
    assert_eq!(read(secrets, "first").await, Some(long), "2,000 bytes fit");

    secrets.set("second", b"two").await.expect("set");
    secrets.delete("first").await.expect("delete");
    assert_eq!(read(secrets, "first").await, None);
    assert_eq!(read(secrets, "second").await.as_deref(), Some(b"two".as_slice()), "others stay");
    secrets.delete("second").await.expect("delete");

    // Many at once do not mix.
    let names: Vec<String> = (0..16).map(|n| format!("many-{n}")).collect();
    for name in &names {
        secrets.set(name, name.as_bytes()).await.expect("set");
    }
    for name in &names {
        assert_eq!(read(secrets, name).await.as_deref(), Some(name.as_bytes()));
        secrets.delete(name).await.expect("delete");
    }
}

async fn read(secrets: &dyn Secrets, name: &str) -> Option<Vec<u8>> {
    secrets.get(name).await.expect("get").map(|secret| secret.to_vec())
}

/// One key stands until it is destroyed, and its signatures verify.
pub async fn device_keys(keys: &dyn DeviceKeys) {
    let (first, new) = keys.load_or_create().await.expect("a first key");
    assert!(new, "there was none before");
    let (again, new) = keys.load_or_create().await.expect("the same key");
    assert!(!new);
    assert_eq!(first.public(), again.public());

    let message = b"something to sign";
    let signature = again.sign(message).await.expect("signature");
    let public = first.public();
    assert!(verifies(public.algorithm, &public.bytes, message, &signature));
    assert!(!verifies(public.algorithm, &public.bytes, b"something else", &signature));

    keys.destroy().await.expect("destroy");
    keys.destroy().await.expect("destroying none is no error");
    let (second, new) = keys.load_or_create().await.expect("a second key");
    assert!(new);
    assert_ne!(second.public(), public, "a destroyed key does not come back");
    keys.destroy().await.expect("destroy");
}

fn verifies(algorithm: Algorithm, public: &[u8], message: &[u8], signature: &[u8; 64]) -> bool {
    use p256::ecdsa::signature::Verifier as _;
    match algorithm {
        Algorithm::Ed25519 => {
            let bytes = public.try_into().expect("32 bytes");
            ed25519_dalek::VerifyingKey::from_bytes(bytes)
                .expect("a point")
                .verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature))
                .is_ok()
        }
        Algorithm::P256 => {
            assert_eq!(public.len(), 33, "compressed SEC1");
            let signature = p256::ecdsa::Signature::from_slice(signature).expect("r and s");
            p256::ecdsa::VerifyingKey::from_sec1_bytes(public)
                .expect("a point")
                .verify(message, &signature)
                .is_ok()
        }
    }
}
