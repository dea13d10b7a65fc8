//! Opening codes: what a phone shows to a locker's scanner when the radio is of no use.

use alloc::{string::String, vec::Vec};

use crate::{
    Door, Operation, OperationNonce, Timestamp, base45,
    cbor::{self, Malformed},
    message, token,
};

/// What the text of an opening code begins with; tells the three kinds of code apart.
pub const PREFIX: &str = "PO1:";
/// Seconds after which a phone shows a fresh code.
pub const RENEW_AFTER: u64 = 15;
/// Seconds, before and after its `at`, within which a locker takes a code.
pub const VALID_FOR: u64 = 30;
/// Longest text: what fits a QR code that a phone's screen shows and a scanner reads.
pub const MAX_TEXT: usize = 1024;

/// What is signed begins with this.
const LABEL: &[u8] = b"postern/1 opening code\0";

/// What an opening code says.
#[derive(Clone, PartialEq, Eq)]
pub struct OpeningCode {
    /// The hub's token. Its own key signs; a guest has no opening code.
    pub token: Vec<u8>,
    /// Which door.
    pub door: Door,
    /// What to do.
    pub operation: Operation,
    /// The phone's time. The locker compares it with its own clock.
    pub at: Timestamp,
    /// The same for all codes of one gesture: the locker takes the first only.
    pub nonce: OperationNonce,
}

impl core::fmt::Debug for OpeningCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("OpeningCode")
            .field("door", &self.door)
            .field("operation", &self.operation)
            .field("at", &self.at)
            .field("nonce", &self.nonce)
            .finish_non_exhaustive()
    }
}

/// Not the one text of an opening code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an opening code")]
pub struct QrError;

impl From<Malformed> for QrError {
    fn from(_: Malformed) -> Self {
        Self
    }
}

/// What the device key signs: the token by its hash, and everything else.
#[must_use]
pub fn signing_input(code: &OpeningCode) -> Vec<u8> {
    [
        LABEL,
        &token::hash(&code.token),
        &[code.operation as u8],
        &code.door.0.to_be_bytes(),
        &code.at.0.to_be_bytes(),
        &code.nonce.0,
    ]
    .concat()
}

/// The text to show, in a QR code of alphanumeric mode.
#[must_use]
pub fn assemble(code: &OpeningCode, signature: [u8; 64]) -> String {
    let mut text = String::from(PREFIX);
    text.push_str(&base45::encode(&encode(code, &signature)));
    text
}

/// Reads a text. The signature is for the key that the token names, over [`signing_input`].
///
/// # Errors
/// [`QrError`] for everything but the one text of an opening code.
pub fn parse(text: &str) -> Result<(OpeningCode, [u8; 64]), QrError> {
    if text.len() > MAX_TEXT {
        return Err(QrError);
    }
    let bytes = text.strip_prefix(PREFIX).and_then(base45::decode).ok_or(QrError)?;
    Ok(cbor::decode(
        &bytes,
        |d| {
            cbor::array(d, 6)?;
            let code = OpeningCode {
                token: cbor::bounded(d, message::MAX_TOKEN)?,
                operation: message::operation(d)?,
                door: cbor::door(d)?,
                at: cbor::time(d)?,
                nonce: OperationNonce(cbor::fixed(d)?),
            };
            Ok((code, cbor::fixed(d)?))
        },
        |(code, signature)| encode(code, signature),
    )?)
}

fn encode(code: &OpeningCode, signature: &[u8; 64]) -> Vec<u8> {
    cbor::encode(|e| {
        e.array(6)?.bytes(&code.token)?.u8(code.operation as u8)?.u16(code.door.0)?.u64(code.at.0)?;
        e.bytes(&code.nonce.0)?.bytes(signature)?;
        Ok(())
    })
}
