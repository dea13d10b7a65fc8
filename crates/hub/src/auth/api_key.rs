//! Partners: carriers and operators, by API key (`Authorization: Bearer pk_…`).

use std::{fmt, str::FromStr, sync::Arc};

use axum::{
    extract::{FromRequestParts, MatchedPath},
    http::request::Parts,
};
use postern_api::problem::Code;
use subtle::ConstantTimeEq;

use super::customer::credential;
use crate::{
    attempt::Attempt,
    error::{Error, Result, Scheme, no_key, refuse},
    hub::Hub,
    random,
    routes::contract::named,
    store::{RowExt, Tx},
};

/// What a key may do. Written in the database and in the documents as in [`Scope::name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Announce, update, deposit, collect expired parcels.
    Parcels,
    /// Webhook endpoints and their dead letters.
    Webhooks,
    /// Lockers, sites and members.
    Network,
    /// Alarms, receipts, insight, metrics.
    Watch,
    /// Other keys.
    Keys,
}

const SCOPES: [Scope; 5] = [Scope::Parcels, Scope::Webhooks, Scope::Network, Scope::Watch, Scope::Keys];

impl Scope {
    /// As written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Parcels => "parcels",
            Self::Webhooks => "webhooks",
            Self::Network => "network",
            Self::Watch => "watch",
            Self::Keys => "keys",
        }
    }
}

impl FromStr for Scope {
    type Err = ();
    fn from_str(name: &str) -> Result<Self, ()> {
        SCOPES.into_iter().find(|scope| scope.name() == name).ok_or(())
    }
}

/// A partner behind a request.
#[derive(Clone, Debug)]
pub struct Partner {
    /// Key id.
    pub key: String,
    /// The carrier it belongs to; none for an operator's key.
    pub carrier: Option<String>,
    scopes: Vec<Scope>,
}

impl Partner {
    /// Whose idempotency keys these are.
    #[must_use]
    pub fn principal(&self) -> String {
        match &self.carrier {
            Some(carrier) => format!("carrier {carrier}"),
            None => "operator".to_owned(),
        }
    }

    /// The carrier, where the key is a carrier's and has `scope`.
    ///
    /// # Errors
    /// `Forbidden`.
    pub fn carrier(&self, scope: Scope) -> Result<&str> {
        match &self.carrier {
            Some(carrier) if self.scopes.contains(&scope) => Ok(carrier),
            _ => Err(refuse(Code::Forbidden, "needs a carrier's key with this scope")),
        }
    }

    /// Goes on where the key is an operator's and has `scope`.
    ///
    /// # Errors
    /// `Forbidden`.
    pub fn operator(&self, scope: Scope) -> Result<()> {
        if self.carrier.is_none() && self.scopes.contains(&scope) {
            Ok(())
        } else {
            Err(refuse(Code::Forbidden, "needs an operator's key with this scope"))
        }
    }
}

impl FromRequestParts<Arc<Hub>> for Partner {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self> {
        let key = credential(&parts.headers, "Bearer").ok_or_else(|| no_key(Scheme::Bearer))?;
        let refused = || no_key(Scheme::AnotherBearer);
        let (id, _) = split(key).ok_or_else(refused)?;
        let row = sqlx::query("SELECT hash, carrier_id, scopes, revoked_at FROM api_keys WHERE id = $1")
            .bind(id)
            .fetch_optional(hub.store.read())
            .await?
            .ok_or_else(refused)?;
        let known = row.text("hash")?;
        let same = bool::from(random::hash(key).as_bytes().ct_eq(known.as_bytes()));
        if !same || row.maybe_int("revoked_at")?.is_some() {
            return Err(refused());
        }
        if !Attempt::is_repeated(parts) {
            hub.partner_requests.take_of_request(id, &parts.extensions)?;
        }
        let route = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str);
        if let (Some(route), Some(query)) = (route.filter(|route| named::is_strict(route)), parts.uri.query())
        {
            named::query(parts.method.as_str(), route, query)?;
        }
        Ok(Self {
            key: id.to_owned(),
            carrier: row.maybe_text("carrier_id")?,
            scopes: row.text("scopes")?.split(' ').filter_map(|name| name.parse().ok()).collect(),
        })
    }
}

/// A key as it is handed over, once.
pub struct NewKey(String);

impl NewKey {
    /// A key with a random secret.
    #[must_use]
    pub fn random() -> Self {
        Self::from_parts(&random::id(), &random::secret())
    }

    /// A key from an id and a secret.
    #[must_use]
    pub fn from_parts(id: &str, secret: &str) -> Self {
        Self(format!("pk_{id}_{secret}"))
    }

    /// To hand over.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> &str {
        split(&self.0).map_or("", |(id, _)| id)
    }

    /// Keeps its hash; a key with the same id that is there already stays as it is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keep(
        &self,
        tx: &mut Tx,
        carrier: Option<&str>,
        name: &str,
        scopes: &[Scope],
        now: i64,
    ) -> Result<()> {
        let scopes: Vec<_> = scopes.iter().map(|scope| scope.name()).collect();
        sqlx::query(
            "INSERT INTO api_keys (id, hash, role, carrier_id, name, scopes, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING",
        )
        .bind(self.id())
        .bind(random::hash(&self.0))
        .bind(if carrier.is_some() { "carrier" } else { "operator" })
        .bind(carrier.map(str::to_owned))
        .bind(name)
        .bind(scopes.join(" "))
        .bind(now)
        .execute(tx.on())
        .await?;
        Ok(())
    }
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewKey({})", self.id())
    }
}

fn split(key: &str) -> Option<(&str, &str)> {
    key.strip_prefix("pk_")?.split_once('_').filter(|(id, secret)| !id.is_empty() && secret.len() >= 32)
}
