//! Envelope encryption of the master key: the hub makes it, somebody else wraps it, and only the wrapped form is kept, in
//! the database. A backup of the database is then complete, and worthless without whoever wraps.

use std::{path::PathBuf, process::Stdio, time::Duration};

use futures::future::BoxFuture;
use serde::Deserialize;
use tokio::{io::AsyncWriteExt, process::Command};
use zeroize::Zeroizing;

use crate::{
    error::{Error, Result},
    random,
    secrets::{Sealer, Secrets},
    store::{RowExt, Store},
};

/// 32 bytes.
pub type Key = Zeroizing<[u8; 32]>;

/// Who wraps the master key: a key management service, a hardware module, or a key in a file elsewhere. What it gives is
/// kept as it came and given back as it is.
pub trait KeyWrapping: Send + Sync {
    /// The key in a form that only this service can undo.
    ///
    /// # Errors
    /// When the service does not answer or says no.
    fn wrap<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Vec<u8>>>;

    /// The key in `wrapped`.
    ///
    /// # Errors
    /// When the service does not answer or says no, or `wrapped` is not its own. What it said is in no error.
    fn unwrap<'a>(&'a self, wrapped: &'a [u8]) -> BoxFuture<'a, Result<Key>>;
}

/// `[key_wrapping]` in the settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Wrapping {
    /// A wrapping key in a file: 64 hexadecimal digits. Made, for this user only, when it is not there.
    File {
        /// Where, best on another disk than the database.
        file: PathBuf,
    },
    /// Programs, such as the client of a key management service.
    Programs {
        /// Program and arguments. Is given the master key on its standard input, as 64 hexadecimal digits, and prints it
        /// wrapped, at most 8 KiB.
        wrap: Vec<String>,
        /// Is given what `wrap` printed, and prints the 64 digits, or base64 of them.
        unwrap: Vec<String>,
    },
}

impl Wrapping {
    /// What the settings describe.
    #[must_use]
    pub fn service(&self) -> Box<dyn KeyWrapping> {
        match self.clone() {
            Self::File { file } => Box::new(FileWrapping { file }),
            Self::Programs { wrap, unwrap } => Box::new(ProgramWrapping { wrap, unwrap }),
        }
    }
}

/// A wrapping key in a file.
struct FileWrapping {
    file: PathBuf,
}

const PURPOSE: &str = "master key";

impl KeyWrapping for FileWrapping {
    fn wrap<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Vec<u8>>> {
        Box::pin(async move { Secrets::load_or_create(&self.file)?.seal(PURPOSE, &**key) })
    }

    fn unwrap<'a>(&'a self, wrapped: &'a [u8]) -> BoxFuture<'a, Result<Key>> {
        Box::pin(async move {
            // A new key in its place would undo nothing, and stand in the way of the right one.
            let lost = || failed(&format!("{} is not there", self.file.display()));
            let plain = Secrets::load(&self.file)?.ok_or_else(lost)?.open(PURPOSE, wrapped)?;
            let key = plain.as_slice().try_into().map_err(|_| failed(&"what was wrapped is no key"))?;
            Ok(Zeroizing::new(key))
        })
    }
}

/// Programs that wrap and unwrap.
struct ProgramWrapping {
    wrap: Vec<String>,
    unwrap: Vec<String>,
}

/// Longest wrapped key, bytes.
const LONGEST: usize = 8 * 1024;

impl KeyWrapping for ProgramWrapping {
    fn wrap<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Vec<u8>>> {
        Box::pin(async move {
            let digits = Zeroizing::new(hex::encode(**key));
            let wrapped = ask(&self.wrap, digits.as_bytes()).await?.to_vec();
            if wrapped.is_empty() || wrapped.len() > LONGEST {
                return Err(failed(&"the program that wraps printed nothing, or more than 8 KiB"));
            }
            // A program that wraps nothing would put the key into the database as it is.
            let plain = read_key(&wrapped).is_ok_and(|printed| *printed == **key);
            if plain { Err(failed(&"the program that wraps printed the key itself")) } else { Ok(wrapped) }
        })
    }

    fn unwrap<'a>(&'a self, wrapped: &'a [u8]) -> BoxFuture<'a, Result<Key>> {
        Box::pin(async move { read_key(&ask(&self.unwrap, wrapped).await?) })
    }
}

/// 64 hexadecimal digits, or base64 of them, as clients of key management services print what they decrypted.
fn read_key(printed: &[u8]) -> Result<Key> {
    use base64::{Engine, engine::general_purpose::STANDARD};

    let text = printed.trim_ascii();
    let mut key = Zeroizing::new([0; 32]);
    if hex::decode_to_slice(text, &mut *key).is_err() {
        let digits = Zeroizing::new(STANDARD.decode(text).unwrap_or_default());
        hex::decode_to_slice(digits.trim_ascii(), &mut *key)
            .map_err(|_| failed(&"a program printed something else than 64 hexadecimal digits"))?;
    }
    Ok(key)
}

fn failed(why: &dyn std::fmt::Display) -> Error {
    Error::Internal(format!("master key: {why}"))
}

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a program, gives it `input`, and returns what it printed.
///
/// # Errors
/// When it cannot be run, fails, or takes longer than half a minute. What it printed is in no error.
pub(crate) async fn ask(command: &[String], input: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let (program, arguments) = command.split_first().ok_or_else(|| failed(&"the command is empty"))?;
    let work = async {
        let mut asked = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut stdin) = asked.stdin.take() {
            // One that does not read what it does not need is no fault.
            let _ = stdin.write_all(input).await;
        }
        asked.wait_with_output().await
    };
    let output = tokio::time::timeout(PATIENCE, work).await;
    let output =
        output.map_err(|_| failed(&"the command takes too long"))?.map_err(|error| failed(&error))?;
    let printed = Zeroizing::new(output.stdout);
    if output.status.success() { Ok(printed) } else { Err(failed(&output.status)) }
}

/// The master key of this database: unwrapped, or wrapped for the first time. `before` gives the key of a hub that had
/// none wrapped yet, where there is one.
///
/// # Errors
/// When the service fails, or the database.
pub(crate) async fn master(
    store: &Store,
    service: &dyn KeyWrapping,
    before: impl Future<Output = Result<Option<Key>>>,
) -> Result<Key> {
    if let Some(kept) = kept(store).await? {
        return service.unwrap(&kept).await;
    }
    let key = match before.await? {
        Some(key) => key,
        None => Zeroizing::new(random::bytes::<32>()),
    };
    let wrapped = service.wrap(&key).await?;
    // Before anything is sealed with it: whoever wraps can undo it.
    if *service.unwrap(&wrapped).await? != *key {
        return Err(failed(&"what comes out of the wrapping is not what went in"));
    }
    let mut tx = store.begin().await?;
    sqlx::query("INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
        .bind(NAME)
        .bind(random::encode(&wrapped))
        .execute(tx.on())
        .await?;
    tx.commit().await?;
    // Of several instances that start together, the first one's key is the one.
    let kept = kept(store).await?.ok_or_else(|| failed(&"the wrapped key vanished"))?;
    if kept == wrapped { Ok(key) } else { service.unwrap(&kept).await }
}

/// Whether the key of this database is wrapped.
///
/// # Errors
/// When the database fails.
pub(crate) async fn is_wrapped(store: &Store) -> Result<bool> {
    Ok(kept(store).await?.is_some())
}

const NAME: &str = "wrapped master key";

async fn kept(store: &Store) -> Result<Option<Vec<u8>>> {
    let row =
        sqlx::query("SELECT value FROM meta WHERE name = $1").bind(NAME).fetch_optional(store.read()).await?;
    row.map(|row| random::decode(&row.text("value")?).ok_or_else(|| failed(&"the wrapped key is damaged")))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::Push;

    fn words(command: &[&str]) -> Vec<String> {
        command.iter().map(|word| (*word).to_owned()).collect()
    }

    /// Stands in for a key management service: turns each digit around, and prints base64 on the way back.
    fn programs() -> Wrapping {
        Wrapping::Programs {
            wrap: words(&["sh", "-c", "printf wrapped:; tr 0-9a-f f0-9a-e"]),
            unwrap: words(&["sh", "-c", "cut -c9- | tr f0-9a-e 0-9a-f | tr -d '\\n' | base64 -w0"]),
        }
    }

    #[tokio::test]
    async fn what_is_wrapped_comes_back_and_only_from_who_wrapped_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| Wrapping::File { file: folder.path().join(name) }.service();
        let key = Zeroizing::new([7; 32]);
        for service in [file("one"), programs().service()] {
            let wrapped = service.wrap(&key).await.unwrap();
            assert!(!wrapped.windows(8).any(|bytes| bytes == &key[..8] || bytes == b"07070707"));
            assert_eq!(*service.unwrap(&wrapped).await.unwrap(), *key);
            assert!(file("two").unwrap(&wrapped).await.is_err());
            assert!(!folder.path().join("two").exists(), "a lost key is not replaced");
            file("three").wrap(&key).await.unwrap();
            assert!(file("three").unwrap(&wrapped).await.is_err());
        }
    }

    #[tokio::test]
    async fn a_program_that_fails_or_wraps_nothing_is_refused_and_not_repeated() {
        let key = Zeroizing::new([7; 32]);
        let with =
            |command: &[&str]| Wrapping::Programs { wrap: words(command), unwrap: words(command) }.service();
        for wrong in [
            &["cat"][..],
            &["base64", "-w0"],
            &["true"],
            &["sh", "-c", "echo secret; exit 3"],
            &["/nowhere"],
            &[],
        ] {
            let error = with(wrong).wrap(&key).await.unwrap_err().to_string();
            assert!(!error.contains("secret") && !error.contains("0707"), "{error}");
        }
        let error = with(&["echo", "secret"]).unwrap(b"x").await.unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }

    #[tokio::test]
    async fn a_database_keeps_its_key_wrapped_and_takes_the_old_one_in() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}?mode=rwc", folder.path().join("hub.db").display());
        let store = Store::open(&url, 2, Push::default()).await.unwrap();
        store.migrate().await.unwrap();
        let service = programs().service();
        let old = Zeroizing::new([9; 32]);
        let first = master(&store, &*service, async { Ok(Some(old.clone())) }).await.unwrap();
        assert_eq!(*first, *old);
        // From now on nobody is asked for the old one.
        let again = master(&store, &*service, async { Err(failed(&"asked")) }).await.unwrap();
        assert_eq!(*again, *old);
        let kept = kept(&store).await.unwrap().unwrap();
        assert!(kept.starts_with(b"wrapped:"));
    }
}
