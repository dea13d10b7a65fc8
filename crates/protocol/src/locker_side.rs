//! The locker's side of a session: HELLO out, OPEN in, replies out.

use alloc::vec::Vec;

use snow::{HandshakeState, TransportState};

use crate::{
    LockerKeys,
    frame::MAX_MESSAGE,
    message::{Hello, Reply, Request, kind},
    noise, session,
};

/// What can go wrong on the locker's side. Each ends the connection, without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockerError {
    /// Not a message of this protocol, or not the one expected here.
    #[error("malformed message")]
    Malformed,
    /// Not made for this HELLO, or not the next message of this session.
    #[error("message is not authentic")]
    NotAuthentic,
    /// The reply does not fit a message.
    #[error("reply does not fit a message")]
    TooLong,
}

/// A connection that has been greeted and has not opened yet.
pub struct Greeting {
    state: HandshakeState,
    hash: [u8; 32],
    nonce: [u8; 16],
}

impl core::fmt::Debug for Greeting {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Greeting").finish_non_exhaustive()
    }
}

/// A request whose encryption was good. Nothing else is proven yet: whose it is shows when `proof` verifies as the
/// signature of `challenge` by the key that the token (or the delegation) names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The request.
    pub request: Request,
    /// Claimed to be the device key's signature of `challenge`.
    pub proof: [u8; 64],
    /// What it has to sign.
    pub challenge: Vec<u8>,
}

impl Greeting {
    /// Makes the HELLO for one connection. `ephemeral` is 32 fresh random bytes.
    #[must_use]
    pub fn start(keys: &LockerKeys, hello: &Hello, ephemeral: [u8; 32]) -> (Self, Vec<u8>) {
        let versions = [hello.version, hello.oldest];
        let mut state = noise::initiator(keys.id, versions, &keys.static_secret, &ephemeral);
        let noise = noise::written(Hello::LEN, |out| state.write_message(&hello.encode(), out))
            .expect("the first message of KN is one key and a payload in clear");
        let message = session::hello_message(versions, &noise);
        let greeting = Self { hash: noise::hash(&state), nonce: session::hello_nonce(&message), state };
        (greeting, message)
    }

    /// Names this HELLO in tokens and bulletins.
    #[must_use]
    pub const fn hello_nonce(&self) -> [u8; 16] {
        self.nonce
    }

    /// Takes the phone's OPEN.
    ///
    /// # Errors
    /// [`LockerError::Malformed`], [`LockerError::NotAuthentic`]. A greeting is good for one attempt only.
    pub fn accept(mut self, message: &[u8]) -> Result<(Session, Received), LockerError> {
        let sealed = session::open_envelope(kind::OPEN, message).ok_or(LockerError::Malformed)?;
        let plaintext = noise::read(sealed.len(), |out| self.state.read_message(sealed, out))
            .map_err(|_| LockerError::NotAuthentic)?;
        let (request, proof) = Request::decode(&plaintext).map_err(|_| LockerError::Malformed)?;
        let challenge = session::challenge(session::OPEN_LABEL, &self.hash, &request);
        let hash = noise::hash(&self.state);
        let transport = self.state.into_transport_mode().map_err(|_| LockerError::NotAuthentic)?;
        Ok((Session { transport, hash, nonce: self.nonce }, Received { request, proof, challenge }))
    }
}

/// A session after its OPEN.
pub struct Session {
    transport: TransportState,
    hash: [u8; 32],
    nonce: [u8; 16],
}

impl core::fmt::Debug for Session {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("locker_side::Session").finish_non_exhaustive()
    }
}

impl Session {
    /// Reads a further request.
    ///
    /// # Errors
    /// [`LockerError::Malformed`], [`LockerError::NotAuthentic`].
    pub fn receive(&mut self, message: &[u8]) -> Result<Received, LockerError> {
        let sealed = session::open_envelope(kind::REQUEST, message).ok_or(LockerError::Malformed)?;
        let plaintext = noise::read(sealed.len(), |out| self.transport.read_message(sealed, out))
            .map_err(|_| LockerError::NotAuthentic)?;
        let (request, proof) = Request::decode(&plaintext).map_err(|_| LockerError::Malformed)?;
        let challenge = session::challenge(session::REQUEST_LABEL, &self.hash, &request);
        Ok(Received { request, proof, challenge })
    }

    /// Encrypts a reply.
    ///
    /// # Errors
    /// [`LockerError::TooLong`].
    pub fn seal(&mut self, reply: &Reply) -> Result<Vec<u8>, LockerError> {
        let plaintext = reply.encode();
        if plaintext.len() + noise::TAG + 1 > MAX_MESSAGE {
            return Err(LockerError::TooLong);
        }
        let sealed = noise::written(plaintext.len(), |out| self.transport.write_message(&plaintext, out))
            .map_err(|_| LockerError::TooLong)?;
        Ok(session::envelope(kind::REPLY, &sealed))
    }

    /// Names this session's HELLO in tokens and bulletins.
    #[must_use]
    pub const fn hello_nonce(&self) -> [u8; 16] {
        self.nonce
    }

    /// The handshake hash after OPEN.
    #[must_use]
    pub const fn handshake_hash(&self) -> [u8; 32] {
        self.hash
    }

    /// Its first half: what receipts of this session carry.
    #[must_use]
    pub fn handshake_id(&self) -> [u8; 16] {
        crate::first_half(&self.hash)
    }
}
