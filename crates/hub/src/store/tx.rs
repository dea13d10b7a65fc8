//! A change under way.

use sqlx::{Any, AnyConnection, Transaction};

use super::{Backend, checkpoint::Checkpoints};
use crate::{error::Result, push::Push};

/// A change that becomes true, and is pushed to whom it concerns, by [`Tx::commit`], and leaves no trace when dropped.
pub struct Tx {
    inner: Transaction<'static, Any>,
    backend: Backend,
    checkpoints: Option<Checkpoints>,
    push: Push,
    pokes: Vec<(String, i64)>,
}

impl Tx {
    pub(super) fn new(
        inner: Transaction<'static, Any>,
        backend: Backend,
        checkpoints: Option<Checkpoints>,
        push: Push,
    ) -> Self {
        Self { inner, backend, checkpoints, push, pokes: Vec::new() }
    }

    /// To run queries on.
    pub fn on(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }

    /// Remembers that `account`'s feed stands at `position` once this is committed.
    pub fn poke(&mut self, account: &str, position: i64) {
        match self.pokes.iter_mut().find(|(known, _)| known == account) {
            Some((_, newest)) => *newest = position.max(*newest),
            None => self.pokes.push((account.to_owned(), position)),
        }
    }

    /// Makes it true, then tells the clients concerned: those of this instance directly, those of others through the
    /// database.
    ///
    /// # Errors
    /// When the database could not keep it; then nothing happened.
    pub async fn commit(mut self) -> Result<()> {
        if self.backend == Backend::Postgres {
            for (account, position) in &self.pokes {
                sqlx::query("SELECT pg_notify('postern', $1)")
                    .bind(format!("{account} {position}"))
                    .execute(&mut *self.inner)
                    .await?;
            }
        }
        self.inner.commit().await?;
        if let Some(checkpoints) = &self.checkpoints {
            checkpoints.committed();
        }
        for (account, position) in &self.pokes {
            self.push.publish(account, *position);
        }
        Ok(())
    }
}
