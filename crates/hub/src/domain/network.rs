//! Carriers, sites and lockers.

use std::collections::BTreeSet;

use postern_api::{
    locker::{DoorInfo, LockerDescriptor, Site},
    operator::Provisioned,
    problem::Code,
};
use postern_protocol::{DeviceKey, LockerId};
use sqlx::AnyConnection;

use super::{code, doors, pins, restored};
use crate::{
    error::{Error, Result, invalid, refuse},
    hub::Hub,
    random,
    secrets::Sealer,
    store::{RowExt, Tx},
};

/// The operator itself, where a reservation is nobody else's: compartments held by residents.
pub const OPERATOR: &str = "operator";

/// Most planned closures of one site.
const MOST_CLOSURES: usize = 16;

/// Most doors of one locker.
const MOST_DOORS: usize = 1000;

/// A carrier, made or renamed.
///
/// # Errors
/// When the database fails.
pub async fn put_carrier(tx: &mut Tx, id: &str, name: &str, pickup_hours: i64, now: i64) -> Result<()> {
    sqlx::query(
        "INSERT INTO carriers (id, name, pickup_hours, created_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, pickup_hours = excluded.pickup_hours",
    )
    .bind(id)
    .bind(name)
    .bind(pickup_hours)
    .bind(now)
    .execute(tx.on())
    .await?;
    Ok(())
}

/// An id that partners choose: 1 to 64 of `a-z`, `0-9`, `-`, `_`.
///
/// # Errors
/// `Malformed` at `pointer`.
pub fn check_id(id: &str, pointer: &'static str) -> Result<()> {
    let fine = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'_';
    if (1..=64).contains(&id.len()) && id.bytes().all(fine) {
        Ok(())
    } else {
        Err(invalid(pointer, "1 to 64 of a-z, 0-9, - and _"))
    }
}

/// A text for display: at most `longest` characters, none of them a control character.
///
/// # Errors
/// `Malformed` at `pointer`.
pub fn check_text(text: &str, longest: usize, pointer: &'static str) -> Result<()> {
    if text.chars().count() <= longest && !text.chars().any(|c| c.is_control() && c != '\n') {
        Ok(())
    } else {
        Err(invalid(pointer, format!("at most {longest} characters, without control characters")))
    }
}

/// As [`check_text`], for what a list shows in one line: there must be something to be seen.
///
/// # Errors
/// `Malformed`.
pub fn check_name(text: &str, longest: usize, pointer: &'static str) -> Result<()> {
    check_text(text, longest, pointer)?;
    if text.contains(['\n', '\u{2028}', '\u{2029}']) {
        return Err(invalid(pointer, "on one line"));
    }
    if !text.chars().any(is_seen) {
        return Err(invalid(pointer, "must not be empty"));
    }
    Ok(())
}

/// Whether it can be seen: not blank (nor the blank Braille pattern), and not one of the characters that Unicode says are not
/// drawn (`Default_Ignorable_Code_Point`).
fn is_seen(c: char) -> bool {
    !c.is_whitespace()
        && !c.is_control()
        && !matches!(c,
            '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFF8}' | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Whether a site can be kept.
///
/// # Errors
/// `Malformed` where a field is out of range.
pub fn check_site(site: &Site) -> Result<()> {
    check_id(&site.id, "/id")?;
    check_name(&site.name, 120, "/name")?;
    check_text(&site.address, 240, "/address")?;
    check_text(&site.hours, 500, "/hours")?;
    check_text(&site.payment, 240, "/payment")?;
    if site.closures.len() > MOST_CLOSURES || site.closures.iter().any(|one| one.from >= one.until) {
        return Err(invalid("/closures", "at most 16, each of which ends after it begins"));
    }
    if !(-90.0..=90.0).contains(&site.latitude) {
        return Err(invalid("/latitude", "WGS 84 degrees"));
    }
    if !(-180.0..=180.0).contains(&site.longitude) {
        return Err(invalid("/longitude", "WGS 84 degrees"));
    }
    if site.access.known().is_none() {
        return Err(invalid("/access", "public, residents or workplace"));
    }
    Ok(())
}

/// A site, made or changed; one that left comes back. `source` is empty for the operator, who does not change where a site came
/// from: what is corrected by hand is told from what the source says.
///
/// # Errors
/// As [`check_site`].
pub async fn put_site(tx: &mut Tx, site: &Site, source: &str, now: i64) -> Result<()> {
    check_site(site)?;
    sqlx::query(
        "INSERT INTO sites (id, name, address, latitude, longitude, hours, always_open, access, step_free, source, \
         updated_at, payment, closures) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, address = excluded.address, \
         latitude = excluded.latitude, longitude = excluded.longitude, hours = excluded.hours, \
         always_open = excluded.always_open, access = excluded.access, step_free = excluded.step_free, \
         source = CASE WHEN excluded.source = '' THEN sites.source ELSE excluded.source END, \
         updated_at = excluded.updated_at, payment = excluded.payment, closures = excluded.closures, gone_at = NULL",
    )
    .bind(&site.id)
    .bind(&site.name)
    .bind(&site.address)
    .bind(site.latitude)
    .bind(site.longitude)
    .bind(&site.hours)
    .bind(i64::from(site.always_open))
    .bind(code::of(&site.access))
    .bind(i64::from(site.step_free))
    .bind(source)
    .bind(now)
    .bind(&site.payment)
    .bind(super::import::closures_text(site)?)
    .execute(tx.on())
    .await?;
    Ok(())
}

/// A locker joins the network, or says again what it is. Its keys never change: a locker with new keys is a new locker.
///
/// # Errors
/// `Malformed` where the descriptor is not sound, `WrongState` where the id is known with other keys.
pub async fn provision(hub: &Hub, tx: &mut Tx, descriptor: &LockerDescriptor) -> Result<Provisioned> {
    let now = hub.clock.now();
    check_descriptor(descriptor)?;
    let site = sqlx::query("SELECT id FROM sites WHERE id = $1")
        .bind(&descriptor.site)
        .fetch_optional(tx.on())
        .await?;
    if site.is_none() {
        return Err(invalid("/descriptor/site", "no such site"));
    }
    let receipt_key = random::decode(&descriptor.receipt_key).unwrap_or_default();
    let text = serde_json::to_string(descriptor).map_err(|error| Error::Internal(error.to_string()))?;
    let fresh = random::bytes::<32>();
    let sealed = hub.secrets.seal(&pins::purpose(&descriptor.id), &fresh)?;
    sqlx::query(
        "INSERT INTO lockers (id, site_id, descriptor, receipt_key, sealed_pin_secret, keypad, reopen_minutes, \
         created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING",
    )
    .bind(&descriptor.id)
    .bind(&descriptor.site)
    .bind(&text)
    .bind(receipt_key)
    .bind(sealed)
    .bind(i64::from(descriptor.keypad))
    .bind(i64::from(descriptor.reopen_minutes))
    .bind(now)
    .execute(tx.on())
    .await?;
    let row = sqlx::query("SELECT descriptor, sealed_pin_secret, retired_at FROM lockers WHERE id = $1")
        .bind(&descriptor.id)
        .fetch_one(tx.on())
        .await?;
    let known = read_descriptor(&row.text("descriptor")?)?;
    if known.static_key != descriptor.static_key || known.receipt_key != descriptor.receipt_key {
        return Err(refuse(Code::WrongState, "this locker id is known with other keys"));
    }
    if row.maybe_int("retired_at")?.is_some() {
        return Err(refuse(Code::WrongState, "this locker was decommissioned"));
    }
    sqlx::query(
        "UPDATE lockers SET site_id = $1, descriptor = $2, keypad = $3, reopen_minutes = $4, content_sensors = $5 \
         WHERE id = $6",
    )
    .bind(&descriptor.site)
    .bind(&text)
    .bind(i64::from(descriptor.keypad))
    .bind(i64::from(descriptor.reopen_minutes))
    .bind(i64::from(descriptor.content_sensors))
    .bind(&descriptor.id)
    .execute(tx.on())
    .await?;
    // One that comes back waits until the operator puts it into service.
    let before =
        sqlx::query("SELECT door FROM doors WHERE locker_id = $1 AND COALESCE(reported_by, '') <> 'gone'")
            .bind(&descriptor.id)
            .fetch_all(tx.on())
            .await?;
    let before = before.iter().map(|row| row.int("door")).collect::<Result<BTreeSet<_>>>()?;
    for door in &descriptor.doors {
        sqlx::query(
            "INSERT INTO doors (locker_id, door, site_id, label, size, reach, chilled, frozen) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (locker_id, door) DO UPDATE SET \
             site_id = excluded.site_id, label = excluded.label, size = excluded.size, reach = excluded.reach, \
             chilled = excluded.chilled, frozen = excluded.frozen, \
             reported_by = CASE WHEN doors.reported_by = 'gone' THEN NULL ELSE doors.reported_by END",
        )
        .bind(&descriptor.id)
        .bind(i64::from(door.door))
        .bind(&descriptor.site)
        .bind(&door.label)
        .bind(code::of(&door.size))
        .bind(door.reach.name())
        .bind(i64::from(door.chilled))
        .bind(i64::from(door.frozen))
        .execute(tx.on())
        .await?;
    }
    let here: BTreeSet<_> = descriptor.doors.iter().map(|door| i64::from(door.door)).collect();
    for gone in before.difference(&here) {
        doors::leave(tx, &descriptor.id, *gone).await?;
    }
    let joined: Vec<_> = here.difference(&before).copied().collect();
    restored::joined(&hub.store, tx, &descriptor.id, &joined, now).await?;
    let secret = hub.secrets.open(&pins::purpose(&descriptor.id), &row.bytes("sealed_pin_secret")?)?;
    Ok(Provisioned { issuer_keys: hub.keyring.trusted(now), pin_secret: random::encode(&*secret), now })
}

fn check_descriptor(descriptor: &LockerDescriptor) -> Result<()> {
    descriptor.id.parse::<LockerId>().map_err(|_| invalid("/descriptor/id", "16 lower-case hex digits"))?;
    check_text(&descriptor.name, 120, "/descriptor/name")?;
    let key = |text: &str| -> Option<[u8; 32]> { random::decode(text)?.try_into().ok() };
    if key(&descriptor.static_key).is_none() {
        return Err(invalid("/descriptor/static_key", "32 bytes in base64url"));
    }
    if !key(&descriptor.receipt_key).is_some_and(|key| DeviceKey::Ed25519(key).is_valid()) {
        return Err(invalid("/descriptor/receipt_key", "an Ed25519 public key in base64url"));
    }
    let known = |door: &DoorInfo| door.size.known().is_some() && door.reach.known().is_some();
    if !descriptor.doors.iter().all(known) {
        return Err(invalid("/descriptor/doors", "a size or reach that this hub does not know"));
    }
    if descriptor.doors.iter().any(|door| door.chilled && door.frozen) {
        return Err(invalid("/descriptor/doors", "a door is chilled or freezes, not both"));
    }
    if descriptor.doors.is_empty() || descriptor.doors.len() > MOST_DOORS {
        return Err(invalid("/descriptor/doors", "1 to 1000 doors"));
    }
    let mut numbers: Vec<_> = descriptor.doors.iter().map(|door| door.door).collect();
    numbers.sort_unstable();
    if numbers.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(invalid("/descriptor/doors", "a door number comes twice"));
    }
    for door in &descriptor.doors {
        check_text(&door.label, 16, "/descriptor/doors")?;
    }
    Ok(())
}

/// What a phone needs to know of a locker.
///
/// # Errors
/// When the database fails.
pub async fn descriptor(on: &mut AnyConnection, locker: &str) -> Result<Option<LockerDescriptor>> {
    let row =
        sqlx::query("SELECT descriptor FROM lockers WHERE id = $1").bind(locker).fetch_optional(on).await?;
    row.map(|row| read_descriptor(&row.text("descriptor")?)).transpose()
}

fn read_descriptor(text: &str) -> Result<LockerDescriptor> {
    serde_json::from_str(text).map_err(|_| Error::Internal("a stored locker cannot be read".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_something_to_be_seen_on_one_line() {
        for fine in ["Running shoes", "Взуття", "👟", "a\u{200D}b"] {
            assert!(check_name(fine, 120, "/title").is_ok(), "{fine:?}");
        }
        for bad in ["", "  ", "\u{FEFF}\u{200B}\u{AD}", "Shoes\nand more", "\u{3164}", "a\u{1B}[2J"] {
            assert!(check_name(bad, 120, "/title").is_err(), "{bad:?}");
        }
    }
}
