//! The proxy of the environment, for people who wonder why a hub does not answer.

use std::env;

use hyper_util::client::proxy::matcher::Matcher;

/// Variables that name one, in the order in which they are looked at.
const HTTPS: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
const HTTP: [&str; 4] = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];

/// What stands between this machine and a hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proxy {
    /// Without user name and password.
    pub(crate) url: String,
    /// The variable that names it.
    pub(crate) variable: &'static str,
}

impl Proxy {
    /// For this hub. None for one on this very machine, which no proxy is asked for.
    pub(crate) fn of_environment(hub: &str) -> Option<Self> {
        let uri = hub.parse::<http::Uri>().ok()?;
        if postern_courier::is_this_machine(hub) {
            return None;
        }
        let found = Matcher::from_env().intercept(&uri)?;
        let names = if uri.scheme_str() == Some("http") { HTTP } else { HTTPS };
        let variable = names.into_iter().find(|name| env::var_os(name).is_some())?;
        let of = found.uri();
        let scheme = of.scheme_str().unwrap_or("http");
        Some(Self { url: format!("{scheme}://{}", bare(of.authority()?.as_str())), variable })
    }
}

/// A host without who logs in there.
fn bare(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    #[test]
    fn credentials_of_a_proxy_are_not_shown() {
        assert_eq!(super::bare("ada:secret@proxy.example:3128"), "proxy.example:3128");
        assert_eq!(super::bare("proxy.example:3128"), "proxy.example:3128");
    }
}
