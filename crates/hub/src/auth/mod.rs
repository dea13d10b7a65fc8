//! Who asks: customers' devices by DPoP-bound access tokens, partners by API keys.

pub mod api_key;
pub mod caller;
pub mod customer;
pub mod dpop;
pub mod rate;
pub mod seen;
pub mod session;
