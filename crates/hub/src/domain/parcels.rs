//! What carriers do: announce, send on its way, deposit.

use postern_api::{
    carrier::{Deposit, NewParcel, Parcel, Parcels},
    locker::Size,
    problem::Code,
    reservation::{Kind, State, TimelineEvent},
};
use postern_rules::{
    access,
    parcel::{self, Not, Wish},
    recipient::Recipient,
    settling::Holds,
};

use super::{
    care, code, doors,
    network::{check_name, check_text},
    reservation::{Reservation, columns},
    settle,
};
use crate::{
    error::{Error, Result, invalid, refuse},
    hub::Hub,
    mail::{self, Letter},
    random,
    store::{
        RowExt, Tx, accounts, chain, claims, emails,
        letters::{self, About},
    },
};

/// A parcel that was announced, and the secret of the claim link that was made for it.
pub struct Announced {
    /// The parcel.
    pub parcel: Reservation,
    /// Secret.
    pub claim: String,
}

/// A carrier tells of a parcel. Whether the network knows the recipient changes nothing of what the carrier is told: a known
/// one has it in the list, and the claim link is made for everybody.
///
/// # Errors
/// `Malformed` where a field is not sound, `NoClimate` where the site has no door that keeps it as it has to be kept.
pub async fn announce(hub: &Hub, tx: &mut Tx, carrier: &str, new: &NewParcel) -> Result<Announced> {
    let now = hub.clock.now();
    check_name(&new.title, 120, "/title")?;
    check_text(&new.reference, 64, "/reference")?;
    if new.reference.trim().is_empty() {
        return Err(invalid("/reference", "must not be empty"));
    }
    let site = sqlx::query("SELECT name, address FROM sites WHERE id = $1")
        .bind(&new.site)
        .fetch_optional(tx.on())
        .await?
        .ok_or_else(|| invalid("/site", "no such site"))?;
    let recipient = Recipient::read(&new.recipient).map_err(|why| invalid("/recipient", why))?;
    let (account, language) = match &recipient {
        Recipient::Number(number) => (accounts::with_number(tx.on(), *number).await?, None),
        Recipient::Email(email) => emails::reader(tx.on(), email).await?.unzip(),
    };
    let mut reservation = Reservation::new(Kind::Pickup, State::Announced, new.title.trim(), carrier);
    reservation.account = account;
    reservation.reference = Some(new.reference.trim().to_owned());
    reservation.site = Some(new.site.clone());
    reservation.size = Some(code::of(&new.size));
    care::read(&mut reservation, new)?;
    care::check_site(tx, (&new.site, None), new.size, reservation.climate()).await?;
    let name = carrier_name(tx, carrier).await?;
    let by = new.sender.as_deref().map(str::trim).filter(|sender| !sender.is_empty()).unwrap_or(&name);
    check_text(by, 120, "/sender")?;
    reservation.note(now, TimelineEvent::Announced, Some(by), false);
    claim_reference(tx, &reservation).await?;
    reservation.insert(tx, now).await?;
    let claim = random::secret();
    claims::make(tx.on(), &reservation.id, &random::hash(&claim)).await?;
    if let (Recipient::Email(email), Some(mail)) = (&recipient, &hub.config.mail)
        && hub.letters.take(&format!("parcel {}", email.key())).is_ok()
    {
        let (site, place) = (site.text("name")?, site.text("address")?);
        let link = &claim_link(hub, &claim);
        let letter = Letter::Parcel { carrier: &name, site: (&site, &place), link };
        let language = language.as_deref().unwrap_or(&mail.language);
        mail::queue(hub, tx, (email, language), About::Parcel(&reservation.id), letter).await?;
    }
    Ok(Announced { parcel: reservation, claim })
}

/// The link with this secret.
#[must_use]
pub fn claim_link(hub: &Hub, secret: &str) -> String {
    format!("{}/claim/{secret}", hub.public_url())
}

/// One parcel of a carrier's under way for each reference: of many announced at once, one is the first. Whoever waited for it
/// does not see its reservation yet, and so does not find it to be over.
async fn claim_reference(tx: &mut Tx, parcel: &Reservation) -> Result<()> {
    let claimed = sqlx::query(
        "INSERT INTO parcel_references (carrier_id, reference, reservation_id) VALUES ($1, $2, $3) \
         ON CONFLICT (carrier_id, reference) DO UPDATE SET reservation_id = excluded.reservation_id \
         WHERE EXISTS (SELECT 1 FROM reservations r WHERE r.id = parcel_references.reservation_id \
         AND r.state NOT IN ('announced', 'in_transit', 'ready', 'opened', 'expired'))",
    )
    .bind(&parcel.carrier)
    .bind(parcel.reference.clone())
    .bind(&parcel.id)
    .execute(tx.on())
    .await?
    .rows_affected();
    if claimed == 1 {
        Ok(())
    } else {
        Err(refuse(Code::WrongState, "a parcel with this reference is under way already"))
    }
}

/// As the contract refuses it.
pub(super) fn not(why: Not) -> Error {
    match why {
        Not::State => Code::WrongState.into(),
        Not::Limit => Code::LimitReached.into(),
        Not::Keeps => refuse(Code::KeepsNoLonger, "the parcel does not keep until then"),
        Not::Time => {
            invalid("/until", "after now, later than it is kept anyway, and within the operator's limit")
        }
    }
}

/// Lets what the carrier says become true, with its name in the chain of custody. False where it is so already.
async fn become_of(tx: &mut Tx, parcel: &mut Reservation, wish: Wish, now: i64) -> Result<bool> {
    let Some((state, event)) = parcel::wish(parcel.kind, parcel.state, wish).map_err(not)? else {
        return Ok(false);
    };
    parcel.state = state;
    let name = carrier_name(tx, &parcel.carrier).await?;
    parcel.note(now, event, Some(&name), false);
    Ok(true)
}

/// The parcel left for the site.
///
/// # Errors
/// `WrongState` where it is not merely announced.
pub async fn dispatch(hub: &Hub, tx: &mut Tx, mut parcel: Reservation) -> Result<Reservation> {
    let now = hub.clock.now();
    if become_of(tx, &mut parcel, Wish::Dispatch, now).await? {
        parcel.save(tx, now).await?;
    }
    Ok(parcel)
}

/// Keeps a door for a parcel that is on its way.
///
/// # Errors
/// `NoCompartment` where that door is not free.
pub async fn keep_door(tx: &mut Tx, parcel: &Reservation, locker: &str, door: i64, now: i64) -> Result<()> {
    let taking = doors::Taking { by_customer: false, now };
    // On a copy: the customer is shown the door only when the parcel lies in it.
    if doors::take(tx, &mut parcel.clone(), locker, door, taking).await? {
        Ok(())
    } else {
        Err(Code::NoCompartment.into())
    }
}

/// It lies in a compartment, says the carrier: the door that is kept for it, the one named, or a free one of its size. The
/// locker hears nothing of it, so nobody else may hold access that opens that door.
///
/// # Errors
/// `WrongState` where it is not on its way, `NotFound` where there is no such locker, `NoCompartment` where none is free,
/// `NoClimate` where none keeps it as it has to be kept, `LockerNotTold` where somebody else might open it.
pub async fn deposit(
    hub: &Hub,
    tx: &mut Tx,
    mut parcel: Reservation,
    deposit: &Deposit,
) -> Result<Reservation> {
    parcel::wish(parcel.kind, parcel.state, Wish::Deposit).map_err(not)?;
    let site = sqlx::query("SELECT site_id FROM lockers WHERE id = $1 AND retired_at IS NULL")
        .bind(&deposit.locker)
        .fetch_optional(tx.on())
        .await?
        .ok_or_else(|| refuse(Code::NotFound, "no such locker"))?
        .text("site_id")?;
    let kept = doors::kept_for(tx, &parcel.id).await?;
    let wanted = match (deposit.door.map(i64::from), &kept) {
        (Some(door), _) => Some(door),
        (None, Some((locker, door))) if *locker == deposit.locker => Some(*door),
        (None, _) => None,
    };
    let now = hub.clock.now();
    if kept.is_some_and(|(locker, door)| locker != deposit.locker || wanted != Some(door)) {
        doors::end(tx, &parcel, Holds::Nothing, now).await?;
    }
    let taking = doors::Taking { by_customer: false, now };
    match wanted {
        Some(door) => {
            if !care::fits(tx, &parcel, (&deposit.locker, door)).await? {
                return Err(care::no_climate(parcel.climate()));
            }
            if !doors::take(tx, &mut parcel, &deposit.locker, door, taking).await? {
                return Err(Code::NoCompartment.into());
            }
            doors::check_untold(tx, &parcel, now).await?;
            // A courier who was given a token for it and has not used it has no business there any more.
            if chain::given(tx, &parcel.id, "", now).await?.others_now {
                doors::revoke(tx, &mut parcel, now).await?;
            }
        }
        None => {
            let prefers_low = prefers_low_doors(tx, parcel.account.as_deref()).await?;
            let size = parcel.size.as_deref().map_or(Ok(Size::M), code::parse)?;
            let locker = Some(deposit.locker.as_str());
            let climate = parcel.climate();
            let wanted = doors::Wanted { locker, site: &site, size, prefers_low, climate, untold: true };
            doors::book(tx, &mut parcel, wanted, taking).await?;
        }
    }
    parcel.unproven = true;
    // What couriers did and said before is of something else than what lies there now.
    (parcel.inside, parcel.answer, parcel.answered_of) = (None, None, None);
    become_of(tx, &mut parcel, Wish::Deposit, now).await?;
    begin_window(hub, tx, &mut parcel, now, deposit.until).await?;
    parcel.save(tx, now).await?;
    Ok(parcel)
}

/// The parcel lies in its door, where it was put at `at`: when it is to be collected from now on.
///
/// # Errors
/// `Malformed` where the window would end in the past or after more than 30 days.
pub async fn begin_window(
    hub: &Hub,
    tx: &mut Tx,
    parcel: &mut Reservation,
    at: i64,
    until: Option<i64>,
) -> Result<()> {
    let now = hub.clock.now();
    parcel.keeps_from(at, now);
    let row = sqlx::query("SELECT pickup_hours FROM carriers WHERE id = $1")
        .bind(&parcel.carrier)
        .fetch_one(tx.on())
        .await?;
    let until = parcel::window(now, until, row.int("pickup_hours")?, parcel.held_until, parcel.keeps);
    let until = until.map_err(|_| invalid("/until", "after now and within 30 days"))?;
    parcel.since = Some(now);
    parcel.until = Some(until);
    Ok(())
}

/// The carrier calls a parcel off that is still on its way.
///
/// # Errors
/// `WrongState` where it lies in a locker already.
pub async fn call_off(hub: &Hub, tx: &mut Tx, parcel: &mut Reservation) -> Result<()> {
    let now = hub.clock.now();
    if !become_of(tx, parcel, Wish::CallOff, now).await? {
        return Ok(());
    }
    doors::end(tx, parcel, Holds::Nothing, now).await?;
    parcel.save(tx, now).await
}

/// A parcel that its customer opened, and may have left there, expires when a courier comes for it after its time: until then
/// it counts as theirs to collect.
pub fn expire_unsaid(parcel: &mut Reservation, now: i64) {
    let over = parcel.until.is_some_and(|until| until <= now);
    if (parcel.kind, parcel.state) == (Kind::Pickup, State::Opened)
        && over
        && access::may_lie_there(parcel.inside)
    {
        parcel.state = State::Expired;
        parcel.note(now, TimelineEvent::Expired, None, false);
    }
}

/// An expired parcel was taken out and goes back to the sender, says the carrier. Its door is nobody's until the locker's chain
/// shows that its courier opened it.
///
/// # Errors
/// `WrongState` where it has not expired.
pub async fn went_back(tx: &mut Tx, parcel: &mut Reservation, now: i64) -> Result<()> {
    expire_unsaid(parcel, now);
    become_of(tx, parcel, Wish::GoBack, now).await?;
    parcel.unproven = true;
    settle::end(tx, parcel, Holds::Fetched, now).await
}

/// The carrier or shop looked at a return. Where no courier is known to have taken it out, its door is nobody's until one is.
///
/// # Errors
/// `WrongState` where it was not put in.
pub async fn judge(tx: &mut Tx, parcel: &mut Reservation, accepted: bool, now: i64) -> Result<()> {
    become_of(tx, parcel, Wish::Judge { accepted }, now).await?;
    parcel.unproven = false;
    settle::end(tx, parcel, Holds::Fetched, now).await
}

/// Locks one of the carrier's own parcels.
///
/// # Errors
/// `NotFound` where it is none of theirs.
pub async fn lock(tx: &mut Tx, carrier: &str, id: &str) -> Result<Reservation> {
    let parcel = Reservation::lock(tx, id).await?.ok_or(Code::NotFound)?;
    if parcel.carrier == carrier && parcel.kind != Kind::Storage {
        Ok(parcel)
    } else {
        Err(Code::NotFound.into())
    }
}

/// The carrier's parcel by its id.
///
/// # Errors
/// `NotFound`.
pub async fn find(hub: &Hub, carrier: &str, id: &str) -> Result<Parcel> {
    let row = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM reservations r WHERE r.carrier_id = $1 AND r.id = $2 AND r.kind <> 'storage'"
    ))
    .bind(carrier)
    .bind(id)
    .fetch_optional(hub.store.read())
    .await?
    .ok_or(Code::NotFound)?;
    let mut on = hub.store.read().acquire().await?;
    let letter = letters::standing(&mut on, About::Parcel(id)).await?;
    Ok(Parcel { letter: letter.as_ref().map(mail::delivery), ..shown(&Reservation::from_row(&row)?)? })
}

/// What a carrier sees of it.
///
/// # Errors
/// When the stored door number does not fit.
pub fn shown(parcel: &Reservation) -> Result<Parcel> {
    Ok(Parcel {
        id: parcel.id.clone(),
        reference: parcel.reference.clone().unwrap_or_default(),
        state: parcel.state,
        locker: parcel.locker.clone(),
        door: parcel.door.map(doors::number).transpose()?,
        version: u64::try_from(parcel.version).unwrap_or_default(),
        unproven: parcel.unproven,
        care: parcel.care(),
        letter: None,
        claim_link: None,
    })
}

/// What a carrier looks for among its parcels.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Its tracking number.
    pub reference: Option<String>,
    /// Where it stands.
    pub state: Option<State>,
    /// The site.
    pub site: Option<String>,
    /// From the last page.
    pub after: Option<String>,
}

/// Parcels of one page.
const PAGE: i64 = 100;

/// The carrier's parcels, newest first.
///
/// # Errors
/// When the database fails.
pub async fn list(hub: &Hub, carrier: &str, search: &Search) -> Result<Parcels> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM reservations r WHERE r.carrier_id = $1 AND r.kind <> 'storage' AND ($2 = '' OR r.reference = $2) \
         AND ($3 = '' OR r.state = $3) AND ($4 = '' OR r.site_id = $4) AND ($5 = '' OR r.id < $5) \
         ORDER BY r.id DESC LIMIT $6"
    ))
    .bind(carrier)
    .bind(search.reference.clone().unwrap_or_default())
    .bind(search.state.as_ref().map(code::of).unwrap_or_default())
    .bind(search.site.clone().unwrap_or_default())
    .bind(search.after.clone().unwrap_or_default())
    .bind(PAGE + 1)
    .fetch_all(hub.store.read())
    .await?;
    let mut parcels = Vec::new();
    for row in rows.iter().take(PAGE as usize) {
        parcels.push(shown(&Reservation::from_row(row)?)?);
    }
    let next = (rows.len() as i64 > PAGE).then(|| parcels.last().map(|last| last.id.clone())).flatten();
    Ok(Parcels { parcels, next })
}

pub(super) async fn carrier_name(tx: &mut Tx, carrier: &str) -> Result<String> {
    sqlx::query("SELECT name FROM carriers WHERE id = $1")
        .bind(carrier)
        .fetch_one(tx.on())
        .await?
        .text("name")
}

pub(super) async fn prefers_low_doors(tx: &mut Tx, account: Option<&str>) -> Result<bool> {
    let row = sqlx::query("SELECT prefers_low_doors FROM accounts WHERE id = $1")
        .bind(account.unwrap_or_default())
        .fetch_optional(tx.on())
        .await?;
    row.map_or(Ok(false), |row| Ok(row.int("prefers_low_doors")? == 1))
}

/// An identification code for a return: GS1 Digital Link with a made-up SSCC (application identifier 00) of the
/// carrier's; opens nothing.
#[must_use]
pub fn digital_link(public_url: &str) -> String {
    let mut digits = vec![3_u8];
    digits.extend(random::bytes::<16>().map(|byte| byte % 10));
    // GS1 General Specifications 7.9: check digit, weights 3 and 1 from the right.
    let sum: u32 =
        digits.iter().rev().enumerate().map(|(i, d)| u32::from(*d) * if i % 2 == 0 { 3 } else { 1 }).sum();
    digits.push(((10 - sum % 10) % 10) as u8);
    let sscc: String = digits.iter().map(|digit| char::from(b'0' + digit)).collect();
    format!("{public_url}/00/{sscc}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sscc_has_18_digits_and_a_right_check_digit() {
        for _ in 0..100 {
            let link = digital_link("https://hub.example");
            let sscc = link.rsplit('/').next().unwrap();
            assert_eq!(sscc.len(), 18);
            let sum: u32 = sscc
                .bytes()
                .rev()
                .enumerate()
                .map(|(i, digit)| u32::from(digit - b'0') * if i % 2 == 0 { 1 } else { 3 })
                .sum();
            assert_eq!(sum % 10, 0, "{sscc}");
        }
    }
}
