//! Accounts: a name and the keys that open it.

use postern_api::{
    account::Deletion,
    problem::Code,
    reservation::{Kind, State},
};
use postern_rules::deletion::{Fate, fate};
use sqlx::AnyConnection;
use webauthn_rs::prelude::{Passkey, Uuid};

use super::{code, doors, ending, homes, reservation::Reservation, sweep};
use crate::{
    error::{Error, Result, refuse},
    random,
    store::{RowExt, Tx, accounts, claims},
};

/// A new account, with a customer number; its id.
///
/// # Errors
/// When the database fails.
pub async fn create(tx: &mut Tx, handle: Uuid, name: &str, now: i64) -> Result<String> {
    let id = create_without_number(tx, handle, name, now).await?;
    accounts::give_number(tx.on(), &id).await?;
    Ok(id)
}

async fn create_without_number(tx: &mut Tx, handle: Uuid, name: &str, now: i64) -> Result<String> {
    let id = random::id();
    sqlx::query("INSERT INTO accounts (id, handle, display_name, created_at) VALUES ($1, $2, $3, $4)")
        .bind(&id)
        .bind(handle.to_string())
        .bind(name)
        .bind(now)
        .execute(tx.on())
        .await?;
    Ok(id)
}

/// An account for someone who came by a claim link.
///
/// # Errors
/// When the database fails.
pub async fn create_guest(tx: &mut Tx, now: i64) -> Result<String> {
    let id = create_without_number(tx, Uuid::new_v4(), "Guest", now).await?;
    sqlx::query("UPDATE accounts SET guest = 1 WHERE id = $1").bind(&id).execute(tx.on()).await?;
    Ok(id)
}

/// The share that a guest came by; none for an account of one's own.
///
/// # Errors
/// When the database fails.
pub async fn share_of_guest(tx: &mut Tx, account: &str) -> Result<Option<String>> {
    let row = sqlx::query(
        "SELECT s.id FROM shares s JOIN accounts a ON a.id = s.account_id WHERE a.id = $1 AND a.guest = 1",
    )
    .bind(account)
    .fetch_optional(tx.on())
    .await?;
    row.map(|row| row.text("id")).transpose()
}

/// Characters of a recovery code, in groups of four: 80 bits without letters that are mistaken for others.
const RECOVERY_GROUPS: usize = 4;
/// How many codes are made at once.
pub const RECOVERY_CODES: usize = 8;

/// New recovery codes; the old ones end.
///
/// # Errors
/// When the database fails.
pub async fn new_recovery_codes(tx: &mut Tx, account: &str, now: i64) -> Result<Vec<String>> {
    const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    sqlx::query("DELETE FROM recovery_codes WHERE account_id = $1").bind(account).execute(tx.on()).await?;
    let mut codes = Vec::new();
    for _ in 0..RECOVERY_CODES {
        let letters = random::bytes::<{ 4 * RECOVERY_GROUPS }>()
            .map(|byte| char::from(LETTERS[usize::from(byte & 31)]));
        let code =
            letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-");
        sqlx::query("INSERT INTO recovery_codes (hash, account_id, created_at) VALUES ($1, $2, $3)")
            .bind(random::hash(&tidy_recovery_code(&code)))
            .bind(account)
            .bind(now)
            .execute(tx.on())
            .await?;
        codes.push(code);
    }
    Ok(codes)
}

/// What deleting the account would mean now.
///
/// # Errors
/// When the database fails.
pub async fn deletion(on: &mut AnyConnection, account: &str) -> Result<Deletion> {
    let rows = sqlx::query("SELECT id, kind, state FROM reservations WHERE account_id = $1 ORDER BY id")
        .bind(account)
        .fetch_all(&mut *on)
        .await?;
    let mut deletion = Deletion::default();
    for row in rows {
        let (kind, state): (Kind, State) =
            (code::parse(&row.text("kind")?)?, code::parse(&row.text("state")?)?);
        match fate(kind, state) {
            Fate::Hinders if homes::stays_with_others(on, &row.text("id")?, account).await? => {}
            Fate::Hinders => deletion.hindered_by.push(row.text("id")?),
            Fate::LosesOwner if kind == Kind::Pickup => deletion.parcels.push(row.text("id")?),
            Fate::LosesOwner | Fate::Forgotten => {}
        }
    }
    Ok(deletion)
}

/// Whether a door is kept for this reservation, or waits for the receipts of an occupancy of it.
async fn has_door(tx: &mut Tx, reservation: &str) -> Result<bool> {
    let row = sqlx::query(
        "SELECT door FROM doors WHERE reservation_id = $1 UNION ALL SELECT d.door FROM doors d JOIN occupancies o \
         ON o.locker_id = d.locker_id AND o.door = d.door AND o.epoch = d.settling_epoch WHERE o.reservation_id = $1 LIMIT 1",
    )
    .bind(reservation)
    .fetch_optional(tx.on())
    .await?;
    Ok(row.is_some())
}

/// It goes on without its owner: what they did with it, and whom they let in, is nobody else's to read.
async fn lose_owner(tx: &mut Tx, reservation: &mut Reservation, now: i64) -> Result<()> {
    reservation.account = None;
    reservation.timeline.clear();
    reservation.save(tx, now).await?;
    sqlx::query("UPDATE shares SET name = '–' WHERE reservation_id = $1")
        .bind(&reservation.id)
        .execute(tx.on())
        .await?;
    Ok(())
}

/// Parcels that this guest collects by a carrier's link, and that nobody owns: the link is good again. For a guest whose last
/// device is signed out, too, who has no other way back.
///
/// # Errors
/// When the database fails.
pub async fn leave_parcels(tx: &mut Tx, account: &str) -> Result<()> {
    let rows = sqlx::query(
        "SELECT s.id, s.reservation_id, s.claim_hash FROM shares s JOIN reservations r ON r.id = s.reservation_id \
         WHERE s.account_id = $1 AND s.state <> 'ended' AND r.account_id IS NULL AND r.claim_hash IS NULL \
         AND r.state IN ('announced', 'in_transit', 'ready', 'opened', 'expired') ORDER BY s.id",
    )
    .bind(account)
    .fetch_all(tx.on())
    .await?;
    for row in rows {
        let (share, hash) = (row.text("id")?, row.text("claim_hash")?);
        sqlx::query("UPDATE shares SET claim_hash = $1, state = 'ended' WHERE id = $2")
            .bind(format!("left {share}"))
            .bind(&share)
            .execute(tx.on())
            .await?;
        claims::make(tx.on(), &row.text("reservation_id")?, &hash).await?;
    }
    Ok(())
}

async fn reservations(tx: &mut Tx, account: &str) -> Result<Vec<String>> {
    let rows = sqlx::query("SELECT id FROM reservations WHERE account_id = $1 ORDER BY id")
        .bind(account)
        .fetch_all(tx.on())
        .await?;
    rows.iter().map(|row| row.text("id")).collect()
}

/// Deletes an account with everything that is only its own. What a carrier still has in a locker loses its recipient.
///
/// # Errors
/// `WrongState` while the account holds compartments: they are given back first.
pub async fn delete(tx: &mut Tx, account: &str, now: i64) -> Result<()> {
    // What is a flat's stays with the others, or for the next.
    homes::leave_all(tx, account, now).await?;
    // Reservations before accounts, as every change locks them.
    for id in reservations(tx, account).await? {
        Reservation::hold(tx, &id).await?;
    }
    leave_parcels(tx, account).await?;
    // What is being booked holds this row: it is waited for, and seen below.
    sqlx::query("UPDATE accounts SET feed = feed WHERE id = $1").bind(account).execute(tx.on()).await?;
    for id in reservations(tx, account).await? {
        let Some(mut reservation) = Reservation::lock(tx, &id).await? else { continue };
        match fate(reservation.kind, reservation.state) {
            Fate::Hinders => {
                return Err(refuse(Code::WrongState, "give compartments back and cancel returns first"));
            }
            // A door whose receipts are still on their way is looked for by its reservation.
            Fate::Forgotten if has_door(tx, &id).await? => {
                if reservation.kind != Kind::Pickup {
                    // In the customer's own words.
                    reservation.title = "–".to_owned();
                }
                lose_owner(tx, &mut reservation, now).await?;
            }
            Fate::Forgotten => sweep::forget(tx, &id, now).await?,
            Fate::LosesOwner => {
                doors::revoke(tx, &mut reservation, now).await?;
                lose_owner(tx, &mut reservation, now).await?;
            }
        }
    }
    let devices =
        sqlx::query("SELECT id FROM sessions WHERE account_id = $1 AND revoked_at IS NULL ORDER BY id")
            .bind(account)
            .fetch_all(tx.on())
            .await?;
    for device in devices {
        ending::device(tx, &device.text("id")?, now).await?;
    }
    sqlx::query("UPDATE shares SET state = 'ended', account_id = NULL WHERE account_id = $1")
        .bind(account)
        .execute(tx.on())
        .await?;
    for sql in [
        "DELETE FROM problems WHERE account_id = $1",
        "UPDATE occupancies SET booked_by = NULL WHERE booked_by = $1",
        "UPDATE shares SET given_by = NULL WHERE given_by = $1",
        // Nobody's share any more, and still not room for others.
        "UPDATE doors SET reported_by = '' WHERE reported_by = $1",
        // What its devices held has ended by now; the slots stay given.
        "UPDATE pin_slots SET session_id = '', ended = 1 WHERE session_id IN \
         (SELECT id FROM sessions WHERE account_id = $1)",
        "UPDATE revocations SET session_id = NULL WHERE session_id IN \
         (SELECT id FROM sessions WHERE account_id = $1)",
        // Whose token it was is told by its reservation alone.
        "UPDATE grants SET account_id = '', session_id = '' WHERE account_id = $1",
        "DELETE FROM idempotency WHERE principal IN (SELECT 'session ' || id FROM sessions WHERE account_id = $1)",
    ] {
        sqlx::query(sql).bind(account).execute(tx.on()).await?;
    }
    tx.wake(account);
    tx.forget_for_good();
    // Passkeys, sessions, recovery codes, feed and memberships go with it.
    sqlx::query("DELETE FROM accounts WHERE id = $1").bind(account).execute(tx.on()).await?;
    Ok(())
}

/// Most passkeys of one account.
pub const MOST_PASSKEYS: usize = 20;

/// Adds a way in.
///
/// # Errors
/// `Unauthenticated` where this credential is registered already, for whomever.
pub async fn add_passkey(
    tx: &mut Tx,
    account: &str,
    passkey: &Passkey,
    name: &str,
    now: i64,
) -> Result<String> {
    let id = random::id();
    let credential = serde_json::to_string(passkey).map_err(|error| Error::Internal(error.to_string()))?;
    let added = sqlx::query(
        "INSERT INTO passkeys (id, account_id, credential_id, credential, name, created_at, last_used_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT (credential_id) DO NOTHING",
    )
    .bind(&id)
    .bind(account)
    .bind(random::encode(passkey.cred_id()))
    .bind(credential)
    .bind(name)
    .bind(now)
    .execute(tx.on())
    .await?
    .rows_affected();
    if added == 1 { Ok(id) } else { Err(refuse(Code::Unauthenticated, "the passkey was not accepted")) }
}

/// Recovery codes are typed by hand: case, spaces and dashes do not count.
#[must_use]
pub fn tidy_recovery_code(typed: &str) -> String {
    typed.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Uses up a recovery code, given its hash.
///
/// # Errors
/// `Unauthenticated` where it was used in the meantime.
pub async fn use_recovery_code(tx: &mut Tx, hash: &str) -> Result<()> {
    let used = sqlx::query("DELETE FROM recovery_codes WHERE hash = $1")
        .bind(hash)
        .execute(tx.on())
        .await?
        .rows_affected();
    if used == 1 { Ok(()) } else { Err(refuse(Code::Unauthenticated, "no such recovery code")) }
}

/// Whether the account has still to be given the demo's content.
///
/// # Errors
/// When the database fails.
pub async fn wants_demo(tx: &mut Tx, account: &str) -> Result<bool> {
    let row = sqlx::query("SELECT demo_given FROM accounts WHERE id = $1 AND guest = 0")
        .bind(account)
        .fetch_optional(tx.on())
        .await?;
    row.map_or(Ok(false), |row| Ok(row.int("demo_given")? == 0))
}
