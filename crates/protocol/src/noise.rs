//! `Noise_KN_25519_ChaChaPoly_BLAKE2s`, and `Noise_N_…` for what is carried, by snow, on the same curve and hash crates
//! as everything else here.
//!
//! Randomness is an argument: the "generator" yields the ephemeral secret once and then refuses.

use alloc::{boxed::Box, vec, vec::Vec};

use blake2::{Blake2s256, Digest};
use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit,
    aead::{AeadInOut, inout::InOutBuf},
};
use snow::{
    Builder, Error, HandshakeState,
    params::{
        BaseChoice, CipherChoice, DHChoice, HandshakeChoice, HandshakeModifierList, HandshakePattern,
        HashChoice, NoiseParams,
    },
    resolvers::CryptoResolver,
    types::{Cipher, Dh, Hash, Random},
};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use crate::{LockerId, gatt::SERVICE_UUID};

/// The protocol name, hashed into every handshake.
pub(crate) const NAME: &str = "Noise_KN_25519_ChaChaPoly_BLAKE2s";
/// The protocol name of a one-way message to the hub.
pub(crate) const CARRY_NAME: &str = "Noise_N_25519_ChaChaPoly_BLAKE2s";
/// Bytes that encryption adds.
pub(crate) const TAG: usize = 16;

/// Binds the versions that HELLO names, service and locker: 7 + 2 + 16 + 8 bytes.
fn prologue(locker: LockerId, versions: [u8; 2]) -> Vec<u8> {
    [b"postern".as_slice(), &versions, &SERVICE_UUID.to_be_bytes(), &locker.0].concat()
}

/// Binds a one-way message to its purpose and its locker.
fn carry_prologue(locker: LockerId) -> Vec<u8> {
    [b"postern/1 carry\0".as_slice(), &locker.0].concat()
}

/// What the names say.
fn params(pattern: HandshakePattern) -> NoiseParams {
    let name = if pattern == HandshakePattern::N { CARRY_NAME } else { NAME };
    let handshake = HandshakeChoice { pattern, modifiers: HandshakeModifierList { list: Vec::new() } };
    let (dh, cipher, hash) = (DHChoice::Curve25519, CipherChoice::ChaChaPoly, HashChoice::Blake2s);
    NoiseParams::new(name.into(), BaseChoice::Noise, handshake, dh, cipher, hash)
}

fn builder(pattern: HandshakePattern, ephemeral: &[u8; 32]) -> Builder<'static> {
    Builder::with_resolver(params(pattern), Box::new(Resolver(Zeroizing::new(*ephemeral))))
}

/// The locker's side of a one-way message to the hub's key.
pub(crate) fn carry_sealer(locker: LockerId, key: &[u8; 32], ephemeral: &[u8; 32]) -> HandshakeState {
    let prologue = carry_prologue(locker);
    builder(HandshakePattern::N, ephemeral)
        .remote_public_key(key)
        .and_then(|builder| builder.prologue(&prologue))
        .and_then(Builder::build_initiator)
        .expect("N's initiator needs the remote static key, and has it")
}

/// The hub's side.
#[cfg(feature = "issue")]
pub(crate) fn carry_opener(locker: LockerId, secret: &[u8; 32]) -> HandshakeState {
    let prologue = carry_prologue(locker);
    builder(HandshakePattern::N, &[0; 32])
        .local_private_key(secret)
        .and_then(|builder| builder.prologue(&prologue))
        .and_then(Builder::build_responder)
        .expect("N's responder needs a static secret, and has it")
}

/// The locker's side: initiator, its static key known to the phone.
pub(crate) fn initiator(
    locker: LockerId,
    versions: [u8; 2],
    secret: &[u8; 32],
    ephemeral: &[u8; 32],
) -> HandshakeState {
    let prologue = prologue(locker, versions);
    builder(HandshakePattern::KN, ephemeral)
        .local_private_key(secret)
        .and_then(|builder| builder.prologue(&prologue))
        .and_then(Builder::build_initiator)
        .expect("KN's initiator needs a static secret, and has it")
}

/// The phone's side: responder without a static key.
pub(crate) fn responder(
    locker: LockerId,
    versions: [u8; 2],
    static_key: &[u8; 32],
    ephemeral: &[u8; 32],
) -> HandshakeState {
    let prologue = prologue(locker, versions);
    builder(HandshakePattern::KN, ephemeral)
        .remote_public_key(static_key)
        .and_then(|builder| builder.prologue(&prologue))
        .and_then(Builder::build_responder)
        .expect("KN's responder needs the remote static key, and has it")
}

/// The handshake hash so far.
pub(crate) fn hash(state: &HandshakeState) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(&state.get_handshake_hash()[..32]);
    hash
}

/// Runs one of snow's writing functions into a buffer large enough for it.
pub(crate) fn written(
    payload: usize,
    write: impl FnOnce(&mut [u8]) -> Result<usize, Error>,
) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; payload + 32 + TAG];
    let len = write(&mut bytes)?;
    bytes.truncate(len);
    Ok(bytes)
}

/// Runs one of snow's reading functions. The plaintext is wiped when dropped: it may hold a token.
pub(crate) fn read(
    message: usize,
    read: impl FnOnce(&mut [u8]) -> Result<usize, Error>,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut bytes = Zeroizing::new(vec![0; message]);
    let len = read(&mut bytes)?;
    bytes.truncate(len);
    Ok(bytes)
}

/// Hands snow the primitives.
struct Resolver(Zeroizing<[u8; 32]>);

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Once(Some(self.0.clone()))))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        matches!(choice, DHChoice::Curve25519).then(|| Box::<X25519>::default() as _)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        matches!(choice, HashChoice::Blake2s).then(|| Box::<Blake2s>::default() as _)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        matches!(choice, CipherChoice::ChaChaPoly).then(|| Box::<ChaChaPoly>::default() as _)
    }
}

/// Yields its 32 bytes once.
struct Once(Option<Zeroizing<[u8; 32]>>);

impl Random for Once {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        match self.0.take() {
            Some(bytes) if dest.len() == bytes.len() => {
                dest.copy_from_slice(bytes.as_slice());
                Ok(())
            }
            _ => Err(Error::Rng),
        }
    }
}

struct X25519 {
    secret: StaticSecret,
    public: PublicKey,
}

impl Default for X25519 {
    fn default() -> Self {
        Self { secret: StaticSecret::from([0; 32]), public: PublicKey::from([0; 32]) }
    }
}

impl Dh for X25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, secret: &[u8]) {
        let mut bytes = Zeroizing::new([0; 32]);
        bytes.copy_from_slice(secret);
        self.secret = StaticSecret::from(*bytes);
        self.public = PublicKey::from(&self.secret);
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.try_fill_bytes(bytes.as_mut_slice())?;
        self.set(bytes.as_slice());
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        self.public.as_bytes()
    }

    fn privkey(&self) -> &[u8] {
        self.secret.as_bytes()
    }

    fn dh(&self, public: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let public: [u8; 32] = public.get(..32).and_then(|key| key.try_into().ok()).ok_or(Error::Dh)?;
        let shared = self.secret.diffie_hellman(&PublicKey::from(public));
        // A point of small order would let anyone know the result: RFC 7748, 6.1.
        if !shared.was_contributory() {
            return Err(Error::Dh);
        }
        out.get_mut(..32).ok_or(Error::Dh)?.copy_from_slice(shared.as_bytes());
        Ok(())
    }
}

#[derive(Default)]
struct Blake2s(Blake2s256);

impl Hash for Blake2s {
    fn name(&self) -> &'static str {
        "BLAKE2s"
    }

    fn block_len(&self) -> usize {
        64
    }

    fn hash_len(&self) -> usize {
        32
    }

    fn reset(&mut self) {
        self.0 = Blake2s256::new();
    }

    fn input(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn result(&mut self, out: &mut [u8]) {
        let digest = core::mem::take(&mut self.0).finalize();
        out[..32].copy_from_slice(&digest);
    }
}

#[derive(Default)]
struct ChaChaPoly(Zeroizing<[u8; 32]>);

impl ChaChaPoly {
    fn aead(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new(&(*self.0).into())
    }

    /// Noise, 12.3: four zero bytes, then the counter in little endian.
    fn nonce(counter: u64) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&counter.to_le_bytes());
        nonce
    }
}

impl Cipher for ChaChaPoly {
    fn name(&self) -> &'static str {
        "ChaChaPoly"
    }

    fn set(&mut self, key: &[u8; 32]) {
        *self.0 = *key;
    }

    fn encrypt(&self, nonce: u64, ad: &[u8], plaintext: &[u8], out: &mut [u8]) -> usize {
        let (text, rest) = out.split_at_mut(plaintext.len());
        let sealed = InOutBuf::new(plaintext, text).expect("both have the plaintext's length");
        let tag = self
            .aead()
            .encrypt_inout_detached(&Self::nonce(nonce).into(), ad, sealed)
            .expect("messages are far below the limit of the cipher");
        rest[..TAG].copy_from_slice(&tag);
        plaintext.len() + TAG
    }

    fn decrypt(&self, nonce: u64, ad: &[u8], ciphertext: &[u8], out: &mut [u8]) -> Result<usize, Error> {
        let len = ciphertext.len().checked_sub(TAG).ok_or(Error::Decrypt)?;
        let (text, tag) = ciphertext.split_at(len);
        let tag: [u8; TAG] = tag.try_into().map_err(|_| Error::Decrypt)?;
        let opened =
            InOutBuf::new(text, out.get_mut(..len).ok_or(Error::Decrypt)?).map_err(|_| Error::Decrypt)?;
        self.aead()
            .decrypt_inout_detached(&Self::nonce(nonce).into(), ad, opened, &tag.into())
            .map_err(|_| Error::Decrypt)?;
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use std::{string::String, vec::Vec};

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vector {
        source: String,
        init_prologue: String,
        init_static: String,
        init_ephemeral: String,
        resp_ephemeral: String,
        resp_remote_static: String,
        handshake_hash: Option<String>,
        messages: Vec<Message>,
    }

    #[derive(Deserialize)]
    struct Message {
        payload: String,
        ciphertext: String,
    }

    fn key(text: &str) -> [u8; 32] {
        hex::decode(text).expect("hex").try_into().expect("32 bytes")
    }

    /// SECURITY.md, vectors: Noise KN as others published it, byte for byte, through our primitives.
    #[test]
    fn vectors_noise_kn() {
        let vectors: Vec<Vector> =
            serde_json::from_str(include_str!("../vectors/published/noise-kn.json")).expect("JSON");
        assert_eq!(vectors.len(), 2);
        for vector in vectors {
            let prologue = hex::decode(&vector.init_prologue).expect("hex");
            let (secret, public) = (key(&vector.init_static), key(&vector.resp_remote_static));
            let mut initiator = builder(HandshakePattern::KN, &key(&vector.init_ephemeral))
                .local_private_key(&secret)
                .and_then(|builder| builder.prologue(&prologue))
                .and_then(Builder::build_initiator)
                .expect("complete");
            let mut responder = builder(HandshakePattern::KN, &key(&vector.resp_ephemeral))
                .remote_public_key(&public)
                .and_then(|builder| builder.prologue(&prologue))
                .and_then(Builder::build_responder)
                .expect("complete");
            let messages: Vec<_> = vector
                .messages
                .iter()
                .map(|message| {
                    let payload = hex::decode(&message.payload).expect("hex");
                    (payload, hex::decode(&message.ciphertext).expect("hex"))
                })
                .collect();
            for (index, (payload, ciphertext)) in messages[..2].iter().enumerate() {
                let (from, to) = if index == 0 {
                    (&mut initiator, &mut responder)
                } else {
                    (&mut responder, &mut initiator)
                };
                let sent = written(payload.len(), |out| from.write_message(payload, out)).expect("fits");
                assert_eq!(&sent, ciphertext, "{}", vector.source);
                let got = read(sent.len(), |out| to.read_message(&sent, out)).expect("good");
                assert_eq!(&*got, payload);
            }
            assert_eq!(hash(&initiator), hash(&responder));
            if let Some(expected) = &vector.handshake_hash {
                assert_eq!(hash(&initiator), key(expected));
            }
            let mut initiator = initiator.into_transport_mode().expect("finished");
            let mut responder = responder.into_transport_mode().expect("finished");
            for (index, (payload, ciphertext)) in messages[2..].iter().enumerate() {
                let (from, to) = if index % 2 == 0 {
                    (&mut initiator, &mut responder)
                } else {
                    (&mut responder, &mut initiator)
                };
                let sent = written(payload.len(), |out| from.write_message(payload, out)).expect("fits");
                assert_eq!(&sent, ciphertext, "{}", vector.source);
                let got = read(sent.len(), |out| to.read_message(&sent, out)).expect("good");
                assert_eq!(&*got, payload);
            }
        }
    }

    /// Ours on one side, snow's own primitives on the other, both ways round.
    #[test]
    fn agrees_with_snows_own_primitives() {
        let locker = LockerId([7; 8]);
        let versions = [1, 1];
        let prologue = prologue(locker, versions);
        let secret = [3; 32];
        let public = PublicKey::from(&StaticSecret::from(secret)).to_bytes();
        let params = || NAME.parse().expect("known");
        for ours_first in [true, false] {
            let theirs = Builder::new(params()).prologue(&prologue).expect("once");
            let (mut initiator, mut responder) = if ours_first {
                let theirs = theirs.remote_public_key(&public).expect("once");
                (initiator(locker, versions, &secret, &[1; 32]), theirs.build_responder().expect("complete"))
            } else {
                let theirs = theirs.local_private_key(&secret).expect("once");
                (theirs.build_initiator().expect("complete"), responder(locker, versions, &public, &[2; 32]))
            };
            let hello = written(5, |out| initiator.write_message(b"hello", out)).expect("fits");
            assert_eq!(
                &**read(hello.len(), |out| responder.read_message(&hello, out)).expect("good"),
                b"hello"
            );
            let open = written(4, |out| responder.write_message(b"open", out)).expect("fits");
            assert_eq!(&**read(open.len(), |out| initiator.read_message(&open, out)).expect("good"), b"open");
            assert_eq!(hash(&initiator), hash(&responder));
            let mut initiator = initiator.into_transport_mode().expect("finished");
            let mut responder = responder.into_transport_mode().expect("finished");
            for _ in 0..3 {
                let reply = written(3, |out| initiator.write_message(b"yes", out)).expect("fits");
                assert_eq!(
                    &**read(reply.len(), |out| responder.read_message(&reply, out)).expect("good"),
                    b"yes"
                );
            }
        }
    }

    #[test]
    fn the_parameters_are_those_of_the_names() {
        assert_eq!(params(HandshakePattern::KN), NAME.parse().expect("known"));
        assert_eq!(params(HandshakePattern::N), CARRY_NAME.parse().expect("known"));
    }

    #[test]
    fn an_ephemeral_secret_is_used_once() {
        let mut once = Once(Some(Zeroizing::new([5; 32])));
        let mut bytes = [0; 32];
        assert!(once.try_fill_bytes(&mut [0; 16]).is_err(), "another length takes it away");
        assert!(once.try_fill_bytes(&mut bytes).is_err());
        let mut once = Once(Some(Zeroizing::new([5; 32])));
        assert!(once.try_fill_bytes(&mut bytes).is_ok());
        assert_eq!(bytes, [5; 32]);
        assert!(once.try_fill_bytes(&mut bytes).is_err());
    }
}
