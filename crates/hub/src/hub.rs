//! The hub: what every request has at hand.

use std::{
    fs::OpenOptions,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    sync::Arc,
};

use tokio_util::sync::CancellationToken;
use url::Url;
use webauthn_rs::{Webauthn, WebauthnBuilder};

use crate::{
    attempt::Places,
    auth::{dpop::Replays, rate::Limiter, seen::Seen},
    clock::{Belief, Clock},
    config::Config,
    domain::{keyring::Keyring, network, restored},
    error::{Error, Result},
    metrics::Metrics,
    push::Push,
    random,
    secrets::{Sealer, Secrets},
    store::{RowExt, Store, transfer},
    wrapping,
};

/// Under this name the database keeps what only its own master key opens.
const KEY_CHECK: &str = "master key check";

/// Everything that a request has at hand. One for each process; several processes share a PostgreSQL database.
pub struct Hub {
    /// Settings.
    pub config: Config,
    /// The database.
    pub store: Store,
    /// Keys derived from the master key.
    pub secrets: Secrets,
    /// Time.
    pub clock: Clock,
    /// Whether it is believed.
    pub belief: Belief,
    /// Who waits for changes.
    pub push: Push,
    /// Passkeys.
    pub webauthn: Webauthn,
    /// Issuer keys and PIN secrets, unsealed.
    pub keyring: Keyring,
    /// Proofs seen.
    pub replays: Replays,
    /// Devices in use.
    pub seen: Seen,
    /// Requests of one device.
    pub requests: Limiter,
    /// Requests of one API key.
    pub partner_requests: Limiter,
    /// Sign-in attempts of one address.
    pub sign_ins: Limiter,
    /// Renewals of one session.
    pub renewals: Limiter,
    /// Letters to one address, and codes for one account.
    pub letters: Limiter,
    /// Requests that are served at once.
    pub places: Places,
    /// What is counted.
    pub metrics: Metrics,
    /// A stable id of this network's hub.
    pub id: String,
    /// Everybody has signed in anew since this moment, UNIX seconds.
    pub signed_in_since: i64,
    /// Whether new accounts are given the demo's content.
    pub demo: bool,
    /// Set when the process is asked to end: streams close, `/ready` says no.
    pub stopping: CancellationToken,
    public_url: String,
}

/// What [`Hub::open`] needs.
pub struct Opening<'a> {
    /// Folder for database and master key.
    pub data: &'a Path,
    /// Settings.
    pub config: Config,
    /// Base URL as clients use it, without a slash at the end.
    pub public_url: &'a str,
    /// Give new accounts the demo's content.
    pub demo: bool,
    /// Time.
    pub clock: Clock,
}

impl Hub {
    /// Opens database and keys, making what is not there, and brings the schema up to date.
    ///
    /// # Errors
    /// When the database cannot be opened, the master key is not the one that the database was sealed with, or the
    /// public URL is none.
    pub async fn open(opening: Opening<'_>) -> Result<Arc<Self>> {
        let Opening { data, config, public_url, demo, clock } = opening;
        let (store, secrets, push) = Self::storage(data, &config).await?;
        let webauthn = passkeys(public_url, &config.name)?;
        let id = meta(&store, "hub", &random::id()).await?;
        let mut tx = store.begin().await?;
        network::put_carrier(
            &mut tx,
            network::OPERATOR,
            &config.name,
            config.policy.pickup_hours,
            clock.now(),
        )
        .await?;
        tx.commit().await?;
        let keyring = Keyring::open(&store, &secrets, clock.now()).await?;
        let signed_in_since = restored::signed_in_since(&store).await?;
        let belief = Belief::begin(&clock, store.last_seen().await?);
        Ok(Arc::new(Self {
            belief,
            replays: Replays::default(),
            seen: Seen::default(),
            requests: Limiter::new(config.policy.requests_per_minute),
            partner_requests: Limiter::new(config.policy.partner_requests_per_minute),
            sign_ins: Limiter::new(config.policy.sign_ins_per_minute),
            renewals: Limiter::new(config.policy.renewals_per_minute),
            letters: Limiter::per_day(config.policy.letters_per_day),
            places: Places::new(config.requests_under_way),
            metrics: Metrics::new()?,
            public_url: public_url.trim_end_matches('/').to_owned(),
            config,
            store,
            secrets,
            clock,
            push,
            webauthn,
            keyring,
            id,
            signed_in_since,
            demo,
            stopping: CancellationToken::new(),
        }))
    }

    /// Database and secrets alone, for commands that serve nothing.
    ///
    /// # Errors
    /// As [`Hub::open`].
    pub async fn storage(data: &Path, config: &Config) -> Result<(Store, Secrets, Push)> {
        make_folder(data).map_err(|error| Error::Internal(format!("{}: {error}", data.display())))?;
        if config.database.is_none() {
            private_file(&data.join("hub.db"))?;
        }
        let push = Push::default();
        let store = Store::open(&config.database_url(data), config.connections, push.clone()).await?;
        store.migrate().await?;
        if transfer::is_unfinished(&store).await? {
            return Err(Error::Internal(
                "data are on their way into this database: run `postern-hub transfer` again until it is done"
                    .to_owned(),
            ));
        }
        let key_file = config.master_key_file.clone().unwrap_or_else(|| data.join("master.key"));
        // A token of the master key, so that a wrong one is noticed before anything is written with it.
        let known = sqlx::query("SELECT value FROM meta WHERE name = $1")
            .bind(KEY_CHECK)
            .fetch_optional(store.read())
            .await?
            .map(|row| row.text("value"))
            .transpose()?;
        let mut made = false;
        let secrets = match &config.key_wrapping {
            None if wrapping::is_wrapped(&store).await? => {
                let why =
                    "the master key of this database is wrapped: [key_wrapping] is missing in the settings";
                return Err(Error::Internal(why.to_owned()));
            }
            None => match given(config)
                .await?
                .map_or_else(|| Secrets::load(&key_file), |given| Ok(Some(given)))?
            {
                Some(secrets) => secrets,
                None if known.is_some() => {
                    return Err(Error::Internal(format!(
                        "the master key of this database is missing: put it into {}",
                        key_file.display()
                    )));
                }
                None => {
                    made = true;
                    Secrets::load_or_create(&key_file)?
                }
            },
            Some(wrapping) => {
                // A hub that had no wrapping yet brings its key along.
                let before = async {
                    let filed = || Secrets::load(&key_file);
                    let before = given(config).await?.map_or_else(filed, |given| Ok(Some(given)))?;
                    Ok(before.map(Secrets::into_key))
                };
                Secrets::new(*wrapping::master(&store, &*wrapping.service(), before).await?)
            }
        };
        let sealed = match known {
            Some(sealed) => sealed,
            None => meta(&store, KEY_CHECK, &random::encode(secrets.seal("check", b"postern")?)).await?,
        };
        let sealed = random::decode(&sealed).unwrap_or_default();
        if secrets.open("check", &sealed).is_err() {
            if made {
                // Another instance was first, with its own.
                let _ = std::fs::remove_file(&key_file);
            }
            return Err(Error::Internal(
                "the master key is not the one that this database was made with".to_owned(),
            ));
        }
        Ok((store, secrets, push))
    }

    /// Base URL as clients use it, without a slash at the end.
    #[must_use]
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    /// Whether clients reach it on this machine only.
    #[must_use]
    pub fn is_local(&self) -> bool {
        Url::parse(&self.public_url).is_ok_and(|url| url.domain() == Some("localhost"))
    }
}

/// Makes the data folder where there is none: what is in it is nobody else's on this machine.
///
/// # Errors
/// The disk's.
pub fn make_folder(data: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data)
}

/// Makes the file, for this user only, when it is not there. SQLite takes an empty file for a new database, and gives the
/// files beside it the same permissions.
///
/// # Errors
/// When it cannot be made.
pub fn private_file(path: &Path) -> Result<()> {
    let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    opened.map(drop).map_err(|error| Error::Internal(format!("{}: {error}", path.display())))
}

/// The master key from the environment or a program.
async fn given(config: &Config) -> Result<Option<Secrets>> {
    match (std::env::var("POSTERN_HUB_MASTER_KEY"), &config.master_key_command) {
        (Ok(text), _) => Secrets::from_hex(&text).map(Some),
        (Err(_), Some(command)) => Secrets::from_command(command).await.map(Some),
        (Err(_), None) => Ok(None),
    }
}

fn passkeys(public_url: &str, name: &str) -> Result<Webauthn> {
    let wrong = |what: &dyn std::fmt::Display| Error::Internal(format!("public URL: {what}"));
    let origin = Url::parse(public_url).map_err(|error| wrong(&error))?;
    let host = origin.domain().ok_or_else(|| wrong(&"passkeys need a host name, not an address"))?;
    if origin.scheme() != "https" && host != "localhost" {
        return Err(wrong(&"passkeys need https, except on localhost"));
    }
    WebauthnBuilder::new(host, &origin)
        .and_then(|builder| builder.rp_name(name).build())
        .map_err(|error| wrong(&error))
}

/// The value kept under `name`; `fresh` is kept and returned when there is none.
async fn meta(store: &Store, name: &str, fresh: &str) -> Result<String> {
    let mut tx = store.begin().await?;
    sqlx::query("INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
        .bind(name)
        .bind(fresh)
        .execute(tx.on())
        .await?;
    let value = sqlx::query("SELECT value FROM meta WHERE name = $1")
        .bind(name)
        .fetch_one(tx.on())
        .await?
        .text("value")?;
    tx.commit().await?;
    Ok(value)
}
