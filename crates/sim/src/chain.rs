//! The receipts of a cabinet, as anybody could check them.

use std::{
    fs::OpenOptions,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use postern_protocol::receipt::{self, Receipt};

/// Receipts kept in memory.
const KEPT: usize = 500;

/// One link of the chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// What it says; none where the signature is not the locker's.
    pub receipt: Option<Receipt>,
    /// Its hash, which the next one names.
    pub hash: [u8; 16],
    /// Signature good, and it follows the one before.
    pub follows: bool,
    /// As signed.
    pub bytes: Vec<u8>,
}

/// The chain so far.
pub struct Chain {
    key: [u8; 32],
    links: Vec<Link>,
    file: Option<PathBuf>,
}

impl Chain {
    /// Reads the chain from its file (one base64url receipt a line), or begins one in memory.
    ///
    /// # Errors
    /// When there is a file and it cannot be read.
    pub fn open(key: [u8; 32], file: Option<PathBuf>) -> io::Result<Self> {
        let mut chain = Self { key, links: Vec::new(), file: None };
        if let Some(path) = &file
            && let Some(lines) = existing(path)?
        {
            for line in lines.lines() {
                if let Ok(bytes) = BASE64.decode(line?) {
                    chain.take(bytes);
                }
            }
        }
        chain.file = file;
        Ok(chain)
    }

    /// Adds a receipt that the firmware signed. One that is there already (handed out again) is passed over.
    pub fn add(&mut self, bytes: Vec<u8>) -> Option<&Link> {
        if self.links.iter().any(|link| link.bytes == bytes) {
            return None;
        }
        if let Some(path) = &self.file {
            let written = OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .and_then(|mut file| writeln!(file, "{}", BASE64.encode(&bytes)));
            if let Err(error) = written {
                tracing::warn!(%error, "cannot write the receipt down");
            }
        }
        self.take(bytes);
        self.links.last()
    }

    fn take(&mut self, bytes: Vec<u8>) {
        let receipt = receipt::verify(&bytes, &self.key).ok();
        let hash = receipt::hash(&bytes);
        let follows = match (self.links.last(), &receipt) {
            (_, None) => false,
            (None, Some(receipt)) => receipt.sequence == 0 && receipt.previous == [0; 16],
            (Some(last), Some(receipt)) => {
                let sequence = last.receipt.as_ref().map(|last| last.sequence + 1);
                sequence == Some(receipt.sequence) && last.hash == receipt.previous
            }
        };
        self.links.push(Link { receipt, hash, follows, bytes });
        if self.links.len() > KEPT {
            self.links.remove(0);
        }
    }

    /// Oldest first.
    #[must_use]
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// Every signature is good and none is missing (of those kept).
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.links.iter().skip(1).all(|link| link.follows)
            && self.links.first().is_none_or(|first| first.receipt.is_some())
    }
}

fn existing(path: &Path) -> io::Result<Option<BufReader<std::fs::File>>> {
    match std::fs::File::open(path) {
        Ok(file) => Ok(Some(BufReader::new(file))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
