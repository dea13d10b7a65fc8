//! Secrets in the platform's keyring: Secret Service, Keychain, Credential Manager, Android Keystore.
//!
//! The stores behind `keyring-core` block, and on Linux a locked keyring waits for the customer's password for as
//! long as that takes. So one thread of its own owns the connection: no task waits on it but the one that asked, and
//! a prompt that is never answered does not keep the process from ending.

mod platform;

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use keyring_core::{CredentialStore, Entry, Error};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::{Secret, Secrets, VaultError};

/// The service (or application) name under which the keyring files our secrets.
pub const SERVICE: &str = "app.postern";

/// How long a customer may take to unlock the keyring before we say that it is locked.
const PATIENCE: Duration = Duration::from_secs(120);

/// One profile's secrets in the platform's keyring. Cheap to clone; all clones share one connection.
#[derive(Clone)]
pub struct KeyringSecrets {
    profile: String,
    requests: mpsc::Sender<Request>,
}

/// What the keyring thread is asked for.
struct Request {
    account: String,
    operation: Operation,
    answer: oneshot::Sender<Result<Option<Secret>, VaultError>>,
}

enum Operation {
    Get,
    Set(Secret),
    Delete,
}

impl KeyringSecrets {
    /// Secrets are filed under `profile` and their own name. The keyring is reached at the first use, and again at
    /// the next one after it went away.
    ///
    /// # Errors
    /// [`VaultError::Io`] where no thread can be started.
    pub fn new(profile: impl Into<String>) -> Result<Self, VaultError> {
        let (requests, queue) = mpsc::channel();
        thread::Builder::new().name("postern-keyring".into()).spawn(move || serve(&queue))?;
        Ok(Self { profile: profile.into(), requests })
    }

    async fn ask(&self, name: &str, operation: Operation) -> Result<Option<Secret>, VaultError> {
        let (answer, reply) = oneshot::channel();
        let account = format!("{}/{name}", self.profile);
        let gone = || VaultError::Keyring("the keyring thread ended".into());
        self.requests.send(Request { account, operation, answer }).map_err(|_| gone())?;
        match tokio::time::timeout(PATIENCE, reply).await {
            Ok(result) => result.map_err(|_| gone())?,
            Err(_) => Err(VaultError::Locked),
        }
    }
}

#[async_trait::async_trait]
impl Secrets for KeyringSecrets {
    async fn get(&self, name: &str) -> Result<Option<Secret>, VaultError> {
        self.ask(name, Operation::Get).await
    }

    async fn set(&self, name: &str, secret: &[u8]) -> Result<(), VaultError> {
        self.ask(name, Operation::Set(Zeroizing::new(secret.to_vec()))).await.map(drop)
    }

    async fn delete(&self, name: &str) -> Result<(), VaultError> {
        self.ask(name, Operation::Delete).await.map(drop)
    }

    fn outlive_the_app(&self) -> bool {
        // The Keychain of an iPhone does; nobody else's app is without its folder and with its secrets.
        cfg!(target_os = "ios")
    }
}

/// The keyring thread: until the last [`KeyringSecrets`] is dropped.
fn serve(queue: &mpsc::Receiver<Request>) {
    let mut connection: Option<Arc<CredentialStore>> = None;
    while let Ok(request) = queue.recv() {
        // Nobody waits for it any more: a customer who turned away from a locked keyring is not asked for its password
        // again. What was to be written is written all the same.
        if request.answer.is_closed() && matches!(request.operation, Operation::Get) {
            continue;
        }
        let fresh = connection.is_none();
        let mut result = with_connection(&mut connection, &request);
        // The keyring was restarted since the last use: every operation here can be done twice.
        if matches!(result, Err(VaultError::Absent(_) | VaultError::Keyring(_))) {
            connection = None;
            if !fresh {
                result = with_connection(&mut connection, &request);
            }
        }
        let _ = request.answer.send(result);
    }
}

fn with_connection(
    connection: &mut Option<Arc<CredentialStore>>,
    request: &Request,
) -> Result<Option<Secret>, VaultError> {
    let store = match connection {
        Some(store) => store.clone(),
        None => connection.insert(platform::connect().map_err(|e| platform::unreachable(&e))?).clone(),
    };
    let entry = platform::entry(&store, SERVICE, &request.account).map_err(|e| platform::classify(&e))?;
    operate(&entry, &request.operation)
}

fn operate(entry: &Entry, operation: &Operation) -> Result<Option<Secret>, VaultError> {
    let result = match operation {
        Operation::Get => entry.get_secret().map(|secret| Some(Zeroizing::new(secret))),
        Operation::Set(secret) => entry.set_secret(secret).map(|()| None),
        Operation::Delete => entry.delete_credential().map(|()| None),
    };
    match result {
        Err(Error::NoEntry) => Ok(None),
        Err(error) => Err(platform::classify(&error)),
        Ok(secret) => Ok(secret),
    }
}
