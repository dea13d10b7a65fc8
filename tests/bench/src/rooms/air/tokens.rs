//! Our token beside JWT, PASETO and Biscuit with the same claims: what it weighs, what it costs to mint and to verify.
//!
//! Every one of them is signed with Ed25519, names its key, is checked against the time, and what it says is read back
//! into the types that a locker decides by. Each is given to its verifier as it came over the air, as bytes.

mod biscuit;
mod jwt;
mod paseto;

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use ed25519_dalek::SigningKey;
use postern_protocol::{
    DeviceKey, Door, Epoch, IssuerKeys, KeyId, LockerId, Operations, Timestamp, TokenId,
    issue::Issuer,
    token::{self, Claims},
};
use serde::{Deserialize, Serialize};

use crate::{
    bench::Bench,
    report::{Measurement, Unit},
    stat::{pairs, time},
};

/// Secret of the issuer.
const SECRET: [u8; 32] = [7; 32];
/// Its number, under which a verifier finds its key.
const KEY: u32 = 1;
/// Life of a token where the locker is online, in seconds.
const LIFE: u64 = 900;
/// Calls of one sample.
const CALLS: u32 = 200;

/// What every token here says, besides its times and its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Grant {
    /// Locker, in hexadecimal.
    locker: String,
    /// Doors, each with its epoch.
    doors: Vec<(u16, u32)>,
    /// Operations, as a set of bits.
    operations: u8,
    uses: u8,
    delegable: bool,
}

/// A grant to one device for a while.
struct Subject {
    grant: Grant,
    /// The device's Ed25519 key.
    device: [u8; 32],
    id: [u8; 16],
    now: u64,
}

impl Subject {
    fn new() -> Result<Self> {
        Ok(Self {
            grant: Grant {
                locker: hex::encode(b"lindenho"),
                doors: vec![(7, 41)],
                operations: 0b1_0011,
                uses: 1,
                delegable: true,
            },
            device: SigningKey::from_bytes(&[1; 32]).verifying_key().to_bytes(),
            id: [0x5a; 16],
            now: now()?,
        })
    }
}

/// One format: how a token of it is made, and read back by whoever trusts the issuer.
trait Format {
    /// A token as it goes over the air.
    fn mint(&self, subject: &Subject) -> Result<Vec<u8>>;
    /// Checks signature and times; what it grants.
    fn verify(&self, token: &[u8]) -> Result<Grant>;
}

/// Weight, minting and verification, beside each peer.
pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    if !bench.wants("air.token") {
        return Ok(());
    }
    let subject = Subject::new()?;
    let ours = Ours::new();
    let own = checked(&ours, &subject)?;
    let size = |bench: &Bench, name: &str, title: &str, token: &[u8]| {
        let title = format!("Token with the same claims, {title}");
        bench.exact(&format!("air.token.size.{name}"), &title, Unit::Bytes, token.len() as f64)
    };
    bench.add(size(bench, "postern", "CWT of the locker protocol", &own));
    let peers: [(&str, &str, Box<dyn Format>); 3] = [
        ("jwt", "jsonwebtoken (EdDSA)", Box::new(jwt::Jwt::new())),
        ("paseto", "pasetors (v4.public)", Box::new(paseto::Paseto::new()?)),
        ("biscuit", "biscuit-auth", Box::new(biscuit::Biscuit::new()?)),
    ];
    for (name, title, peer) in peers {
        let other = checked(&*peer, &subject).context(title)?;
        bench.add(size(bench, name, title, &other));
        let verify = format!("air.token.verify.{name}");
        if bench.wants(&verify) {
            let samples =
                pairs(bench.runs(40), || verification(&ours, &own), || verification(&*peer, &other))?;
            bench.add(Measurement::paired(&verify, "Token verified", Unit::Seconds, title, &samples));
        }
        let mint = format!("air.token.mint.{name}");
        if bench.wants(&mint) {
            let samples = pairs(bench.runs(40), || minting(&ours, &subject), || minting(&*peer, &subject))?;
            bench.add(Measurement::paired(&mint, "Token minted", Unit::Seconds, title, &samples));
        }
    }
    Ok(())
}

/// A token that says what it should, and that a verifier does not take once a byte of its signed part is another.
fn checked(format: &dyn Format, subject: &Subject) -> Result<Vec<u8>> {
    let token = format.mint(subject)?;
    ensure!(format.verify(&token)? == subject.grant, "a claim was lost");
    let mut forged = token.clone();
    let middle = forged.len() / 2;
    forged[middle] ^= 1;
    ensure!(format.verify(&forged).is_err(), "a forged token was taken");
    Ok(token)
}

fn verification(format: &dyn Format, token: &[u8]) -> Result<f64> {
    format.verify(token)?;
    Ok(time(CALLS, || format.verify(token)))
}

fn minting(format: &dyn Format, subject: &Subject) -> Result<f64> {
    format.mint(subject)?;
    Ok(time(CALLS, || format.mint(subject)))
}

fn now() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

struct Ours {
    issuer: Issuer,
    trusted: IssuerKeys,
}

impl Ours {
    fn new() -> Self {
        let issuer = Issuer::new(KeyId(KEY), SECRET);
        let mut trusted = IssuerKeys::new();
        assert!(trusted.insert(KeyId(KEY), issuer.public()), "room for one");
        Self { issuer, trusted }
    }
}

impl Format for Ours {
    fn mint(&self, subject: &Subject) -> Result<Vec<u8>> {
        let Subject { grant, device, id, now } = subject;
        let mut locker = [0; 8];
        hex::decode_to_slice(&grant.locker, &mut locker)?;
        Ok(self.issuer.sign_token(&Claims {
            key_id: KeyId(KEY),
            locker: LockerId(locker),
            doors: grant.doors.iter().map(|(door, epoch)| (Door(*door), Epoch(*epoch))).collect(),
            operations: Operations::from_bits(grant.operations).context("operations")?,
            not_before: Timestamp(*now),
            expires: Timestamp(now + LIFE),
            issued_at: Timestamp(*now),
            id: TokenId(*id),
            key: DeviceKey::Ed25519(*device),
            uses: grant.uses,
            delegable: grant.delegable,
            hello_nonce: None,
            carry_key: None,
        }))
    }

    fn verify(&self, token: &[u8]) -> Result<Grant> {
        let claims = token::verify(token, &self.trusted)?;
        ensure!(claims.is_valid_at(Timestamp(now()?)), "not now");
        Ok(Grant {
            locker: hex::encode(claims.locker.0),
            doors: claims.doors.iter().map(|(door, epoch)| (door.0, epoch.0)).collect(),
            operations: claims.operations.bits(),
            uses: claims.uses,
            delegable: claims.delegable,
        })
    }
}
