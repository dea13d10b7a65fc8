//! Keys of the hub's own, all derived from one master key, and sealing of what is secret at rest.

use std::{fs, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{
    error::{Error, Result},
    random, wrapping,
};

/// Sealing of what is secret at rest. Where the master key behind it comes from is the business of
/// [`crate::wrapping::KeyWrapping`] and of the settings.
pub trait Sealer: Send + Sync {
    /// Encrypts and binds to `purpose`.
    ///
    /// # Errors
    /// When the service does not answer.
    fn seal(&self, purpose: &str, plain: &[u8]) -> Result<Vec<u8>>;
    /// The plain text.
    ///
    /// # Errors
    /// When it was not sealed by this key for this purpose.
    fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>>;
}

/// The hub's master key and what is derived from it.
#[derive(Clone)]
pub struct Secrets {
    master: Zeroizing<[u8; 32]>,
}

const NONCE: usize = 24;

impl Secrets {
    /// From 32 bytes.
    #[must_use]
    pub fn new(master: [u8; 32]) -> Self {
        Self { master: Zeroizing::new(master) }
    }

    /// From a text of 64 hexadecimal digits.
    ///
    /// # Errors
    /// When it is not.
    pub fn from_hex(text: &str) -> Result<Self> {
        let mut master = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), &mut *master)
            .map_err(|_| Error::Internal("the master key is not 64 hexadecimal digits".to_owned()))?;
        Ok(Self { master })
    }

    /// From what a program prints: the client of a key management service that unwraps it, or of a secret store. The key
    /// is then on no disk of this machine.
    ///
    /// # Errors
    /// When the program cannot be run, fails, takes longer than half a minute, or prints no key. What it printed is in no
    /// error.
    pub async fn from_command(command: &[String]) -> Result<Self> {
        let printed = wrapping::ask(command, &[]).await?;
        Self::from_hex(std::str::from_utf8(&printed).unwrap_or_default())
    }

    /// From a file. None where there is none.
    ///
    /// # Errors
    /// When the file cannot be read, or does not hold a key.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        match fs::read_to_string(path) {
            Ok(text) => Self::from_hex(&Zeroizing::new(text)).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::Internal(format!("master key file: {error}"))),
        }
    }

    /// From a file, which is made (for this user only) when it is not there.
    ///
    /// # Errors
    /// When the file cannot be read or made, or does not hold a key.
    pub fn load_or_create(path: &Path) -> Result<Self> {
        if let Some(there) = Self::load(path)? {
            return Ok(there);
        }
        let failed = |error: std::io::Error| Error::Internal(format!("master key file: {error}"));
        let master = Zeroizing::new(random::bytes::<32>());
        let text = Zeroizing::new(hex::encode(*master));
        // Written whole under another name and linked, so that two processes that start together agree on one key.
        let draft = path.with_extension(format!("new-{}", random::id()));
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        let linked = fs::hard_link(&draft, path);
        fs::remove_file(&draft).map_err(failed)?;
        match linked {
            Ok(()) => Ok(Self { master }),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                Self::from_hex(&Zeroizing::new(fs::read_to_string(path).map_err(failed)?))
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// The key itself, to be wrapped.
    pub(crate) fn into_key(self) -> wrapping::Key {
        self.master
    }

    /// A key of its own for `purpose`.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(b"postern-hub"), &*self.master)
            .expand(purpose.as_bytes(), &mut *key)
            .expect("32 bytes are within the limit of HKDF");
        key
    }

    /// HMAC-SHA-256 of `message` under the key for `purpose`.
    #[must_use]
    pub fn mac(&self, purpose: &str, message: &[u8]) -> [u8; 32] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&*self.derive(purpose)).expect("HMAC takes keys of any length");
        mac.update(message);
        mac.finalize().into_bytes().into()
    }
}

impl Sealer for Secrets {
    fn seal(&self, purpose: &str, plain: &[u8]) -> Result<Vec<u8>> {
        let nonce = random::bytes::<NONCE>();
        let cipher = XChaCha20Poly1305::new((&*self.derive("seal")).into());
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: purpose.as_bytes() })
            .map_err(|_| Error::Internal("sealing failed".to_owned()))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let wrong = || Error::Internal(format!("{purpose}: not sealed by this master key"));
        let (nonce, body) = sealed.split_first_chunk::<NONCE>().ok_or_else(wrong)?;
        let cipher = XChaCha20Poly1305::new((&*self.derive("seal")).into());
        cipher
            .decrypt(&XNonce::from(*nonce), Payload { msg: body, aad: purpose.as_bytes() })
            .map(Zeroizing::new)
            .map_err(|_| wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_for_one_purpose_does_not_open_for_another() {
        let secrets = Secrets::new([7; 32]);
        let sealed = secrets.seal("issuer key 1", b"secret").unwrap();
        assert_eq!(&**secrets.open("issuer key 1", &sealed).unwrap(), b"secret");
        assert!(secrets.open("issuer key 2", &sealed).is_err());
        assert!(Secrets::new([8; 32]).open("issuer key 1", &sealed).is_err());
        for i in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[i] ^= 1;
            assert!(secrets.open("issuer key 1", &bent).is_err());
        }
    }

    #[tokio::test]
    async fn a_program_is_asked_for_the_key_and_what_it_prints_is_not_repeated() {
        let ask = |command: &[&str]| {
            let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
            async move { Secrets::from_command(&command).await.map(|secrets| *secrets.derive("x")) }
        };
        let key = "07".repeat(32);
        assert_eq!(ask(&["echo", &key]).await.unwrap(), *Secrets::new([7; 32]).derive("x"));
        for wrong in [&["echo", "secret"][..], &["sh", "-c", "echo secret; exit 3"], &["/nowhere"], &[]] {
            let error = ask(wrong).await.unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn the_key_file_is_made_once_and_only_for_its_owner() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        let first = Secrets::load_or_create(&path).unwrap();
        let second = Secrets::load_or_create(&path).unwrap();
        assert_eq!(*first.derive("x"), *second.derive("x"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
