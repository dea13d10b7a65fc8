//! What is to be mailed.

use sqlx::AnyConnection;

use super::RowExt;
use crate::error::Result;

/// Seconds that a letter under way is nobody else's: if its process dies, another sends it again.
const HELD: i64 = 120;

/// Where a letter stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// `due`, `sending`, `sent`, `refused` or `dead`.
    pub state: String,
    /// Attempts so far.
    pub attempts: i64,
}

/// A letter to be sent now.
#[derive(Debug)]
pub struct Due {
    /// Letter id.
    pub id: String,
    /// Address and text.
    pub sealed: Vec<u8>,
    /// Attempts, the one that begins included.
    pub attempts: i64,
    /// When it is of no use any more.
    pub until: i64,
}

/// About whom or what a letter is.
#[derive(Clone, Copy, Debug)]
pub enum About<'a> {
    /// A code for an account's address.
    Account(&'a str),
    /// A parcel.
    Parcel(&'a str),
    /// An invitation to a flat.
    Invitation(&'a str),
}

/// Adds a letter. Of a code that was asked for again, only the newest is sent.
///
/// # Errors
/// When the database fails.
pub async fn put(
    on: &mut AnyConnection,
    id: &str,
    about: About<'_>,
    sealed: Vec<u8>,
    (now, until): (i64, i64),
) -> Result<()> {
    let (account, parcel, invitation) = match about {
        About::Account(account) => (Some(account.to_owned()), None, None),
        About::Parcel(parcel) => (None, Some(parcel.to_owned()), None),
        About::Invitation(invitation) => (None, None, Some(invitation.to_owned())),
    };
    if let Some(account) = &account {
        sqlx::query("DELETE FROM letters WHERE account_id = $1").bind(account).execute(&mut *on).await?;
    }
    sqlx::query(
        "INSERT INTO letters (id, account_id, reservation_id, sealed, state, next_at, until_at, created_at, invitation_id) \
         VALUES ($1, $2, $3, $4, 'due', $5, $6, $5, $7)",
    )
    .bind(id)
    .bind(account)
    .bind(parcel)
    .bind(sealed)
    .bind(now)
    .bind(until)
    .bind(invitation)
    .execute(on)
    .await?;
    Ok(())
}

/// Takes the letter that has been due for longest.
///
/// # Errors
/// When the database fails.
pub async fn take_due(on: &mut AnyConnection, now: i64) -> Result<Option<Due>> {
    let row = sqlx::query(
        "UPDATE letters SET state = 'sending', next_at = $1, attempts = attempts + 1 WHERE id IN \
         (SELECT id FROM letters WHERE state IN ('due', 'sending') AND next_at <= $2 ORDER BY next_at LIMIT 1) \
         AND state IN ('due', 'sending') AND next_at <= $2 RETURNING id, sealed, attempts, until_at",
    )
    .bind(now + HELD)
    .bind(now)
    .fetch_optional(on)
    .await?;
    row.map(|row| {
        let sealed = row.maybe_bytes("sealed")?.unwrap_or_default();
        let (attempts, until) = (row.int("attempts")?, row.int("until_at")?);
        Ok(Due { id: row.text("id")?, sealed, attempts, until })
    })
    .transpose()
}

/// It is to be tried again at `at`, unless another process has settled it meanwhile.
///
/// # Errors
/// When the database fails.
pub async fn put_off(on: &mut AnyConnection, id: &str, at: i64, error: &str) -> Result<()> {
    sqlx::query(
        "UPDATE letters SET state = 'due', next_at = $1, error = $2 WHERE id = $3 AND state = 'sending'",
    )
    .bind(at)
    .bind(error)
    .bind(id)
    .execute(on)
    .await?;
    Ok(())
}

/// It was sent, refused or given up: address and text are gone. What another process has settled meanwhile stays as it is.
///
/// # Errors
/// When the database fails.
pub async fn end(on: &mut AnyConnection, id: &str, state: &str, error: &str, now: i64) -> Result<()> {
    sqlx::query(
        "UPDATE letters SET state = $1, next_at = $2, error = $3, sealed = NULL WHERE id = $4 AND state = 'sending'",
    )
    .bind(state)
    .bind(now)
    .bind(error)
    .bind(id)
    .execute(on)
    .await?;
    Ok(())
}

/// Where the letter about this stands.
///
/// # Errors
/// When the database fails.
pub async fn standing(on: &mut AnyConnection, about: About<'_>) -> Result<Option<Standing>> {
    let (column, key) = match about {
        About::Account(account) => ("SELECT state, attempts FROM letters WHERE account_id = $1", account),
        About::Parcel(parcel) => ("SELECT state, attempts FROM letters WHERE reservation_id = $1", parcel),
        About::Invitation(id) => ("SELECT state, attempts FROM letters WHERE invitation_id = $1", id),
    };
    let row = sqlx::query(column).bind(key).fetch_optional(on).await?;
    row.map(|row| Ok(Standing { state: row.text("state")?, attempts: row.int("attempts")? })).transpose()
}
