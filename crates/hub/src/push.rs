//! Live push: who waits for which account, in this process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

/// Hands the newest feed position of an account to everyone who waits for it.
#[derive(Clone, Default)]
pub struct Push {
    accounts: Arc<Mutex<HashMap<String, watch::Sender<i64>>>>,
}

impl Push {
    /// Waits for `account`. The first value is what was pushed last while somebody waited, or 0.
    #[must_use]
    pub fn subscribe(&self, account: &str) -> watch::Receiver<i64> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.entry(account.to_owned()).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    /// Says that `account`'s feed stands at `position`. A position of 0 wakes without moving on (a device was
    /// removed).
    pub fn publish(&self, account: &str, position: i64) {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = accounts.get(account) else { return };
        if sender.receiver_count() == 0 {
            accounts.remove(account);
        } else {
            sender.send_modify(|newest| *newest = position.max(*newest));
        }
    }

    /// Wakes everyone, when pokes may have been missed.
    pub fn wake_all(&self) {
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        for sender in accounts.values() {
            sender.send_modify(|_| ());
        }
    }

    /// How many clients wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.values().map(watch::Sender::receiver_count).sum()
    }
}
