//! Reports of customers, with photos and answers.

use sqlx::{AnyConnection, any::AnyRow};

use super::{RowExt, Tx};
use crate::error::Result;

/// A report.
pub struct Report {
    /// Report id.
    pub id: String,
    /// When it came in.
    pub at: i64,
    /// What is wrong, as the contract writes it.
    pub kind: String,
    /// The customer's words.
    pub note: String,
    /// Where it stands, as the contract writes it.
    pub state: String,
    /// Reservation id.
    pub reservation: String,
    /// Who reported it.
    pub account: String,
    /// Its carrier.
    pub carrier: String,
    /// Its tracking number.
    pub reference: Option<String>,
    /// Site id.
    pub site: Option<String>,
    /// Locker id.
    pub locker: Option<String>,
    /// Door.
    pub door: Option<i64>,
}

/// A photo without its bytes.
pub struct Photo {
    /// Photo id.
    pub id: String,
    /// Media type.
    pub media_type: String,
    /// Bytes.
    pub size: i64,
}

/// An answer.
pub struct Answer {
    /// When.
    pub at: i64,
    /// Who, for display.
    pub author: String,
    /// The words.
    pub note: String,
}

/// Which reports are asked for; an empty text asks for all.
#[derive(Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// About parcels and returns of this carrier.
    pub carrier: &'a str,
    /// That stand so.
    pub state: &'a str,
    /// About this reservation.
    pub reservation: &'a str,
    /// About doors of this locker.
    pub locker: &'a str,
    /// Older than this.
    pub before: &'a str,
}

/// Reports with what they are about, as [`report`] reads them.
macro_rules! reports_where {
    ($condition:literal) => {
        concat!(
            "SELECT p.id, p.created_at, p.kind, p.note, p.state, p.reservation_id, p.account_id, r.carrier_id, r.reference, \
             r.site_id, r.locker_id, r.door FROM problems p JOIN reservations r ON r.id = p.reservation_id WHERE ",
            $condition
        )
    };
}

fn report(row: &AnyRow) -> Result<Report> {
    Ok(Report {
        id: row.text("id")?,
        at: row.int("created_at")?,
        kind: row.text("kind")?,
        note: row.text("note")?,
        state: row.text("state")?,
        reservation: row.text("reservation_id")?,
        account: row.text("account_id")?,
        carrier: row.text("carrier_id")?,
        reference: row.maybe_text("reference")?,
        site: row.maybe_text("site_id")?,
        locker: row.maybe_text("locker_id")?,
        door: row.maybe_int("door")?,
    })
}

/// Those that are wanted, newest first.
///
/// # Errors
/// When the database fails.
pub async fn list(on: &mut AnyConnection, wanted: Wanted<'_>, most: i64) -> Result<Vec<Report>> {
    let rows = sqlx::query(reports_where!(
        "($1 = '' OR (r.carrier_id = $1 AND r.kind <> 'storage')) AND ($2 = '' OR p.state = $2) \
         AND ($3 = '' OR p.reservation_id = $3) AND ($4 = '' OR r.locker_id = $4) \
         AND ($5 = '' OR p.id < $5) ORDER BY p.id DESC LIMIT $6"
    ))
    .bind(wanted.carrier)
    .bind(wanted.state)
    .bind(wanted.reservation)
    .bind(wanted.locker)
    .bind(wanted.before)
    .bind(most)
    .fetch_all(on)
    .await?;
    rows.iter().map(report).collect()
}

/// One report, about a parcel or return of this carrier where one is named.
///
/// # Errors
/// When the database fails.
pub async fn one(on: &mut AnyConnection, carrier: &str, id: &str) -> Result<Option<Report>> {
    let row =
        sqlx::query(reports_where!("p.id = $1 AND ($2 = '' OR (r.carrier_id = $2 AND r.kind <> 'storage'))"))
            .bind(id)
            .bind(carrier)
            .fetch_optional(on)
            .await?;
    row.as_ref().map(report).transpose()
}

/// What an account reported of a reservation, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn of_account(on: &mut AnyConnection, reservation: &str, account: &str) -> Result<Vec<Report>> {
    let rows = sqlx::query(reports_where!("p.reservation_id = $1 AND p.account_id = $2 ORDER BY p.id"))
        .bind(reservation)
        .bind(account)
        .fetch_all(on)
        .await?;
    rows.iter().map(report).collect()
}

/// The photos of a report.
///
/// # Errors
/// When the database fails.
pub async fn photos(on: &mut AnyConnection, report: &str) -> Result<Vec<Photo>> {
    let rows = sqlx::query(
        "SELECT id, media_type, CAST(LENGTH(bytes) AS BIGINT) AS size FROM photos WHERE problem_id = $1 ORDER BY id",
    )
    .bind(report)
    .fetch_all(on)
    .await?;
    let photo = |row: &AnyRow| {
        Ok(Photo { id: row.text("id")?, media_type: row.text("media_type")?, size: row.int("size")? })
    };
    rows.iter().map(photo).collect()
}

/// Media type and bytes of a photo of a report.
///
/// # Errors
/// When the database fails.
pub async fn photo(on: &mut AnyConnection, report: &str, id: &str) -> Result<Option<(String, Vec<u8>)>> {
    let row = sqlx::query("SELECT media_type, bytes FROM photos WHERE problem_id = $1 AND id = $2")
        .bind(report)
        .bind(id)
        .fetch_optional(on)
        .await?;
    row.map(|row| Ok((row.text("media_type")?, row.bytes("bytes")?))).transpose()
}

/// The answers to a report, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn answers(on: &mut AnyConnection, report: &str) -> Result<Vec<Answer>> {
    let rows =
        sqlx::query("SELECT author, note, created_at FROM report_answers WHERE problem_id = $1 ORDER BY id")
            .bind(report)
            .fetch_all(on)
            .await?;
    let answer = |row: &AnyRow| {
        Ok(Answer { at: row.int("created_at")?, author: row.text("author")?, note: row.text("note")? })
    };
    rows.iter().map(answer).collect()
}

/// Keeps an answer.
///
/// # Errors
/// When the database fails.
pub async fn keep_answer(tx: &mut Tx, id: &str, report: &str, answer: &Answer) -> Result<()> {
    sqlx::query(
        "INSERT INTO report_answers (id, problem_id, author, note, created_at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(id)
    .bind(report)
    .bind(&answer.author)
    .bind(&answer.note)
    .bind(answer.at)
    .execute(tx.on())
    .await?;
    Ok(())
}

/// Where a report stands from now on, and since when it is solved.
///
/// # Errors
/// When the database fails.
pub async fn set_state(tx: &mut Tx, report: &str, state: &str, solved_at: Option<i64>) -> Result<()> {
    sqlx::query("UPDATE problems SET state = $2, solved_at = COALESCE(solved_at, $3) WHERE id = $1")
        .bind(report)
        .bind(state)
        .bind(solved_at)
        .execute(tx.on())
        .await?;
    Ok(())
}

/// The operator need not look at the reservation any more, as long as none of its reports is unsolved.
///
/// # Errors
/// When the database fails.
pub async fn resolve_alarms(tx: &mut Tx, reservation: &str, now: i64) -> Result<()> {
    sqlx::query(
        "UPDATE alarms SET resolved_at = $2 WHERE kind = 'problem' AND reservation_id = $1 AND resolved_at IS NULL \
         AND NOT EXISTS (SELECT 1 FROM problems p WHERE p.reservation_id = $1 AND p.state <> 'solved')",
    )
    .bind(reservation)
    .bind(now)
    .execute(tx.on())
    .await?;
    Ok(())
}
