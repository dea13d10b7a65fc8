//! What a customer asks for about what is theirs: later, elsewhere, not at all.

use postern_api::{
    locker::Size,
    problem::Code,
    reservation::{Handover, Kind, NewReturn, NewStorage, Release, State, TimelineEvent},
};
use postern_rules::{
    access::{self, For},
    care::Climate,
    parcel::{self, Not, Timed, Wish},
    placed::{Answer, Inside},
    release::{self, Back, Given, NotYet},
    settling::Holds,
};

use super::{
    care, code, doors, ending, fair, feed,
    homes::{self, Flat},
    network::{OPERATOR, check_name},
    parcels,
    reservation::Reservation,
    returns, settle, sites,
};
use crate::{
    error::{Result, invalid, refuse},
    hub::Hub,
    store::{RowExt, Tx},
};

fn timed(reservation: &Reservation) -> Timed {
    Timed {
        kind: reservation.kind,
        state: reservation.state,
        until: reservation.until,
        held_until: reservation.held_until,
        extensions: reservation.extensions,
        may_lie_there: access::may_lie_there(reservation.inside),
        keeps: reservation.keeps,
    }
}

/// A later deadline; the hub grants what the operator allows.
///
/// # Errors
/// `WrongState`, `LimitReached` where it was extended often enough, `KeepsNoLonger`.
pub async fn extend(hub: &Hub, tx: &mut Tx, reservation: &mut Reservation, until: i64) -> Result<()> {
    let now = hub.clock.now();
    let policy = &hub.config.policy;
    let granted = parcel::extend(timed(reservation), until, policy.extensions, policy.extension_hours, now);
    let granted = granted.map_err(|why| match why {
        Not::Time => invalid("/until", "later than the deadline"),
        why => parcels::not(why),
    })?;
    // A courier may hold a token to take it out: it ends with the epoch, wherever the locker hears of that in time.
    doors::hand_to(tx, reservation, For::Customer, now).await?;
    reservation.until = Some(granted);
    reservation.extensions += 1;
    reservation.state = State::Ready;
    reservation.note(now, TimelineEvent::Extended, Some("you"), false);
    ending::pins_that_outlive_shares(tx, reservation, now).await?;
    reservation.save(tx, now).await
}

/// Keeps it while the customer is away. A parcel that is still on its way is given a longer window when it arrives.
///
/// # Errors
/// `WrongState`, `LimitReached` where it is held already, `Malformed` where the date is out of range, `KeepsNoLonger`.
pub async fn hold(hub: &Hub, tx: &mut Tx, reservation: &mut Reservation, until: i64) -> Result<()> {
    let now = hub.clock.now();
    let days = hub.config.policy.hold_days;
    reservation.until = parcel::hold(timed(reservation), until, days, now).map_err(parcels::not)?;
    reservation.held_until = Some(until);
    reservation.note(now, TimelineEvent::Held, Some("you"), false);
    ending::pins_that_outlive_shares(tx, reservation, now).await?;
    reservation.save(tx, now).await
}

/// Called off before it began. Where access was given, the door is nobody's until it is proven that nothing was put in.
///
/// # Errors
/// `WrongState` where something lies in the compartment.
pub async fn cancel(hub: &Hub, tx: &mut Tx, reservation: &mut Reservation) -> Result<()> {
    let becomes = parcel::wish(reservation.kind, reservation.state, Wish::Cancel).map_err(parcels::not)?;
    let Some((state, event)) = becomes else { return Ok(()) };
    let now = hub.clock.now();
    doors::end(tx, reservation, Holds::Nothing, now).await?;
    reservation.state = state;
    reservation.note(now, event, Some("you"), false);
    reservation.save(tx, now).await
}

/// A held compartment, or a thing that was lent, is given back: measured, said at the closed door, or never touched. The
/// compartment is nobody's until the locker's chain shows that nobody has opened it since. The door of a lent thing stays kept
/// for the thing.
///
/// # Errors
/// `WrongState` where it is not held, stands open, or nobody has said what lies inside; `SomethingInside`.
pub async fn release(hub: &Hub, tx: &mut Tx, reservation: &mut Reservation, said: Release) -> Result<()> {
    let now = hub.clock.now();
    if reservation.kind != Kind::Storage
        || !matches!(reservation.state, State::Held | State::Ready | State::Opened)
    {
        return Err(Code::WrongState.into());
    }
    if said.empty == Some(false) {
        return Err(refuse(
            Code::SomethingInside,
            "it is not as it should be when it is given back, you say",
        ));
    }
    let opening = said.opening.map(i64::from);
    let as_it_should_be = said.empty.filter(|_| opening.is_some() && opening == reservation.opening);
    let given = Given { lent: reservation.lent, inside: reservation.inside, as_it_should_be };
    let back = release::give_back(given).map_err(|why| match why {
        NotYet::SomethingInside => refuse(Code::SomethingInside, "something lies in the compartment"),
        NotYet::NothingInside => refuse(Code::WrongState, "the thing does not lie in its compartment"),
        NotYet::Unsaid => refuse(
            Code::SomethingInside,
            "nobody has said since the door was last opened, and the locker does not measure, what lies inside",
        ),
        NotYet::StandsOpen => refuse(Code::WrongState, "no receipt says that the door is closed"),
    })?;
    if let (Some(true), Some(after)) = (as_it_should_be, opening) {
        reservation.answer = Some(Answer { after, inside: reservation.lent });
        reservation.answered_of = reservation.locker.clone().zip(reservation.door);
        if back == Back::Said {
            reservation.inside = Some(if reservation.lent { Inside::SaidIn } else { Inside::SaidOut });
        }
    }
    sqlx::query("UPDATE assets SET reservation_id = NULL WHERE reservation_id = $1")
        .bind(&reservation.id)
        .execute(tx.on())
        .await?;
    reservation.state = State::Released;
    let jammed = doors::jammed_last(tx, reservation).await?;
    reservation.unproven = back == Back::Said || jammed;
    reservation.note(now, TimelineEvent::Ended, Some("you"), back == Back::Proven && !jammed);
    if !reservation.lent {
        return settle::end(tx, reservation, Holds::Nothing, now).await;
    }
    // Nobody has heard that it was opened, or its sensors tell nothing: it is lent again when the chain shows that it lies there.
    if back == Back::Untouched || jammed || given.inside == Some(Inside::Open) {
        return settle::end(tx, reservation, Holds::Lent, now).await;
    }
    // What lies there is the next one's to take, and nothing of anybody's: they need not wait until the locker has heard.
    doors::revoke(tx, reservation, now).await?;
    doors::free(tx, &reservation.id).await?;
    reservation.save(tx, now).await
}

/// Another site while it is on its way.
///
/// # Errors
/// `WrongState`, or `Malformed` where the customer may not use that site, `NoCompartment` where none is free there, `NoClimate` where
/// none there keeps it as it has to be kept.
pub async fn change_site(hub: &Hub, tx: &mut Tx, reservation: &mut Reservation, site: &str) -> Result<()> {
    let now = hub.clock.now();
    parcel::wish(reservation.kind, reservation.state, Wish::Move).map_err(parcels::not)?;
    let account = reservation.account.clone().unwrap_or_default();
    sites::check_access(tx, site, &account).await?;
    let wanted = doors::Wanted {
        locker: None,
        site,
        size: reservation.size.as_deref().map_or(Ok(Size::M), code::parse)?,
        prefers_low: false,
        climate: reservation.climate(),
        untold: false,
    };
    if !doors::has_free(tx, wanted).await? {
        care::check_site(tx, (site, None), wanted.size, wanted.climate).await?;
        return Err(Code::NoCompartment.into());
    }
    // A courier on the way to the old site may still put it in there.
    doors::end(tx, reservation, Holds::Nothing, now).await?;
    reservation.site = Some(site.to_owned());
    reservation.note(now, TimelineEvent::Moved, Some("you"), false);
    reservation.save(tx, now).await
}

/// Books a compartment for a return. A code that a carrier gave out before leads to that carrier; another to the
/// operator, who hands it on.
///
/// # Errors
/// As [`returns::book`].
pub async fn book_return(hub: &Hub, tx: &mut Tx, account: &str, new: &NewReturn) -> Result<Reservation> {
    sites::check_access(tx, &new.site, account).await?;
    let parcel = sqlx::query(
        "SELECT carrier_id, title FROM reservations WHERE reference = $1 AND account_id = $2 AND kind = 'pickup' \
         ORDER BY id DESC LIMIT 1",
    )
    .bind(new.code.trim())
    .bind(account)
    .fetch_optional(tx.on())
    .await?;
    let (carrier, title) = match parcel {
        Some(row) => (row.text("carrier_id")?, row.text("title")?),
        None => (OPERATOR.to_owned(), new.code.trim().to_owned()),
    };
    returns::book(hub, tx, account, &carrier, &title, new).await
}

/// Books a compartment to keep something in.
///
/// # Errors
/// `Malformed` where a field is not sound or the site is not the customer's to use, `NoCompartment`, `LimitReached`.
pub async fn book_storage(hub: &Hub, tx: &mut Tx, account: &str, new: &NewStorage) -> Result<Reservation> {
    let now = hub.clock.now();
    let policy = &hub.config.policy;
    check_name(&new.title, 120, "/title")?;
    if new.until <= now || new.until > now + policy.storage_days * 86_400 {
        return Err(invalid("/until", "after now and within the operator's limit"));
    }
    sites::check_access(tx, &new.site, account).await?;
    fair::queue(tx, account, &new.site).await?;
    let held = sqlx::query(
        "SELECT COUNT(*) AS held FROM reservations WHERE account_id = $1 AND kind = 'storage' AND state = 'held' \
         AND until_at IS NOT NULL",
    )
    .bind(account)
    .fetch_one(tx.on())
    .await?
    .int("held")?;
    if held >= policy.storages {
        return Err(Code::LimitReached.into());
    }
    fair::another_door(hub, tx, account, &new.site).await?;
    let mut reservation = Reservation::new(Kind::Storage, State::Held, new.title.trim(), OPERATOR);
    reservation.account = Some(account.to_owned());
    reservation.since = Some(now);
    reservation.until = Some(new.until);
    reservation.size = Some(code::of(&new.size));
    let prefers_low = parcels::prefers_low_doors(tx, Some(account)).await?;
    let wanted = doors::Wanted {
        locker: None,
        site: &new.site,
        size: new.size,
        prefers_low,
        climate: Climate::Plain,
        untold: false,
    };
    doors::book(tx, &mut reservation, wanted, doors::Taking { by_customer: true, now }).await?;
    reservation.note(now, TimelineEvent::Held, Some("you"), false);
    reservation.insert(tx, now).await?;
    Ok(reservation)
}

/// What lies in a held compartment goes to a neighbour of the same site: they can open it, the giver no longer. Where several live
/// in the neighbour's flat it is all of theirs, and so is what was a flat's before.
///
/// # Errors
/// `WrongState` where it is not held, a lent thing or the same flat's already; `NotFound` where nobody lives in that flat.
pub async fn hand_over(
    hub: &Hub,
    tx: &mut Tx,
    (reservation, giver): (&mut Reservation, &str),
    to: &Handover,
) -> Result<()> {
    let now = hub.clock.now();
    if reservation.kind != Kind::Storage || reservation.state != State::Held {
        return Err(Code::WrongState.into());
    }
    let site = reservation.site.clone().unwrap_or_default();
    let lent = sqlx::query("SELECT id FROM assets WHERE reservation_id = $1")
        .bind(&reservation.id)
        .fetch_optional(tx.on())
        .await?;
    if lent.is_some() {
        return Err(refuse(Code::WrongState, "a lent thing is given back, not on"));
    }
    let member = homes::unit_of(tx.on(), &site, giver).await?;
    let member = member.ok_or_else(|| refuse(Code::Forbidden, "only between the people of a site"))?;
    let flat = Flat { site: &site, unit: to.unit.trim() };
    let flats = homes::flat_of(tx.on(), &reservation.id).await?;
    if flats.as_ref().is_some_and(|(_, unit)| unit == flat.unit) {
        return Err(refuse(Code::WrongState, "it is that flat's already"));
    }
    let mut takers = homes::residents(tx.on(), flat).await?;
    takers.retain(|one| one != giver);
    let Some(taker) = takers.first().cloned() else {
        return Err(refuse(Code::NotFound, "no neighbour by that name of a flat"));
    };
    let mut before = super::shares::accounts(tx, &reservation.id).await?;
    before.extend(reservation.account.clone());
    if let Some((site, unit)) = &flats {
        before.extend(homes::residents(tx.on(), Flat { site, unit }).await?);
    }
    doors::revoke(tx, reservation, now).await?;
    sqlx::query("UPDATE shares SET state = 'ended' WHERE reservation_id = $1")
        .bind(&reservation.id)
        .execute(tx.on())
        .await?;
    for account in before {
        feed::remove(tx, &account, &reservation.id, now).await?;
    }
    if flats.is_some() || takers.len() > 1 {
        homes::give_to_flat(tx, reservation, flat).await?;
    } else {
        reservation.account = Some(taker);
    }
    // Of the giver the neighbour learns the flat, as one would on a note at the door.
    reservation.timeline.clear();
    reservation.note(now, TimelineEvent::Moved, Some(&member), false);
    reservation.save(tx, now).await
}

/// Borrows a thing: its door can be opened until it is given back, and it is late after the due time.
///
/// # Errors
/// `NotFound` where it is not the customer's to borrow, `WrongState` where somebody has it.
pub async fn borrow(hub: &Hub, tx: &mut Tx, account: &str, asset: &str) -> Result<Reservation> {
    let now = hub.clock.now();
    let row = sqlx::query(
        "SELECT title, site_id, locker_id, door, loan_hours, reservation_id FROM assets WHERE id = $1",
    )
    .bind(asset)
    .fetch_optional(tx.on())
    .await?
    .ok_or(Code::NotFound)?;
    sites::check_access(tx, &row.text("site_id")?, account).await.map_err(|_| Code::NotFound)?;
    let mut reservation = Reservation::new(Kind::Storage, State::Held, &row.text("title")?, OPERATOR);
    let taken = sqlx::query("UPDATE assets SET reservation_id = $1 WHERE id = $2 AND reservation_id IS NULL AND missing_at IS NULL")
        .bind(&reservation.id)
        .bind(asset)
        .execute(tx.on())
        .await?
        .rows_affected();
    if taken == 0 {
        return Err(refuse(Code::WrongState, "somebody has it, or it is missing"));
    }
    reservation.account = Some(account.to_owned());
    reservation.since = Some(now);
    reservation.until = Some(now + row.int("loan_hours")? * 3600);
    reservation.lent = true;
    let taking = doors::Taking { by_customer: false, now };
    if !doors::take_kept(tx, &mut reservation, &row.text("locker_id")?, row.int("door")?, taking).await? {
        return Err(Code::NoCompartment.into());
    }
    reservation.note(now, TimelineEvent::Held, Some("you"), false);
    reservation.insert(tx, now).await?;
    Ok(reservation)
}
