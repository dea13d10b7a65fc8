//! Sign-in (RFC 6749, 7636, 8252, 9449), the account and its devices.

use serde::{Deserialize, Serialize};

/// Where sign-in brings the customer back to on a phone: the one redirect that a hub allows besides loopback addresses
/// (RFC 8252 §7.1).
pub const PHONE_REDIRECT: &str = "postern://signed-in";

/// The app that a hub serves itself, below its base URL. Signing in there comes back to this page of the hub's own.
pub const PAGE_PATH: &str = "/app/";

/// `GET /.well-known/postern`: what a client must know of a hub before it signs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HubInfo {
    /// A stable id of this hub.
    pub hub: String,
    /// The operator's name, for display.
    pub name: String,
    /// The newest version of this contract that the hub speaks.
    pub api: u32,
    /// The oldest version that it still speaks; the same as `api` where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_min: Option<u32>,
    /// Base URL of the hub as clients should use it.
    pub issuer: String,
    /// Authorization endpoint (RFC 6749).
    pub authorization_endpoint: String,
    /// Token endpoint.
    pub token_endpoint: String,
    /// The hub's clock, UNIX seconds.
    pub now: i64,
    /// Only of a network for trying things out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_network: Option<TestNetwork>,
}

/// A network for trying things out: nothing in it is real, and its lockers hang on no wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TestNetwork {
    /// TCP port on the hub's own host at which its simulated lockers are reached instead of over Bluetooth (PROTOCOL.md, the
    /// simulator's `air`).
    pub air_port: u16,
}

impl HubInfo {
    /// Whether this version of the contract is among those that the hub speaks.
    pub fn speaks(&self, version: u32) -> bool {
        (self.api_min.unwrap_or(self.api)..=self.api).contains(&version)
    }
}

/// `GET /.well-known/oauth-authorization-server` (RFC 8414): the endpoints and what they take, for any client of OAuth 2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServerMetadata {
    /// Base URL of the hub.
    pub issuer: String,
    /// RFC 6749 §3.1.
    pub authorization_endpoint: String,
    /// RFC 6749 §3.2.
    pub token_endpoint: String,
    /// RFC 7009.
    pub revocation_endpoint: String,
    /// The interface, for people.
    pub service_documentation: String,
    /// `code`.
    pub response_types_supported: Vec<String>,
    /// `query`.
    pub response_modes_supported: Vec<String>,
    /// `authorization_code`, `refresh_token`, and `enrolment` for couriers.
    pub grant_types_supported: Vec<String>,
    /// `S256` (RFC 7636).
    pub code_challenge_methods_supported: Vec<String>,
    /// `none`: the client is public, and its device proves itself by DPoP.
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// `EdDSA` and `ES256` (RFC 9449 §5.1).
    pub dpop_signing_alg_values_supported: Vec<String>,
    /// `iss` is in each answer of the authorization endpoint (RFC 9207).
    pub authorization_response_iss_parameter_supported: bool,
}

/// `POST /oauth/token`, `application/x-www-form-urlencoded`, with a `DPoP` header (RFC 9449).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "grant_type", rename_all = "snake_case")]
pub enum TokenRequest {
    /// RFC 6749 §4.1.3 with RFC 7636.
    AuthorizationCode {
        /// The code from the redirect.
        code: String,
        /// The same as in the authorization request.
        redirect_uri: String,
        /// Always `postern-app`.
        client_id: String,
        /// RFC 7636 verifier.
        code_verifier: String,
        /// What the device is to be called in the list of devices, 1 to 64 characters; the hub makes a name up when
        /// absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device_name: Option<String>,
    },
    /// A courier's device takes up the enrolment code that its carrier made.
    Enrolment {
        /// The code.
        code: String,
        /// Always `postern-app`.
        client_id: String,
        /// As for customers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device_name: Option<String>,
    },
    /// RFC 6749 §6; the refresh token is used up by this.
    RefreshToken {
        /// The newest refresh token.
        refresh_token: String,
        /// Always `postern-app`.
        client_id: String,
    },
}

/// `POST /oauth/revoke` (RFC 7009), `application/x-www-form-urlencoded`, with a `DPoP` header by the device key: the
/// device signs itself out, and what it could open ends. Always 200 for a token that is not (or no longer) good.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RevocationRequest {
    /// The newest refresh token.
    pub token: String,
    /// Always `postern-app`.
    pub client_id: String,
}

/// The answer of the token endpoint.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenResponse {
    /// Opaque; sent as `Authorization: DPoP …`.
    pub access_token: String,
    /// Always `DPoP`.
    pub token_type: String,
    /// Seconds that the access token lives.
    pub expires_in: u32,
    /// Replaces the one before.
    pub refresh_token: String,
}

/// The error body of the token endpoint (RFC 6749 §5.2), which is not a problem document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OAuthError {
    /// `invalid_grant`, `invalid_request`, `invalid_dpop_proof`, ...
    pub error: String,
    /// English, for engineers. `device_revoked` exactly where the grant was invalid because the owner or the operator
    /// removed the device: the client wipes itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_description: Option<String>,
}

/// `GET /v1/me`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Account {
    /// Account id.
    pub id: String,
    /// The name that the customer gave at registration.
    pub display_name: String,
    /// A guest by claim link has no passkey and sees one reservation only.
    pub guest: bool,
    /// This device among `devices`.
    pub device_id: String,
    /// All devices signed in.
    pub devices: Vec<Device>,
    /// Doors that the customer can reach.
    pub prefers_low_doors: bool,
    /// The customer number, as it is printed (`482 915 0636`): what shops, carriers and landlords are given. Guests and
    /// couriers have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// The e-mail address; absent where the network sends no mail, and for guests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// Where the customer lives or works.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub homes: Vec<crate::resident::Home>,
}

/// An account's e-mail address. Carriers may announce to one that is confirmed.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Email {
    /// Confirmed: the customer reads mail there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// A code was sent there, and is to be given to `POST /v1/me/email/confirm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<String>,
    /// What became of the letter with the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
}

/// What became of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Delivery {
    /// About to be sent.
    Queued,
    /// The mail server did not take it; the hub tries again by itself.
    Delayed,
    /// The mail server took it.
    Sent,
    /// No mail arrives at that address.
    Refused,
    /// The hub tried for as long as it made sense.
    GivenUp,
    /// Something newer than this client.
    #[serde(other)]
    Unknown,
}

/// `POST /v1/me/email`: a code is sent there. The address of before stays until it is confirmed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewEmail {
    /// The address.
    pub email: String,
    /// The language of letters: `en`, `de`, `pl`, `uk`; the operator's where it is absent or another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// `POST /v1/me/email/confirm`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EmailCode {
    /// The code of the letter; spaces do not count. Secret.
    pub code: String,
}

/// `GET /v1/me/deletion`: what deleting the account would mean now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Deletion {
    /// Reservations that stand in the way: compartments to give back, returns to cancel.
    pub hindered_by: Vec<String>,
    /// Parcels under way or in a locker, which would lose their recipient and go back to the sender.
    pub parcels: Vec<String>,
}

/// One signed-in device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Device {
    /// Device id.
    pub id: String,
    /// Name given by the customer.
    pub name: String,
    /// When it signed in.
    pub created_at: i64,
    /// When it was last heard of, to the hour.
    pub last_seen_at: i64,
}

/// `PATCH /v1/me` and `PATCH /v1/devices/{id}`: fields left out stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
// The change feed's answer has the same name; in the document there is one list of names.
#[cfg_attr(feature = "openapi", schema(as = AccountChanges))]
pub struct Changes {
    /// A new name, 1 to 64 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Doors that the customer can reach (account only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefers_low_doors: Option<bool>,
}

/// `GET /v1/passkeys`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Passkeys {
    /// All ways into the account.
    pub passkeys: Vec<Passkey>,
    /// Recovery codes that were not used yet.
    pub recovery_codes_left: u32,
}

/// One passkey. Another is added in the browser: `GET /authorize` with `add_passkey=true` besides the usual parameters.
/// The customer confirms with a passkey they have, makes another, and comes back signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Passkey {
    /// Passkey id.
    pub id: String,
    /// Given by the customer or the hub.
    pub name: String,
    /// When it was made.
    pub created_at: i64,
    /// When it was last used.
    pub last_used_at: i64,
}

/// `POST /v1/recovery-codes`: new codes; the old ones end.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecoveryCodes {
    /// Each is good for one new passkey. Secret; shown once.
    pub codes: Vec<String>,
}

/// `GET /v1/me/export`: everything that the hub keeps of the account, for its owner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Export {
    /// The account and its devices.
    pub account: Account,
    /// Passkeys, without their keys.
    pub passkeys: Vec<Passkey>,
    /// Reservations, ended ones included.
    pub reservations: Vec<crate::reservation::Reservation>,
    /// Receipts of these reservations.
    pub receipts: Vec<crate::sync::UploadedReceipt>,
    /// Problems that were reported, with the number of photos.
    pub problems: Vec<ExportedProblem>,
    /// When this was put together.
    pub at: i64,
}

/// A problem as the hub keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExportedProblem {
    /// Reservation id.
    pub reservation: String,
    /// What kind.
    pub kind: crate::reservation::ProblemKind,
    /// In the customer's words.
    pub note: String,
    /// How many photos.
    pub photos: u32,
    /// The photos, without position and other metadata, as they are kept.
    #[serde(default)]
    pub pictures: Vec<ExportedPhoto>,
    /// When.
    pub at: i64,
}

/// A photo of a report.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExportedPhoto {
    /// `image/jpeg` or `image/png`.
    pub media_type: String,
    /// Base64url.
    pub bytes: String,
}

impl core::fmt::Debug for ExportedPhoto {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ExportedPhoto").field("media_type", &self.media_type).finish_non_exhaustive()
    }
}

impl core::fmt::Debug for Email {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Email").field("delivery", &self.delivery).finish_non_exhaustive()
    }
}

impl core::fmt::Debug for NewEmail {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("NewEmail").finish_non_exhaustive()
    }
}

impl core::fmt::Debug for EmailCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("EmailCode").finish_non_exhaustive()
    }
}

impl core::fmt::Debug for RecoveryCodes {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RecoveryCodes").finish_non_exhaustive()
    }
}

impl core::fmt::Debug for RevocationRequest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RevocationRequest").finish_non_exhaustive()
    }
}

impl core::fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::AuthorizationCode { .. } => "AuthorizationCode(..)",
            Self::Enrolment { .. } => "Enrolment(..)",
            Self::RefreshToken { .. } => "RefreshToken(..)",
        })
    }
}

impl core::fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TokenResponse").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}
