//! Problems that customers report. What becomes of them: [`super::reports`].

use postern_api::{
    problem::Code,
    reservation::{NewProblem, ProblemKind, TimelineEvent},
};

use super::{
    alarms::{self, Alarm},
    code, doors,
    network::check_text,
    photos,
    reservation::Reservation,
    webhooks,
};
use crate::{
    error::{Result, invalid, refuse},
    hub::Hub,
    random,
    store::{RowExt, Tx},
};

/// Most photos of one report, and most reports of one reservation.
const MOST_PHOTOS: usize = 4;
const MOST_REPORTS: i64 = 10;

/// Takes a report in, without anything that photos carry besides the picture.
///
/// # Errors
/// `Malformed`, `TooLarge`, `LimitReached`.
pub async fn report(
    hub: &Hub,
    tx: &mut Tx,
    account: &str,
    reservation: &mut Reservation,
    new: &NewProblem,
) -> Result<()> {
    let now = hub.clock.now();
    check_text(&new.note, 2000, "/note")?;
    if new.photos.len() > MOST_PHOTOS {
        return Err(invalid("/photos", "at most four"));
    }
    let mut pictures = Vec::new();
    for photo in &new.photos {
        let bytes = random::decode(photo).ok_or_else(|| invalid("/photos", "base64url"))?;
        if bytes.len() > photos::LARGEST {
            return Err(refuse(Code::TooLarge, "a photo is at most 2 MiB"));
        }
        pictures.push(photos::strip(&bytes).ok_or_else(|| invalid("/photos", "JPEG or PNG"))?);
    }
    let reports = sqlx::query("SELECT COUNT(*) AS reports FROM problems WHERE reservation_id = $1")
        .bind(&reservation.id)
        .fetch_one(tx.on())
        .await?
        .int("reports")?;
    if reports >= MOST_REPORTS {
        return Err(Code::LimitReached.into());
    }
    let id = random::id();
    sqlx::query(
        "INSERT INTO problems (id, reservation_id, account_id, kind, note, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&id)
    .bind(&reservation.id)
    .bind(account)
    .bind(code::of(&new.kind))
    .bind(&new.note)
    .bind(now)
    .execute(tx.on())
    .await?;
    for (media_type, bytes) in pictures {
        sqlx::query("INSERT INTO photos (id, problem_id, media_type, bytes) VALUES ($1, $2, $3, $4)")
            .bind(random::id())
            .bind(&id)
            .bind(media_type)
            .bind(bytes)
            .execute(tx.on())
            .await?;
    }
    // A compartment that nobody should get next is taken out of service; it comes back when somebody has looked. Where it is
    // somebody else's by now, or would be more than one account may have taken out, somebody looks all the same.
    let unusable =
        matches!(new.kind, ProblemKind::DoorStuck | ProblemKind::WrongContents | ProblemKind::Unusable);
    let out = unusable && doors::report(tx, reservation, account).await?;
    let kept = if unusable && !out { "; the door stays in service" } else { "" };
    let reason = format!("a customer reported: {}{kept}", code::of(&new.kind));
    let alarm = Alarm {
        kind: "problem",
        locker: reservation.locker.as_deref(),
        door: reservation.door,
        reservation: Some(&reservation.id),
        reason: &reason,
        repaired: false,
    };
    alarms::raise(tx, alarm, now).await?;
    webhooks::tell_of_report(tx, reservation, &id, now).await?;
    reservation.note(now, TimelineEvent::Reported, Some("you"), false);
    reservation.save(tx, now).await
}
