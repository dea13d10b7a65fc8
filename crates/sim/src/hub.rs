//! What the simulator asks of a hub: to let its cabinets join, and to take a courier's word.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use postern_api::{
    account::TokenResponse,
    carrier::{Courier, CourierTokenRequest, Deposit, NewCourier, Parcel, Tasks},
    locker::LockerDescriptor,
    operator::{Provision, Provisioned},
    problem::Problem,
    sync::{ReceiptResult, ReceiptResults, ReceiptUpload, UploadedReceipt},
    token::Grants,
};
use postern_protocol::{LockerId, LockerIdentity};
use serde_json::json;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{config::CabinetConfig, customer::Phone, store};

/// An access token is not used in its last seconds.
const MARGIN: Duration = Duration::from_secs(30);

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

impl HubError {
    /// A hub that knows nothing of couriers, or has none of this carrier.
    pub(crate) fn means_no_couriers(&self) -> bool {
        matches!(self, Self::Refused { status: 403 | 404 | 405 | 501, .. })
    }

    /// The device is not signed in any more.
    pub(crate) fn means_signed_out(&self) -> bool {
        matches!(self, Self::Refused { status: 401, .. })
    }
}

/// A courier's device that is signed in.
pub struct Device {
    phone: Phone,
    access_token: Zeroizing<String>,
    refresh_token: Zeroizing<String>,
    until: Instant,
}

impl Device {
    /// Its key.
    pub fn phone(&mut self) -> &mut Phone {
        &mut self.phone
    }

    /// Whether its access token is about to end.
    #[must_use]
    pub fn expired(&self) -> bool {
        Instant::now() + MARGIN >= self.until
    }
}

/// What the hub granted for one errand of a courier.
pub struct Granted {
    /// Which door.
    pub door: u16,
    /// The token.
    pub token: Vec<u8>,
    /// News for the locker.
    pub bulletin: Option<Vec<u8>>,
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
            .timeout(Duration::from_secs(10))
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

impl Hub {
    /// Makes a courier of this carrier, and signs a new device in as them.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn enrol(&self, carrier_key: &Zeroizing<String>) -> Result<Device, HubError> {
        let no_randomness = |_| HubError::Unreachable("no randomness".to_owned());
        let mut number = [0; 8];
        getrandom::fill(&mut number).map_err(no_randomness)?;
        let phone = Phone::from_system().map_err(no_randomness)?;
        let request = self
            .client
            .post(format!("{}{}/carrier/couriers", self.base, postern_api::PREFIX))
            .bearer_auth(carrier_key.as_str())
            .header("Idempotency-Key", format!("courier-{}", hex::encode(number)))
            .json(&NewCourier { name: "Courier at the simulator".to_owned() });
        let courier: Courier = answer(request).await?;
        let code = Zeroizing::new(courier.enrolment_code.unwrap_or_default());
        let form = [("grant_type", "enrolment"), ("code", code.as_str()), ("device_name", "Simulator")];
        let token = self.token(&phone, &form).await?;
        Ok(Device {
            phone,
            access_token: Zeroizing::new(token.access_token),
            refresh_token: Zeroizing::new(token.refresh_token),
            until: Instant::now() + Duration::from_secs(token.expires_in.into()),
        })
    }

    /// Gives a device a new access token.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn renew(&self, device: &mut Device) -> Result<(), HubError> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", device.refresh_token.as_str())];
        let token = self.token(&device.phone, &form).await?;
        device.access_token = Zeroizing::new(token.access_token);
        device.refresh_token = Zeroizing::new(token.refresh_token);
        device.until = Instant::now() + Duration::from_secs(token.expires_in.into());
        Ok(())
    }

    async fn token(&self, phone: &Phone, form: &[(&str, &str)]) -> Result<TokenResponse, HubError> {
        let url = format!("{}/oauth/token", self.base);
        let proof = prove(phone, "POST", &url, None)?;
        let form: Vec<_> = form.iter().chain(&[("client_id", "postern-app")]).collect();
        answer(self.client.post(url).header("DPoP", proof).form(&form)).await
    }

    /// What lies before the couriers of a carrier.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn tasks(&self, device: &Device) -> Result<Tasks, HubError> {
        answer(self.signed(device, reqwest::Method::GET, "/courier/tasks")?).await
    }

    /// A token for one errand.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn courier_token(
        &self,
        device: &Device,
        asked: &CourierTokenRequest,
    ) -> Result<Granted, HubError> {
        let request = self.signed(device, reqwest::Method::POST, "/courier/tokens")?.json(asked);
        let grants: Grants = answer(request).await?;
        let odd = || HubError::Unreachable("an answer without a token".to_owned());
        let grant = grants.grants.into_iter().next().ok_or_else(odd)?;
        let decode = |text: &str| BASE64.decode(text).map_err(|_| odd());
        Ok(Granted {
            door: *grant.doors.first().ok_or_else(odd)?,
            token: decode(&grant.token)?,
            bulletin: grants
                .bulletins
                .iter()
                .find(|bulletin| bulletin.locker == grant.locker)
                .map(|bulletin| decode(&bulletin.bulletin))
                .transpose()?,
        })
    }

    /// Hands a locker's receipt in.
    ///
    /// # Errors
    /// See [`HubError`]; also when the hub does not accept it.
    pub async fn receipt(&self, device: &Device, locker: LockerId, receipt: &[u8]) -> Result<(), HubError> {
        let receipts = vec![UploadedReceipt { locker: locker.to_string(), receipt: BASE64.encode(receipt) }];
        let request =
            self.signed(device, reqwest::Method::POST, "/receipts")?.json(&ReceiptUpload { receipts });
        let results: ReceiptResults = answer(request).await?;
        match results.results.first() {
            Some(ReceiptResult::Accepted | ReceiptResult::Known) => Ok(()),
            other => Err(HubError::Refused { status: 200, detail: format!("receipt: {other:?}") }),
        }
    }

    fn signed(
        &self,
        device: &Device,
        method: reqwest::Method,
        path: &str,
    ) -> Result<reqwest::RequestBuilder, HubError> {
        let url = format!("{}{}{path}", self.base, postern_api::PREFIX);
        let proof = prove(&device.phone, method.as_str(), &url, Some(&device.access_token))?;
        Ok(self
            .client
            .request(method, url)
            .header("Authorization", format!("DPoP {}", device.access_token.as_str()))
            .header("DPoP", proof))
    }
}

/// Proof of possession of the device's key for one request (RFC 9449).
fn prove(phone: &Phone, method: &str, url: &str, token: Option<&str>) -> Result<String, HubError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|_| HubError::Unreachable("no randomness".to_owned()))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": BASE64.encode(phone.public()) });
    let header = json!({ "typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwk });
    let mut claims = json!({ "jti": BASE64.encode(id), "htm": method, "htu": url, "iat": now });
    if let Some(token) = token {
        claims["ath"] = BASE64.encode(Sha256::digest(token.as_bytes())).into();
    }
    let signed = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
    let signature = BASE64.encode(phone.sign(signed.as_bytes()));
    Ok(format!("{signed}.{signature}"))
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
