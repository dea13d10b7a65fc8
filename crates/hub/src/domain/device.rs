//! Signed-in devices.

use postern_api::problem::Code;
use postern_protocol::DeviceKey;

use super::{account, ending};
use crate::{
    auth::{dpop::Proof, seen},
    error::{Error, Result},
    random,
    store::{RowExt, Tx},
};

/// Signs a device in: the session it gets is bound to its key. The same key signing in to the same account again keeps
/// its place in the list.
///
/// # Errors
/// When the database fails.
pub async fn sign_in(
    tx: &mut Tx,
    account: &str,
    name: &str,
    proof: &Proof,
    share: Option<&str>,
    now: i64,
) -> Result<String> {
    let known = sqlx::query(
        "SELECT id FROM sessions WHERE thumbprint = $1 AND account_id = $2 AND revoked_at IS NULL",
    )
    .bind(&proof.thumbprint)
    .bind(account)
    .fetch_optional(tx.on())
    .await?;
    let hour = seen::hour(now);
    if let Some(row) = known {
        let id = row.text("id")?;
        sqlx::query("DELETE FROM refresh_tokens WHERE session_id = $1").bind(&id).execute(tx.on()).await?;
        sqlx::query("UPDATE sessions SET last_seen_at = $1, share_id = $2 WHERE id = $3")
            .bind(hour)
            .bind(share.map(str::to_owned))
            .bind(&id)
            .execute(tx.on())
            .await?;
        return Ok(id);
    }
    let id = random::id();
    sqlx::query(
        "INSERT INTO sessions (id, account_id, name, thumbprint, device_key, share_id, created_at, last_seen_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(&id)
    .bind(account)
    .bind(name)
    .bind(&proof.thumbprint)
    .bind(encode_key(&proof.key))
    .bind(share.map(str::to_owned))
    .bind(now)
    .bind(hour)
    .execute(tx.on())
    .await?;
    Ok(id)
}

/// Locks the session for as long as the change lasts: whoever ends it meanwhile waits, and then ends what it was given too.
///
/// # Errors
/// `DeviceRevoked` where it has ended.
pub async fn hold(tx: &mut Tx, session: &str) -> Result<()> {
    let held =
        sqlx::query("UPDATE sessions SET last_seen_at = last_seen_at WHERE id = $1 AND revoked_at IS NULL")
            .bind(session)
            .execute(tx.on())
            .await?;
    if held.rows_affected() == 0 { Err(Code::DeviceRevoked.into()) } else { Ok(()) }
}

/// Ends a session for good, and what its device may still open: its open connections notice at once, lockers by their next
/// news. Nobody else's access ends with it.
///
/// # Errors
/// When the database fails.
pub async fn revoke(tx: &mut Tx, session: &str, now: i64) -> Result<()> {
    let row = sqlx::query(
        "UPDATE sessions SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL RETURNING account_id",
    )
    .bind(now)
    .bind(session)
    .fetch_optional(tx.on())
    .await?;
    if let Some(row) = row {
        sqlx::query("DELETE FROM refresh_tokens WHERE session_id = $1 AND used_at IS NULL")
            .bind(session)
            .execute(tx.on())
            .await?;
        let account = row.text("account_id")?;
        ending::device(tx, session, now).await?;
        if is_guest_without_devices(tx, &account).await? {
            account::leave_parcels(tx, &account).await?;
        }
        tx.wake(&account);
    }
    Ok(())
}

async fn is_guest_without_devices(tx: &mut Tx, account: &str) -> Result<bool> {
    let row = sqlx::query(
        "SELECT id FROM accounts WHERE id = $1 AND guest = 1 \
         AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.account_id = accounts.id AND s.revoked_at IS NULL)",
    )
    .bind(account)
    .fetch_optional(tx.on())
    .await?;
    Ok(row.is_some())
}

/// Bytes of a device key as the database holds them; the length tells the kind.
#[must_use]
pub fn encode_key(key: &DeviceKey) -> Vec<u8> {
    match key {
        DeviceKey::Ed25519(bytes) => bytes.to_vec(),
        DeviceKey::P256(bytes) => bytes.to_vec(),
    }
}

/// The key that [`encode_key`] wrote.
///
/// # Errors
/// When the database holds something else.
pub fn decode_key(bytes: &[u8]) -> Result<DeviceKey> {
    if let Ok(key) = bytes.try_into() {
        Ok(DeviceKey::Ed25519(key))
    } else if let Ok(key) = bytes.try_into() {
        Ok(DeviceKey::P256(key))
    } else {
        Err(Error::Internal("a stored device key has a wrong length".to_owned()))
    }
}
