//! Invitations to flats: made by the operator, followed by whoever has the code. Who is not let in learns nothing of why.

use postern_api::{
    problem::Code,
    resident::{
        HomeInvitation, InvitationEntry, InvitationMade, InvitationState, Invitations, NewInvitation,
    },
};
use postern_rules::{
    invitation::{self, Fault, MOST_DAYS, MOST_PEOPLE, USUAL_DAYS},
    recipient::Email,
};
use sqlx::{AnyConnection, any::AnyRow};

use super::homes::{self, By, Flat};
use crate::{
    error::{Error, Result, refuse},
    hub::Hub,
    mail::{self, Letter},
    random,
    signin::tidy_name,
    store::{
        RowExt, Tx,
        letters::{self, About},
    },
};

/// Most flats of one request.
pub const MOST: usize = 500;
/// Entries of a page.
const PAGE: i64 = 200;
const DAY: i64 = 86_400;

/// An invitation as it was asked for, and found to be sound.
#[derive(Clone, Debug)]
pub struct Sound {
    /// Flat or department.
    pub unit: String,
    /// Where the link is mailed.
    pub email: Option<Email>,
    /// How many may follow it.
    pub people: u32,
    /// UNIX seconds.
    pub until: i64,
}

/// What is not as it should be: the field, and why.
pub type Unsound = (&'static str, &'static str);

impl Sound {
    /// What was asked for, where it can be done.
    ///
    /// # Errors
    /// What is wrong.
    pub fn read(new: &NewInvitation, now: i64) -> Result<Self, Unsound> {
        let unit = tidy_name(&new.unit).ok_or(("unit", "1 to 64 characters"))?;
        let email = new.email.as_deref().filter(|email| !email.trim().is_empty());
        let email = email.map(Email::read).transpose().map_err(|why| ("email", why))?;
        let people = new.people.unwrap_or(1);
        if !(1..=MOST_PEOPLE).contains(&people) {
            return Err(("people", "1 to 20"));
        }
        let until = new.until.unwrap_or(now + USUAL_DAYS * DAY);
        if until <= now || until > now + MOST_DAYS * DAY {
            return Err(("until", "after now, and within a year"));
        }
        Ok(Self { unit, email, people, until })
    }
}

/// What is kept of a code: a hash that nobody can try without the master key.
fn kept_of(hub: &Hub, code: &str) -> String {
    random::encode(hub.secrets.mac("invitation code", code.as_bytes()))
}

fn draw() -> Result<String> {
    invitation::of(&random::bytes::<64>()).ok_or_else(|| Error::Internal("no code was drawn".to_owned()))
}

/// The link with this code.
#[must_use]
pub fn link(hub: &Hub, code: &str) -> String {
    format!("{}/home/{}", hub.public_url(), invitation::grouped(code))
}

/// Name and address of a site.
async fn site(on: &mut AnyConnection, site: &str) -> Result<(String, String)> {
    let row = sqlx::query("SELECT name, address FROM sites WHERE id = $1 AND gone_at IS NULL")
        .bind(site)
        .fetch_optional(on)
        .await?
        .ok_or_else(|| refuse(Code::NotFound, "no such site"))?;
    Ok((row.text("name")?, row.text("address")?))
}

/// Makes an invitation to each of these flats, and queues the letters.
///
/// # Errors
/// `NotFound` where there is no such site.
pub async fn make(
    hub: &Hub,
    tx: &mut Tx,
    site_id: &str,
    wanted: &[Sound],
    language: Option<&str>,
) -> Result<Vec<InvitationMade>> {
    let now = hub.clock.now();
    let (name, address) = site(tx.on(), site_id).await?;
    let language = mail::languages().find(|known| Some(*known) == language);
    let mut made = Vec::new();
    for one in wanted {
        let (id, code) = (random::id(), draw()?);
        sqlx::query(
            "INSERT INTO invitations (id, site_id, unit, code_hash, people, until_at, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(&id)
        .bind(site_id)
        .bind(&one.unit)
        .bind(kept_of(hub, &code))
        .bind(i64::from(one.people))
        .bind(one.until)
        .bind(now)
        .execute(tx.on())
        .await?;
        let (link, grouped) = (link(hub, &code), invitation::grouped(&code));
        let mut mailed = false;
        if let (Some(email), Some(mail)) = (&one.email, &hub.config.mail)
            && hub.letters.take(&format!("home {}", email.key())).is_ok()
        {
            let letter =
                Letter::Home { site: (&name, &address), unit: &one.unit, link: &link, code: &grouped };
            let language = language.unwrap_or(mail.language.as_str());
            mail::queue(hub, tx, (email, language), About::Invitation(&id), letter).await?;
            mailed = true;
        }
        let (unit, people, until) = (one.unit.clone(), one.people, one.until);
        made.push(InvitationMade { id, unit, people, until, code: grouped, link, mailed });
    }
    Ok(made)
}

fn state(row: &AnyRow, now: i64) -> Result<InvitationState> {
    Ok(if row.maybe_int("withdrawn_at")?.is_some() {
        InvitationState::Withdrawn
    } else if row.int("used")? >= row.int("people")? {
        InvitationState::Used
    } else if row.int("until_at")? <= now {
        InvitationState::Ended
    } else {
        InvitationState::Open
    })
}

/// A page of a site's invitations.
///
/// # Errors
/// `NotFound` where there is no such site.
pub async fn list(hub: &Hub, site_id: &str, after: Option<&str>) -> Result<Invitations> {
    let mut on = hub.store.snapshot().await?;
    site(&mut on, site_id).await?;
    let rows = sqlx::query(
        "SELECT id, unit, people, used, until_at, withdrawn_at, created_at FROM invitations \
         WHERE site_id = $1 AND id > $2 ORDER BY id LIMIT $3",
    )
    .bind(site_id)
    .bind(after.unwrap_or_default())
    .bind(PAGE + 1)
    .fetch_all(&mut *on)
    .await?;
    let mut invitations = Vec::new();
    for row in rows.iter().take(PAGE as usize) {
        let count = |name| row.int(name).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        let id = row.text("id")?;
        let letter = letters::standing(&mut on, About::Invitation(&id)).await?.as_ref().map(mail::delivery);
        invitations.push(InvitationEntry {
            unit: row.text("unit")?,
            people: count("people")?,
            joined: count("used")?,
            until: row.int("until_at")?,
            state: state(row, hub.clock.now())?.into(),
            letter,
            created_at: row.int("created_at")?,
            id,
        });
    }
    let more = rows.len() as i64 > PAGE;
    let next = invitations.last().filter(|_| more).map(|last| last.id.clone());
    Ok(Invitations { invitations, next })
}

/// Takes an invitation back: nobody follows it any more, and its letter is not sent where it still waits. Whoever lives there
/// already stays.
///
/// # Errors
/// `NotFound`.
pub async fn withdraw(tx: &mut Tx, site_id: &str, id: &str, now: i64) -> Result<()> {
    let known = sqlx::query(
        "UPDATE invitations SET withdrawn_at = COALESCE(withdrawn_at, $1) WHERE id = $2 AND site_id = $3",
    )
    .bind(now)
    .bind(id)
    .bind(site_id)
    .execute(tx.on())
    .await?
    .rows_affected();
    if known == 0 {
        return Err(Code::NotFound.into());
    }
    sqlx::query("DELETE FROM letters WHERE invitation_id = $1 AND state = 'due'")
        .bind(id)
        .execute(tx.on())
        .await?;
    Ok(())
}

/// An invitation that was found by its code.
struct Found {
    id: String,
    site: String,
    unit: String,
    until: i64,
    open: bool,
}

/// The invitation with this code, whether it is still good or not.
async fn find(hub: &Hub, on: &mut AnyConnection, typed: &str) -> Result<Found> {
    let code = invitation::read(typed).map_err(|fault| match fault {
        // Says nothing of which invitations there are.
        Fault::CheckCharacter => refuse(Code::WrongCode, "a character is wrong, or two changed places"),
        Fault::Form => refuse(Code::WrongCode, "a code has twelve letters and digits"),
    })?;
    let row = sqlx::query(
        "SELECT i.id, i.site_id, i.unit, i.people, i.used, i.until_at, i.withdrawn_at FROM invitations i \
         JOIN sites s ON s.id = i.site_id AND s.gone_at IS NULL WHERE i.code_hash = $1",
    )
    .bind(kept_of(hub, &code))
    .fetch_optional(on)
    .await?
    .ok_or(Code::ClaimEnded)?;
    Ok(Found {
        id: row.text("id")?,
        site: row.text("site_id")?,
        unit: row.text("unit")?,
        until: row.int("until_at")?,
        open: state(&row, hub.clock.now())? == InvitationState::Open,
    })
}

async fn told(on: &mut AnyConnection, found: Found, joined: bool) -> Result<HomeInvitation> {
    let (name, address) = site(on, &found.site).await?;
    Ok(HomeInvitation { site: found.site, name, address, unit: found.unit, until: found.until, joined })
}

/// What an invitation is to, for anybody with its link. Looking uses nothing up.
///
/// # Errors
/// `ClaimEnded` where there is none, or it is not good any more; `WrongCode` where the code is none.
pub async fn look(hub: &Hub, typed: &str) -> Result<HomeInvitation> {
    let mut on = hub.store.read().acquire().await?;
    let found = find(hub, &mut on, typed).await?;
    if !found.open {
        return Err(Code::ClaimEnded.into());
    }
    told(&mut on, found, false).await
}

/// The same for a customer, who is shown it as well where they have followed it already.
///
/// # Errors
/// As [`look`].
pub async fn look_as(hub: &Hub, account: &str, typed: &str) -> Result<HomeInvitation> {
    let mut on = hub.store.read().acquire().await?;
    let found = find(hub, &mut on, typed).await?;
    let joined = homes::unit_of(&mut on, &found.site, account).await?.as_ref() == Some(&found.unit);
    if !found.open && !joined {
        return Err(Code::ClaimEnded.into());
    }
    told(&mut on, found, joined).await
}

/// A customer follows an invitation, or comes by it again.
///
/// # Errors
/// As [`look`]; `WrongState` where they live in another flat of the site.
pub async fn follow(hub: &Hub, tx: &mut Tx, account: &str, typed: &str) -> Result<HomeInvitation> {
    let now = hub.clock.now();
    let found = find(hub, tx.on(), typed).await?;
    let flat = Flat { site: &found.site, unit: &found.unit };
    if homes::unit_of(tx.on(), flat.site, account).await?.as_deref() != Some(flat.unit) {
        // Of several at once, no more are let in than it is for.
        let taken = sqlx::query(
            "UPDATE invitations SET used = used + 1 WHERE id = $1 AND used < people AND withdrawn_at IS NULL \
             AND until_at > $2",
        )
        .bind(&found.id)
        .bind(now)
        .execute(tx.on())
        .await?
        .rows_affected();
        if taken == 0 {
            return Err(Code::ClaimEnded.into());
        }
        homes::join(tx, flat, account, By::Resident, now).await?;
    }
    told(tx.on(), found, true).await
}
