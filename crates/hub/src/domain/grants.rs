//! Minting access tokens (PROTOCOL.md, token).

use std::collections::BTreeSet;

use postern_api::{
    problem::Code,
    reservation::{Kind, State},
    token::{Grant, Grants, TokenBatch},
};
use postern_protocol::{
    Door, Epoch, KeyId, LockerId, Operation, Operations, Timestamp, TokenId, issue, token::Claims,
};
use postern_rules::access::{self, Epochs, For};

use super::{
    device, doors, homes, news,
    pins::{self, Pins},
    reservation::{Reservation, columns},
    view,
};
use crate::{
    auth::customer::Customer,
    error::{Error, Result, invalid, refuse},
    hub::Hub,
    random,
    store::{RowExt, Tx},
};

/// Most reservations in one call.
pub const MOST: usize = 200;
/// Tokens that the guests of a reservation may hold at once. Each share has an equal part of them, and two at least: 13 with five
/// shares, however they are taken up one after the other. Each that is used takes a place at its locker, of which one door has no
/// fewer than 16, the owner's among them.
const OF_GUESTS: i64 = 5;
/// A token that is bound to a HELLO is good in that conversation alone, seconds.
const BOUND: i64 = 900;

fn broken(what: &str) -> Error {
    Error::Internal(format!("a stored {what} does not fit the protocol"))
}

/// Theirs, their flats' and those shared with them, each found by its index: with OR instead of UNION, PostgreSQL reads all that anybody
/// may open, and SQLite does where the states are asked for outside of it.
const OPENABLE: &str = concat!(
    "SELECT ",
    columns!(),
    ", l.online_until, l.reopen_minutes, l.keypad, d.proven_epoch, h.id AS share_id, h.until_at AS share_until \
     FROM reservations r JOIN lockers l ON l.id = r.locker_id JOIN doors d ON d.locker_id = r.locker_id AND d.door = r.door \
     LEFT JOIN shares h ON h.reservation_id = r.id AND h.account_id = $1 AND h.state IN ('accepted', 'used') \
     AND h.until_at > $2 \
     WHERE r.id IN (SELECT o.id FROM reservations o WHERE o.account_id = $1 \
     AND o.state IN ('ready', 'opened', 'booked', 'held') \
     UNION SELECT g.reservation_id FROM shares g JOIN reservations q ON q.id = g.reservation_id \
     WHERE g.account_id = $1 AND g.state IN ('accepted', 'used') AND g.until_at > $2 \
     AND q.state IN ('ready', 'opened', 'booked', 'held') \
     UNION SELECT f.reservation_id FROM site_members m JOIN flat_compartments f ON f.site_id = m.site_id AND f.unit = m.unit \
     JOIN reservations p ON p.id = f.reservation_id WHERE m.account_id = $1 AND p.state IN ('ready', 'opened', 'held')) \
     AND COALESCE(d.reported_by, '') <> 'restored' AND d.reservation_id = r.id ORDER BY r.until_at LIMIT 1000"
);

/// Tokens for all of the customer's reservations that may be opened, or for those named.
///
/// # Errors
/// `NotFound` or `WrongState` where one that was named is not theirs or may not be opened.
pub async fn mint(hub: &Hub, tx: &mut Tx, customer: &Customer, batch: &TokenBatch) -> Result<Grants> {
    let now = hub.clock.now();
    if batch.reservations.len() > MOST {
        return Err(invalid("/reservations", "at most 200"));
    }
    let nonce = hello_nonce(batch.hello_nonce.as_deref())?;
    device::hold(tx, &customer.session).await?;
    let (mut ids, mut returns) = (BTreeSet::new(), BTreeSet::new());
    for row in sqlx::query(OPENABLE).bind(&customer.account).bind(now).fetch_all(tx.on()).await? {
        let reservation = Reservation::from_row(&row)?;
        if !batch.reservations.is_empty() && !batch.reservations.contains(&reservation.id) {
            continue;
        }
        if reservation.kind == Kind::Return && view::may_open(&reservation, row.int("reopen_minutes")?, now) {
            returns.insert(reservation.id.clone());
        }
        ids.insert(reservation.id);
    }
    // Whoever takes something back has its reservation locked: what is read from here on stays so.
    for id in &ids {
        Reservation::hold(tx, id).await?;
    }
    for id in &returns {
        end_errand(tx, id, &customer.account, now).await?;
    }
    let rows = sqlx::query(OPENABLE).bind(&customer.account).bind(now).fetch_all(tx.on()).await?;
    let mut grants = Vec::new();
    let mut lockers = BTreeSet::new();
    let mut found = BTreeSet::new();
    let mut pins = Pins::default();
    for row in &rows {
        let reservation = Reservation::from_row(row)?;
        if !ids.contains(&reservation.id) || !found.insert(reservation.id.clone()) || grants.len() >= MOST {
            continue;
        }
        let reopen_minutes = row.int("reopen_minutes")?;
        let theirs = reservation.account.as_deref() == Some(&customer.account)
            || (homes::fits(&reservation)
                && homes::is_flatmate(tx.on(), &reservation.id, &customer.account).await?);
        let share =
            if theirs { None } else { row.maybe_text("share_id")?.zip(row.maybe_int("share_until")?) };
        let enough = match &share {
            Some((share, _)) => has_enough(tx, &reservation, share, now).await?,
            None => false,
        };
        if enough || !view::may_open(&reservation, reopen_minutes, now) {
            // One that cannot be opened keeps back none of the others.
            found.remove(&reservation.id);
            continue;
        }
        let terms = Terms {
            online: row.int("online_until")? > now,
            reopen_until: reservation.last_opened.map(|at| at + reopen_minutes * 60),
            share,
            nonce,
        };
        let mut grant = mint_one(hub, tx, customer, &reservation, &terms, now).await?;
        let at = pins::At {
            locker: &grant.locker,
            door: reservation.door.ok_or_else(|| broken("reservation"))?,
            keypad: row.int("keypad")? == 1,
            epochs: Epochs { present: reservation.epoch, proven: row.int("proven_epoch")? },
        };
        let guests = terms
            .share
            .as_ref()
            .map_or(Ok(()), |(_, until)| access::guests_pin(*until, reservation.until, terms.online));
        let pin = match guests {
            Ok(()) => pins.of(hub, tx, &customer.session, at).await?,
            Err(why) => Err(why),
        };
        match pin {
            Ok(pin) => grant.pin = Some(pin),
            Err(why) => grant.no_pin = Some(why),
        }
        lockers.insert(grant.locker.clone());
        grants.push(grant);
    }
    for missing in batch.reservations.iter().filter(|id| !found.contains(*id)) {
        if view::one(hub, tx.on(), missing, customer.viewer()).await?.is_none() {
            return Err(Code::NotFound.into());
        }
    }
    if grants.is_empty() && !batch.reservations.is_empty() {
        return Err(refuse(Code::WrongState, "cannot be opened now"));
    }
    let mut bulletins = Vec::new();
    for locker in lockers {
        if let Some(at) = batch.locker_time.filter(|_| nonce.is_some()) {
            news::hear_clock(tx, &locker, at, now).await?;
        }
        bulletins.extend(news::bulletin(hub, tx, &locker, nonce, now).await?);
    }
    Ok(Grants { grants, bulletins })
}

/// The nonce of a HELLO as the contract writes it.
///
/// # Errors
/// `Malformed` where it is none.
pub fn hello_nonce(text: Option<&str>) -> Result<Option<[u8; 16]>> {
    let Some(text) = text else { return Ok(None) };
    let bytes = random::decode(text).and_then(|bytes| bytes.try_into().ok());
    Ok(Some(bytes.ok_or_else(|| invalid("/hello_nonce", "16 bytes in base64url"))?))
}

/// A return that its customer opened once more is theirs to open, and not the courier's who was to fetch it: in one epoch both
/// would have access, and neither's would end with the other's.
async fn end_errand(tx: &mut Tx, id: &str, account: &str, now: i64) -> Result<()> {
    if doors::is_whose(tx, id).await? == For::Customer {
        return Ok(());
    }
    let Some(mut reservation) = Reservation::lock(tx, id).await? else { return Ok(()) };
    let theirs = reservation.account.as_deref() == Some(account);
    if theirs && (reservation.kind, reservation.state) == (Kind::Return, State::Booked) {
        doors::hand_to(tx, &mut reservation, For::Customer, now).await?;
        reservation.save(tx, now).await?;
    }
    Ok(())
}

struct Terms {
    online: bool,
    reopen_until: Option<i64>,
    share: Option<(String, i64)>,
    nonce: Option<[u8; 16]>,
}

/// Whether a share has as many tokens that have not ended, neither by time nor with an epoch, as it may have beside the others.
async fn has_enough(tx: &mut Tx, reservation: &Reservation, share: &str, now: i64) -> Result<bool> {
    let row = sqlx::query(
        "SELECT (SELECT COUNT(*) FROM grants WHERE share_id = $1 AND expires_at > $2 AND epoch >= $3) AS living, \
         (SELECT COUNT(*) FROM shares WHERE reservation_id = $4 AND state IN ('accepted', 'used') AND until_at > $2) \
         AS standing FROM reservations WHERE id = $4",
    )
    .bind(share)
    .bind(now)
    .bind(reservation.epoch)
    .bind(&reservation.id)
    .fetch_one(tx.on())
    .await?;
    Ok(row.int("living")? >= (OF_GUESTS / row.int("standing")?.max(1)).max(2))
}

async fn mint_one(
    hub: &Hub,
    tx: &mut Tx,
    customer: &Customer,
    reservation: &Reservation,
    terms: &Terms,
    now: i64,
) -> Result<Grant> {
    let policy = &hub.config.policy;
    let life =
        if terms.online { policy.online_token_minutes * 60 } else { policy.offline_token_hours * 3600 };
    let mut expires = now + life;
    if let Some(until) = reservation.until.filter(|_| reservation.kind != Kind::Storage) {
        expires = expires.min(until);
    }
    if let Some((_, until)) = &terms.share {
        expires = expires.min(*until);
    }
    if terms.nonce.is_some() {
        expires = expires.min(now + BOUND);
    }
    if let (State::Opened, Some(until), false) =
        (reservation.state, terms.reopen_until, access::may_lie_there(reservation.inside))
    {
        expires = expires.min(until.max(now + 1));
    }
    let uses = if reservation.kind == Kind::Storage { policy.storage_uses } else { policy.uses };
    let guest = terms.share.is_some();
    let share = terms.share.as_ref().map(|(id, _)| id.clone());
    let minted = Minted {
        reservation: &reservation.id,
        locker: reservation.locker.as_deref().ok_or_else(|| broken("reservation"))?,
        door: reservation.door.ok_or_else(|| broken("reservation"))?,
        epoch: reservation.epoch,
        operations: access::operations(reservation.kind, reservation.state, reservation.inside),
        expires,
        uses,
        // A guest cannot pass it on: depth one.
        delegable: policy.delegable && !guest,
        nonce: terms.nonce,
        carry_key: None,
        share,
    };
    grant(hub, tx, customer, &minted, now).await
}

/// A token and what is said of it.
///
/// # Errors
/// As [`sign`].
pub async fn grant(
    hub: &Hub,
    tx: &mut Tx,
    customer: &Customer,
    minted: &Minted<'_>,
    now: i64,
) -> Result<Grant> {
    let (token_id, token) = sign(hub, tx, customer, minted, now).await?;
    Ok(Grant {
        reservation: minted.reservation.to_owned(),
        locker: minted.locker.to_owned(),
        doors: vec![doors::number(minted.door)?],
        operations: minted.operations.iter().copied().map(access::named).collect(),
        not_before: now - SLACK,
        expires: minted.expires,
        uses: minted.uses,
        delegable: minted.delegable,
        token_id: hex::encode(token_id),
        token: random::encode(token),
        occupancy: u32::try_from(minted.epoch).map_err(|_| broken("epoch"))?,
        pin: None,
        no_pin: None,
        receipts_from: None,
    })
}

/// A locker's clock may be behind by so many seconds.
const SLACK: i64 = 60;

/// One token to be signed.
pub struct Minted<'a> {
    /// Reservation id.
    pub reservation: &'a str,
    /// Locker id.
    pub locker: &'a str,
    /// Its door.
    pub door: i64,
    /// The door's epoch.
    pub epoch: i64,
    /// What it allows.
    pub operations: &'a [Operation],
    /// UNIX seconds.
    pub expires: i64,
    /// How many openings.
    pub uses: u8,
    /// May be passed on in person.
    pub delegable: bool,
    /// For a locker that lost the time.
    pub nonce: Option<[u8; 16]>,
    /// For a courier, who carries receipts: the hub's key that they are sealed to.
    pub carry_key: Option<[u8; 32]>,
    /// The share that it is for.
    pub share: Option<String>,
}

/// Signs a token for the customer's device key and remembers whose it is.
///
/// # Errors
/// When something stored does not fit the protocol, or the database fails.
pub async fn sign(
    hub: &Hub,
    tx: &mut Tx,
    customer: &Customer,
    minted: &Minted<'_>,
    now: i64,
) -> Result<([u8; 16], Vec<u8>)> {
    let seconds = |at: i64| u64::try_from(at).map(Timestamp).map_err(|_| broken("time"));
    let id = random::bytes::<16>();
    let mut claims = Claims {
        key_id: KeyId(0),
        locker: minted.locker.parse::<LockerId>().map_err(|_| broken("locker id"))?,
        doors: vec![(
            Door(doors::number(minted.door)?),
            Epoch(u32::try_from(minted.epoch).map_err(|_| broken("epoch"))?),
        )],
        operations: minted.operations.iter().copied().collect::<Operations>(),
        not_before: seconds(now - SLACK)?,
        expires: seconds(minted.expires)?,
        issued_at: seconds(now)?,
        id: TokenId(id),
        key: customer.key,
        uses: minted.uses,
        delegable: minted.delegable,
        hello_nonce: minted.nonce,
        carry_key: minted.carry_key,
    };
    let token = hub.keyring.with_active(now, |issuer| {
        claims.key_id = issuer.key_id;
        issue::is_issuable(&claims).then(|| issuer.sign_token(&claims))
    })?;
    let token = token.ok_or_else(|| broken("reservation"))?;
    sqlx::query(
        "INSERT INTO grants (token_id, reservation_id, account_id, session_id, share_id, locker_id, issued_at, \
         expires_at, epoch, door, delegable) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(hex::encode(id))
    .bind(minted.reservation)
    .bind(&customer.account)
    .bind(&customer.session)
    .bind(minted.share.clone())
    .bind(minted.locker)
    .bind(now)
    .bind(minted.expires)
    .bind(minted.epoch)
    .bind(minted.door)
    .bind(i64::from(minted.delegable))
    .execute(tx.on())
    .await?;
    Ok((id, token))
}

#[cfg(test)]
mod tests {
    use sqlx::Row as _;

    use super::OPENABLE;
    use crate::{push::Push, store::Store};

    #[tokio::test]
    async fn sqlite_reads_only_what_is_the_customers() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("hub.db").display());
        let store = Store::open(&url, 2, Push::default()).await.unwrap();
        store.migrate().await.unwrap();
        let explain = format!("EXPLAIN QUERY PLAN {OPENABLE}");
        let rows = sqlx::query(sqlx::AssertSqlSafe(explain)).bind("ada").bind(0_i64);
        let rows = rows.fetch_all(store.read()).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        let narrow = |step: &String| {
            [
                "account_id=?",
                "(id=?)",
                "(reservation_id=?)",
                "(locker_id=? AND door=?)",
                "(site_id=? AND unit=?)",
            ]
            .iter()
            .any(|key| step.contains(key))
                || !step.starts_with("SEARCH")
        };
        assert!(plan.iter().all(narrow) && !plan.iter().any(|step| step.starts_with("SCAN")), "{plan:#?}");
        store.close().await;
    }
}
