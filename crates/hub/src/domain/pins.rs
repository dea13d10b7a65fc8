//! PINs for keypads (PROTOCOL.md, PIN): each device that holds a door has one of its own, from a slot that nobody else is given
//! in that epoch.

use std::collections::HashMap;

use postern_api::token::NoPin;
use postern_protocol::{Door, Epoch, LockerId, pin};
use postern_rules::access::{self, Epochs};
use zeroize::Zeroizing;

use super::doors;
use crate::{
    error::{Error, Result},
    hub::Hub,
    secrets::Sealer,
    store::{RowExt, Tx},
};

/// A door, as the keypad knows it.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// Locker id.
    pub locker: &'a str,
    /// The door.
    pub door: i64,
    /// The locker has a keypad.
    pub keypad: bool,
    /// What the hub knows of the door's epochs.
    pub epochs: Epochs,
}

/// PINs of one answer: the secrets of its lockers are unsealed once.
#[derive(Default)]
pub struct Pins {
    secrets: HashMap<String, Zeroizing<[u8; 32]>>,
}

/// What a locker's PIN secret is sealed for.
#[must_use]
pub fn purpose(locker: &str) -> String {
    format!("pin secret {locker}")
}

fn wrong() -> Error {
    Error::Internal("a stored locker cannot be read".to_owned())
}

impl Pins {
    /// The PIN of the device behind `session` for the door, from the slot that it has or a new one; or why there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn of(
        &mut self,
        hub: &Hub,
        tx: &mut Tx,
        session: &str,
        at: At<'_>,
    ) -> Result<Result<String, NoPin>> {
        if let Err(why) = access::pin(at.keypad, at.epochs) {
            return Ok(Err(why));
        }
        let slot = match slot_of(tx, session, at).await? {
            Some(slot) => Some(slot),
            None => self.give(hub, tx, session, at).await?,
        };
        match slot {
            Some(slot) => Ok(Ok(self.derive(hub, tx, at, at.epochs.present, slot).await?)),
            None => Ok(Err(NoPin::TooManyDevices)),
        }
    }

    /// A slot of its own for the device; none where all are given.
    async fn give(&mut self, hub: &Hub, tx: &mut Tx, session: &str, at: At<'_>) -> Result<Option<u8>> {
        let given =
            sqlx::query("SELECT slot FROM pin_slots WHERE locker_id = $1 AND door = $2 AND epoch = $3")
                .bind(at.locker)
                .bind(at.door)
                .bind(at.epochs.present)
                .fetch_all(tx.on())
                .await?;
        let given = given.iter().map(|row| row.int("slot")).collect::<Result<Vec<_>>>()?;
        let free: Vec<u8> = (0..pin::SLOTS).filter(|slot| !given.contains(&i64::from(*slot))).collect();
        if free.is_empty() {
            return Ok(None);
        }
        let others = self.candidates(hub, tx, at).await?;
        for slot in free {
            let mine = self.derive(hub, tx, at, at.epochs.present, slot).await?;
            // One that fits two candidates of the keypad opens neither.
            if others.get(&mine).copied().unwrap_or(0) > 1 {
                continue;
            }
            let new = sqlx::query(
                "INSERT INTO pin_slots (locker_id, door, epoch, slot, session_id) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT DO NOTHING",
            )
            .bind(at.locker)
            .bind(at.door)
            .bind(at.epochs.present)
            .bind(i64::from(slot))
            .bind(session)
            .execute(tx.on())
            .await?
            .rows_affected();
            if new == 1 {
                return Ok(Some(slot));
            }
            // Another device was faster, or this one with another request.
            if let Some(slot) = slot_of(tx, session, at).await? {
                return Ok(Some(slot));
            }
        }
        Ok(None)
    }

    /// How often each PIN is among those that the locker's keypad may try, wherever its epochs stand.
    async fn candidates(&mut self, hub: &Hub, tx: &mut Tx, at: At<'_>) -> Result<HashMap<String, u32>> {
        let secret = self.secret(hub, tx, at.locker).await?;
        let id: LockerId = at.locker.parse().map_err(|_| wrong())?;
        let rows = sqlx::query("SELECT door, epoch, proven_epoch FROM doors WHERE locker_id = $1")
            .bind(at.locker)
            .fetch_all(tx.on())
            .await?;
        let mut counts = HashMap::new();
        for row in rows {
            let door = Door(doors::number(row.int("door")?)?);
            let from = row.int("proven_epoch")?.max(1);
            let to = row.int("epoch")? + i64::from(pin::LOOK_AHEAD);
            // Of a door that the locker is far behind with, the newest are those that come to count.
            for epoch in from.max(to - 5)..=to {
                let epoch = Epoch(u32::try_from(epoch).map_err(|_| wrong())?);
                for slot in 0..pin::SLOTS {
                    *counts.entry(pin::derive(&secret, id, door, epoch, slot)).or_default() += 1;
                }
            }
        }
        Ok(counts)
    }

    async fn derive(&mut self, hub: &Hub, tx: &mut Tx, at: At<'_>, epoch: i64, slot: u8) -> Result<String> {
        let secret = self.secret(hub, tx, at.locker).await?;
        let id: LockerId = at.locker.parse().map_err(|_| wrong())?;
        let epoch = Epoch(u32::try_from(epoch).map_err(|_| wrong())?);
        Ok(pin::derive(&secret, id, Door(doors::number(at.door)?), epoch, slot))
    }

    async fn secret(&mut self, hub: &Hub, tx: &mut Tx, locker: &str) -> Result<Zeroizing<[u8; 32]>> {
        if let Some(known) = self.secrets.get(locker) {
            return Ok(known.clone());
        }
        let sealed = sqlx::query("SELECT sealed_pin_secret FROM lockers WHERE id = $1")
            .bind(locker)
            .fetch_one(tx.on())
            .await?
            .bytes("sealed_pin_secret")?;
        let opened = hub.secrets.open(&purpose(locker), &sealed)?;
        let secret = Zeroizing::new(opened.as_slice().try_into().map_err(|_| wrong())?);
        self.secrets.insert(locker.to_owned(), Zeroizing::clone(&secret));
        Ok(secret)
    }
}

async fn slot_of(tx: &mut Tx, session: &str, at: At<'_>) -> Result<Option<u8>> {
    let row = sqlx::query(
        "SELECT slot FROM pin_slots WHERE session_id = $1 AND locker_id = $2 AND door = $3 AND epoch = $4 AND ended = 0",
    )
    .bind(session)
    .bind(at.locker)
    .bind(at.door)
    .bind(at.epochs.present)
    .fetch_optional(tx.on())
    .await?;
    row.map(|row| u8::try_from(row.int("slot")?).map_err(|_| wrong())).transpose()
}
