//! A change under way.

use std::collections::BTreeMap;

use sqlx::{Any, AnyConnection, Transaction};

use super::{RowExt, checkpoint::Checkpoints, herald::Herald};
use crate::{error::Result, push::Push};

/// Who is told that something was committed.
#[derive(Clone)]
pub(super) struct After {
    /// Clients of this instance.
    pub(super) push: Push,
    /// Other instances; none on SQLite.
    pub(super) herald: Option<Herald>,
    /// SQLite's log; none on PostgreSQL, which looks after its own.
    pub(super) checkpoints: Option<Checkpoints>,
}

/// A change that becomes true, and is pushed to whom it concerns, by [`Tx::commit`], and leaves no trace when dropped.
pub struct Tx {
    inner: Transaction<'static, Any>,
    after: After,
    /// By account and reservation: whether it vanished, and when.
    told: BTreeMap<(String, String), (bool, i64)>,
    woken: Vec<String>,
    forgets: bool,
}

impl Tx {
    pub(super) fn new(inner: Transaction<'static, Any>, after: After) -> Self {
        Self { inner, after, told: BTreeMap::new(), woken: Vec::new(), forgets: false }
    }

    /// To run queries on.
    pub fn on(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }

    /// Moves the reservation to the newest position of `account`'s feed, or tells that it `vanished` from it.
    ///
    /// It is written by [`Tx::commit`], in the order of accounts: what a change does to reservations comes before what it does to
    /// accounts, so that two changes never hold what the other waits for, and an account is locked for the shortest time.
    pub fn tell(&mut self, account: &str, reservation: &str, vanished: bool, now: i64) {
        self.told.insert((account.to_owned(), reservation.to_owned()), (vanished, now));
    }

    /// Wakes whoever waits for `account` once this is committed, though nothing changed for them: a device was removed.
    pub fn wake(&mut self, account: &str) {
        self.woken.push(account.to_owned());
    }

    /// What this deletes is to leave the database's files soon, not only its tables.
    pub fn forget_for_good(&mut self) {
        self.forgets = true;
    }

    /// Makes it true, then tells the clients concerned: those of this instance at once, those of others a moment later, through
    /// the database.
    ///
    /// # Errors
    /// When the database could not keep it; then nothing happened, unless the connection broke before the database said so.
    pub async fn commit(mut self) -> Result<()> {
        let pokes = self.write_feeds().await?;
        self.inner.commit().await?;
        let After { push, herald, checkpoints } = &self.after;
        if let Some(checkpoints) = checkpoints {
            checkpoints.committed(self.forgets);
        }
        for (account, position) in &pokes {
            push.publish(account, *position);
            if let Some(herald) = herald {
                herald.poke(account, *position);
            }
        }
        Ok(())
    }

    /// The newest position of each account that was told something; 0 for those only woken.
    async fn write_feeds(&mut self) -> Result<BTreeMap<String, i64>> {
        let mut pokes: BTreeMap<_, _> = self.woken.drain(..).map(|account| (account, 0)).collect();
        for ((account, reservation), (vanished, now)) in std::mem::take(&mut self.told) {
            let row = sqlx::query("UPDATE accounts SET feed = feed + 1 WHERE id = $1 RETURNING feed")
                .bind(&account)
                .fetch_optional(&mut *self.inner)
                .await?;
            // Deleted by this very change.
            let Some(row) = row else { continue };
            let position = row.int("feed")?;
            sqlx::query(
                "INSERT INTO feed (account_id, reservation_id, seq, removed, changed_at) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (account_id, reservation_id) \
                 DO UPDATE SET seq = excluded.seq, removed = excluded.removed, changed_at = excluded.changed_at",
            )
            .bind(&account)
            .bind(reservation)
            .bind(position)
            .bind(i64::from(vanished))
            .bind(now)
            .execute(&mut *self.inner)
            .await?;
            pokes.insert(account, position);
        }
        Ok(pokes)
    }
}
