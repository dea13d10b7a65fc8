//! One TOML file and the environment.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use url::Url;

use crate::{
    error::{Error, Result},
    wrapping::Wrapping,
};

/// Everything that an operator can set. `postern.toml` in the data folder, or `--config`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The operator's name, for display.
    pub name: String,
    /// Address to listen on; port 0 means any.
    pub listen: SocketAddr,
    /// Base URL as clients use it; by default where the hub listens.
    pub public_url: Option<String>,
    /// `postgres://…`; by default `hub.db` in the data folder.
    pub database: Option<String>,
    /// Connections to the database.
    pub connections: u32,
    /// Requests that are served at once; more wait for half a second, then are told when to come back.
    pub requests_under_way: u32,
    /// Connections of one address, or of one IPv6 network (/64); of all there are as many as files may be open. Behind a proxy
    /// it does not count.
    pub connections_per_address: u32,
    /// File with the master key; by default `master.key` in the data folder.
    pub master_key_file: Option<PathBuf>,
    /// A program that prints the master key, and its arguments: what a key management service or a secret store is asked
    /// with. Comes before the file.
    pub master_key_command: Option<Vec<String>>,
    /// Who wraps the master key, which is then kept in the database alone.
    pub key_wrapping: Option<Wrapping>,
    /// PEM files, where the hub terminates TLS itself.
    pub tls: Option<Tls>,
    /// The network's own apps, which claim links open.
    pub apps: Apps,
    /// The mail server that takes on the network's letters; without one it sends none.
    pub mail: Option<Mail>,
    /// A proxy in front sets `X-Forwarded-For`; believe it.
    pub behind_proxy: bool,
    /// The rules of the network.
    pub policy: Policy,
    /// Whether `/metrics` may be read without a key.
    pub public_metrics: bool,
    /// Whether the app for browsers is served, at `/app/`.
    pub web_app: bool,
    /// Webhooks may go to plain http and to private networks: for trying things out, never in the open.
    pub webhooks_anywhere: bool,
    /// This is a network for trying things out: apps say so, and reach its lockers over TCP.
    pub test_network: Option<TestNetwork>,
}

/// A network whose lockers are simulated.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestNetwork {
    /// Port on the host of the public address at which the simulator has them on the air.
    pub air_port: u16,
}

/// Own certificates.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Certificate chain.
    pub certificate: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// The mail server (SMTP).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// Its name.
    pub server: String,
    /// By default 465 with `tls`, 587 with `starttls`, 25 with `none`.
    pub port: Option<u16>,
    /// How letters are kept from others on the way there.
    #[serde(default)]
    pub security: Security,
    /// User at the mail server.
    pub user: Option<String>,
    /// File with the user's password.
    pub password_file: Option<PathBuf>,
    /// PEM file of an authority of one's own that vouches for the server.
    pub root: Option<PathBuf>,
    /// Who writes: `Lindenhof <lockers@lindenhof.example>`.
    pub from: String,
    /// Language of letters to people whose language is not known: `en`, `de`, `pl` or `uk`.
    #[serde(default = "english")]
    pub language: String,
}

fn english() -> String {
    "en".to_owned()
}

/// What protects the way to the mail server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// TLS from the beginning (RFC 8314).
    #[default]
    Tls,
    /// TLS once the server was greeted, and nothing without it.
    Starttls,
    /// None: for a server on this very machine.
    None,
}

impl Mail {
    fn is_sound(&self) -> bool {
        let here = self.server == "localhost"
            || self.server.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        !self.server.is_empty()
            && (self.security != Security::None || here)
            && self.user.is_some() == self.password_file.is_some()
            && self.from.parse::<lettre::message::Mailbox>().is_ok()
            && crate::mail::languages().any(|language| language == self.language)
    }
}

/// Apps that this host vouches for (Android App Links, Apple universal links).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Apps {
    /// For Android.
    pub android: Vec<AndroidApp>,
    /// For iOS.
    pub apple: Vec<AppleApp>,
    /// A page where people get the app, `https`; shown to who follows a claim link without having it.
    pub get: Option<String>,
}

/// An app for Android.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AndroidApp {
    /// Its package, such as `app.postern`.
    pub package: String,
    /// SHA-256 of each certificate that may sign it, in hexadecimal, with or without colons.
    pub certificates: Vec<String>,
}

/// An app for iOS.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppleApp {
    /// Ten characters.
    pub team: String,
    /// Its bundle, such as `app.postern`.
    pub bundle: String,
}

impl AndroidApp {
    /// Its certificates as Digital Asset Links have them: upper case, a colon after each byte.
    #[must_use]
    pub fn fingerprints(&self) -> Vec<String> {
        let spelled = |text: &String| {
            let bytes = hex::decode(text.replace(':', "")).unwrap_or_default();
            bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
        };
        self.certificates.iter().map(spelled).collect()
    }
}

impl Apps {
    fn are_sound(&self) -> bool {
        let named = |name: &str| {
            name.contains('.')
                && name.split('.').all(|part| {
                    !part.is_empty()
                        && part.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-'))
                })
        };
        let hash = |text: &String| hex::decode(text.replace(':', "")).is_ok_and(|bytes| bytes.len() == 32);
        let android = |app: &AndroidApp| {
            named(&app.package) && !app.certificates.is_empty() && app.certificates.iter().all(hash)
        };
        let apple = |app: &AppleApp| {
            app.team.len() == 10 && app.team.bytes().all(|c| c.is_ascii_alphanumeric()) && named(&app.bundle)
        };
        let get =
            |link: &String| Url::parse(link).is_ok_and(|link| link.scheme() == "https" && link.has_host());
        self.android.iter().all(android) && self.apple.iter().all(apple) && self.get.iter().all(get)
    }
}

/// The rules of the network.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Life of a token for a locker that is known to be online, minutes.
    pub online_token_minutes: i64,
    /// Life of a token for a locker that is not, hours. The app can open for so long without a network.
    pub offline_token_hours: i64,
    /// Openings that one token allows of a pickup or return; opening again soon after does not count.
    pub uses: u8,
    /// Openings that one token allows of a compartment held by a resident.
    pub storage_uses: u8,
    /// May customers pass a token on in person?
    pub delegable: bool,
    /// Pickup window, hours, where the carrier names none.
    pub pickup_hours: i64,
    /// How long a booked compartment waits for a return, hours.
    pub return_hours: i64,
    /// How often a customer may move the deadline.
    pub extensions: i64,
    /// How far one extension reaches, hours.
    pub extension_hours: i64,
    /// Longest vacation hold, days.
    pub hold_days: i64,
    /// Shares that may stand at once for one reservation.
    pub shares: i64,
    /// Longest booking of a compartment to keep something in, days.
    pub storage_days: i64,
    /// Compartments that a customer may have booked at once.
    pub storages: i64,
    /// Compartments that a customer may have booked at once, for returns and to keep something in.
    pub bookings: i64,
    /// How much of a site's compartments customers may have booked, percent; the rest is left for parcels.
    pub booking_share: i64,
    /// Access tokens of the HTTP interface, seconds.
    pub access_token_seconds: i64,
    /// A device that was not heard of for so long signs in again, days.
    pub session_days: i64,
    /// Ended reservations, receipts and problems are deleted after so many days.
    pub retention_days: i64,
    /// Days that the change feed reaches back for things that vanished.
    pub feed_days: i64,
    /// Requests a minute of one device.
    pub requests_per_minute: u32,
    /// Requests a minute of one API key.
    pub partner_requests_per_minute: u32,
    /// Sign-in attempts a minute of one address, or of one IPv6 network (/64).
    pub sign_ins_per_minute: u32,
    /// Renewals a minute of one session.
    pub renewals_per_minute: u32,
    /// Letters a day to one address, and codes a day for one account.
    pub letters_per_day: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "Postern".to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8460)),
            public_url: None,
            database: None,
            connections: 8,
            requests_under_way: 64,
            connections_per_address: 512,
            master_key_file: None,
            master_key_command: None,
            key_wrapping: None,
            tls: None,
            apps: Apps::default(),
            mail: None,
            behind_proxy: false,
            policy: Policy::default(),
            public_metrics: false,
            web_app: true,
            webhooks_anywhere: false,
            test_network: None,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            online_token_minutes: 15,
            offline_token_hours: 24,
            uses: 1,
            storage_uses: 32,
            delegable: true,
            pickup_hours: 72,
            return_hours: 48,
            extensions: 2,
            extension_hours: 48,
            hold_days: 14,
            shares: 5,
            storage_days: 14,
            storages: 3,
            bookings: 5,
            booking_share: 50,
            access_token_seconds: 600,
            session_days: 90,
            retention_days: 180,
            feed_days: 60,
            requests_per_minute: 600,
            partner_requests_per_minute: 30_000,
            sign_ins_per_minute: 60,
            renewals_per_minute: 30,
            letters_per_day: 20,
        }
    }
}

impl Config {
    /// Reads `file`, or `postern.toml` in `data` where there is one, then the environment (`POSTERN_HUB_DATABASE`,
    /// `POSTERN_HUB_PUBLIC_URL`).
    ///
    /// # Errors
    /// When the file cannot be read, or says something that the hub does not know.
    pub fn load(data: &Path, file: Option<&Path>) -> Result<Self> {
        let default = data.join("postern.toml");
        let path = file.unwrap_or(&default);
        let mut config = match std::fs::read_to_string(path) {
            Ok(text) => toml::from_str(&text)
                .map_err(|error| Error::Internal(format!("{}: {error}", path.display())))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && file.is_none() => Self::default(),
            Err(error) => return Err(Error::Internal(format!("{}: {error}", path.display()))),
        };
        if let Ok(database) = std::env::var("POSTERN_HUB_DATABASE") {
            config.database = Some(database);
        }
        if let Ok(url) = std::env::var("POSTERN_HUB_PUBLIC_URL") {
            config.public_url = Some(url);
        }
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        if !self.apps.are_sound() {
            return Err(Error::Internal(
                "configuration: [[apps.android]] needs a package and certificates of 64 hexadecimal digits, \
                 [[apps.apple]] a team of ten characters and a bundle, apps.get an https address"
                    .to_owned(),
            ));
        }
        if !self.mail.iter().all(Mail::is_sound) {
            return Err(Error::Internal(
                "configuration: [mail] needs server, from (an address), user and password_file both or neither, language en, \
                 de, pl or uk, and security = \"tls\" or \"starttls\" unless the server is on this machine"
                    .to_owned(),
            ));
        }
        if let Some(url) = &self.public_url {
            let plain = Url::parse(url).is_ok_and(|url| {
                url.has_host() && url.path() == "/" && url.query().is_none() && url.fragment().is_none()
            });
            if !plain {
                return Err(Error::Internal(format!(
                    "configuration: public_url is {url:?}, but must be a scheme and a host, without a path: \
                     \"https://lockers.example\""
                )));
            }
        }
        let policy = &self.policy;
        // A century in hours and days.
        let (hours, days) = (1..=876_000, 1..=36_500);
        for (name, value, sound) in [
            ("connections", i64::from(self.connections), 1..=1_000),
            ("requests_under_way", i64::from(self.requests_under_way), 1..=100_000),
            ("connections_per_address", i64::from(self.connections_per_address), 1..=1_000_000),
            (
                "test_network.air_port",
                self.test_network.as_ref().map_or(1, |test| test.air_port.into()),
                1..=65_535,
            ),
            ("policy.online_token_minutes", policy.online_token_minutes, 1..=15),
            ("policy.offline_token_hours", policy.offline_token_hours, 1..=24),
            ("policy.uses", i64::from(policy.uses), 1..=255),
            ("policy.storage_uses", i64::from(policy.storage_uses), 1..=255),
            ("policy.bookings", policy.bookings, 1..=10_000),
            ("policy.booking_share", policy.booking_share, 1..=100),
            ("policy.pickup_hours", policy.pickup_hours, hours.clone()),
            ("policy.return_hours", policy.return_hours, hours.clone()),
            ("policy.extensions", policy.extensions, 0..=1_000),
            ("policy.extension_hours", policy.extension_hours, hours),
            ("policy.hold_days", policy.hold_days, 0..=36_500),
            ("policy.shares", policy.shares, 0..=1_000),
            ("policy.storage_days", policy.storage_days, days.clone()),
            ("policy.storages", policy.storages, 0..=10_000),
            ("policy.bookings", policy.bookings, 1..=10_000),
            ("policy.booking_share", policy.booking_share, 1..=100),
            ("policy.access_token_seconds", policy.access_token_seconds, 60..=3600),
            ("policy.session_days", policy.session_days, days.clone()),
            ("policy.retention_days", policy.retention_days, days.clone()),
            ("policy.feed_days", policy.feed_days, days),
            ("policy.requests_per_minute", i64::from(policy.requests_per_minute), 1..=i64::from(u32::MAX)),
            (
                "policy.partner_requests_per_minute",
                i64::from(policy.partner_requests_per_minute),
                1..=i64::from(u32::MAX),
            ),
            ("policy.sign_ins_per_minute", i64::from(policy.sign_ins_per_minute), 1..=i64::from(u32::MAX)),
            ("policy.letters_per_day", i64::from(policy.letters_per_day), 1..=1_000),
            ("policy.renewals_per_minute", i64::from(policy.renewals_per_minute), 1..=i64::from(u32::MAX)),
        ] {
            if !sound.contains(&value) {
                return Err(Error::Internal(format!(
                    "configuration: {name} is {value}, but must be {} to {}",
                    sound.start(),
                    sound.end()
                )));
            }
        }
        Ok(())
    }

    /// The file of an SQLite database, given the data folder. None where it is another database.
    #[must_use]
    pub fn sqlite_file(&self, data: &Path) -> Option<PathBuf> {
        let Some(url) = &self.database else { return Some(data.join("hub.db")) };
        let path = url.strip_prefix("sqlite:")?;
        Some(PathBuf::from(path.strip_prefix("//").unwrap_or(path).split('?').next().unwrap_or_default()))
    }

    /// The database URL, given the data folder.
    #[must_use]
    pub fn database_url(&self, data: &Path) -> String {
        self.database.clone().unwrap_or_else(|| sqlite_url(&data.join("hub.db")))
    }
}

/// The URL of an SQLite file, made where there is none. What would mean something in a URL is escaped: a folder may be called
/// `100% done?`.
#[must_use]
pub fn sqlite_url(file: &Path) -> String {
    let path: String = file
        .to_string_lossy()
        .chars()
        .map(|c| match c {
            '%' | '?' | '#' => format!("%{:02X}", u32::from(c)),
            _ => c.to_string(),
        })
        .collect();
    format!("sqlite:{path}?mode=rwc")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_data_folder_may_be_called_anything() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["plain", "what?now", "100%20done", "100% done?", "a#b", "ä;ö:ü", "?mode=ro", "%"] {
            let data = folder.path().join(name);
            std::fs::create_dir(&data).unwrap();
            let url = Config::default().database_url(&data);
            let store = crate::store::Store::open(&url, 1, crate::push::Push::default()).await.unwrap();
            store.migrate().await.unwrap();
            store.close().await;
            let made: Vec<_> =
                std::fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(made, ["hub.db"], "{name}");
        }
        let beside: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(beside.len(), 8, "nothing was made beside them");
    }

    #[test]
    fn the_guide_names_every_setting_and_its_default() {
        let guide = include_str!("../README.md");
        let shown = guide.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let read: Config = toml::from_str(shown).unwrap();
        assert_eq!(format!("{read:?}"), format!("{:?}", Config::default()));
        for line in include_str!("config.rs").lines() {
            // Fields, not functions.
            let field = line.strip_prefix("    pub ").and_then(|field| field.split_once(':'));
            if let Some((name, _)) = field.filter(|(name, _)| !name.contains(' ')) {
                assert!(guide.contains(name), "{name}");
            }
        }
    }

    #[test]
    fn what_is_unsound_or_unknown_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("postern.toml");
        for wrong in [
            "nonsense = 1",
            "[policy]\noffline_token_hours = 25",
            "connections = 0",
            "connections = 100000",
            "requests_under_way = 0",
            "listen = \"8460\"",
            "public_url = \"https://lockers.example/hub\"",
            "public_url = \"lockers.example\"",
            "[policy]\npickup_hours = -5",
            "[policy]\nsession_days = 0",
            "[policy]\nshares = -1",
            "[policy]\nextension_hours = 99999999999999",
            "name = ",
            "[[apps.android]]\npackage = \"app.postern\"\ncertificates = [\"12:34\"]",
            "[[apps.android]]\npackage = \"app.postern\"\ncertificates = []",
            "[[apps.apple]]\nteam = \"ABCDE12345\"\nbundle = \"postern/*\"",
            "[apps]\nget = \"javascript:alert(1)\"",
            "[[apps.apple]]\nteam = \"ABC\"\nbundle = \"app.postern\"",
            "[mail]\nserver = \"mail.example\"",
            "[mail]\nserver = \"mail.example\"\nfrom = \"nobody\"",
            "[mail]\nserver = \"mail.example\"\nfrom = \"a@b.example\"\nsecurity = \"none\"",
            "[mail]\nserver = \"mail.example\"\nfrom = \"a@b.example\"\nuser = \"a\"",
            "[mail]\nserver = \"mail.example\"\nfrom = \"a@b.example\"\nlanguage = \"fr\"",
            "[policy]\nletters_per_day = 0",
        ] {
            std::fs::write(&file, wrong).unwrap();
            assert!(Config::load(folder.path(), None).is_err(), "{wrong}");
        }
        std::fs::write(&file, "name = \"Lindenhof\"").unwrap();
        assert_eq!(Config::load(folder.path(), None).unwrap().name, "Lindenhof");
        assert!(Config::load(folder.path(), Some(&folder.path().join("absent"))).is_err());
    }
}
