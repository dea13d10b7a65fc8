//! What both sides of a session compute alike.

use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use crate::{
    delegation,
    message::{Hello, Request, kind},
    token,
};

/// The proof in OPEN signs this label and the hash after HELLO.
pub(crate) const OPEN_LABEL: &[u8] = b"postern/1 open\0";
/// The proof in later requests signs this label and the hash after OPEN.
pub(crate) const REQUEST_LABEL: &[u8] = b"postern/1 request\0";

/// What the device key signs: label, handshake hash, SHA-256 of the token, SHA-256 of the delegation or zeros, then
/// operation, door and nonce. Every part behind the label has a fixed length, and no label is a prefix of another.
pub(crate) fn challenge(label: &[u8], hash: &[u8; 32], request: &Request) -> Vec<u8> {
    [
        label,
        hash,
        &token::hash(&request.token),
        &request.delegation.as_deref().map_or([0; 32], delegation::hash),
        &[request.operation as u8],
        &request.door.0.to_be_bytes(),
        &request.nonce.0,
    ]
    .concat()
}

/// A message: its kind, then its body.
pub(crate) fn envelope(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind], body].concat()
}

/// The body of a message of that kind.
pub(crate) fn open_envelope(kind: u8, message: &[u8]) -> Option<&[u8]> {
    message.split_first().filter(|(first, _)| **first == kind).map(|(_, body)| body)
}

/// HELLO: kind, newest and oldest version, first Noise message.
pub(crate) fn hello_message(versions: [u8; 2], noise: &[u8]) -> Vec<u8> {
    [&[kind::HELLO], &versions[..], noise].concat()
}

/// Newest and oldest version, and the Noise message, of a HELLO. Of a locker that does not speak this version only the
/// two versions are known to stand where they stand.
pub(crate) fn hello_parts(message: &[u8]) -> Option<([u8; 2], &[u8])> {
    let (versions, noise) = open_envelope(kind::HELLO, message)?.split_first_chunk::<2>()?;
    let [newest, oldest] = *versions;
    if newest < oldest {
        return None;
    }
    let whole = !speaks_ours(*versions) || noise.len() == 32 + Hello::LEN;
    whole.then_some((*versions, noise))
}

/// Whether this version is among those of a HELLO.
pub(crate) fn speaks_ours([newest, oldest]: [u8; 2]) -> bool {
    (oldest..=newest).contains(&crate::VERSION)
}

/// First 16 bytes of SHA-256 over a label and the whole HELLO: fresh even where a random number repeats, since the
/// count of starts is in it.
pub(crate) fn hello_nonce(message: &[u8]) -> [u8; 16] {
    let digest = Sha256::new_with_prefix(b"postern/1 hello nonce\0").chain_update(message).finalize();
    crate::first_half(&digest.into())
}
