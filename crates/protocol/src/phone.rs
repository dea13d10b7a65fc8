//! The phone's side of a session: HELLO in, OPEN out, replies in.

use alloc::vec::Vec;

use snow::TransportState;

use crate::{
    LockerIdentity,
    frame::MAX_MESSAGE,
    message::{Hello, Reply, Request, kind},
    noise, session,
};

/// What can go wrong on the phone's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// Not a message of this protocol, or not the one expected here.
    #[error("malformed message")]
    Malformed,
    /// The locker does not speak this version: the newest that it speaks.
    #[error("locker speaks protocol version {0}")]
    Version(u8),
    /// The request has a part that is empty or too long, or the parts together exceed one message: send the bulletin
    /// first, in a status request.
    #[error("request does not fit a message")]
    TooLong,
    /// The handshake failed: the locker's key or its ephemeral key is not usable.
    #[error("handshake failed")]
    Handshake,
    /// The message was not encrypted by the locker in this session, or is not the next one.
    #[error("message is not authentic")]
    NotAuthentic,
}

/// A phone that has heard a HELLO.
#[derive(Debug)]
pub struct Greeted {
    identity: LockerIdentity,
    message: Vec<u8>,
    hello: Hello,
    hash: [u8; 32],
}

impl Greeted {
    /// Reads a HELLO of the locker that the phone means. Whether it really is that locker shows in its answer to OPEN;
    /// an impostor can read nothing of that.
    ///
    /// # Errors
    /// [`PhoneError::Malformed`], [`PhoneError::Version`].
    pub fn from_hello(locker: &LockerIdentity, hello: &[u8]) -> Result<Self, PhoneError> {
        let (versions, noise) = session::hello_parts(hello).ok_or(PhoneError::Malformed)?;
        if !session::speaks_ours(versions) {
            return Err(PhoneError::Version(versions[0]));
        }
        // The ephemeral secret comes later, from `open`; up to here the handshake needs none.
        let mut state = noise::responder(locker.id, versions, &locker.static_key, &[0; 32]);
        let payload = noise::read(noise.len(), |out| state.read_message(noise, out))
            .map_err(|_| PhoneError::Malformed)?;
        Ok(Self {
            identity: *locker,
            message: hello.to_vec(),
            hello: Hello::decode(versions, &payload).ok_or(PhoneError::Malformed)?,
            hash: noise::hash(&state),
        })
    }

    /// What the locker says.
    #[must_use]
    pub const fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Names this HELLO in tokens and bulletins for a locker that lost the time.
    #[must_use]
    pub fn hello_nonce(&self) -> [u8; 16] {
        session::hello_nonce(&self.message)
    }

    /// What the device key signs for [`Self::open`].
    #[must_use]
    pub fn challenge(&self, request: &Request) -> Vec<u8> {
        session::challenge(session::OPEN_LABEL, &self.hash, request)
    }

    /// Makes the OPEN message. `proof` is the device key's signature of [`Self::challenge`]; `ephemeral` is 32 fresh
    /// random bytes.
    ///
    /// # Errors
    /// [`PhoneError::TooLong`], [`PhoneError::Handshake`].
    pub fn open(
        self,
        request: &Request,
        proof: [u8; 64],
        ephemeral: [u8; 32],
    ) -> Result<(Vec<u8>, Session), PhoneError> {
        if !request.is_sendable() {
            return Err(PhoneError::TooLong);
        }
        let (versions, hello) = session::hello_parts(&self.message).ok_or(PhoneError::Malformed)?;
        let mut state = noise::responder(self.identity.id, versions, &self.identity.static_key, &ephemeral);
        noise::read(hello.len(), |out| state.read_message(hello, out)).map_err(|_| PhoneError::Malformed)?;
        let plaintext = zeroize::Zeroizing::new(request.encode(&proof));
        let sealed = noise::written(plaintext.len(), |out| state.write_message(&plaintext, out))
            .map_err(|_| PhoneError::Handshake)?;
        let message = session::envelope(kind::OPEN, &sealed);
        if message.len() > MAX_MESSAGE {
            return Err(PhoneError::TooLong);
        }
        let hash = noise::hash(&state);
        let transport = state.into_transport_mode().map_err(|_| PhoneError::Handshake)?;
        Ok((message, Session { transport, hash }))
    }
}

/// A session after OPEN was made. Drop it with its connection; nothing of it is ever used again.
pub struct Session {
    transport: TransportState,
    hash: [u8; 32],
}

impl core::fmt::Debug for Session {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("phone::Session").finish_non_exhaustive()
    }
}

impl Session {
    /// Reads a message of the locker.
    ///
    /// # Errors
    /// [`PhoneError::Malformed`], [`PhoneError::NotAuthentic`]. Either ends the session.
    pub fn receive(&mut self, message: &[u8]) -> Result<Reply, PhoneError> {
        let sealed = session::open_envelope(kind::REPLY, message).ok_or(PhoneError::Malformed)?;
        let plaintext = noise::read(sealed.len(), |out| self.transport.read_message(sealed, out))
            .map_err(|_| PhoneError::NotAuthentic)?;
        Reply::decode(&plaintext).map_err(|_| PhoneError::Malformed)
    }

    /// What the device key signs for [`Self::request`].
    #[must_use]
    pub fn challenge(&self, request: &Request) -> Vec<u8> {
        session::challenge(session::REQUEST_LABEL, &self.hash, request)
    }

    /// Makes a further request in the same session. `proof` is the device key's signature of [`Self::challenge`].
    ///
    /// # Errors
    /// [`PhoneError::TooLong`]; the session can still be used then.
    pub fn request(&mut self, request: &Request, proof: [u8; 64]) -> Result<Vec<u8>, PhoneError> {
        let plaintext = zeroize::Zeroizing::new(request.encode(&proof));
        if !request.is_sendable() || plaintext.len() + noise::TAG + 1 > MAX_MESSAGE {
            return Err(PhoneError::TooLong);
        }
        let sealed = noise::written(plaintext.len(), |out| self.transport.write_message(&plaintext, out))
            .map_err(|_| PhoneError::Handshake)?;
        Ok(session::envelope(kind::REQUEST, &sealed))
    }

    /// The handshake hash after OPEN.
    #[must_use]
    pub const fn handshake_hash(&self) -> [u8; 32] {
        self.hash
    }

    /// Its first half: what a receipt of this session carries.
    #[must_use]
    pub fn handshake_id(&self) -> [u8; 16] {
        crate::first_half(&self.hash)
    }
}
