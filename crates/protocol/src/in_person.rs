//! Sharing in person: the guest's invitation and the owner's access, two texts for QR codes, from screen to camera.

use alloc::{string::String, vec::Vec};

use sha2::{Digest, Sha256};

use crate::{
    DeviceKey, LockerId, LockerIdentity, base45,
    cbor::{self, Malformed},
    message,
};

/// What the text of an invitation begins with.
pub const INVITATION: &str = "PI1:";
/// What the text of access begins with.
pub const ACCESS: &str = "PA1:";
/// Longest text of access, in characters.
pub const MAX_TEXT: usize = 2_048;
/// Longest title and name of a locker, in characters.
pub const MAX_NAME: usize = 40;
/// Bytes of the check against a misread.
const CHECK: usize = 4;

/// The text of a device's invitation. No secret: whoever reads it can pass access on to that device alone.
#[must_use]
pub fn invitation(key: &DeviceKey) -> String {
    let (letter, bytes): (char, &[u8]) = match key {
        DeviceKey::Ed25519(bytes) => ('E', bytes),
        DeviceKey::P256(bytes) => ('P', bytes),
    };
    let mut text = String::from(INVITATION);
    text.push(letter);
    for byte in bytes.iter().chain(&Sha256::digest(bytes)[..CHECK]) {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
        }
    }
    text
}

/// Reads an invitation: the guest's key. None for everything but the one text of a usable key.
#[must_use]
pub fn read_invitation(text: &str) -> Option<DeviceKey> {
    let (letter, digits) = text.strip_prefix(INVITATION)?.split_at_checked(1)?;
    let digit = |character: u8| match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'A'..=b'F' => Some(character - b'A' + 10),
        _ => None,
    };
    if digits.len() > 2 * (33 + CHECK) || !digits.len().is_multiple_of(2) {
        return None;
    }
    let pairs = digits.as_bytes().chunks(2);
    let bytes: Vec<u8> =
        pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect::<Option<_>>()?;
    let (key, check) = bytes.split_at_checked(bytes.len().checked_sub(CHECK)?)?;
    if Sha256::digest(key)[..CHECK] != *check {
        return None;
    }
    let key = match letter {
        "E" => DeviceKey::Ed25519(key.try_into().ok()?),
        "P" => DeviceKey::P256(key.try_into().ok()?),
        _ => return None,
    };
    key.is_valid().then_some(key)
}

/// What the owner's code says. It opens nothing without the guest's key.
#[derive(Clone, PartialEq, Eq)]
pub struct Access {
    /// The owner's token.
    pub token: Vec<u8>,
    /// The delegation of a part of it to the key of the invitation.
    pub delegation: Vec<u8>,
    /// Which locker, with its keys. The guest trusts the owner for them.
    pub locker: LockerIdentity,
    /// What is painted on the door.
    pub label: String,
    /// What the owner calls it, at most [`MAX_NAME`] characters.
    pub title: String,
    /// What the owner knows the locker as, at most [`MAX_NAME`] characters.
    pub locker_name: String,
    /// Minutes within which the door can be opened again.
    pub reopen_minutes: u16,
}

impl core::fmt::Debug for Access {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Access").field("locker", &self.locker.id).finish_non_exhaustive()
    }
}

impl Access {
    /// The text to show.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::from(ACCESS);
        text.push_str(&base45::encode(&self.encode()));
        text
    }

    /// Reads a text. That token and delegation are good is for the locker to see. None for everything but the one text of
    /// such an access.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let encoded = text.strip_prefix(ACCESS).filter(|_| text.len() <= MAX_TEXT)?;
        let access = cbor::decode(&base45::decode(encoded)?, Self::read_from, Self::encode).ok()?;
        let short = |text: &str| text.chars().count() <= MAX_NAME;
        (short(&access.title) && short(&access.locker_name)).then_some(access)
    }

    fn encode(&self) -> Vec<u8> {
        cbor::encode(|e| {
            e.array(9)?.bytes(&self.token)?.bytes(&self.delegation)?.bytes(&self.locker.id.0)?;
            e.bytes(&self.locker.static_key)?.bytes(&self.locker.receipt_key)?;
            e.str(&self.label)?.str(&self.title)?.str(&self.locker_name)?.u16(self.reopen_minutes)?;
            Ok(())
        })
    }

    fn read_from(d: &mut minicbor::Decoder<'_>) -> Result<Self, Malformed> {
        cbor::array(d, 9)?;
        Ok(Self {
            token: cbor::bounded(d, message::MAX_TOKEN)?,
            delegation: cbor::bounded(d, message::MAX_DELEGATION)?,
            locker: LockerIdentity {
                id: LockerId(cbor::fixed(d)?),
                static_key: cbor::fixed(d)?,
                receipt_key: cbor::fixed(d)?,
            },
            label: d.str()?.into(),
            title: d.str()?.into(),
            locker_name: d.str()?.into(),
            reopen_minutes: d.u16()?,
        })
    }
}
