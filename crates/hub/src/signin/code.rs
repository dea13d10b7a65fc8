//! Authorization codes: single use, 60 seconds.

use super::AuthorizationRequest;
use crate::{error::Result, random, store::Tx};

/// Seconds.
const LIFE: i64 = 60;

/// A fresh code for `account`, in the transaction that let them in.
pub(super) async fn issue(
    tx: &mut Tx,
    request: &AuthorizationRequest,
    account: &str,
    device_name: &str,
    now: i64,
) -> Result<String> {
    let code = random::secret();
    sqlx::query(
        "INSERT INTO auth_codes (hash, account_id, redirect_uri, challenge, thumbprint, device_name, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(random::hash(&code))
    .bind(account)
    .bind(&request.redirect_uri)
    .bind(&request.challenge)
    .bind(request.thumbprint.clone())
    .bind(device_name)
    .bind(now + LIFE)
    .execute(tx.on())
    .await?;
    Ok(code)
}
