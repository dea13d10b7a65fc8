//! `Noise_KN_25519_ChaChaPoly_BLAKE2s` by snow, on the same curve and hash crates as everything else here.
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
    params::{CipherChoice, DHChoice, HashChoice, NoiseParams},
    resolvers::CryptoResolver,
    types::{Cipher, Dh, Hash, Random},
};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use crate::{LockerId, VERSION, gatt::SERVICE_UUID};

/// The protocol name, hashed into every handshake.
pub(crate) const NAME: &str = "Noise_KN_25519_ChaChaPoly_BLAKE2s";
/// Bytes that encryption adds.
pub(crate) const TAG: usize = 16;

/// Binds version, service and locker: 7 + 1 + 16 + 8 bytes.
fn prologue(locker: LockerId) -> Vec<u8> {
    [b"postern".as_slice(), &[VERSION], &SERVICE_UUID.to_be_bytes(), &locker.0].concat()
}

fn builder(ephemeral: &[u8; 32]) -> Builder<'static> {
    let params: NoiseParams = NAME.parse().expect("the name is one that snow knows");
    Builder::with_resolver(params, Box::new(Resolver(Zeroizing::new(*ephemeral))))
}

/// The locker's side: initiator, its static key known to the phone.
pub(crate) fn initiator(locker: LockerId, secret: &[u8; 32], ephemeral: &[u8; 32]) -> HandshakeState {
    let prologue = prologue(locker);
    builder(ephemeral)
        .local_private_key(secret)
        .and_then(|builder| builder.prologue(&prologue))
        .and_then(Builder::build_initiator)
        .expect("KN's initiator needs a static secret, and has it")
}

/// The phone's side: responder without a static key.
pub(crate) fn responder(locker: LockerId, static_key: &[u8; 32], ephemeral: &[u8; 32]) -> HandshakeState {
    let prologue = prologue(locker);
    builder(ephemeral)
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
