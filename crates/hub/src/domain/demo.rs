//! The demo's network and what a new account finds in it, made by the very functions that a real network uses.

use postern_api::{
    carrier::{Deposit, NewParcel},
    locker::{Access, Site, Size},
    reservation::NewReturn,
};
use serde::Serialize;

use super::{doors, network, parcels, returns, storage};
use crate::{
    auth::api_key::{NewKey, Scope},
    error::Result,
    hub::Hub,
    random,
    secrets::Secrets,
    store::{RowExt, Store, Tx, accounts},
};

/// The demo's one site.
pub const SITE: &str = "lindenhof";

/// What `postern-hub demo-data` prints.
#[derive(Serialize)]
pub struct DemoData {
    operator_key: String,
    carriers: Vec<DemoCarrier>,
    site: &'static str,
}

#[derive(Serialize)]
struct DemoCarrier {
    id: &'static str,
    name: &'static str,
    key: String,
}

const CARRIERS: [(&str, &str); 2] = [("heron", "Heron Express"), ("nordpost", "Nordpost")];

/// Makes the demo's carriers, keys and site. The same again gives the same: the keys are derived from the master key.
///
/// # Errors
/// When the database fails.
pub async fn prepare(store: &Store, secrets: &Secrets, now: i64) -> Result<DemoData> {
    let key = |name: &str| {
        let id = format!("demo{name}");
        let secret = random::encode(secrets.mac("demo key", id.as_bytes()));
        NewKey::from_parts(&id, &secret)
    };
    let mut tx = store.begin().await?;
    let site = Site {
        id: SITE.to_owned(),
        name: "Lindenhof".to_owned(),
        address: "Lindenhof 4, 10247 Berlin".to_owned(),
        latitude: 52.514_6,
        longitude: 13.454_2,
        hours: "24/7".to_owned(),
        always_open: true,
        access: Access::Public.into(),
        payment: String::new(),
        closures: Vec::new(),
        step_free: true,
        fill: Vec::new(),
        distance: None,
    };
    network::put_site(&mut tx, &site, "demo", now).await?;
    let operator = key("operator");
    operator.keep(&mut tx, None, "demo operator", &[Scope::Network, Scope::Watch, Scope::Keys], now).await?;
    let mut carriers = Vec::new();
    for (id, name) in CARRIERS {
        network::put_carrier(&mut tx, id, name, 72, now).await?;
        let key = key(id);
        key.keep(&mut tx, Some(id), "demo", &[Scope::Parcels, Scope::Webhooks], now).await?;
        carriers.push(DemoCarrier { id, name, key: key.expose().to_owned() });
    }
    tx.commit().await?;
    Ok(DemoData { operator_key: operator.expose().to_owned(), carriers, site: SITE })
}

/// Gives every account what it has not been given yet, now that a locker is there.
///
/// # Errors
/// When the database fails.
pub async fn give_all(hub: &Hub, tx: &mut Tx) -> Result<()> {
    let waiting =
        sqlx::query("SELECT id FROM accounts WHERE demo_given = 0 AND guest = 0").fetch_all(tx.on()).await?;
    for account in waiting {
        give(hub, tx, &account.text("id")?).await?;
    }
    Ok(())
}

/// A pickup on its way, one that is ready, a return and a compartment of one's own. Does nothing until the site has a
/// locker with enough free doors.
///
/// # Errors
/// When the database fails.
pub async fn give(hub: &Hub, tx: &mut Tx, account: &str) -> Result<()> {
    let mut chosen = Vec::new();
    for label in ["B3", "A2", "C1", "D2"] {
        match free_door(tx, label, &chosen).await? {
            Some(door) => chosen.push(door),
            None => {
                tracing::info!("no locker with enough free doors yet for the demo's content");
                return Ok(());
            }
        }
    }
    let [shoes, books, jacket, flat] = chosen.as_slice() else { return Ok(()) };
    sqlx::query("UPDATE accounts SET demo_given = 1 WHERE id = $1").bind(account).execute(tx.on()).await?;
    let number = |prefix: &str| format!("{prefix}{:010}", u32::from_be_bytes(random::bytes()));
    let Some(recipient) = accounts::number_of(tx.on(), account).await? else { return Ok(()) };
    let parcel = |title: &str, sender: Option<&str>, reference| NewParcel {
        reference,
        recipient: recipient.to_string(),
        title: title.to_owned(),
        sender: sender.map(str::to_owned),
        site: SITE.to_owned(),
        size: Size::S,
        chilled: false,
        frozen: false,
        fragile: false,
        keeps_hours: None,
    };

    let new = parcel("Running shoes", Some("Marlow Sports"), number("HX"));
    let announced = parcels::announce(hub, tx, "heron", &new).await?.parcel;
    let under_way = parcels::dispatch(hub, tx, announced).await?;
    parcels::keep_door(tx, &under_way, &shoes.0, shoes.1, hub.clock.now()).await?;

    let announced =
        parcels::announce(hub, tx, "nordpost", &parcel("Two paperbacks", None, number("NP"))).await?.parcel;
    let under_way = parcels::dispatch(hub, tx, announced).await?;
    // Nobody stands at the locker to tell it: only behind a door that no visitor of the demo could open before.
    let now = hub.clock.now();
    if !doors::is_safe_by_word(tx, &under_way.id, (&books.0, books.1), now).await? {
        parcels::keep_door(tx, &under_way, &books.0, books.1, now).await?;
        return rest(hub, tx, account, jacket, flat).await;
    }
    let put_in = Deposit { locker: books.0.clone(), door: Some(doors::number(books.1)?), until: None };
    parcels::deposit(hub, tx, under_way, &put_in).await?;

    rest(hub, tx, account, jacket, flat).await
}

/// A return and a compartment of one's own.
async fn rest(
    hub: &Hub,
    tx: &mut Tx,
    account: &str,
    jacket: &(String, i64),
    flat: &(String, i64),
) -> Result<()> {
    let number = format!("RT{:010}", u32::from_be_bytes(random::bytes()));
    let new = NewReturn { code: number, site: SITE.to_owned(), size: Size::S };
    returns::book_door(hub, tx, account, "heron", "Winter jacket", &new, (&jacket.0, jacket.1)).await?;

    let holding = storage::Holding {
        of: storage::Of::Customer(account),
        title: "Flat 12 box",
        locker: &flat.0,
        door: flat.1,
        until: None,
    };
    storage::hold(hub, tx, holding).await?;
    Ok(())
}

/// The free door with this label, or any other free one for a second visitor of the demo.
async fn free_door(tx: &mut Tx, label: &str, but: &[(String, i64)]) -> Result<Option<(String, i64)>> {
    let rows = sqlx::query(
        "SELECT d.locker_id, d.door FROM doors d JOIN lockers l ON l.id = d.locker_id WHERE d.site_id = $1 \
         AND d.reservation_id IS NULL AND d.settling_epoch IS NULL AND d.out_of_order = 0 AND l.retired_at IS NULL \
         AND NOT EXISTS (SELECT 1 FROM assets a WHERE a.locker_id = d.locker_id AND a.door = d.door) \
         ORDER BY CASE WHEN d.label = $2 THEN 0 WHEN d.label IN ('B3', 'A2', 'C1', 'D2') THEN 2 ELSE 1 END, \
         l.created_at, d.locker_id, d.door",
    )
    .bind(SITE)
    .bind(label)
    .fetch_all(tx.on())
    .await?;
    for row in rows {
        let door = (row.text("locker_id")?, row.int("door")?);
        if !but.contains(&door) {
            return Ok(Some(door));
        }
    }
    Ok(None)
}
