//! The address that a request came from.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::request::Parts,
};
use postern_api::problem::Code;

use crate::{
    error::{Error, Result},
    hub::Hub,
};

/// What counts as one caller: an IPv4 address, or an IPv6 network (/64), of which one subscriber has all addresses.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// Who calls, as [`network`] counts them.
pub struct Caller(pub String);

impl FromRequestParts<Arc<Hub>> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().ok_or(Code::Internal)?.0.ip();
        let told = hub.config.behind_proxy.then(|| forwarded(parts)).flatten();
        Ok(Self(network(told.unwrap_or(peer)).to_string()))
    }
}

/// The last entry is the proxy's own word; those before it may be the client's. Some proxies add the port.
fn forwarded(parts: &Parts) -> Option<IpAddr> {
    let last = parts.headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    let last = last.rsplit(',').next()?.trim();
    let plain = last.trim_start_matches('[').trim_end_matches(']');
    plain.parse().ok().or_else(|| last.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    #[test]
    fn one_network_of_ipv6_is_one_caller() {
        let of = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
    }

    #[test]
    fn only_the_proxys_own_word_counts() {
        let of = |entries: &[&str]| {
            let mut request = Request::builder();
            for entry in entries {
                request = request.header("x-forwarded-for", *entry);
            }
            forwarded(&request.body(()).unwrap().into_parts().0).map(|address| address.to_string())
        };
        assert_eq!(of(&["198.51.100.7, 192.0.2.1"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(of(&["198.51.100.7", "2001:db8::1"]).as_deref(), Some("2001:db8::1"));
        assert_eq!(of(&["192.0.2.1:4711"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(of(&["[2001:db8::1]:4711"]).as_deref(), Some("2001:db8::1"));
        assert_eq!(of(&["[2001:db8::1]"]).as_deref(), Some("2001:db8::1"));
        assert_eq!(of(&["unknown"]), None);
        assert_eq!(of(&[]), None);
    }
}
