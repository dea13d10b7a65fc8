//! Whether a customer may book another door ([`postern_rules::share`]).

use postern_api::problem::Code;
use postern_rules::share::{self, Kept, Limits, Unfair};

use crate::{
    error::{Result, refuse},
    hub::Hub,
    store::{RowExt, Tx},
};

/// Lets nobody else book as the same account, or at the same site, until this change is done, so that fifty at once count one
/// after the other.
///
/// # Errors
/// When the database fails.
pub async fn queue(tx: &mut Tx, account: &str, site: &str) -> Result<()> {
    sqlx::query("UPDATE accounts SET feed = feed WHERE id = $1").bind(account).execute(tx.on()).await?;
    sqlx::query("UPDATE sites SET updated_at = updated_at WHERE id = $1").bind(site).execute(tx.on()).await?;
    Ok(())
}

/// Goes on where another door at the site is a fair share of `account`'s, after [`queue`].
///
/// # Errors
/// `FairShare`.
pub async fn another_door(hub: &Hub, tx: &mut Tx, account: &str, site: &str) -> Result<()> {
    // Of what was put in the carrier disposes; it is no longer the customer's share, but not room for others either. A door
    // that they had taken out of service is theirs until somebody has looked.
    let mine = sqlx::query(
        "SELECT COUNT(*) AS everywhere, COUNT(CASE WHEN d.site_id = $2 THEN 1 END) AS here FROM occupancies o \
         JOIN doors d ON d.locker_id = o.locker_id AND d.door = o.door \
         AND o.epoch = COALESCE(d.settling_epoch, d.epoch) LEFT JOIN reservations r ON r.id = o.reservation_id \
         WHERE o.booked_by = $1 AND COALESCE(d.reported_by, '') <> $1 AND (d.settling_epoch IS NOT NULL OR (d.reservation_id = o.reservation_id \
         AND r.state <> 'deposited'))",
    )
    .bind(account)
    .bind(site)
    .fetch_one(tx.on())
    .await?;
    let reported = sqlx::query(
        "SELECT COUNT(*) AS everywhere, COUNT(CASE WHEN site_id = $2 THEN 1 END) AS here FROM doors \
         WHERE reported_by = $1",
    )
    .bind(account)
    .bind(site)
    .fetch_one(tx.on())
    .await?;
    let all = sqlx::query(
        "SELECT COUNT(*) AS doors, COUNT(CASE WHEN COALESCE(d.reported_by, 'held') NOT IN ('held', 'restored', 'gone') OR (o.booked_by IS NOT NULL \
         AND (d.settling_epoch IS NOT NULL OR d.reservation_id = o.reservation_id)) THEN 1 END) AS booked FROM doors d \
         JOIN lockers l ON l.id = d.locker_id AND l.retired_at IS NULL LEFT JOIN occupancies o \
         ON o.locker_id = d.locker_id AND o.door = d.door AND o.epoch = COALESCE(d.settling_epoch, d.epoch) \
         WHERE d.site_id = $1 AND (d.out_of_order = 0 OR COALESCE(d.reported_by, 'held') NOT IN ('held', 'restored', 'gone')) \
         AND NOT EXISTS (SELECT 1 FROM assets a WHERE a.locker_id = d.locker_id AND a.door = d.door)",
    )
    .bind(site)
    .fetch_one(tx.on())
    .await?;
    let kept = Kept {
        by_account: mine.int("everywhere")? + reported.int("everywhere")?,
        by_account_here: mine.int("here")? + reported.int("here")?,
        by_customers_here: all.int("booked")?,
        doors_here: all.int("doors")?,
    };
    let policy = &hub.config.policy;
    let limits = Limits { bookings: policy.bookings, booking_share: policy.booking_share };
    share::another(kept, limits).map_err(|why| {
        let detail = match why {
            Unfair::Account => "as many compartments booked as one account may have at once",
            Unfair::AccountHere => "as many compartments of this site booked as one account may have at once",
            Unfair::Site => "as many compartments of this site booked as customers may have at once",
        };
        refuse(Code::FairShare, detail)
    })
}
