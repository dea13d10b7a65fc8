//! Couriers, people or machines: accounts of a carrier whose tokens open doors by the very same protocol.

use postern_api::{
    carrier::{Courier, CourierTokenRequest, Task, Tasks},
    locker::Size,
    problem::Code,
    reservation::{Kind, State},
    token::{BulletinFor, Grant, Grants, Operation as Named},
};
use postern_protocol::Operation;

use super::{
    code, doors,
    grants::{self, Minted},
    network, parcels,
    reservation::{Reservation, columns},
};
use crate::{
    auth::customer::Customer,
    error::{Result, invalid, refuse},
    hub::Hub,
    random,
    signin::tidy_name,
    store::{RowExt, Tx},
};

/// Seconds that an enrolment code lives.
const ENROLMENT: i64 = 3600;

/// A new courier, with the code that its device takes to the token endpoint.
///
/// # Errors
/// `Malformed` where the name is not sound.
pub async fn create(tx: &mut Tx, carrier: &str, name: &str, now: i64) -> Result<Courier> {
    let name = tidy_name(name).ok_or_else(|| invalid("/name", "1 to 64 characters"))?;
    let id = random::id();
    sqlx::query(
        "INSERT INTO accounts (id, handle, display_name, guest, demo_given, courier_of, created_at) \
         VALUES ($1, $1, $2, 0, 1, $3, $4)",
    )
    .bind(&id)
    .bind(&name)
    .bind(carrier)
    .bind(now)
    .execute(tx.on())
    .await?;
    let secret = random::secret();
    sqlx::query("INSERT INTO enrolments (hash, account_id, expires_at) VALUES ($1, $2, $3)")
        .bind(random::hash(&secret))
        .bind(&id)
        .bind(now + ENROLMENT)
        .execute(tx.on())
        .await?;
    Ok(Courier { id, name, enrolment_code: Some(secret) })
}

/// Uses an enrolment code up; the courier's account.
///
/// # Errors
/// When the database fails. None where the code is not good.
pub async fn enrol(tx: &mut Tx, secret: &str, now: i64) -> Result<Option<String>> {
    let row = sqlx::query("DELETE FROM enrolments WHERE hash = $1 AND expires_at > $2 RETURNING account_id")
        .bind(random::hash(secret))
        .bind(now)
        .fetch_optional(tx.on())
        .await?;
    row.map(|row| row.text("account_id")).transpose()
}

/// Ends a courier with all devices and what they may still open.
///
/// # Errors
/// `NotFound` where it is none of the carrier's.
pub async fn dismiss(tx: &mut Tx, carrier: &str, courier: &str, now: i64) -> Result<()> {
    let sessions = sqlx::query(
        "SELECT s.id FROM accounts a LEFT JOIN sessions s ON s.account_id = a.id AND s.revoked_at IS NULL \
         WHERE a.id = $1 AND a.courier_of = $2",
    )
    .bind(courier)
    .bind(carrier)
    .fetch_all(tx.on())
    .await?;
    if sessions.is_empty() {
        return Err(Code::NotFound.into());
    }
    for row in sessions {
        if let Some(session) = row.maybe_text("id")? {
            super::device::revoke(tx, &session, now).await?;
        }
    }
    sqlx::query("DELETE FROM enrolments WHERE account_id = $1").bind(courier).execute(tx.on()).await?;
    let open =
        sqlx::query("SELECT DISTINCT reservation_id FROM grants WHERE account_id = $1 AND expires_at > $2")
            .bind(courier)
            .bind(now)
            .fetch_all(tx.on())
            .await?;
    for row in open {
        if let Some(mut parcel) = Reservation::lock(tx, &row.text("reservation_id")?).await? {
            doors::revoke(tx, &mut parcel, now).await?;
            parcel.save(tx, now).await?;
        }
    }
    Ok(())
}

/// The carrier that a signed-in courier works for.
///
/// # Errors
/// `Forbidden` for everybody else.
pub async fn carrier_of(hub: &Hub, customer: &Customer) -> Result<String> {
    let row = sqlx::query("SELECT courier_of FROM accounts WHERE id = $1")
        .bind(&customer.account)
        .fetch_one(hub.store.read())
        .await?;
    row.maybe_text("courier_of")?.ok_or_else(|| refuse(Code::Forbidden, "for couriers"))
}

/// What lies before the couriers of a carrier.
///
/// # Errors
/// When the database fails.
pub async fn tasks(hub: &Hub, carrier: &str) -> Result<Tasks> {
    let mut on = hub.store.snapshot().await?;
    let rows = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM reservations r WHERE r.carrier_id = $1 AND (r.state IN ('announced', 'in_transit', 'expired') \
         OR (r.state = 'deposited' AND EXISTS (SELECT 1 FROM doors d WHERE d.reservation_id = r.id))) \
         ORDER BY r.site_id, r.id LIMIT 500"
    ))
    .bind(carrier)
    .fetch_all(&mut *on)
    .await?;
    let mut tasks = Tasks { tasks: Vec::new(), lockers: Vec::new() };
    let mut sites = Vec::new();
    for row in &rows {
        let parcel = Reservation::from_row(row)?;
        let deposit = matches!(parcel.state, State::Announced | State::InTransit);
        let site = parcel.site.clone().unwrap_or_default();
        if !sites.contains(&site) {
            sites.push(site.clone());
        }
        tasks.tasks.push(Task {
            parcel: parcels::shown(&parcel)?,
            site,
            size: parcel.size.as_deref().map_or(Ok(Size::M), code::parse)?,
            operation: if deposit { Named::Deposit } else { Named::Collect },
        });
    }
    for site in sites {
        let lockers =
            sqlx::query("SELECT id FROM lockers WHERE site_id = $1 AND retired_at IS NULL ORDER BY id")
                .bind(site)
                .fetch_all(&mut *on)
                .await?;
        for locker in lockers {
            tasks.lockers.extend(network::descriptor(&mut on, &locker.text("id")?).await?);
        }
    }
    Ok(tasks)
}

/// A token for one errand.
///
/// # Errors
/// `NotFound` where the parcel is none of the carrier's, `WrongState`, `NoCompartment`.
pub async fn token(
    hub: &Hub,
    tx: &mut Tx,
    courier: &Customer,
    carrier: &str,
    asked: &CourierTokenRequest,
) -> Result<Grants> {
    let now = hub.clock.now();
    let nonce = grants::hello_nonce(asked.hello_nonce.as_deref())?;
    let mut parcel = parcels::lock(tx, carrier, &asked.parcel).await?;
    let (operations, named): (&[Operation], _) = match (parcel.kind, parcel.state) {
        (Kind::Pickup, State::Announced | State::InTransit) => {
            keep_door(tx, &mut parcel, asked).await?;
            (
                &[Operation::Deposit, Operation::Reopen, Operation::Status],
                vec![Named::Deposit, Named::Reopen, Named::Status],
            )
        }
        (Kind::Pickup, State::Expired) | (Kind::Return, State::Deposited) => {
            // The customer's tokens end before the courier comes.
            doors::revoke(tx, &mut parcel, now).await?;
            parcel.save(tx, now).await?;
            (
                &[Operation::Collect, Operation::Reopen, Operation::Status],
                vec![Named::Collect, Named::Reopen, Named::Status],
            )
        }
        _ => return Err(Code::WrongState.into()),
    };
    let (locker, door) = doors::kept_for(tx, &parcel.id).await?.ok_or(Code::WrongState)?;
    let epoch = sqlx::query("SELECT epoch FROM doors WHERE locker_id = $1 AND door = $2")
        .bind(&locker)
        .bind(door)
        .fetch_one(tx.on())
        .await?
        .int("epoch")?;
    let expires = now + hub.config.policy.offline_token_hours.min(12) * 3600;
    let minted = Minted {
        reservation: &parcel.id,
        locker: &locker,
        door,
        epoch,
        operations,
        expires,
        uses: hub.config.policy.uses,
        delegable: false,
        nonce,
        share: None,
    };
    let (token_id, token) = grants::sign(hub, tx, courier, &minted, now).await?;
    let bulletin = grants::bulletin_for(hub, tx, &locker, nonce, now).await?;
    let bulletins =
        bulletin.map(|bytes| BulletinFor { locker: locker.clone(), bulletin: random::encode(bytes) });
    let grant = Grant {
        reservation: parcel.id.clone(),
        doors: vec![doors::number(door)?],
        locker: locker.clone(),
        operations: named,
        not_before: now - 60,
        expires,
        uses: minted.uses,
        delegable: false,
        token_id: hex::encode(token_id),
        token: random::encode(token),
    };
    Ok(Grants { grants: vec![grant], bulletins: bulletins.into_iter().collect() })
}

/// Makes sure that a door is kept for the parcel, at the locker that the courier stands at.
async fn keep_door(tx: &mut Tx, parcel: &mut Reservation, asked: &CourierTokenRequest) -> Result<()> {
    let kept = doors::kept_for(tx, &parcel.id).await?;
    if let Some((locker, _)) = &kept {
        if asked.locker.as_ref().is_none_or(|asked| asked == locker) {
            return Ok(());
        }
        doors::free(tx, &parcel.id).await?;
    }
    let size = parcel.size.as_deref().map_or(Ok(Size::M), code::parse)?;
    let prefers_low = parcels::prefers_low_doors(tx, parcel.account.as_deref()).await?;
    let site = parcel.site.clone().unwrap_or_default();
    let wanted = doors::Wanted {
        locker: asked.locker.as_deref(),
        site: &site,
        size,
        prefers_low,
        chilled: parcel.chilled,
    };
    // On a copy: the customer is shown the door only when the parcel lies in it.
    doors::book(tx, &mut parcel.clone(), wanted).await
}
