//! The change feed: for each account one row for each reservation, moved to the newest position. A client that was away
//! for a month gets what changed, once.

use postern_api::problem::Code;

use super::{homes, reservation::Reservation};
use crate::{
    error::{Result, refuse},
    store::{RowExt, Tx},
};

/// Moves the reservation to the newest position of everyone who may see it.
///
/// # Errors
/// When the database fails.
pub async fn touch(tx: &mut Tx, reservation: &Reservation, now: i64) -> Result<()> {
    let mut viewers: Vec<String> = reservation.account.iter().cloned().collect();
    if reservation.shares > 0 {
        let guests = sqlx::query(
            "SELECT DISTINCT account_id FROM shares WHERE reservation_id = $1 AND account_id IS NOT NULL \
             AND state IN ('accepted', 'used')",
        )
        .bind(&reservation.id)
        .fetch_all(tx.on())
        .await?;
        for guest in guests {
            viewers.push(guest.text("account_id")?);
        }
    }
    if homes::fits(reservation)
        && let Some((site, unit)) = homes::flat_of(tx.on(), &reservation.id).await?
    {
        viewers.extend(homes::residents(tx.on(), homes::Flat { site: &site, unit: &unit }).await?);
    }
    for account in viewers {
        tx.tell(&account, &reservation.id, false, now);
    }
    Ok(())
}

/// Tells `account` that it may not see the reservation any more.
///
/// # Errors
/// When the database fails.
pub async fn remove(tx: &mut Tx, account: &str, reservation: &str, now: i64) -> Result<()> {
    tx.tell(account, reservation, true, now);
    Ok(())
}

/// A place in one account's feed, as clients carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(pub i64);

impl Cursor {
    /// As clients carry it: tied to this hub's database, so that one of another is noticed.
    #[must_use]
    pub fn write(self, hub: &str) -> String {
        format!("{hub}.{}", self.0)
    }

    /// What a client brought. None where it brought none.
    ///
    /// # Errors
    /// `CursorTooOld` where it is of another hub; `Malformed` where it is none.
    pub fn read(text: Option<&str>, hub: &str) -> Result<Option<Self>> {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
        let (of, position) = text.split_once('.').ok_or_else(|| refuse(Code::Malformed, "cursor"))?;
        let position = position.parse().map_err(|_| refuse(Code::Malformed, "cursor"))?;
        if of == hub { Ok(Some(Self(position))) } else { Err(Code::CursorTooOld.into()) }
    }
}
