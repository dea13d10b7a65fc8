//! What the simulator asks of a hub: to let its cabinets join, and to take a courier's word.

use std::time::Duration;

use postern_api::{
    carrier::{Courier, Deposit, NewCourier, Parcel},
    locker::LockerDescriptor,
    operator::{Provision, Provisioned},
    sync::{ReceiptResults, ReceiptUpload, UploadedReceipt},
    token::BulletinFor,
};
pub use postern_courier::HubError;
use postern_courier::{CourierError, Device, answer, answer_if_any};
use postern_protocol::LockerIdentity;
use zeroize::Zeroizing;

use crate::{config::CabinetConfig, store};

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
        let builder = reqwest::Client::builder()
            .timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none());
        let builder = if postern_courier::is_this_machine(base) { builder.no_proxy() } else { builder };
        let client = builder.build().map_err(|error| HubError::Unreachable(error.to_string()))?;
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
        // Said anew at each start: issuer keys may have changed since, and the answer of before would bring the old ones.
        let mut once = [0; 8];
        getrandom::fill(&mut once).map_err(|error| HubError::Unreachable(error.to_string()))?;
        let idempotency = format!("provision-{}-{:016x}", descriptor.id, u64::from_be_bytes(once));
        let request = self
            .client
            .post(format!("{}{}/operator/lockers", self.base, postern_api::PREFIX))
            .bearer_auth(operator_key.as_str())
            .header("Idempotency-Key", idempotency)
            .json(&Provision { descriptor });
        answer(request).await
    }

    /// Receipts of a cabinet that has a line of its own.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn receipts(
        &self,
        operator_key: &Zeroizing<String>,
        locker: &str,
        receipts: Vec<UploadedReceipt>,
    ) -> Result<ReceiptResults, HubError> {
        let once = receipts.last().map(|last| last.receipt.clone()).unwrap_or_default();
        let once: String = once.chars().rev().filter(char::is_ascii_alphanumeric).take(32).collect();
        let request = self
            .client
            .post(format!("{}{}/operator/lockers/{locker}/receipts", self.base, postern_api::PREFIX))
            .bearer_auth(operator_key.as_str())
            .header("Idempotency-Key", format!("receipts-{}-{once}", receipts.len()))
            .json(&ReceiptUpload { receipts });
        answer(request).await
    }

    /// The newest bulletin for a cabinet; none where there is no news.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn bulletin(
        &self,
        operator_key: &Zeroizing<String>,
        locker: &str,
    ) -> Result<Option<BulletinFor>, HubError> {
        let request = self
            .client
            .get(format!("{}{}/operator/lockers/{locker}/bulletin", self.base, postern_api::PREFIX))
            .bearer_auth(operator_key.as_str());
        answer_if_any(request).await
    }

    /// The cabinet is on its line.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn heartbeat(&self, operator_key: &Zeroizing<String>, locker: &str) -> Result<(), HubError> {
        let mut number = [0; 8];
        getrandom::fill(&mut number).map_err(|error| HubError::Unreachable(error.to_string()))?;
        let request = self
            .client
            .post(format!("{}{}/operator/lockers/{locker}/heartbeat", self.base, postern_api::PREFIX))
            .bearer_auth(operator_key.as_str())
            .header("Idempotency-Key", format!("heartbeat-{}", hex::encode(number)))
            .json(&serde_json::json!({}));
        answer_if_any::<serde::de::IgnoredAny>(request).await.map(drop)
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

    /// Makes a courier of this carrier, and signs `device` in as them.
    ///
    /// # Errors
    /// See [`CourierError`].
    pub async fn enrol(
        &self,
        carrier_key: &Zeroizing<String>,
        device: &mut Device,
    ) -> Result<(), CourierError> {
        let mut number = [0; 8];
        getrandom::fill(&mut number).map_err(|error| HubError::Unreachable(error.to_string()))?;
        let request = self
            .client
            .post(format!("{}{}/carrier/couriers", self.base, postern_api::PREFIX))
            .bearer_auth(carrier_key.as_str())
            .header("Idempotency-Key", format!("courier-{}", hex::encode(number)))
            .json(&NewCourier { name: "Courier at the simulator".to_owned() });
        let courier: Courier = answer(request).await?;
        let code = Zeroizing::new(courier.enrolment_code.unwrap_or_default());
        device.sign_in(&self.base, &code, "Simulator").await
    }
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
        content_sensors: config.content_sensors,
        reopen_minutes: config.reopen_minutes,
        doors: config.doors(),
    }
}
