//! Couriers, people or machines: accounts of a carrier whose tokens open doors by the very same protocol.

use postern_api::{
    carrier::{Courier, CourierTokenRequest, Task, Tasks},
    locker::Size,
    problem::Code,
    reservation::{Kind, State},
    token::{Grants, Operation as Named},
};
use postern_rules::{
    access::{self, For},
    placed::Inside,
    settling::Holds,
};

use super::{
    care, code, doors,
    grants::{self, Minted},
    network, news, parcels, receipts,
    reservation::{Reservation, columns},
    restored,
};
use crate::{
    auth::customer::Customer,
    error::{Result, invalid, refuse},
    hub::Hub,
    random,
    signin::tidy_name,
    store::{RowExt, Tx, chain},
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
    Ok(())
}

/// Which errands are asked for.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// At this site.
    pub site: Option<String>,
    /// At the site of this locker.
    pub locker: Option<String>,
    /// The parcel with this tracking number.
    pub number: Option<String>,
    /// From the last page.
    pub after: Option<String>,
}

/// Errands of one page.
const PAGE: i64 = 200;

/// What lies before the couriers of a carrier, a page at a time.
///
/// # Errors
/// When the database fails.
pub async fn tasks(hub: &Hub, carrier: &str, round: &Round) -> Result<Tasks> {
    let mut on = hub.store.snapshot().await?;
    let mut site = round.site.clone();
    if let Some(locker) = &round.locker {
        let row = sqlx::query("SELECT site_id FROM lockers WHERE id = $1")
            .bind(locker)
            .fetch_optional(&mut *on)
            .await?;
        site = Some(row.ok_or(Code::NotFound)?.text("site_id")?);
    }
    // As the index `reservations_under_way` says it, and what of it is an errand.
    let rows = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM reservations r WHERE r.carrier_id = $1 \
         AND r.state IN ('announced', 'in_transit', 'expired', 'deposited', 'ready') \
         AND (r.state IN ('announced', 'in_transit', 'expired') OR (r.state = 'ready' AND r.called_off = 1) \
         OR (r.state = 'deposited' AND EXISTS (SELECT 1 FROM doors d WHERE d.reservation_id = r.id))) \
         AND (r.state IN ('announced', 'in_transit') OR NOT EXISTS (SELECT 1 FROM doors u WHERE u.reservation_id = r.id \
         AND u.reported_by = 'restored')) \
         AND ($2 = '' OR r.site_id = $2) AND ($3 = '' OR r.reference = $3) AND r.id > $4 ORDER BY r.id LIMIT $5"
    ))
    .bind(carrier)
    .bind(site.unwrap_or_default())
    .bind(round.number.clone().unwrap_or_default())
    .bind(round.after.clone().unwrap_or_default())
    .bind(PAGE + 1)
    .fetch_all(&mut *on)
    .await?;
    let mut tasks = Tasks { tasks: Vec::new(), lockers: Vec::new(), next: None };
    let mut sites = Vec::new();
    for row in rows.iter().take(PAGE as usize) {
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
    if rows.len() as i64 > PAGE {
        tasks.next = tasks.tasks.last().map(|task| task.parcel.id.clone());
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
/// `NotFound` where the parcel is none of the carrier's, `WrongState`, `NoCompartment`; `DeviceRevoked`.
pub async fn token(
    hub: &Hub,
    tx: &mut Tx,
    courier: &Customer,
    carrier: &str,
    asked: &CourierTokenRequest,
) -> Result<Grants> {
    let now = hub.clock.now();
    let nonce = grants::hello_nonce(asked.hello_nonce.as_deref())?;
    super::device::hold(tx, &courier.session).await?;
    let mut parcel = parcels::lock(tx, carrier, &asked.parcel).await?;
    parcels::expire_unsaid(&mut parcel, now);
    let puts_in = match (parcel.kind, parcel.state) {
        (Kind::Pickup, State::Announced | State::InTransit) => {
            keep_door(tx, &mut parcel, asked, &courier.account, now).await?;
            // A locker that cannot measure takes no second deposit in one epoch (PROTOCOL.md, order of checks). The courier
            // who was interrupted before they could say what lies there opens once more to see.
            let by = match parcel.inside {
                Some(Inside::SaidOut) => None,
                _ => Some(courier.account.as_str()),
            };
            // Nor may whoever was interrupted know whether the locker has taken the token that they were given.
            let given = chain::given(tx, &parcel.id, &courier.account, now).await?;
            let again = asked.hello_nonce.is_none() && given.own && !given.others_now && !given.others_before;
            if parcel.inside.and_then(Inside::counts) != Some(true)
                && (again || chain::was_opened_for_deposit(tx, &parcel.id, by).await?)
            {
                doors::revoke(tx, &mut parcel, now).await?;
                parcel.save(tx, now).await?;
            }
            true
        }
        (Kind::Pickup, State::Ready) if !parcel.called_off => return Err(Code::WrongState.into()),
        (Kind::Pickup, State::Expired | State::Ready) | (Kind::Return, State::Deposited) => {
            // What the customer holds ends as the courier comes.
            doors::hand_to(tx, &mut parcel, For::Courier, now).await?;
            parcel.save(tx, now).await?;
            false
        }
        _ => return Err(Code::WrongState.into()),
    };
    let (locker, door) = doors::kept_for(tx, &parcel.id).await?.ok_or(Code::WrongState)?;
    if restored::is_unseen(tx, &locker, door).await? {
        return Err(refuse(
            Code::WrongState,
            "the hub came back from a backup: somebody looks at the compartment first",
        ));
    }
    let row = sqlx::query(
        "SELECT d.epoch, l.whole_to FROM doors d JOIN lockers l ON l.id = d.locker_id \
         WHERE d.locker_id = $1 AND d.door = $2",
    )
    .bind(&locker)
    .bind(door)
    .fetch_one(tx.on())
    .await?;
    let minted = Minted {
        reservation: &parcel.id,
        locker: &locker,
        door,
        epoch: row.int("epoch")?,
        operations: access::errand(puts_in),
        expires: now + hub.config.policy.offline_token_hours.min(12) * 3600,
        // What lies in it must not be got at by what is left of an errand.
        uses: 1,
        delegable: false,
        nonce,
        carry_key: Some(receipts::carry_key(hub)),
        share: None,
    };
    let mut grant = grants::grant(hub, tx, courier, &minted, now).await?;
    grant.receipts_from = u32::try_from(row.int("whole_to")? + 1).ok();
    if let Some(at) = asked.locker_time.filter(|_| nonce.is_some()) {
        news::hear_clock(tx, &locker, at, now).await?;
    }
    let bulletins = news::bulletin(hub, tx, &locker, nonce, now).await?.into_iter().collect();
    Ok(Grants { grants: vec![grant], bulletins })
}

/// Whether a colleague may have put the parcel into the door that is kept for it: with a token of an epoch before, so that one of now
/// would open what lies there; or with one of now, so that the locker takes no second deposit, whatever is known of what was said.
async fn may_hold_others(
    tx: &mut Tx,
    parcel: &Reservation,
    asked: &CourierTokenRequest,
    courier: &str,
    now: i64,
) -> Result<bool> {
    let given = chain::given(tx, &parcel.id, courier, now).await?;
    let refused = asked.hello_nonce.is_none()
        && given.own
        && given.others_now
        && !chain::was_opened_for_deposit(tx, &parcel.id, Some(courier)).await?;
    let is_empty = parcel.inside.and_then(Inside::counts) == Some(false);
    Ok((given.others_before && !is_empty) || refused)
}

/// Makes sure that a door is kept for the parcel, at the locker that the courier stands at.
async fn keep_door(
    tx: &mut Tx,
    parcel: &mut Reservation,
    asked: &CourierTokenRequest,
    courier: &str,
    now: i64,
) -> Result<()> {
    let site = parcel.site.clone().unwrap_or_default();
    let wanted = doors::Wanted {
        locker: asked.locker.as_deref(),
        site: &site,
        size: parcel.size.as_deref().map_or(Ok(Size::M), code::parse)?,
        prefers_low: parcels::prefers_low_doors(tx, parcel.account.as_deref()).await?,
        climate: parcel.climate(),
        untold: false,
    };
    if let Some((locker, door)) = doors::kept_for(tx, &parcel.id).await? {
        let here = asked.locker.as_ref().is_none_or(|asked| *asked == locker);
        // Nobody is sent a second time to a door that is out of order; nor, where there is another, to one that jammed, or that a
        // colleague may have put it into.
        let held = may_hold_others(tx, parcel, asked, courier, now).await?;
        let unfit = doors::is_out_of_order(tx, &locker, door).await?
            || !care::fits(tx, parcel, (&locker, door)).await?
            || ((held || chain::jammed_last(tx, &locker, door).await?)
                && doors::has_free(tx, wanted).await?);
        if here && !unfit {
            if held {
                // Whoever comes opens it and sees. What was given before ends with that.
                doors::revoke(tx, parcel, now).await?;
                parcel.save(tx, now).await?;
            }
            return Ok(());
        }
        doors::end(tx, parcel, Holds::Nothing, now).await?;
    }
    // On a copy: the customer is shown the door only when the parcel lies in it.
    doors::book(tx, &mut parcel.clone(), wanted, doors::Taking { by_customer: false, now }).await
}
