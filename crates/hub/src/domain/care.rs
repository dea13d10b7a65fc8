//! How a parcel has to be kept, and whether a site or a door keeps it so. The rules are in [`postern_rules::care`].

use postern_api::{
    carrier::NewParcel,
    locker::Size,
    problem::Code,
    reservation::{Care, TimelineEvent},
};
use postern_rules::care::{Climate, Keeps};

use super::{code, reservation::Reservation};
use crate::{
    error::{Error, Result, invalid, refuse},
    store::{RowExt, Tx},
};

/// Hours that a parcel may be said to keep: as long as the longest window.
const LONGEST: u32 = 720;

impl Reservation {
    /// What it needs of a door.
    #[must_use]
    pub fn climate(&self) -> Climate {
        Climate::of(self.chilled, self.frozen).unwrap_or(Climate::Frozen)
    }

    /// As everybody is shown it; none where there is nothing to say.
    #[must_use]
    pub fn care(&self) -> Option<Care> {
        let care = Care {
            chilled: self.chilled,
            frozen: self.frozen,
            fragile: self.fragile,
            keeps_hours: self.keeps.hours.and_then(|hours| u32::try_from(hours).ok()),
            keeps_until: self.keeps.until,
        };
        (care != Care::default()).then_some(care)
    }

    /// It lies in its compartment since `at`, as its locker says: from then on it keeps for so long. A locker that does not know
    /// the time may say one from before the parcel was announced.
    pub(super) fn keeps_from(&mut self, at: i64, now: i64) {
        let announced = self.timeline.iter().find(|entry| entry.event == TimelineEvent::Announced);
        let announced = announced.map_or(now, |entry| entry.at);
        self.keeps = self.keeps.put_in(if at < announced { now } else { at });
    }
}

/// Reads how it has to be kept, from its announcement.
///
/// # Errors
/// `Malformed` where that contradicts itself or is out of range.
pub fn read(parcel: &mut Reservation, new: &NewParcel) -> Result<()> {
    if Climate::of(new.chilled, new.frozen).is_none() {
        return Err(invalid("/frozen", "chilled or frozen, not both"));
    }
    if new.keeps_hours.is_some_and(|hours| !(1..=LONGEST).contains(&hours)) {
        return Err(invalid("/keeps_hours", "1 to 720"));
    }
    (parcel.chilled, parcel.frozen, parcel.fragile) = (new.chilled, new.frozen, new.fragile);
    parcel.keeps = Keeps { hours: new.keeps_hours.map(i64::from), until: None };
    Ok(())
}

/// Sizes that hold a parcel of `size`, smallest first.
pub(super) fn sizes_from(size: Size) -> impl Iterator<Item = Size> {
    [Size::Xs, Size::S, Size::M, Size::L, Size::Xl].into_iter().filter(move |candidate| *candidate >= size)
}

/// How a door's climate is asked for in SQL: at least so chilled, and whether it freezes.
#[must_use]
pub fn columns(climate: Climate) -> (i64, i64) {
    (i64::from(climate == Climate::Chilled), i64::from(climate == Climate::Frozen))
}

/// Where there is no such door.
pub(super) fn no_climate(climate: Climate) -> Error {
    refuse(
        Code::NoClimate,
        match climate {
            Climate::Plain => "that compartment freezes what lies in it",
            Climate::Chilled => "no compartment there that is large enough is chilled",
            Climate::Frozen => "no compartment there that is large enough freezes",
        },
    )
}

/// Goes on where the site has a door, taken or free, that could keep it; or this locker, where one is named.
///
/// # Errors
/// `NoClimate`.
pub async fn check_site(
    tx: &mut Tx,
    (site, locker): (&str, Option<&str>),
    size: Size,
    climate: Climate,
) -> Result<()> {
    // A site whose lockers are yet to come has plain doors, as far as anybody knows.
    if climate == Climate::Plain {
        return Ok(());
    }
    let (chilled, frozen) = columns(climate);
    for size in sizes_from(size) {
        let found = sqlx::query(
            "SELECT d.door FROM doors d JOIN lockers l ON l.id = d.locker_id WHERE d.site_id = $1 AND d.size = $2 \
             AND ($3 = '' OR d.locker_id = $3) AND d.chilled >= $4 AND d.frozen = $5 AND l.retired_at IS NULL \
             AND COALESCE(d.reported_by, '') <> 'gone' \
             AND NOT EXISTS (SELECT 1 FROM assets a WHERE a.locker_id = d.locker_id AND a.door = d.door) LIMIT 1",
        )
        .bind(site)
        .bind(code::of(&size))
        .bind(locker.unwrap_or_default())
        .bind(chilled)
        .bind(frozen)
        .fetch_optional(tx.on())
        .await?;
        if found.is_some() {
            return Ok(());
        }
    }
    Err(no_climate(climate))
}

/// Whether a parcel may lie behind this door.
///
/// # Errors
/// When the database fails.
pub async fn fits(tx: &mut Tx, parcel: &Reservation, (locker, door): (&str, i64)) -> Result<bool> {
    let row = sqlx::query("SELECT chilled, frozen FROM doors WHERE locker_id = $1 AND door = $2")
        .bind(locker)
        .bind(door)
        .fetch_optional(tx.on())
        .await?;
    let Some(row) = row else { return Ok(true) };
    let door = Climate::of(row.int("chilled")? == 1, row.int("frozen")? == 1).unwrap_or(Climate::Frozen);
    Ok(parcel.climate().doors().contains(&door))
}
