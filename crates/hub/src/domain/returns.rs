//! Returns: an empty compartment is booked, the customer puts the parcel in, a carrier takes it out.

use postern_api::reservation::{IdentificationFormat, Kind, NewReturn, State, TimelineEvent};
use postern_rules::care::Climate;

use super::{code, doors, fair, network::check_text, parcels, reservation::Reservation};
use crate::{
    error::{Result, invalid},
    hub::Hub,
    store::Tx,
};

/// Books a compartment at the site. `carrier` takes the parcel on; `title` is what the customer calls it.
///
/// # Errors
/// `Malformed` where a field is not sound, `NoCompartment` where none is free, `FairShare`.
pub async fn book(
    hub: &Hub,
    tx: &mut Tx,
    account: &str,
    carrier: &str,
    title: &str,
    new: &NewReturn,
) -> Result<Reservation> {
    let mut reservation = start(hub, account, carrier, title, new)?;
    let prefers_low = parcels::prefers_low_doors(tx, Some(account)).await?;
    let wanted = doors::Wanted {
        locker: None,
        site: &new.site,
        size: new.size,
        prefers_low,
        climate: Climate::Plain,
        untold: false,
    };
    let now = hub.clock.now();
    fair::queue(tx, account, &new.site).await?;
    fair::another_door(hub, tx, account, &new.site).await?;
    doors::book(tx, &mut reservation, wanted, doors::Taking { by_customer: true, now }).await?;
    reservation.insert(tx, now).await?;
    Ok(reservation)
}

/// As [`book`], at a certain door.
///
/// # Errors
/// As [`book`].
pub async fn book_door(
    hub: &Hub,
    tx: &mut Tx,
    account: &str,
    carrier: &str,
    title: &str,
    new: &NewReturn,
    (locker, door): (&str, i64),
) -> Result<Reservation> {
    let mut reservation = start(hub, account, carrier, title, new)?;
    let now = hub.clock.now();
    let taking = doors::Taking { by_customer: true, now };
    if !doors::take(tx, &mut reservation, locker, door, taking).await? {
        return Err(postern_api::problem::Code::NoCompartment.into());
    }
    reservation.insert(tx, now).await?;
    Ok(reservation)
}

fn start(hub: &Hub, account: &str, carrier: &str, title: &str, new: &NewReturn) -> Result<Reservation> {
    let now = hub.clock.now();
    check_text(&new.code, 64, "/code")?;
    if new.code.trim().is_empty() {
        return Err(invalid("/code", "must not be empty"));
    }
    let mut reservation = Reservation::new(Kind::Return, State::Booked, title, carrier);
    reservation.account = Some(account.to_owned());
    reservation.reference = Some(new.code.trim().to_owned());
    reservation.site = Some(new.site.clone());
    reservation.size = Some(code::of(&new.size));
    reservation.since = Some(now);
    reservation.until = Some(now + hub.config.policy.return_hours * 3600);
    let format = code::of(&IdentificationFormat::Gs1DigitalLink);
    reservation.identification = Some((format, parcels::digital_link(hub.public_url())));
    reservation.note(now, TimelineEvent::Announced, Some("you"), false);
    Ok(reservation)
}
