//! What holds on every database: the story of a parcel, told once and run on both.

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use futures::StreamExt;
use postern_hub::config::Config;
use postern_protocol::{DeviceKey, IssuerKeys, KeyId, Operation, receipt::Outcome, token};
use reqwest::Method;
use serde_json::{Value, json};

#[allow(clippy::wildcard_imports)]
use crate::{
    backups::*, care::*, crowd::*, doors::*, errands::*, gaps::*, guests::*, keeping::*, leaving::*,
    leftovers::*, promises::*, races::*, reach::*, reporting::*, residents::*, services::*, to_the_letter::*,
};
use crate::{
    client::{Device, encode},
    postgres::Postgres,
    world::{Locker, World},
};

/// A story that does not come to its end fails, and says which it was.
async fn in_time(story: &str, told: impl Future<Output = ()>) {
    let ended = tokio::time::timeout(Duration::from_secs(120), told).await;
    assert!(ended.is_ok(), "{story} did not end within two minutes");
}

/// Makes a story in a stack frame of its own: those of all stories together do not fit into one.
#[inline(never)]
fn on_the_heap<F: Future>(story: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::pin(story())
}

macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $name() {
                let told = Box::pin(async { super::$name(super::World::start().await).await });
                super::in_time(stringify!($name), told).await;
            })*
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn on_postgres() {
            let Some(postgres) = Postgres::start() else { return };
            $(
                eprintln!("on PostgreSQL: {}", stringify!($name));
                let told = on_the_heap(|| async {
                    let config = Config { database: Some(postgres.database()), ..Config::default() };
                    let world = World::with(config).await;
                    let hub = std::sync::Arc::clone(&world.hub);
                    $name(world).await;
                    hub.store.close().await;
                });
                in_time(stringify!($name), told).await;
            )*
        }
    };
}

on_both!(
    a_new_customer_finds_what_waits,
    a_parcel_is_collected,
    a_deposit_reaches_the_customer_at_once,
    forks_are_noticed_and_gaps_are_not_forks,
    a_repeated_write_is_done_once,
    a_return_is_put_in,
    the_feed_tells_each_change_once,
    deadlines_move_as_far_as_the_operator_allows,
    what_has_not_begun_is_called_off_and_what_is_held_is_given_back,
    sharing_gives_and_takes_back,
    devices_are_named_and_removed_and_codes_recover,
    the_list_of_devices_tells_the_hour_of_the_last_request,
    a_courier_deposits_and_collects_by_the_lockers_protocol,
    a_reported_problem_takes_the_door_out_of_service,
    a_report_comes_back_answered,
    photos_go_when_a_report_is_done_with,
    neighbours_hand_over_and_borrow,
    an_invitation_says_what_it_is_before_anybody_joins,
    every_code_that_is_not_good_gets_the_same_answer,
    no_more_join_than_were_invited,
    a_list_of_sixty_flats_is_invited_at_once_or_not_at_all,
    either_resident_uses_and_hands_over_what_is_the_flats,
    moving_out_ends_access_and_nobody_elses,
    what_the_last_resident_leaves_inside_is_nobodys_before_somebody_looked,
    who_deletes_an_account_leaves_the_flats_things_to_the_others,
    an_account_is_exported_and_deleted,
    belief_is_held_against_evidence,
    a_door_is_never_given_twice,
    what_was_passed_on_in_person_is_taken_back,
    a_courier_opens_a_locker_that_lost_the_time,
    a_device_signs_itself_out,
    another_passkey_is_added,
    issuer_keys_change_while_lockers_are_offline,
    tokens_and_provisioning_are_answered_once,
    what_must_be_chilled_lies_in_a_chilled_compartment,
    a_parcel_is_announced_where_a_door_keeps_it,
    each_parcel_lies_behind_a_door_that_keeps_it,
    a_parcel_moves_only_to_where_it_is_kept_so,
    a_parcel_is_to_be_collected_while_it_keeps,
    a_shorter_window_may_grow_to_what_it_keeps,
    pin_shown_opens,
    previous_customer_ends,
    removed_device_ends,
    honest_device_keeps_access,
    called_off_deposit,
    code_opening_known,
    late_receipt,
    empty_return,
    site_fair_share,
    reports_take_no_more_than_a_share,
    putting_in_and_taking_out_again_dodges_no_share,
    a_receipt_of_another_door_moves_nothing,
    strangers_settle_no_door,
    power_failed_at_the_latch_locks_nobody_out,
    a_courier_may_come_back_with_the_parcel,
    a_courier_takes_a_word_back,
    a_late_receipt_says_nothing_of_what_was_reported_since,
    what_was_left_inside_is_fetched_after_all,
    what_is_measured_inside_is_still_to_be_collected,
    what_may_have_been_left_is_still_to_be_collected,
    a_sensor_that_says_open_proves_nothing,
    a_return_that_was_opened_again_is_asked_about_again,
    what_can_be_opened_anew_is_told,
    a_latch_that_is_said_to_jam_frees_no_door,
    a_couriers_answer_is_heard_after_the_customer_opened,
    a_late_opening_takes_no_fetched_return_back,
    a_customers_opening_is_no_couriers,
    what_a_courier_has_taken_is_no_errand_any_more,
    what_a_courier_leaves_there_is_dropped_off,
    no_clock_calls_off_what_may_lie_there,
    a_jam_outlives_the_word_before_it,
    older_receipts_say_nothing_of_what_lies_there,
    taken_by_mistake_gives_the_door_to_nobody,
    a_guests_word_is_the_guests,
    a_guest_leaves_room_for_the_owner,
    a_guest_who_was_not_there_says_nothing,
    what_a_customer_took_was_not_fetched,
    what_a_courier_took_was_not_collected,
    what_was_left_inside_is_fetched_when_its_time_is_over,
    a_courier_who_was_interrupted_opens_once_more,
    nobody_is_sent_twice_to_a_door_that_jams,
    a_loan_that_was_taken_is_missed,
    a_lent_thing_is_not_moved,
    a_backup_gives_nobody_what_is_anothers,
    a_backup_forgets_what_was_said_of_a_door,
    a_backup_holds_what_is_put_in_by_an_older_pin,
    a_backup_brings_nobody_back,
    a_backup_is_newer_than_what_clients_have,
    a_backup_is_heard_of_by_large_lockers,
    a_locker_that_a_backup_forgot_is_looked_at,
    a_courier_whose_phone_died_opens_once_more,
    an_answer_is_of_the_courier_who_was_there,
    what_a_courier_took_before_is_accepted,
    what_a_stranger_opened_is_looked_at,
    what_was_emptied_again_is_held_no_longer,
    an_answer_counts_behind_a_sensor_that_says_open,
    a_door_that_jams_is_tried_again_for_want_of_another,
    a_thing_is_lent_from_no_door_that_others_open,
    what_is_kept_for_somebody_does_not_vanish,
    a_colleague_is_given_another_door,
    a_token_that_ended_may_have_been_used,
    a_cleared_door_waits_for_a_courier_on_the_way,
    a_thing_that_was_taken_once_more_is_missing,
    a_carriers_word_alone_gives_no_door_away,
    a_word_for_a_deposit_ends_the_couriers_tokens,
    a_sites_only_door_is_given_again,
    a_refused_courier_is_sent_elsewhere,
    what_nobody_spoke_of_becomes_an_errand,
    nothing_is_forgotten_of_a_door_that_is_still_kept,
    a_lost_loan_can_be_ended,
    a_door_that_was_opened_after_all_is_looked_at_again,
    a_second_token_for_a_deposit_opens_no_customers_door,
    a_door_is_nobodys_storage_for_want_of_an_answer,
    what_is_kept_behind_a_sensor_that_sticks_is_given_back,
    a_guests_pin_ends_when_there_is_more_time,
    a_courier_fetches_from_a_door_that_is_said_to_stand_open,
    booking_and_giving_back_costs_nobody_the_pin,
    a_couriers_opening_takes_nothing_out,
    a_free_door_that_was_measured_full_is_held,
    a_forgotten_reservation_keeps_its_door,
    a_courier_at_a_ready_parcel_is_noted,
    a_gap_that_is_lost_is_passed,
    a_hoarder_evicts_nobody,
    what_is_given_back_waits_for_the_chain,
    a_carriers_word_waits_for_its_courier,
    an_answer_is_of_one_opening,
    a_loan_is_given_back_with_an_answer,
    a_parcel_is_shared_before_it_arrives,
    a_gateway_brings_receipts_and_news,
    a_wrong_clock_is_set_right,
    same_on_both_databases,
    refresh_race,
    a_copied_session_ends_when_it_shows,
    renewals_are_counted_by_session,
    crossed_changes_come_through,
    an_account_is_deleted_under_its_own_requests,
    looking_at_a_claim_link_waits_for_nobody,
    every_announcement_gets_the_same_answer,
    a_parcel_is_taken_up_by_its_link,
    who_took_a_link_may_take_it_again,
    landlords_know_residents_by_their_number,
    deletion_says_what_it_means,
    accounts_of_before_are_given_numbers,
    customers_without_a_number_are_given_one,
    a_door_outlives_the_account_that_it_waits_for,
    what_a_door_waits_for_is_kept,
    a_guest_who_leaves_gives_the_link_back,
    a_guest_waits_for_as_long_as_the_parcel_does,
    nobody_reads_whom_a_former_owner_let_in,
    couriers_have_no_account_of_their_own,
    nothing_is_booked_for_an_account_that_ends,
    the_examples_can_be_sent,
    what_partners_mistype_is_named,
    other_methods_types_and_sizes_are_told_apart,
);

async fn a_new_customer_finds_what_waits(world: World) {
    let locker = world.locker().await;
    let ada = world.customer("Ada").await;
    let changes = ada.get("/v1/changes").await.ok();
    let seen: Vec<_> = changes["reservations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let label = one["compartment"]["label"].as_str().unwrap_or("-");
            let text = |name: &str| one[name].as_str().unwrap().to_owned();
            (text("title"), text("kind"), text("state"), label.to_owned(), one["carrier"]["name"].clone())
        })
        .collect();
    let expected = [
        ("Running shoes", "pickup", "in_transit", "-", "Heron Express"),
        ("Two paperbacks", "pickup", "ready", "A2", "Nordpost"),
        ("Winter jacket", "return", "booked", "C1", "Heron Express"),
        ("Flat 12 box", "storage", "held", "D2", "Postern"),
    ];
    assert_eq!(seen.len(), expected.len());
    for (title, kind, state, label, carrier) in expected {
        let one = (title.to_owned(), kind.to_owned(), state.to_owned(), label.to_owned(), json!(carrier));
        assert!(seen.contains(&one), "{one:?} in {seen:?}");
    }
    assert_eq!(changes["lockers"][0]["id"], json!(locker.id));
    let books = ada.named("Two paperbacks").await;
    let mine = grant(&ada, &books).await;
    assert_eq!(mine["pin"].as_str().unwrap().len(), 8);
    assert_eq!(books["role"], "owner");
    let jacket = ada.named("Winter jacket").await;
    assert_eq!(jacket["identification"]["format"], "gs1_digital_link");

    // The locker may come after the customer, too.
    let late = World::start().await;
    let ben = late.customer("Ben").await;
    assert!(ben.reservations().await.is_empty());
    late.locker().await;
    assert_eq!(ben.reservations().await.len(), 4);
}

/// The one grant for a reservation.
async fn grant(device: &Device, reservation: &Value) -> Value {
    let answer = device.post("/v1/tokens", json!({ "reservations": [reservation["id"]] })).await.ok();
    assert_eq!(answer["grants"].as_array().unwrap().len(), 1);
    answer["grants"][0].clone()
}

async fn upload(device: &Device, receipt: &Value) -> Value {
    device.post("/v1/receipts", json!({ "receipts": [receipt] })).await.ok()["results"][0].clone()
}

async fn a_parcel_is_collected(world: World) {
    let mut locker = world.locker().await;
    let ada = world.customer("Ada").await;
    let books = ada.named("Two paperbacks").await;
    let path = format!("/v1/reservations/{}", books["id"].as_str().unwrap());

    // The token is what the locker will take: signed by a key that it was given, for this device, this door.
    let provisioned = world
        .operator
        .post("/v1/operator/lockers", json!({ "descriptor": locker.descriptor("lindenhof") }))
        .await
        .ok();
    let mut keys = IssuerKeys::new();
    for key in provisioned["issuer_keys"].as_array().unwrap() {
        let bytes = postern_hub::random::decode(key["key"].as_str().unwrap()).unwrap();
        assert!(keys.insert(KeyId(key["id"].as_u64().unwrap() as u32), bytes.try_into().unwrap()));
    }
    let all = ada.post("/v1/tokens", json!({})).await.ok();
    assert_eq!(all["grants"].as_array().unwrap().len(), 3, "ready, booked and held; not what is in transit");
    let mine = grant(&ada, &books).await;
    let bytes = postern_hub::random::decode(mine["token"].as_str().unwrap()).unwrap();
    let claims = token::verify(&bytes, &keys).unwrap();
    assert_eq!(claims.locker.to_string(), locker.id);
    assert_eq!(claims.doors[0].0.0, Locker::door("A2"));
    assert_eq!(claims.key, ada.key.public());
    assert!(matches!(claims.key, DeviceKey::Ed25519(_)));
    assert!(
        claims.operations.contains(Operation::Collect) && !claims.operations.contains(Operation::Deposit)
    );
    assert_eq!(claims.expires.0 - claims.issued_at.0, 24 * 3600, "an offline locker: the operator's limit");
    assert_eq!(hex::encode(claims.id.0), mine["token_id"]);
    assert_eq!(mine["uses"], 1);

    let receipt = locker.receipt(&mine, Operation::Collect, Outcome::Opened, world.clock.now());
    assert_eq!(upload(&ada, &receipt).await, "accepted");
    assert_eq!(upload(&ada, &receipt).await, "known");
    let opened = ada.get(&path).await;
    let etag = opened.headers["etag"].to_str().unwrap().to_owned();
    let opened = opened.ok();
    assert_eq!(opened["state"], "opened");
    assert_eq!(opened["timeline"].as_array().unwrap().last().unwrap()["event"], "opened");
    assert_eq!(opened["timeline"].as_array().unwrap().last().unwrap()["proven"], true);
    assert_eq!(opened["actions"][0], "reopen");
    let unchanged =
        crate::client::Answer::of(ada.request(Method::GET, &path).header("if-none-match", &etag)).await;
    assert_eq!(unchanged.status, 304);
    // Nobody knows yet what is left inside.
    let again = grant(&ada, &books).await;
    assert_eq!(again["operations"], json!(["collect", "reopen", "status"]));

    let closed = locker.closed(Outcome::ClosedAbsent, world.clock.now());
    assert_eq!(upload(&ada, &closed).await, "accepted");
    let again = grant(&ada, &books).await;
    assert_eq!(again["operations"], json!(["reopen", "status"]));
    let stale = ada.request(Method::POST, &format!("{path}/taken")).header("if-match", "\"1\"");
    assert_eq!(crate::client::Answer::of(stale.json(&json!({ "taken": true }))).await.code(), "stale");
    let taken = ada.post(&format!("{path}/taken"), json!({ "taken": true })).await.ok();
    assert_eq!(taken["state"], "collected");
    assert!(taken.get("unproven").is_none(), "by the receipt and the customer");
    let over = ada.post("/v1/tokens", json!({ "reservations": [books["id"]] })).await;
    assert_eq!(over.code(), "wrong_state");

    // The door is free for the next.
    let free: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM doors WHERE label = 'A2' AND reservation_id IS NULL")
            .fetch_one(world.hub.store.read())
            .await
            .unwrap();
    assert_eq!(free, 1);
}

async fn a_deposit_reaches_the_customer_at_once(world: World) {
    let locker = world.locker().await;
    let ada = world.customer("Ada").await;
    let shoes = ada.named("Running shoes").await;
    let response = ada.request(Method::GET, "/v1/events").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut stream = response.bytes_stream();
    let first = String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap();
    let cursor = ada.get("/v1/changes").await.ok()["cursor"].clone();
    assert!(first.starts_with("data:") && first.contains(cursor.as_str().unwrap()), "{first}");

    let other = world.customer("Ben").await;
    let body = json!({ "locker": locker.id, "door": Locker::door("B3") });
    let path = format!("/v1/carrier/parcels/{}/deposit", shoes["id"].as_str().unwrap());
    let wrong = world.nordpost.post(&path, body.clone()).await;
    assert_eq!(wrong.code(), "not_found", "another carrier's parcel");
    let began = Instant::now();
    world.heron.post(&path, body).await.ok();
    let answered = began.elapsed();
    let poke = tokio::time::timeout(Duration::from_secs(5), stream.next()).await.unwrap().unwrap().unwrap();
    let took = began.elapsed();
    eprintln!("deposit answered after {answered:?}, poke after {took:?}");
    assert!(took < answered + Duration::from_secs(1), "{took:?} against {answered:?}");
    assert!(String::from_utf8(poke.to_vec()).unwrap().contains("cursor"));

    let changes = ada.get(&format!("/v1/changes?cursor={}", cursor.as_str().unwrap())).await.ok();
    assert_eq!(changes["reservations"].as_array().unwrap().len(), 1);
    assert_eq!(changes["reservations"][0]["state"], "ready");
    assert_eq!(changes["reservations"][0]["compartment"]["label"], "B3");
    let same = changes["cursor"].as_str().unwrap();
    let nothing = ada.get(&format!("/v1/changes?cursor={same}")).await.ok();
    assert_eq!(nothing["reservations"], json!([]));
    // Nobody else sees it.
    let path = format!("/v1/reservations/{}", shoes["id"].as_str().unwrap());
    assert_eq!(other.get(&path).await.code(), "not_found");
    assert_eq!(other.post(&format!("{path}/taken"), json!({ "taken": true })).await.code(), "not_found");
    let tokens = other.post("/v1/tokens", json!({ "reservations": [shoes["id"]] })).await;
    assert_eq!(tokens.code(), "not_found");
}

async fn forks_are_noticed_and_gaps_are_not_forks(world: World) {
    let mut locker = world.locker().await;
    let ada = world.customer("Ada").await;
    let books = ada.named("Two paperbacks").await;
    let mine = grant(&ada, &books).await;
    let now = world.clock.now();
    let first = locker.receipt(&mine, Operation::Collect, Outcome::Opened, now);
    let second = locker.receipt(&mine, Operation::Reopen, Outcome::Opened, now);
    let third = locker.receipt(&mine, Operation::Reopen, Outcome::Opened, now);
    assert_eq!(upload(&ada, &third).await, "accepted", "a phone that was first with the last");
    assert_eq!(postern_hub::domain::receipts::gaps(&world.hub, &locker.id).await.unwrap(), [(0, 1)]);
    assert_eq!(upload(&ada, &first).await, "accepted");
    assert_eq!(postern_hub::domain::receipts::gaps(&world.hub, &locker.id).await.unwrap(), [(1, 1)]);

    // The same place in the chain, another story.
    let kept = (locker.sequence, locker.previous);
    (locker.sequence, locker.previous) = (2, [9; 16]);
    let forged = locker.receipt(&mine, Operation::Reopen, Outcome::Jammed, now);
    assert_eq!(upload(&ada, &forged).await, "fork");
    assert_eq!(upload(&ada, &forged).await, "fork", "and again");
    // A neighbour that names another predecessor.
    (locker.sequence, locker.previous) = (1, [8; 16]);
    let forged = locker.receipt(&mine, Operation::Reopen, Outcome::Jammed, now);
    assert_eq!(upload(&ada, &forged).await, "fork");
    (locker.sequence, locker.previous) = kept;
    assert_eq!(upload(&ada, &second).await, "accepted", "the true one still fits");
    assert!(postern_hub::domain::receipts::gaps(&world.hub, &locker.id).await.unwrap().is_empty());
    let alarms: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM alarms WHERE kind = 'fork'")
        .fetch_one(world.hub.store.read())
        .await
        .unwrap();
    assert_eq!(alarms, 2);

    // What is not signed by this locker proves nothing.
    let mut impostor = Locker::new();
    impostor.keys.id = locker.keys.id;
    let forged = impostor.receipt(&mine, Operation::Collect, Outcome::Opened, now);
    let forged = json!({ "locker": locker.id, "receipt": forged["receipt"] });
    assert_eq!(upload(&ada, &forged).await, "invalid");
    let garbage = json!({ "locker": locker.id, "receipt": encode([1, 2, 3]) });
    assert_eq!(upload(&ada, &garbage).await, "invalid");
    let nowhere = json!({ "locker": "0000000000000000", "receipt": second["receipt"] });
    assert_eq!(upload(&ada, &nowhere).await, "invalid");
}

async fn a_repeated_write_is_done_once(world: World) {
    world.locker().await;
    let ada = world.customer("Ada").await;
    let me = ada.get("/v1/me").await.ok();
    let parcel = json!({ "reference": "HX1", "recipient": me["number"], "title": "Lamp", "site": "lindenhof", "size": "m" });
    let send = |body: Value, key: &'static str| {
        crate::client::Answer::of(
            world
                .heron
                .request(Method::POST, "/v1/carrier/parcels")
                .header("idempotency-key", key)
                .json(&body),
        )
    };
    let first = send(parcel.clone(), "key-number-1").await;
    assert_eq!(first.status, 201);
    let second = send(parcel.clone(), "key-number-1").await;
    assert_eq!(second.status, 201);
    assert_eq!(first.body, second.body);
    let mut other = parcel.clone();
    other["title"] = json!("Chair");
    assert_eq!(send(other, "key-number-1").await.code(), "idempotency_mismatch");
    assert_eq!(send(parcel.clone(), "key-number-2").await.code(), "wrong_state", "the reference is taken");
    assert_eq!(send(parcel.clone(), "short").await.code(), "malformed");
    // A refused one leaves nothing behind: the key can be used for the corrected request.
    let mut wrong = parcel.clone();
    wrong["site"] = json!("nowhere");
    wrong["reference"] = json!("HX2");
    assert_eq!(send(wrong.clone(), "key-number-3").await.code(), "malformed");
    wrong["site"] = json!("lindenhof");
    assert_eq!(send(wrong, "key-number-3").await.status, 201);
    let lamps = ada.reservations().await.iter().filter(|one| one["title"] == "Lamp").count();
    assert_eq!(lamps, 2);
}

async fn a_return_is_put_in(world: World) {
    let mut locker = world.locker().await;
    let ada = world.customer("Ada").await;
    let jacket = ada.named("Winter jacket").await;
    let mine = grant(&ada, &jacket).await;
    assert_eq!(mine["operations"], json!(["deposit", "access", "reopen", "status"]));
    let jammed = locker.receipt(&mine, Operation::Deposit, Outcome::Jammed, world.clock.now());
    assert_eq!(upload(&ada, &jammed).await, "accepted");
    assert_eq!(ada.named("Winter jacket").await["state"], "booked");
    let receipt = locker.receipt(&mine, Operation::Deposit, Outcome::Opened, world.clock.now());
    assert_eq!(upload(&ada, &receipt).await, "accepted");
    assert_eq!(ada.named("Winter jacket").await["state"], "booked", "a door that opened proves nothing");
    let closed = locker.closed(Outcome::ClosedPresent, world.clock.now());
    assert_eq!(upload(&ada, &closed).await, "accepted");
    let jacket = ada.named("Winter jacket").await;
    assert_eq!(jacket["state"], "deposited");
    assert_eq!(jacket["timeline"].as_array().unwrap().last().unwrap()["proven"], true);
    let events: Vec<_> =
        jacket["timeline"].as_array().unwrap().iter().map(|one| one["event"].clone()).collect();
    assert_eq!(events, [json!("announced"), json!("jammed"), json!("opened"), json!("deposited")]);
}

async fn the_feed_tells_each_change_once(world: World) {
    world.locker().await;
    let ada = world.customer("Ada").await;
    let me = ada.get("/v1/me").await.ok();
    let start = ada.get("/v1/changes").await.ok()["cursor"].as_str().unwrap().to_owned();
    for n in 0..150 {
        let parcel = json!({ "reference": format!("N{n}"), "recipient": me["number"], "title": format!("Parcel {n}"),
                             "site": "lindenhof", "size": "m" });
        let made = world.heron.post("/v1/carrier/parcels", parcel).await.ok();
        let path = format!("/v1/carrier/parcels/{}/dispatch", made["id"].as_str().unwrap());
        world.heron.post(&path, json!({})).await.ok();
    }
    for from in [Some(start), None] {
        let mut cursor = from.clone();
        let mut seen = Vec::new();
        loop {
            let query = cursor.map(|cursor| format!("?cursor={cursor}")).unwrap_or_default();
            let page = ada.get(&format!("/v1/changes{query}")).await.ok();
            for one in page["reservations"].as_array().unwrap() {
                seen.push(one["title"].as_str().unwrap().to_owned());
                if one["title"].as_str().unwrap().starts_with("Parcel") {
                    assert_eq!(one["state"], "in_transit");
                }
            }
            cursor = Some(page["cursor"].as_str().unwrap().to_owned());
            if page["more"] == false {
                break;
            }
        }
        let all = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(all, seen.len(), "nothing twice");
        assert_eq!(seen.len(), if from.is_some() { 150 } else { 154 });
    }
    let foreign = ada.get("/v1/changes?cursor=another.3").await;
    assert_eq!(foreign.code(), "cursor_too_old");
    assert_eq!(ada.get(&format!("/v1/changes?cursor={}.99999", world.hub.id)).await.code(), "cursor_too_old");
    assert_eq!(ada.get("/v1/changes?cursor=x").await.code(), "malformed");
}
