//! Letters by e-mail: plain text, to one reader each, with nothing in it that tells whether or where it is read. They wait in
//! the database, so that a mail server that is away loses none.

mod words;

use std::{sync::Arc, time::Duration};

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        self,
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
        extension::ClientId,
    },
};
use postern_api::account::Delivery;
use serde::{Deserialize, Serialize};
use url::Url;

pub use self::words::languages;
use postern_rules::{
    email::{self, Attempt, Next},
    recipient::Email,
};

use crate::{
    config::{Mail, Security},
    error::{Error, Result},
    hub::Hub,
    random,
    secrets::Sealer,
    store::{
        Tx,
        letters::{self, About, Due, Standing},
    },
};

/// Seconds that the mail server has for a letter.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a letter says.
#[derive(Clone, Copy, Debug)]
pub enum Letter<'a> {
    /// The code that proves an address.
    Code(&'a str),
    /// A parcel is coming.
    Parcel {
        /// The carrier's name.
        carrier: &'a str,
        /// Name and address of the site.
        site: (&'a str, &'a str),
        /// The claim link.
        link: &'a str,
    },
    /// An invitation to a flat.
    Home {
        /// Name and address of the site.
        site: (&'a str, &'a str),
        /// The flat.
        unit: &'a str,
        /// The link.
        link: &'a str,
        /// The code, in groups.
        code: &'a str,
    },
}

/// Address and text, as they are sealed.
#[derive(Serialize, Deserialize)]
struct Sealed {
    to: String,
    subject: String,
    text: String,
}

fn purpose(id: &str) -> String {
    format!("letter {id}")
}

/// Queues a letter in the change's own transaction. Does nothing where the network sends no mail.
///
/// # Errors
/// When the database fails.
pub async fn queue(
    hub: &Hub,
    tx: &mut Tx,
    to: (&Email, &str),
    about: About<'_>,
    letter: Letter<'_>,
) -> Result<()> {
    if hub.config.mail.is_none() {
        return Ok(());
    }
    let (address, language) = to;
    let (subject, text) = words::write(language, &hub.config.name, letter);
    let sealed = Sealed { to: address.as_str().to_owned(), subject, text };
    let plain = serde_json::to_vec(&sealed).map_err(|error| Error::Internal(error.to_string()))?;
    let id = random::id();
    let now = hub.clock.now();
    let life = match letter {
        Letter::Code(_) => email::CODE_LIFE,
        Letter::Parcel { .. } | Letter::Home { .. } => email::LETTER_LIFE,
    };
    letters::put(tx.on(), &id, about, hub.secrets.seal(&purpose(&id), &plain)?, (now, now + life)).await
}

/// How clients are told of a letter.
#[must_use]
pub fn delivery(standing: &Standing) -> Delivery {
    match (standing.state.as_str(), standing.attempts) {
        ("sent", _) => Delivery::Sent,
        ("refused", _) => Delivery::Refused,
        ("dead", _) => Delivery::GivenUp,
        ("sending", 1) | (_, 0) => Delivery::Queued,
        _ => Delivery::Delayed,
    }
}

/// Sends what is due.
pub struct Post {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    /// Domain of message ids.
    domain: String,
}

impl Post {
    /// By the settings.
    ///
    /// # Errors
    /// When password or certificate cannot be read.
    pub fn new(mail: &Mail, public_url: &str) -> Result<Self> {
        let failed =
            |what: &str, error: &dyn std::fmt::Display| Error::Internal(format!("mail: {what}: {error}"));
        let read = |path: &std::path::Path| {
            std::fs::read_to_string(path).map_err(|error| failed(&path.display().to_string(), &error))
        };
        let domain = Url::parse(public_url).ok().and_then(|url| url.host_str().map(str::to_owned));
        let domain = domain.unwrap_or_else(|| "localhost".to_owned());
        let mut tls = TlsParameters::builder(mail.server.clone());
        if let Some(path) = &mail.root {
            let root = Certificate::from_pem(read(path)?.as_bytes());
            tls = tls.add_root_certificate(root.map_err(|error| failed("root", &error))?);
        }
        let tls = || tls.build().map_err(|error| failed("TLS", &error));
        let (tls, port) = match mail.security {
            Security::Tls => (Tls::Wrapper(tls()?), 465),
            Security::Starttls => (Tls::Required(tls()?), 587),
            Security::None => (Tls::None, 25),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(mail.server.as_str())
            .port(mail.port.unwrap_or(port))
            .tls(tls)
            .timeout(Some(PATIENCE))
            .hello_name(ClientId::Domain(domain.clone()));
        if let (Some(user), Some(path)) = (&mail.user, &mail.password_file) {
            let password = read(path)?.trim_end_matches(['\r', '\n']).to_owned();
            builder = builder.credentials(Credentials::new(user.clone(), password));
        }
        let from = mail.from.parse::<Mailbox>().map_err(|error| failed("from", &error))?;
        Ok(Self { transport: builder.build(), from, domain })
    }

    /// Sends a letter that is due; whether there was one. One after the other: a server that is slow is not helped by more at
    /// once, and each is held for no longer than it takes.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn round(&self, hub: &Arc<Hub>) -> Result<bool> {
        let now = hub.clock.now();
        let mut tx = hub.store.begin().await?;
        let due = letters::take_due(tx.on(), now).await?;
        tx.commit().await?;
        let Some(letter) = due else { return Ok(false) };
        // One that cannot be read is given up, and holds up no other.
        let unread = |error: Error| (Attempt::Unreadable, error.to_string());
        let (attempt, error) = self.attempt(hub, &letter).await.unwrap_or_else(unread);
        settle(hub, &letter, attempt, &error).await?;
        Ok(true)
    }

    async fn attempt(&self, hub: &Hub, letter: &Due) -> Result<(Attempt, String)> {
        let plain = hub.secrets.open(&purpose(&letter.id), &letter.sealed)?;
        let sealed: Sealed =
            serde_json::from_slice(&plain).map_err(|error| Error::Internal(error.to_string()))?;
        let Ok(message) = self.message(&letter.id, sealed) else {
            return Ok((Attempt::Answered(553), "not an address that can be written to".to_owned()));
        };
        let sent = tokio::time::timeout(2 * PATIENCE, self.transport.send(message)).await;
        Ok(match sent {
            Ok(Ok(_)) => (Attempt::Taken, String::new()),
            Ok(Err(error)) => {
                let code = error.status().map(u16::from);
                (code.map_or(Attempt::Unreached, Attempt::Answered), told(&error))
            }
            Err(_) => (Attempt::Unreached, "no answer in time".to_owned()),
        })
    }

    fn message(&self, id: &str, letter: Sealed) -> Result<Message> {
        let wrong = |error: &dyn std::fmt::Display| Error::Internal(format!("mail: {error}"));
        Message::builder()
            .from(self.from.clone())
            .to(letter.to.parse::<Mailbox>().map_err(|error| wrong(&error))?)
            .subject(letter.subject)
            .date_now()
            // The same for each attempt, so that one that came twice is shown once.
            .message_id(Some(format!("<{id}@{}>", self.domain)))
            // RFC 3834: nobody's absence answers it.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .header(ContentType::TEXT_PLAIN)
            .body(letter.text)
            .map_err(|error| wrong(&error))
    }
}

/// What went wrong, without the address, which servers like to repeat.
fn told(error: &smtp::Error) -> String {
    match error.status() {
        Some(code) => format!("the mail server answered {code}"),
        None if error.is_timeout() => "the mail server did not answer in time".to_owned(),
        None if error.is_tls() => "no TLS with the mail server".to_owned(),
        None if error.is_client() => {
            "the mail server lacks what is needed (TLS or authentication)".to_owned()
        }
        None => "the mail server was not reached".to_owned(),
    }
}

async fn settle(hub: &Hub, letter: &Due, attempt: Attempt, error: &str) -> Result<()> {
    let now = hub.clock.now();
    let tried = usize::try_from(letter.attempts).unwrap_or(usize::MAX);
    let mut tx = hub.store.begin().await?;
    match email::after(attempt, tried, letter.until, now) {
        Next::Sent => letters::end(tx.on(), &letter.id, "sent", "", now).await?,
        Next::Again(wait) => {
            tracing::warn!(error, wait, "a letter waits");
            letters::put_off(tx.on(), &letter.id, now + wait, error).await?;
        }
        Next::Refused => letters::end(tx.on(), &letter.id, "refused", error, now).await?,
        Next::GivenUp => {
            tracing::error!(error, "a letter was given up");
            letters::end(tx.on(), &letter.id, "dead", error, now).await?;
        }
    }
    tx.commit().await
}
