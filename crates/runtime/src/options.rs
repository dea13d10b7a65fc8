//! What a host tells the runtime, and what the environment may change.

use std::{env, path::PathBuf, sync::Arc};

use postern_radio::{BadRadioName, Radio};
use postern_vault::{DeviceKeys, Secrets};
use sha2::{Digest as _, Sha256};

use crate::{
    browser::{Browser, SystemBrowser},
    redirect::WayBack,
    roots::{BadCertificate, Roots},
};

/// The hub that the app starts with.
const DEFAULT_HUB: &str =
    default_hub(cfg!(any(target_os = "android", target_os = "ios")), option_env!("POSTERN_DEFAULT_HUB"));

/// Which hub a build is made for. One that names none looks for a hub on its own machine, as `postern-hub serve` starts
/// it. On a phone there never is one: such a build ends here, and not before a customer who is told that there is no
/// network.
const fn default_hub(phone: bool, named: Option<&'static str>) -> &'static str {
    match named {
        Some(named) if !named.is_empty() => named,
        _ => {
            assert!(!phone, "POSTERN_DEFAULT_HUB must name the hub that the app on a phone starts with");
            "http://localhost:8460"
        }
    }
}

/// Longest name of a device in the customer's list.
const DEVICE_NAME: usize = 64;

/// Where secrets are kept.
#[derive(Clone)]
pub enum SecretsChoice {
    /// In the platform's keyring.
    Keyring,
    /// Elsewhere: a test's keyring.
    Given(Arc<dyn Secrets>),
}

/// Everything that a host chooses.
#[derive(Clone)]
pub struct Options {
    /// Base URL of the hub where the customer names none.
    pub hub: String,
    /// What this device is called in the customer's list, at most 64 characters.
    pub device_name: String,
    /// Folder of this profile: the sealed store and its lock.
    pub folder: PathBuf,
    /// The profile's name in the keyring.
    pub account: String,
    /// The air.
    pub radio: Arc<dyn Radio>,
    /// It was asked for by name: a network for trying things out brings no other.
    pub radio_is_chosen: bool,
    /// The system browser.
    pub browser: Arc<dyn Browser>,
    /// The keyring.
    pub secrets: SecretsChoice,
    /// The device key; without it the best that the platform has (`postern_vault::hardware`).
    pub device_keys: Option<Arc<dyn DeviceKeys>>,
    /// How the browser's answer reaches the app.
    pub way_back: WayBack,
    /// Whose certificates are believed.
    pub roots: Roots,
}

/// What the environment says that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// `POSTERN_RADIO`.
    #[error("POSTERN_RADIO: {0}")]
    Radio(#[from] BadRadioName),
    /// `POSTERN_PROFILE`.
    #[error("POSTERN_PROFILE is `{0}`; it may have 1 to 32 letters, digits, `-` and `_`")]
    Profile(String),
    /// There is no home.
    #[error("this user has no folder for data; POSTERN_DATA_DIR can name one")]
    NoFolder,
    /// `POSTERN_HUB_CA` of the build.
    #[error("POSTERN_HUB_CA of this build: {0}")]
    Certificate(#[from] BadCertificate),
}

impl Options {
    /// From the environment: `POSTERN_HUB`, `POSTERN_RADIO`, `POSTERN_DATA_DIR`, `POSTERN_PROFILE`; the platform's
    /// keyring and browser.
    ///
    /// # Errors
    /// [`OptionsError`] where one of them makes no sense.
    pub fn from_env() -> Result<Self, OptionsError> {
        Self::in_folder(dirs::data_dir().map(|folder| folder.join("postern")))
    }

    /// The same, on a platform that gives each app a folder of its own and says to the app alone where it is.
    ///
    /// # Errors
    /// As [`Options::from_env`].
    pub fn in_folder(platform: Option<PathBuf>) -> Result<Self, OptionsError> {
        Self::from_lookup(|name| env::var(name).ok().filter(|value| !value.is_empty()), platform)
    }

    fn from_lookup(
        variable: impl Fn(&str) -> Option<String>,
        platform: Option<PathBuf>,
    ) -> Result<Self, OptionsError> {
        // An app of another brand on the same machine has its own data and its own secrets.
        let profile = variable("POSTERN_PROFILE")
            .or(option_env!("POSTERN_DEFAULT_PROFILE").map(Into::into))
            .unwrap_or_else(|| "default".into());
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if profile.is_empty() || profile.len() > 32 || !profile.chars().all(plain) {
            return Err(OptionsError::Profile(profile));
        }
        let data = variable("POSTERN_DATA_DIR").map(PathBuf::from);
        let folder = data.clone().or(platform.clone()).ok_or(OptionsError::NoFolder)?.join(&profile);
        // Secrets belong to their folder: a second data folder on the same machine must not touch the first one's.
        let account = match data {
            Some(data) if Some(&data) != platform.as_ref() => {
                let place = std::path::absolute(&data).unwrap_or(data);
                let digest = Sha256::digest(place.as_os_str().as_encoded_bytes());
                let digest: String = digest[..6].iter().map(|byte| format!("{byte:02x}")).collect();
                format!("{profile}-{digest}")
            }
            _ => profile,
        };
        let radio = variable("POSTERN_RADIO");
        Ok(Self {
            hub: variable("POSTERN_HUB").unwrap_or_else(|| DEFAULT_HUB.into()),
            device_name: host_name(),
            folder,
            account,
            radio: postern_radio::open(radio.as_deref().unwrap_or("ble"))?,
            radio_is_chosen: radio.is_some(),
            browser: Arc::new(SystemBrowser),
            secrets: SecretsChoice::Keyring,
            device_keys: None,
            way_back: WayBack::default(),
            roots: Roots::of_this_platform()?,
        })
    }
}

/// Host name, as people know their desktop by.
fn host_name() -> String {
    device_name(&gethostname::gethostname().to_string_lossy()).unwrap_or_else(|| "Postern".into())
}

/// What a device can be called in the customer's list; none where nothing of the name is left, or where it is what every
/// device is called.
pub fn device_name(name: &str) -> Option<String> {
    let name: String = name.chars().filter(|c| !c.is_control()).take(DEVICE_NAME).collect();
    let name = name.trim();
    (!name.is_empty() && name != "localhost").then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Result<Options, OptionsError> {
        let variable = |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        Options::from_lookup(variable, None)
    }

    #[test]
    fn another_data_folder_has_secrets_of_its_own() {
        let one = with(&[("POSTERN_DATA_DIR", "/tmp/one")]).unwrap();
        let two = with(&[("POSTERN_DATA_DIR", "/tmp/two")]).unwrap();
        assert_ne!(one.account, two.account);
        assert!(one.account.starts_with("default-"));
        assert_eq!(one.folder, PathBuf::from("/tmp/one/default"));
        assert_eq!(one.account, with(&[("POSTERN_DATA_DIR", "/tmp/one")]).unwrap().account);
    }

    #[test]
    fn a_platform_that_gives_a_folder_is_asked_for_none() {
        let options = Options::in_folder(Some("/data/user/0/app.postern".into())).unwrap();
        assert_eq!(options.folder, PathBuf::from("/data/user/0/app.postern/default"));
        assert_eq!(options.account, "default");
        assert_eq!(with(&[]).err(), Some(OptionsError::NoFolder));
    }

    #[test]
    fn a_desktop_without_a_hub_of_its_own_looks_on_its_machine_and_a_phone_is_not_built() {
        assert_eq!(default_hub(false, None), "http://localhost:8460");
        assert_eq!(default_hub(false, Some("")), "http://localhost:8460");
        assert_eq!(default_hub(true, Some("https://hub.example")), "https://hub.example");
        for none in [None, Some("")] {
            assert!(std::panic::catch_unwind(|| default_hub(true, none)).is_err());
        }
    }

    #[test]
    fn a_device_is_called_what_tells_it_from_another() {
        assert_eq!(device_name(" Ada's Pixel\n").as_deref(), Some("Ada's Pixel"));
        for nothing in ["", "  ", "\u{7}", "localhost"] {
            assert_eq!(device_name(nothing), None);
        }
        assert_eq!(device_name(&"x".repeat(100)).map(|name| name.len()), Some(64));
    }

    #[test]
    fn nonsense_is_named() {
        for profile in ["../x", "a b", &"x".repeat(33)] {
            let error = with(&[("POSTERN_DATA_DIR", "/tmp/x"), ("POSTERN_PROFILE", profile)]).err();
            assert_eq!(error, Some(OptionsError::Profile(profile.into())));
        }
        let error = with(&[("POSTERN_DATA_DIR", "/tmp/x"), ("POSTERN_RADIO", "wifi")]).err();
        assert!(matches!(error, Some(OptionsError::Radio(_))));
    }
}
