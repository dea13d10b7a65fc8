//! The bytes of the sealed store's file, both versions. No disk, no keyring.

use chacha20poly1305::{AeadInOut as _, KeyInit as _, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::Secret;

const MAGIC: &[u8; 8] = b"PSTNSEAL";
const VERSION: u16 = 2;
/// One entry, replaced with every save.
const FIRST_VERSION: u16 = 1;
/// Magic, version, reserved.
const NAMED: usize = 8 + 2 + 2;
const GENERATION: usize = 8;
/// Random bytes that no other file has.
pub(super) const ID: usize = 16;
/// Bytes before the first entry.
pub(super) const HEAD: usize = NAMED + GENERATION + ID;
const LENGTH: usize = 4;
pub(super) const NONCE: usize = 24;
const TAG: usize = 16;
/// What an entry takes besides its content.
pub(super) const OVERHEAD: usize = LENGTH + NONCE + TAG;

/// What a file holds.
pub(super) struct Found {
    /// Of the last entry.
    pub(super) generation: u64,
    /// Oldest first; at least one.
    pub(super) entries: Vec<Secret>,
    /// None where nothing can be added: the file is of the first version.
    pub(super) end: Option<End>,
}

/// Where the next entry goes.
pub(super) struct End {
    /// What the entries of this file are bound to.
    pub(super) head: [u8; HEAD],
    /// Bytes that are in the file now.
    pub(super) length: u64,
}

/// The head of a new file whose first entry is of this generation.
pub(super) fn head(generation: u64, id: &[u8; ID]) -> [u8; HEAD] {
    let mut head = [0u8; HEAD];
    head[..8].copy_from_slice(MAGIC);
    head[8..10].copy_from_slice(&VERSION.to_be_bytes());
    head[NAMED..NAMED + GENERATION].copy_from_slice(&generation.to_be_bytes());
    head[NAMED + GENERATION..].copy_from_slice(id);
    head
}

/// Puts one more entry at the end of `sealed`; none where it is longer than an entry can be.
pub(super) fn seal(
    key: &[u8; 32],
    head: &[u8; HEAD],
    generation: u64,
    nonce: [u8; NONCE],
    content: &[u8],
    sealed: &mut Vec<u8>,
) -> Option<()> {
    let length = u32::try_from(content.len() + TAG).ok()?.to_be_bytes();
    sealed.extend_from_slice(&length);
    sealed.extend_from_slice(&nonce);
    let start = sealed.len();
    sealed.extend_from_slice(content);
    let tag = cipher(key)
        .encrypt_inout_detached(
            &XNonce::from(nonce),
            &bound(head, generation, &length),
            (&mut sealed[start..]).into(),
        )
        .ok()?;
    sealed.extend_from_slice(&tag);
    Some(())
}

/// Everything in a file that is at least of generation `newest`, or a reason that contains nothing of it.
pub(super) fn unseal(key: &[u8; 32], newest: u64, bytes: &[u8]) -> Result<Found, &'static str> {
    let named = bytes.first_chunk::<NAMED>().ok_or("too short")?;
    if &named[..8] != MAGIC {
        return Err("not a sealed store");
    }
    let found = if named[8..] == [VERSION.to_be_bytes(), [0, 0]].concat() {
        entries(key, bytes)?
    } else if named[8..] == [FIRST_VERSION.to_be_bytes(), [0, 0]].concat() {
        first_version(key, bytes)?
    } else {
        return Err("a version that this app does not know");
    };
    if found.generation < newest {
        return Err("older than the newest that was saved");
    }
    Ok(found)
}

fn entries(key: &[u8; 32], bytes: &[u8]) -> Result<Found, &'static str> {
    let (head, mut rest) = bytes.split_first_chunk::<HEAD>().ok_or("too short")?;
    let first = head[NAMED..].first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    let mut entries = Vec::new();
    for generation in first..=u64::MAX {
        if rest.is_empty() {
            break;
        }
        let Some((content, after)) = entry(key, head, generation, rest) else {
            // The first one is in the file before the file has its name, and a save begins when the one before it is on
            // the disk. So only the last can be cut off.
            if entries.is_empty() || !may_be_cut_off(rest) {
                return Err("changed, cut off, or of another device");
            }
            tracing::warn!(code = "save_cut_off", bytes = rest.len(), "the last save was cut off");
            break;
        };
        entries.push(content);
        rest = after;
    }
    let others = entries.len().checked_sub(1).ok_or("too short")?;
    let length = (bytes.len() - rest.len()) as u64;
    Ok(Found { generation: first + others as u64, entries, end: Some(End { head: *head, length }) })
}

/// The content of the first entry, which is of this generation, and what comes after it.
fn entry<'a>(
    key: &[u8; 32],
    head: &[u8; HEAD],
    generation: u64,
    bytes: &'a [u8],
) -> Option<(Secret, &'a [u8])> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH>()?;
    let (nonce, rest) = rest.split_first_chunk::<NONCE>()?;
    let (sealed, after) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    let mut content = Zeroizing::new(sealed.to_vec());
    let bound = bound(head, generation, length);
    cipher(key).decrypt_in_place(&XNonce::from(*nonce), &bound, &mut *content).ok()?;
    Some((content, after))
}

/// Whether the power can have left this of one entry: beyond its end nothing was ever written. What did not reach the
/// disk of a file that had grown already is zero.
fn may_be_cut_off(bytes: &[u8]) -> bool {
    let Some(length) = bytes.first_chunk::<LENGTH>() else { return true };
    let end = (LENGTH + NONCE).saturating_add(u32::from_be_bytes(*length) as usize);
    bytes.iter().skip(end).all(|byte| *byte == 0)
}

fn bound(head: &[u8; HEAD], generation: u64, length: &[u8; LENGTH]) -> [u8; HEAD + GENERATION + LENGTH] {
    let mut bound = [0u8; HEAD + GENERATION + LENGTH];
    bound[..HEAD].copy_from_slice(head);
    bound[HEAD..HEAD + GENERATION].copy_from_slice(&generation.to_be_bytes());
    bound[HEAD + GENERATION..].copy_from_slice(length);
    bound
}

/// `named | generation u64 | nonce | ciphertext, tag`, bound to the first two.
fn first_version(key: &[u8; 32], bytes: &[u8]) -> Result<Found, &'static str> {
    let (bound, rest) = bytes.split_first_chunk::<{ NAMED + GENERATION }>().ok_or("too short")?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or("too short")?;
    let mut content = Zeroizing::new(sealed.to_vec());
    cipher(key)
        .decrypt_in_place(&XNonce::from(*nonce), bound, &mut *content)
        .map_err(|_| "changed, cut off, or of another device")?;
    let generation = u64::from_be_bytes(*bound.last_chunk().ok_or("too short")?);
    Ok(Found { generation, entries: vec![content], end: None })
}

fn cipher(key: &[u8; 32]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.into())
}
