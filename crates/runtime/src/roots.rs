//! Whose certificates are believed.
//!
//! Desktops and iPhones ask the platform, which knows what its owner added and took away. Android's is reached through
//! Java classes that must be in the package and introduced at the start; where they are not, the first request panics,
//! on a phone and nowhere else. So the app for Android carries Mozilla's roots along, and the operator's own where a
//! build names one. The same code runs on every platform for whoever chooses it, and is tested there.

use std::sync::Arc;

use reqwest::ClientBuilder;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, pem::PemObject as _},
};

/// What a server's certificate must lead to.
#[derive(Clone, Debug)]
pub enum Roots {
    /// Whatever the platform believes. There is no such choice on Android.
    #[cfg(not(target_os = "android"))]
    Platform,
    /// Mozilla's list, as of the build, and these.
    Carried {
        /// Certificates of an operator's own authority, DER.
        own: Vec<CertificateDer<'static>>,
    },
}

/// The text is no list of certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no certificate in PEM in it, or one that cannot be read")]
pub struct BadCertificate;

impl Roots {
    /// What this platform uses. A build for Android may name an operator's own authority in `POSTERN_HUB_CA`: its
    /// certificates in PEM, which the app then believes beside Mozilla's.
    ///
    /// # Errors
    /// [`BadCertificate`] where that text is none.
    pub fn of_this_platform() -> Result<Self, BadCertificate> {
        #[cfg(target_os = "android")]
        return Self::carried(option_env!("POSTERN_HUB_CA"));
        #[cfg(not(target_os = "android"))]
        Ok(Self::Platform)
    }

    /// Mozilla's, and those of `own` in PEM. Empty text names none.
    ///
    /// # Errors
    /// [`BadCertificate`].
    pub fn carried(own: Option<&str>) -> Result<Self, BadCertificate> {
        let Some(pem) = own.map(str::trim).filter(|pem| !pem.is_empty()) else {
            return Ok(Self::Carried { own: Vec::new() });
        };
        let own: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|_| BadCertificate)?;
        let mut store = RootCertStore::empty();
        let (good, bad) = store.add_parsable_certificates(own.iter().cloned());
        if good == 0 || bad > 0 { Err(BadCertificate) } else { Ok(Self::Carried { own }) }
    }

    /// Has the client believe these.
    pub(crate) fn trusted_by(&self, builder: ClientBuilder) -> Result<ClientBuilder, rustls::Error> {
        // Whoever came first chose; ring is the only provider that this workspace builds.
        let _ = ring::default_provider().install_default();
        let own = match self {
            #[cfg(not(target_os = "android"))]
            Self::Platform => return Ok(builder),
            Self::Carried { own } => own,
        };
        let mut store = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
        store.add_parsable_certificates(own.iter().cloned());
        let provider =
            CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(ring::default_provider()));
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(store)
            .with_no_client_auth();
        // reqwest says this itself only where it makes the configuration.
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(builder.tls_backend_preconfigured(tls))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_no_certificate_is_refused() {
        for bad in ["hub.example", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert_eq!(Roots::carried(Some(bad)).err(), Some(BadCertificate), "{bad}");
        }
        for none in [None, Some(""), Some(" \n")] {
            assert!(matches!(Roots::carried(none), Ok(Roots::Carried { own }) if own.is_empty()));
        }
    }
}
