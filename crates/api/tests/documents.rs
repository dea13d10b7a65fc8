//! Documents of each released version of the contract, read and written by this one.

use postern_api::{
    account::{Account, Export, HubInfo, Passkeys, TokenResponse},
    carrier::Tasks,
    growth::Item,
    locker::Sites,
    reservation::{Assets, Reservation, ShareOffer},
    sync::{Changes, ReceiptResults},
    token::{Bulletins, Grants},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// What an older reader looks for that is missing or another; its JSON pointer.
fn lost(written: &Value, frozen: &Value, at: &str) -> Option<String> {
    match (written, frozen) {
        (Value::Object(written), Value::Object(frozen)) => frozen.iter().find_map(|(key, value)| {
            let at = format!("{at}/{key}");
            match written.get(key) {
                Some(found) => lost(found, value, &at),
                // What a reader takes for granted need not be said.
                None => (!matches!(value, Value::Null | Value::Bool(false))).then_some(at),
            }
        }),
        (Value::Array(written), Value::Array(frozen)) if written.len() == frozen.len() => written
            .iter()
            .zip(frozen)
            .enumerate()
            .find_map(|(index, (w, f))| lost(w, f, &format!("{at}/{index}"))),
        (Value::Number(written), Value::Number(frozen)) if written.as_f64() == frozen.as_f64() => None,
        _ => (written != frozen).then(|| at.to_owned()),
    }
}

fn holds<T: Serialize + DeserializeOwned>(name: &str, text: &str) {
    let frozen: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let read: T =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{name} is not read any more: {error}"));
    let written = serde_json::to_value(&read).unwrap_or_else(|error| panic!("{name}: {error}"));
    let lost = lost(&written, &frozen, "");
    assert!(lost.is_none(), "{name}: an older reader misses {}", lost.unwrap_or_default());
}

macro_rules! documents {
    ($($version:literal: $($name:literal as $type:ty),+;)+) => {
        [$($((
            concat!($version, "/", $name),
            include_str!(concat!("documents/", $version, "/", $name, ".json")),
            holds::<$type> as fn(&str, &str),
        )),+),+]
    };
}

#[test]
fn each_released_version_is_read_and_still_said() {
    for (name, text, holds) in documents! {
        "v1":
            "account" as Account, "assets" as Assets, "bulletins" as Bulletins, "changes" as Changes, "export" as Export,
            "grants" as Grants, "hub_info" as HubInfo, "passkeys" as Passkeys, "receipt_results" as ReceiptResults,
            "reservation" as Reservation, "share_offer" as ShareOffer, "sites" as Sites, "tasks" as Tasks,
            "token_response" as TokenResponse;
    } {
        holds(name, text);
    }
}

#[test]
fn no_item_of_a_page_was_passed_over_as_newer() {
    let changes: Changes = serde_json::from_str(include_str!("documents/v1/changes.json")).expect("a page");
    assert!(changes.reservations.iter().all(|item| matches!(item, Item::Known(_))));
    assert!(changes.lockers.iter().all(|item| matches!(item, Item::Known(_))));
    let sites: Sites = serde_json::from_str(include_str!("documents/v1/sites.json")).expect("sites");
    assert!(sites.sites.iter().all(|item| matches!(item, Item::Known(_))));
}

/// A hub of tomorrow: a field more on every object, a word more in every list.
#[test]
fn what_tomorrow_adds_is_passed_over() {
    fn more(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.values_mut().for_each(more);
                fields.insert("of_tomorrow".to_owned(), json!({ "deep": [1, "two"] }));
            }
            Value::Array(items) => items.iter_mut().for_each(more),
            _ => {}
        }
    }
    let mut page: Value = serde_json::from_str(include_str!("documents/v1/changes.json")).expect("a page");
    more(&mut page);
    let mut strange = page["reservations"][0].clone();
    strange["state"] = "customs_hold".into();
    page["reservations"].as_array_mut().expect("reservations").push(strange);
    page["lockers"][0]["doors"][0]["size"] = "xxl".into();
    page["reservations"][0]["actions"].as_array_mut().expect("actions").push("levitate".into());
    let read: Changes = serde_json::from_value(page).expect("tomorrow's page");
    assert!(matches!(read.reservations.first(), Some(Item::Known(_))));
    assert!(matches!(read.reservations.last(), Some(Item::Newer(_))));
    assert!(matches!(&read.lockers[0], Item::Known(locker) if locker.doors[0].size.known().is_none()));
}
