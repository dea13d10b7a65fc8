//! Which devices were in use, to the hour: enough for the list of devices, and no trace of somebody's day.
//!
//! Kept in memory and written down with the regular work, many at once: somebody who reads waits for no write. A hub that is
//! killed forgets some seconds of it, which the devices' next requests say again.

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, PoisonError},
};

use crate::{error::Result, store::Store};

/// Sessions that wait to be written down; of more, some are noted by a later request.
const MOST: usize = 100_000;
/// Written in one transaction: others want to write too.
const AT_ONCE: usize = 256;

/// See the module.
#[derive(Debug, Default)]
pub struct Seen {
    sessions: Mutex<HashMap<String, i64>>,
}

/// The hour that `now` is in, seconds.
#[must_use]
pub fn hour(now: i64) -> i64 {
    now - now.rem_euclid(3600)
}

impl Seen {
    /// The session was in use in the hour that `hour` begins.
    pub fn note(&self, session: &str, hour: i64) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = sessions.get_mut(session) {
            *known = (*known).max(hour);
        } else if sessions.len() < MOST {
            sessions.insert(session.to_owned(), hour);
        }
    }

    /// What is noted of the session and not yet written.
    #[must_use]
    pub fn of(&self, session: &str) -> Option<i64> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).get(session).copied()
    }

    /// Writes down what is noted. What could not be written is forgotten.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn write(&self, store: &Store) -> Result<()> {
        let noted = mem::take(&mut *self.sessions.lock().unwrap_or_else(PoisonError::into_inner));
        // In the order of ids: two instances that write the same do not wait for one another crosswise.
        let mut noted: Vec<(String, i64)> = noted.into_iter().collect();
        noted.sort_unstable();
        for part in noted.chunks(AT_ONCE) {
            let mut tx = store.begin().await?;
            for (session, hour) in part {
                sqlx::query("UPDATE sessions SET last_seen_at = $1 WHERE id = $2 AND last_seen_at < $1")
                    .bind(hour)
                    .bind(session)
                    .execute(tx.on())
                    .await?;
            }
            tx.commit().await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_hour_is_kept_and_the_memory_is_bounded() {
        let seen = Seen::default();
        seen.note("a", hour(7_300));
        seen.note("a", hour(3_600));
        assert_eq!(seen.of("a"), Some(7_200));
        for number in 0..MOST {
            seen.note(&number.to_string(), 0);
        }
        assert_eq!(seen.sessions.lock().unwrap().len(), MOST);
        seen.note("a", 10_800);
        assert_eq!(seen.of("a"), Some(10_800), "who is known is noted all the same");
    }
}
