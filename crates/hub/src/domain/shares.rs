//! Giving access over the hub: a claim link, taken up by an account or by a guest without one.

use postern_api::{
    problem::Code,
    reservation::{IN_PERSON, Kind, NewShare, Share, ShareOffer, ShareState, State, TimelineEvent},
};
use postern_rules::recipient::{self, Claimant, Claimed};
use sqlx::AnyConnection;

use super::{code, ending, feed, network::check_name, parcels, reservation::Reservation};
use crate::{
    error::{Error, Result, invalid, refuse},
    hub::Hub,
    random,
    store::{RowExt, Tx, claims},
};

/// Makes a claim link, by whom. Whoever opens it first has it.
///
/// # Errors
/// `WrongState` where there is nothing to share, `LimitReached`, `Malformed`.
pub async fn offer(
    hub: &Hub,
    tx: &mut Tx,
    (reservation, by): (&mut Reservation, &str),
    new: &NewShare,
) -> Result<ShareOffer> {
    let now = hub.clock.now();
    check_name(&new.name, 64, "/name")?;
    let fits = match reservation.kind {
        // Before it has arrived, too: it opens nothing until then.
        Kind::Pickup => {
            matches!(reservation.state, State::Announced | State::InTransit | State::Ready)
        }
        Kind::Storage => matches!(reservation.state, State::Held | State::Ready),
        Kind::Return => false,
    };
    if !fits {
        return Err(Code::WrongState.into());
    }
    let until = new.until.min(reservation.until.unwrap_or(i64::MAX));
    if until <= now {
        return Err(invalid("/until", "after now"));
    }
    let standing = sqlx::query(
        "SELECT COUNT(*) AS standing FROM shares WHERE reservation_id = $1 AND state <> 'ended' AND until_at > $2",
    )
    .bind(&reservation.id)
    .bind(now)
    .fetch_one(tx.on())
    .await?
    .int("standing")?;
    if standing >= hub.config.policy.shares {
        return Err(Code::LimitReached.into());
    }
    let secret = random::secret();
    let share = Share {
        id: random::id(),
        name: new.name.trim().to_owned(),
        until,
        state: ShareState::Offered.into(),
    };
    sqlx::query(
        "INSERT INTO shares (id, reservation_id, name, until_at, state, claim_hash, created_at, given_by) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(&share.id)
    .bind(&reservation.id)
    .bind(&share.name)
    .bind(until)
    .bind(code::of(&share.state))
    .bind(random::hash(&secret))
    .bind(now)
    .bind(by)
    .execute(tx.on())
    .await?;
    reservation.shares += 1;
    reservation.note(now, TimelineEvent::Shared, Some(&share.name), false);
    reservation.save(tx, now).await?;
    Ok(ShareOffer { share, link: parcels::claim_link(hub, &secret) })
}

/// A standing offer, by the secret of its link: share id and reservation id.
///
/// # Errors
/// `ClaimEnded` where it was used, revoked or has ended.
async fn find(on: &mut AnyConnection, secret: &str, now: i64) -> Result<(String, String)> {
    let row = sqlx::query(
        "SELECT id, reservation_id FROM shares WHERE claim_hash = $1 AND state = 'offered' AND until_at > $2",
    )
    .bind(random::hash(secret))
    .bind(now)
    .fetch_optional(on)
    .await?
    .ok_or(Code::ClaimEnded)?;
    Ok((row.text("id")?, row.text("reservation_id")?))
}

/// What a claim link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// A compartment that somebody shares.
    Share,
    /// A parcel that a carrier announced.
    Parcel,
}

/// Whether a claim link can still be taken up, and what it is for.
///
/// # Errors
/// As [`claim`].
pub async fn check(hub: &Hub, secret: &str) -> Result<For> {
    // Anybody may look, as often as they like: that keeps nobody from writing.
    let mut on = hub.store.read().acquire().await?;
    let (hash, now) = (random::hash(secret), hub.clock.now());
    if claims::parcel(&mut on, &hash).await?.is_some() {
        return Ok(For::Parcel);
    }
    // Whoever came by it a moment ago may come again.
    match claims::guest(&mut on, &hash, None, now - AGAIN).await? {
        Some((_, true)) => Ok(For::Parcel),
        Some((_, false)) => Ok(For::Share),
        None => find(&mut on, secret, now).await.map(|_| For::Share),
    }
}

/// How long a guest's device may take up the same link again, seconds: a page that was closed too early has nothing but the
/// link, and the code that it led to is over after a minute.
const AGAIN: i64 = 600;

/// The guest that the device with this key became by this link a moment ago. The key is only named here: whatever is made
/// for it is worth nothing without it.
///
/// # Errors
/// When the database fails.
pub async fn guest_again(
    hub: &Hub,
    tx: &mut Tx,
    secret: &str,
    thumbprint: Option<&str>,
) -> Result<Option<String>> {
    let Some(thumbprint) = thumbprint else { return Ok(None) };
    let since = hub.clock.now() - AGAIN;
    let found = claims::guest(tx.on(), &random::hash(secret), Some(thumbprint), since).await?;
    Ok(found.map(|(account, _)| account))
}

/// What this account has by this link already.
///
/// # Errors
/// When the database fails.
pub async fn held(tx: &mut Tx, account: &str, secret: &str) -> Result<Option<String>> {
    claims::held(tx.on(), account, &random::hash(secret)).await
}

/// `account` takes up a claim link, or comes by it again. Reservation id.
///
/// # Errors
/// `ClaimEnded`; `WrongState` where it is a share of the owner's own.
pub async fn claim(hub: &Hub, tx: &mut Tx, account: &str, guest: bool, secret: &str) -> Result<String> {
    let hash = random::hash(secret);
    if let Some(id) = claims::held(tx.on(), account, &hash).await? {
        return Ok(id);
    }
    match claims::parcel(tx.on(), &hash).await? {
        Some(parcel) => claim_parcel(hub, tx, Claimer { account, guest }, &parcel, &hash).await,
        // Another request of the same person may have taken it up between the two questions.
        None => match claims::held(tx.on(), account, &hash).await? {
            Some(id) => Ok(id),
            None => claim_share(hub, tx, account, secret).await,
        },
    }
}

#[derive(Clone, Copy)]
struct Claimer<'a> {
    account: &'a str,
    guest: bool,
}

/// The link that was made when the parcel was announced.
async fn claim_parcel(hub: &Hub, tx: &mut Tx, by: Claimer<'_>, id: &str, hash: &str) -> Result<String> {
    let now = hub.clock.now();
    let mut parcel = Reservation::lock(tx, id).await?.ok_or(Code::ClaimEnded)?;
    if parcel.has_ended() {
        return Err(Code::ClaimEnded.into());
    }
    if !claims::take(tx.on(), id, hash).await? {
        return held_meanwhile(tx, by.account, hash).await;
    }
    let claimant = Claimant { guest: by.guest, owner: parcel.account.as_deref() == Some(by.account) };
    match recipient::claim(claimant, parcel.account.is_some()) {
        Claimed::Theirs => claims::note_owner(tx.on(), id, hash).await?,
        Claimed::Own => {
            parcel.account = Some(by.account.to_owned());
            claims::note_owner(tx.on(), id, hash).await?;
        }
        Claimed::Collect => {
            // For as long as the parcel is there: shares end with what they are of.
            let until = now + 10 * 365 * 86_400;
            let name = parcels::carrier_name(tx, &parcel.carrier).await?;
            sqlx::query(
                "INSERT INTO shares (id, reservation_id, name, until_at, state, claim_hash, account_id, created_at) \
                 VALUES ($1, $2, $3, $4, 'accepted', $5, $6, $7)",
            )
            .bind(random::id())
            .bind(id)
            .bind(&name)
            .bind(until)
            .bind(hash)
            .bind(by.account)
            .bind(now)
            .execute(tx.on())
            .await?;
            parcel.shares += 1;
            parcel.note(now, TimelineEvent::Shared, Some(&name), false);
        }
    }
    parcel.save(tx, now).await?;
    Ok(parcel.id)
}

/// Somebody took the link since it was looked for: the same person, by another request, or somebody else.
async fn held_meanwhile(tx: &mut Tx, account: &str, hash: &str) -> Result<String> {
    claims::held(tx.on(), account, hash).await?.ok_or_else(|| Code::ClaimEnded.into())
}

async fn claim_share(hub: &Hub, tx: &mut Tx, account: &str, secret: &str) -> Result<String> {
    let now = hub.clock.now();
    let (share, id) = match find(tx.on(), secret, now).await {
        Err(Error::Refused(why)) if why.code == Code::ClaimEnded => {
            return held_meanwhile(tx, account, &random::hash(secret)).await;
        }
        found => found?,
    };
    let mut reservation = Reservation::lock(tx, &id).await?.ok_or(Code::ClaimEnded)?;
    if reservation.account.as_deref() == Some(account) {
        return Err(refuse(Code::WrongState, "it is yours already"));
    }
    if reservation.has_ended() {
        return Err(Code::ClaimEnded.into());
    }
    let taken = sqlx::query(
        "UPDATE shares SET state = 'accepted', account_id = $1 WHERE id = $2 AND state = 'offered'",
    )
    .bind(account)
    .bind(&share)
    .execute(tx.on())
    .await?
    .rows_affected();
    if taken == 0 {
        return held_meanwhile(tx, account, &random::hash(secret)).await;
    }
    reservation.save(tx, now).await?;
    Ok(id)
}

/// Takes a share back: the guest's tokens and PINs end with the locker's next news, and nobody else's.
///
/// # Errors
/// `NotFound` where there is no such share.
pub async fn revoke(hub: &Hub, tx: &mut Tx, reservation: &mut Reservation, share: &str) -> Result<()> {
    let now = hub.clock.now();
    if share == IN_PERSON {
        return revoke_in_person(tx, reservation, now).await;
    }
    let row = sqlx::query("SELECT state, account_id, name FROM shares WHERE id = $1 AND reservation_id = $2")
        .bind(share)
        .bind(&reservation.id)
        .fetch_optional(tx.on())
        .await?
        .ok_or(Code::NotFound)?;
    if row.text("state")? == "ended" {
        return Ok(());
    }
    sqlx::query("UPDATE shares SET state = 'ended' WHERE id = $1").bind(share).execute(tx.on()).await?;
    if let Some(guest) = row.maybe_text("account_id")? {
        ending::share(tx, reservation, share, now).await?;
        feed::remove(tx, &guest, &reservation.id, now).await?;
    }
    reservation.note(now, TimelineEvent::Revoked, Some(&row.text("name")?), false);
    reservation.save(tx, now).await
}

/// Ends what the owner's devices passed on in person. The hub hears of a delegation only by its receipt, so everything
/// that may have been delegated ends: whatever was passed on of the owner's living tokens, and not these themselves. Where
/// there is nothing (it was done before, and no token was minted since) nothing changes.
async fn revoke_in_person(tx: &mut Tx, reservation: &mut Reservation, now: i64) -> Result<()> {
    if !ending::in_person(tx, reservation, now).await? {
        return Ok(());
    }
    reservation.note(now, TimelineEvent::Revoked, None, false);
    reservation.save(tx, now).await
}

/// Accounts of guests with a standing share.
pub(super) async fn accounts(tx: &mut Tx, reservation: &str) -> Result<Vec<String>> {
    let rows = sqlx::query(
        "SELECT DISTINCT account_id FROM shares WHERE reservation_id = $1 AND account_id IS NOT NULL \
         AND state IN ('accepted', 'used')",
    )
    .bind(reservation)
    .fetch_all(tx.on())
    .await?;
    rows.iter().map(|row| row.text("account_id")).collect()
}
