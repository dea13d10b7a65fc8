//! Reports as operator, carrier and customer read them, and the answers to them.

use postern_api::{
    account::ExportedPhoto,
    problem::Code,
    report::{NewReportAnswer, OwnReport, Report, ReportAnswer, ReportPhoto, ReportState, Reports},
    reservation::TimelineEvent,
};
use sqlx::AnyConnection;

use super::{code, doors, network::check_text, parcels::carrier_name, reservation::Reservation};
use crate::{
    error::{Error, Result, invalid},
    hub::Hub,
    random,
    store::{
        Tx,
        reports::{self as rows, Wanted},
    },
};

/// Reports of one page.
const PAGE: i64 = 100;
/// Most answers to one report, and the longest of them in characters.
const MOST_ANSWERS: usize = 20;
const LONGEST: usize = 2000;

/// Who reads and answers.
#[derive(Clone, Copy, Debug)]
pub enum Desk<'a> {
    /// The operator: everything.
    Operator,
    /// A carrier: what is about its parcels and returns.
    Carrier(&'a str),
}

impl Desk<'_> {
    const fn carrier(&self) -> &str {
        match self {
            Self::Operator => "",
            Self::Carrier(id) => id,
        }
    }
}

/// What is looked for.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Where it stands.
    pub state: Option<ReportState>,
    /// About this reservation.
    pub reservation: Option<String>,
    /// About doors of this locker.
    pub locker: Option<String>,
    /// From the last page.
    pub after: Option<String>,
}

/// Reports, newest first, a page at a time.
///
/// # Errors
/// When the database fails.
pub async fn list(hub: &Hub, desk: Desk<'_>, search: &Search) -> Result<Reports> {
    let mut on = hub.store.snapshot().await?;
    let state = search.state.as_ref().map(code::of).unwrap_or_default();
    let wanted = Wanted {
        carrier: desk.carrier(),
        state: &state,
        reservation: search.reservation.as_deref().unwrap_or_default(),
        locker: search.locker.as_deref().unwrap_or_default(),
        before: search.after.as_deref().unwrap_or_default(),
    };
    let found = rows::list(&mut on, wanted, PAGE + 1).await?;
    let is_last = found.len() as i64 <= PAGE;
    let mut reports = Vec::new();
    for row in found.into_iter().take(PAGE as usize) {
        reports.push(read(&mut on, row).await?);
    }
    let next = if is_last { None } else { reports.last().map(|last| last.id.clone()) };
    Ok(Reports { reports, next })
}

/// One report.
///
/// # Errors
/// `NotFound` where there is none that this desk may read.
pub async fn find(on: &mut AnyConnection, desk: Desk<'_>, id: &str) -> Result<Report> {
    let row = find_row(on, desk, id).await?;
    read(on, row).await
}

/// A photo.
///
/// # Errors
/// `NotFound`.
pub async fn photo(hub: &Hub, desk: Desk<'_>, report: &str, id: &str) -> Result<ExportedPhoto> {
    let mut on = hub.store.snapshot().await?;
    find_row(&mut on, desk, report).await?;
    let (media_type, bytes) = rows::photo(&mut on, report, id).await?.ok_or(Code::NotFound)?;
    Ok(ExportedPhoto { media_type, bytes: random::encode(bytes) })
}

/// Answers a report: the customer has it with the next changes.
///
/// # Errors
/// `NotFound`, `Malformed`; `LimitReached` beyond twenty answers.
pub async fn answer(
    hub: &Hub,
    tx: &mut Tx,
    desk: Desk<'_>,
    id: &str,
    new: &NewReportAnswer,
) -> Result<Report> {
    let now = hub.clock.now();
    let text = new.text.trim();
    check_text(text, LONGEST, "/text")?;
    if text.is_empty() && !new.solved {
        return Err(invalid("/text", "must not be empty"));
    }
    let row = find_row(tx.on(), desk, id).await?;
    // Of several answers at once, each counts those before it.
    let mut reservation = Reservation::lock(tx, &row.reservation).await?.ok_or(Code::NotFound)?;
    let row = find_row(tx.on(), desk, id).await?;
    if !text.is_empty() {
        if rows::answers(tx.on(), id).await?.len() >= MOST_ANSWERS {
            return Err(Code::LimitReached.into());
        }
        let author = match desk {
            Desk::Operator => hub.config.name.clone(),
            Desk::Carrier(carrier) => carrier_name(tx, carrier).await?,
        };
        // Whoever has it now knows nothing of what another reported.
        if reservation.account.as_ref() == Some(&row.account) {
            reservation.note(now, TimelineEvent::Answered, Some(&author), false);
        }
        let answer = rows::Answer { at: now, author, note: text.to_owned() };
        rows::keep_answer(tx, &random::id(), id, &answer).await?;
    }
    let solved = new.solved || row.state == code::of(&ReportState::Solved);
    let state = if solved { ReportState::Solved } else { ReportState::Answered };
    rows::set_state(tx, id, &code::of(&state), solved.then_some(now)).await?;
    if let (Desk::Operator, true) = (desk, solved) {
        rows::resolve_alarms(tx, &row.reservation, now).await?;
    }
    reservation.save(tx, now).await?;
    find(tx.on(), desk, id).await
}

/// What a customer reported of a reservation, and what came back.
///
/// # Errors
/// When the database fails.
pub async fn of_customer(on: &mut AnyConnection, reservation: &str, account: &str) -> Result<Vec<OwnReport>> {
    let mut reports = Vec::new();
    for row in rows::of_account(on, reservation, account).await? {
        let photos = rows::photos(on, &row.id).await?.len();
        reports.push(OwnReport {
            at: row.at,
            kind: row.kind,
            note: row.note,
            photos: u32::try_from(photos).unwrap_or(u32::MAX),
            state: row.state,
            answers: answers(on, &row.id).await?,
            id: row.id,
        });
    }
    Ok(reports)
}

async fn find_row(on: &mut AnyConnection, desk: Desk<'_>, id: &str) -> Result<rows::Report> {
    rows::one(on, desk.carrier(), id).await?.ok_or_else(|| Code::NotFound.into())
}

async fn answers(on: &mut AnyConnection, report: &str) -> Result<Vec<ReportAnswer>> {
    let answer = |row: rows::Answer| ReportAnswer { at: row.at, by: row.author, text: row.note };
    Ok(rows::answers(on, report).await?.into_iter().map(answer).collect())
}

async fn read(on: &mut AnyConnection, row: rows::Report) -> Result<Report> {
    let size = |size: i64| {
        u32::try_from(size).map_err(|_| Error::Internal("a stored photo is too large".to_owned()))
    };
    let photos = rows::photos(on, &row.id).await?;
    let photo =
        |one: rows::Photo| Ok(ReportPhoto { size: size(one.size)?, id: one.id, media_type: one.media_type });
    Ok(Report {
        photos: photos.into_iter().map(photo).collect::<Result<_>>()?,
        answers: answers(on, &row.id).await?,
        at: row.at,
        kind: code::parse(&row.kind)?,
        note: row.note,
        reservation: row.reservation,
        carrier: row.carrier,
        reference: row.reference,
        site: row.site,
        locker: row.locker,
        door: row.door.map(doors::number).transpose()?,
        state: code::parse(&row.state)?,
        id: row.id,
    })
}
