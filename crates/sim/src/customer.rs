//! A hub and a customer in a nutshell: enough to open doors by the rules in scenarios, tests and benches, with the
//! protocol's own phone side.

use ed25519_dalek::{Signer, SigningKey};
use postern_locker::Keys;
use postern_protocol::{
    DeviceKey, Door, Epoch, IssuerKeys, KeyId, LockerId, LockerIdentity, LockerKeys, Operation,
    OperationNonce, Operations, Reply, Request, Timestamp, TokenId,
    bulletin::{Bulletin, DoorNews},
    issue::Issuer,
    phone::{Greeted, PhoneError, Session},
    token::Claims,
};
use postern_radio::{Link, RadioError};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use zeroize::Zeroizing;

/// Life of a token, in seconds.
const LIFE: u64 = 900;
/// How far back a token is valid: clocks differ.
const GRACE: u64 = 120;

/// The issuing half of a hub.
pub struct Network {
    issuer: Issuer,
    pin_secret: [u8; 32],
    rng: ChaCha20Rng,
}

/// What a token is to say, beside what is always the same.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Which locker.
    pub locker: LockerId,
    /// Which doors, each with its epoch.
    pub doors: Vec<(Door, Epoch)>,
    /// What for.
    pub operations: Operations,
    /// How often.
    pub uses: u8,
    /// Bound to this HELLO.
    pub hello_nonce: Option<[u8; 16]>,
}

impl Grant {
    /// To collect from one door, once, and to reopen it.
    #[must_use]
    pub fn collect(locker: LockerId, door: u16) -> Self {
        Self {
            locker,
            doors: vec![(Door(door), Epoch(1))],
            operations: Operations::NONE
                .with(Operation::Collect)
                .with(Operation::Reopen)
                .with(Operation::Status),
            uses: 1,
            hello_nonce: None,
        }
    }
}

impl Network {
    /// One that a seed makes.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut secret = Zeroizing::new([0; 32]);
        rng.fill_bytes(secret.as_mut());
        let mut pin_secret = [0; 32];
        rng.fill_bytes(&mut pin_secret);
        Self { issuer: Issuer::new(KeyId(1), *secret), pin_secret, rng }
    }

    /// A new locker of this network.
    #[must_use]
    pub fn locker(&mut self) -> Keys {
        let mut id = [0; 8];
        let mut seed = Zeroizing::new([0; 32]);
        self.rng.fill_bytes(&mut id);
        self.rng.fill_bytes(seed.as_mut());
        let mut issuers = IssuerKeys::new();
        // An empty set has room for one.
        let _ = issuers.insert(self.issuer.key_id, self.issuer.public());
        let locker = LockerKeys::from_seed(LockerId(id), &seed);
        Keys { locker, issuers, pin_secret: Some(Zeroizing::new(self.pin_secret)) }
    }

    /// A token for this device, from `now` on.
    pub fn token(&mut self, grant: &Grant, key: &DeviceKey, now: Timestamp) -> Vec<u8> {
        let mut id = [0; 16];
        self.rng.fill_bytes(&mut id);
        self.issuer.sign_token(&Claims {
            key_id: self.issuer.key_id,
            locker: grant.locker,
            doors: grant.doors.clone(),
            operations: grant.operations,
            not_before: Timestamp(now.0.saturating_sub(GRACE)),
            expires: now.plus(LIFE),
            issued_at: now,
            id: TokenId(id),
            key: *key,
            uses: grant.uses,
            delegable: false,
            hello_nonce: grant.hello_nonce,
            carry_key: None,
        })
    }

    /// A bulletin that raises the epoch of one door.
    #[must_use]
    pub fn revocation(&self, locker: LockerId, door: u16, epoch: u32, now: Timestamp) -> Vec<u8> {
        self.issuer.sign_bulletin(&Bulletin {
            key_id: self.issuer.key_id,
            locker,
            issued_at: now,
            number: 0,
            epochs: vec![DoorNews { door: Door(door), epoch: Epoch(epoch), ended_slots: 0 }],
            revoked: Vec::new(),
            add_keys: Vec::new(),
            remove_keys: Vec::new(),
            hello_nonce: None,
        })
    }

    /// The PIN of a door in its epoch, of the first device that has one.
    #[must_use]
    pub fn pin(&self, locker: LockerId, door: u16, epoch: u32) -> String {
        postern_protocol::pin::derive(&self.pin_secret, locker, Door(door), Epoch(epoch), 0)
    }
}

/// A customer's phone.
pub struct Phone {
    key: SigningKey,
    rng: ChaCha20Rng,
}

impl Phone {
    /// One that a seed makes.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed ^ 0x5048_4f4e_4500_0000);
        let mut secret = Zeroizing::new([0; 32]);
        rng.fill_bytes(secret.as_mut());
        Self { key: SigningKey::from_bytes(&secret), rng }
    }

    /// Its public key.
    #[must_use]
    pub fn key(&self) -> DeviceKey {
        DeviceKey::Ed25519(self.key.verifying_key().to_bytes())
    }

    /// A request for a new gesture.
    pub fn request(&mut self, operation: Operation, door: u16, token: Vec<u8>) -> Request {
        let mut nonce = [0; 8];
        self.rng.fill_bytes(&mut nonce);
        Request {
            operation,
            door: Door(door),
            nonce: OperationNonce(nonce),
            token,
            delegation: None,
            bulletin: None,
        }
    }

    /// Answers a HELLO: the OPEN message and the session that it begins.
    ///
    /// # Errors
    /// When the HELLO is none.
    pub fn open(
        &mut self,
        locker: &LockerIdentity,
        hello: &[u8],
        request: &Request,
    ) -> Result<(Vec<u8>, Session), PhoneError> {
        let greeted = Greeted::from_hello(locker, hello)?;
        let proof = self.key.sign(&greeted.challenge(request)).to_bytes();
        let mut ephemeral = [0; 32];
        self.rng.fill_bytes(&mut ephemeral);
        greeted.open(request, proof, ephemeral)
    }

    /// A further request in a session.
    ///
    /// # Errors
    /// When it does not fit a message.
    pub fn again(&self, session: &mut Session, request: &Request) -> Result<Vec<u8>, PhoneError> {
        let proof = self.key.sign(&session.challenge(request)).to_bytes();
        session.request(request, proof)
    }

    /// An opening code for a scanner.
    ///
    /// # Errors
    /// When its parts do not fit.
    #[must_use]
    pub fn opening_code(&mut self, door: u16, operation: Operation, token: Vec<u8>, at: Timestamp) -> String {
        let mut nonce = [0; 8];
        self.rng.fill_bytes(&mut nonce);
        let code = postern_protocol::qr::OpeningCode {
            token,
            door: Door(door),
            operation,
            at,
            nonce: OperationNonce(nonce),
        };
        let proof = self.key.sign(&postern_protocol::qr::signing_input(&code)).to_bytes();
        postern_protocol::qr::assemble(&code, proof)
    }
}

/// Why a visit did not end with an answer.
#[derive(Debug, thiserror::Error)]
pub enum VisitError {
    /// Below the protocol.
    #[error(transparent)]
    Radio(#[from] RadioError),
    /// In it.
    #[error(transparent)]
    Phone(#[from] PhoneError),
}

/// Hears the HELLO, opens, and returns the first answer.
///
/// # Errors
/// See [`VisitError`].
pub async fn ask(
    link: &mut dyn Link,
    phone: &mut Phone,
    locker: &LockerIdentity,
    request: &Request,
) -> Result<(Reply, Session), VisitError> {
    let hello = link.receive().await?;
    let (open, mut session) = phone.open(locker, &hello, request)?;
    link.send(&open).await?;
    let reply = session.receive(&link.receive().await?)?;
    Ok((reply, session))
}
