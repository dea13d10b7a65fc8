//! What the simulator asks of a hub: to let its cabinets join, and to take a courier's word.

use postern_api::{
    carrier::{Deposit, Parcel},
    locker::LockerDescriptor,
    operator::{Provision, Provisioned},
    problem::Problem,
};
use postern_protocol::LockerIdentity;
use zeroize::Zeroizing;

use crate::{config::CabinetConfig, store};

/// Why the hub did not do it.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// No answer.
    #[error("hub: {0}")]
    Unreachable(String),
    /// An answer that says no.
    #[error("hub answered {status}: {detail}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// In the hub's words.
        detail: String,
    },
}

/// A hub, by its base URL.
#[derive(Clone)]
pub struct Hub {
    base: String,
    client: reqwest::Client,
}

impl Hub {
    /// A client for this hub.
    ///
    /// # Errors
    /// When there is no TLS to be had.
    pub fn new(base: &str) -> Result<Self, HubError> {
        // One process, one provider: a second call finds it installed and that is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(std::time::Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| HubError::Unreachable(error.to_string()))?;
        Ok(Self { base: base.trim_end_matches('/').to_owned(), client })
    }

    /// Lets a cabinet join the network. Harmless to repeat.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn provision(
        &self,
        operator_key: &Zeroizing<String>,
        descriptor: LockerDescriptor,
    ) -> Result<Provisioned, HubError> {
        let idempotency = format!("provision-{}", descriptor.id);
        let request = self
            .client
            .post(format!("{}{}/operator/lockers", self.base, postern_api::PREFIX))
            .bearer_auth(operator_key.as_str())
            .header("Idempotency-Key", idempotency)
            .json(&Provision { descriptor });
        answer(request).await
    }

    /// A courier put a parcel in.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn deposit(
        &self,
        carrier_key: &Zeroizing<String>,
        parcel: &str,
        deposit: &Deposit,
        idempotency: &str,
    ) -> Result<Parcel, HubError> {
        let mut url =
            reqwest::Url::parse(&self.base).map_err(|error| HubError::Unreachable(error.to_string()))?;
        url.path_segments_mut()
            .map_err(|()| HubError::Unreachable("not a base URL".to_owned()))?
            .pop_if_empty()
            .extend(["v1", "carrier", "parcels", parcel, "deposit"]);
        let request = self
            .client
            .post(url)
            .bearer_auth(carrier_key.as_str())
            .header("Idempotency-Key", idempotency)
            .json(deposit);
        answer(request).await
    }
}

async fn answer<T: serde::de::DeserializeOwned>(request: reqwest::RequestBuilder) -> Result<T, HubError> {
    let unreachable = |error: reqwest::Error| HubError::Unreachable(error.without_url().to_string());
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    if status.is_success() {
        return response.json().await.map_err(unreachable);
    }
    let detail = match response.json::<Problem>().await {
        Ok(problem) => format!("{problem:?}"),
        Err(_) => status.canonical_reason().unwrap_or("no reason given").to_owned(),
    };
    Err(HubError::Refused { status: status.as_u16(), detail })
}

/// How a cabinet describes itself to its hub.
#[must_use]
pub fn descriptor(config: &CabinetConfig, identity: &LockerIdentity) -> LockerDescriptor {
    LockerDescriptor {
        id: identity.id.to_string(),
        name: config.name.clone(),
        site: config.site.clone(),
        static_key: store::encode(&identity.static_key),
        receipt_key: store::encode(&identity.receipt_key),
        scanner: config.scanner,
        keypad: config.keypad,
        reopen_minutes: config.reopen_minutes,
        doors: config.doors(),
    }
}
