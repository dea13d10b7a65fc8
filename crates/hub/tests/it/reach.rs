//! Customer numbers and claim links: how carriers and landlords reach people. On both databases by `conformance`.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    client::{Answer, Device, Key, Pending, http, page_post},
    world::{Locker, World},
};

async fn try_announce(world: &World, reference: &str, recipient: &str) -> Answer {
    let parcel = json!({ "reference": reference, "recipient": recipient, "title": reference, "site": "lindenhof",
                         "size": "m" });
    world.heron.post("/v1/carrier/parcels", parcel).await
}

pub(crate) async fn announce_to(world: &World, reference: &str, recipient: &str) -> Value {
    let answer = try_announce(world, reference, recipient).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.body
}

pub(crate) fn secret(parcel: &Value) -> String {
    parcel["claim_link"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

pub(crate) async fn claim(device: &Device, parcel: &Value) -> Answer {
    device.post("/v1/claims", json!({ "claim": secret(parcel) })).await
}

/// Another number with a right check digit: nobody's, very likely.
pub(crate) fn of_nobody(number: &str) -> String {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let other = if digits.starts_with('9') { "1" } else { "9" };
    (0..10).map(|check| format!("{other}{}{check}", &digits[1..9])).find(|typed| is_number(typed)).unwrap()
}

/// By Damm's method, in the other words that it has: each row shifted.
fn is_number(typed: &str) -> bool {
    const TABLE: &str = "0317598642709215486342068713591750983426612304597836742095815869720134894536201794386172052581436790";
    typed
        .bytes()
        .fold(0, |sum, digit| usize::from(TABLE.as_bytes()[10 * sum + usize::from(digit - b'0')] - b'0'))
        == 0
}

/// A guest who came by the claim link of this parcel.
pub(crate) async fn guest(world: &World, parcel: &Value) -> Device {
    let pending = Pending::new();
    let request = pending.open_page_with(&world.base, &[("claim", &secret(parcel))]).await;
    let done = page_post(&world.base, "/authorize/guest", &json!({ "request": request })).await.ok();
    Device::redeem(&world.base, &pending, done["redirect"].as_str().unwrap(), Key::ed25519(), &world.clock)
        .await
}

pub(crate) async fn every_announcement_gets_the_same_answer(world: World) {
    let (ada, ben) = (world.customer("Ada").await, world.customer("Ben").await);
    let number = ada.number().await;
    assert!(is_number(&number.replace(' ', "")) && number.len() == 12, "{number}");
    assert_ne!(number, ben.number().await);
    let digits = number.replace(' ', "");
    let nobody = of_nobody(&number);
    let mut answers = Vec::new();
    for (reference, recipient, known) in [
        ("HX1", &*number, true),
        ("HX2", &*digits, true),
        ("HX3", &*number.replace(' ', "-"), true),
        ("HX4", &*format!("{} . {}", &digits[..5], &digits[5..]), true),
        ("HX5", &*nobody, false),
        ("HX6", "somebody@example.org", false),
    ] {
        let began = Instant::now();
        let answer = announce_to(&world, reference, recipient).await;
        assert!(began.elapsed() >= Duration::from_millis(20), "no answer comes before its beat");
        let mut form: Vec<_> = answer
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), value.to_string().len()))
            .collect();
        form.sort();
        answers.push(form);
        assert!(answer["claim_link"].as_str().unwrap().starts_with(&format!("{}/claim/", world.base)));
        let listed = ada.reservations().await.iter().any(|one| one["title"] == reference);
        assert_eq!(listed, known, "{recipient}");
        // Afterwards neither the link nor anything else is told.
        let shown =
            world.heron.get(&format!("/v1/carrier/parcels/{}", answer["id"].as_str().unwrap())).await.ok();
        assert!(shown["claim_link"].is_null() && shown["letter"].is_null(), "{shown}");
    }
    assert!(answers.windows(2).all(|two| two[0] == two[1]), "{answers:?}");

    // What is no address says so, and says the same whoever exists.
    let mistyped = |place: usize| {
        let wrong = if digits.as_bytes()[place] == b'5' { '6' } else { '5' };
        format!("{}{wrong}{}", &digits[..place], &digits[place + 1..])
    };
    let me = ada.get("/v1/me").await.ok()["id"].as_str().unwrap().to_owned();
    for bad in [&*mistyped(3), &*mistyped(9), &digits[..9], &*me, "", "Ada", "ada@", "+49 30 1234567"] {
        let refused = try_announce(&world, "HX9", bad).await;
        assert_eq!(
            (refused.code(), &refused.body["pointer"]),
            ("malformed".to_owned(), &json!("/recipient")),
            "{bad}"
        );
    }
    // The same request again is the same answer, link included; the same reference is not two parcels.
    let parcel = json!({ "reference": "HX8", "recipient": number, "title": "Twice", "site": "lindenhof", "size": "m" });
    let twice = || {
        let request = world.heron.request(Method::POST, "/v1/carrier/parcels");
        Answer::of(request.header("idempotency-key", "announce-hx8").json(&parcel))
    };
    assert_eq!(twice().await.ok(), twice().await.ok());
    assert_eq!(try_announce(&world, "HX8", &nobody).await.code(), "wrong_state");
}

pub(crate) async fn a_parcel_is_taken_up_by_its_link(world: World) {
    let (ada, ben) = (world.customer("Ada").await, world.customer("Ben").await);
    let (mine, nobodys) = (ada.number().await, of_nobody(&ada.number().await));
    // Nobody's: whoever is signed in has it in the list.
    let parcel = announce_to(&world, "HX1", &nobodys).await;
    let page = Answer::of(http().get(parcel["claim_link"].as_str().unwrap()).header("accept-language", "de"))
        .await
        .ok();
    assert!(page.as_str().unwrap().contains("Ein Paket für dich"), "{page}");
    let taken = claim(&ben, &parcel).await.ok();
    assert_eq!(
        (&taken["role"], &taken["title"], &taken["reference"]),
        (&json!("owner"), &json!("HX1"), &json!("HX1"))
    );
    assert_eq!(claim(&ada, &parcel).await.code(), "claim_ended", "used");
    let over = Answer::of(http().get(parcel["claim_link"].as_str().unwrap())).await;
    assert_eq!(over.status, 410);

    // Somebody's: they keep it, and see that the link was taken up.
    let parcel = announce_to(&world, "HX2", &mine).await;
    let taken = claim(&ben, &parcel).await.ok();
    assert_eq!((&taken["role"], &taken["reference"]), (&json!("guest"), &Value::Null));
    let own = ada.named("HX2").await;
    assert_eq!((&own["role"], &own["shares"][0]["name"]), (&json!("owner"), &json!("Heron Express")));
    let share = own["shares"][0]["id"].as_str().unwrap();
    let revoke = format!("/v1/reservations/{}/shares/{share}", own["id"].as_str().unwrap());
    ada.send(Method::DELETE, &revoke, json!({})).await.ok();
    assert!(ben.reservations().await.iter().all(|one| one["title"] != "HX2"));
    // The owner's own.
    let parcel = announce_to(&world, "HX3", &mine).await;
    assert_eq!(claim(&ada, &parcel).await.ok()["role"], "owner");
    assert_eq!(claim(&ben, &parcel).await.code(), "claim_ended");

    // Without an account, and known to nobody or to somebody: the same.
    let locker = world.locker().await;
    for (reference, recipient) in [("HX4", &mine), ("HX5", &nobodys)] {
        let parcel = announce_to(&world, reference, recipient).await;
        let guest = guest(&world, &parcel).await;
        let id = parcel["id"].as_str().unwrap();
        let told = guest.get("/v1/me").await.ok();
        assert!(told["number"].is_null() && told["guest"] == true, "{told}");
        let deposit = json!({ "locker": locker.id });
        world.heron.post(&format!("/v1/carrier/parcels/{id}/deposit"), deposit).await.ok();
        let ready = guest.named(reference).await;
        assert_eq!((&ready["role"], &ready["state"]), (&json!("guest"), &json!("ready")));
        let grants = guest.post("/v1/tokens", json!({ "reservations": [id] })).await.ok();
        assert_eq!(grants["grants"].as_array().unwrap().len(), 1, "{grants}");
    }

    // By many at once: one has it.
    let parcel = announce_to(&world, "HX6", &nobodys).await;
    let answers =
        futures::future::join_all((0..8).map(|n| claim(if n % 2 == 0 { &ada } else { &ben }, &parcel))).await;
    let had = |n: usize| answers.iter().skip(n).step_by(2).filter(|answer| answer.status == 200).count();
    assert!([(4, 0), (0, 4)].contains(&(had(0), had(1))), "one of them, who may ask again: {answers:?}");
    // What has ended, foreign and guessed links.
    let parcel = announce_to(&world, "HX7", &nobodys).await;
    let cancel = format!("/v1/carrier/parcels/{}/cancel", parcel["id"].as_str().unwrap());
    world.heron.post(&cancel, json!({})).await.ok();
    assert_eq!(claim(&ada, &parcel).await.code(), "claim_ended");
    let guessed = json!({ "claim_link": format!("{}/claim/{}", world.base, postern_hub::random::secret()) });
    assert_eq!(claim(&ada, &guessed).await.code(), "claim_ended");
}

/// A page that is closed before it has the session has nothing but the link, which is used up, and a code that is over.
pub(crate) async fn who_took_a_link_may_take_it_again(world: World) {
    let ada = world.customer("Ada").await;
    let (mine, nobodys) = (ada.number().await, of_nobody(&ada.number().await));
    for (reference, recipient) in [("HX1", &mine), ("HX2", &nobodys)] {
        let ben = world.customer(&format!("Ben {reference}")).await;
        let parcel = announce_to(&world, reference, recipient).await;
        let link = parcel["claim_link"].as_str().unwrap();
        let (key, other) = (Key::ed25519(), Key::ed25519());
        let (thumbprint, others) = (key.thumbprint(), other.thumbprint());
        let take = async |thumbprint: &str| {
            let pending = Pending::new();
            let query = [("claim", &*secret(&parcel)), ("dpop_jkt", thumbprint)];
            let request = pending.open_page_with(&world.base, &query).await;
            (page_post(&world.base, "/authorize/guest", &json!({ "request": request })).await, pending)
        };
        let (first, _) = take(&thumbprint).await;
        first.ok();
        // The code is lost with the tab, and the link is still in the message that brought it.
        world.clock.jump(120);
        assert_eq!(Answer::of(http().get(link)).await.status, 200);
        assert_eq!(take(&others).await.0.code(), "claim_ended", "another device");
        assert_eq!(claim(&ben, &parcel).await.code(), "claim_ended", "and somebody else");
        let (again, pending) = take(&thumbprint).await;
        let guest = Device::redeem(
            &world.base,
            &pending,
            again.ok()["redirect"].as_str().unwrap(),
            key,
            &world.clock,
        )
        .await;
        assert_eq!(guest.reservations().await.len(), 1);
        assert_eq!(claim(&guest, &parcel).await.ok()["role"], "guest", "whoever has it follows it again");
        let another = announce_to(&world, &format!("{reference}-2"), &nobodys).await;
        assert_eq!(claim(&guest, &another).await.code(), "forbidden");
        // Minutes, and no longer.
        world.clock.jump(900);
        assert_eq!(take(&thumbprint).await.0.code(), "claim_ended");
        assert_eq!(Answer::of(http().get(link)).await.status, 410);
    }
    // With an account: as often as they like, while it is theirs.
    let (ada, ben) = (world.customer("Ada").await, world.customer("Ben").await);
    let (mine, nobodys) = (ada.number().await, of_nobody(&ada.number().await));
    let parcel = announce_to(&world, "HX3", &nobodys).await;
    for _ in 0..2 {
        assert_eq!(claim(&ben, &parcel).await.ok()["role"], "owner");
    }
    assert_eq!(claim(&ada, &parcel).await.code(), "claim_ended");
    let parcel = announce_to(&world, "HX4", &mine).await;
    for _ in 0..2 {
        assert_eq!(claim(&ben, &parcel).await.ok()["role"], "guest");
    }
    let own = ada.named("HX4").await;
    assert_eq!(own["shares"].as_array().unwrap().len(), 1, "once");
    let (id, share) = (own["id"].as_str().unwrap(), own["shares"][0]["id"].as_str().unwrap());
    ada.send(Method::DELETE, &format!("/v1/reservations/{id}/shares/{share}"), json!({})).await.ok();
    assert_eq!(claim(&ben, &parcel).await.code(), "claim_ended", "taken back is taken back");
}

pub(crate) async fn landlords_know_residents_by_their_number(world: World) {
    let locker = world.locker().await;
    let ada = world.customer("Ada").await;
    let number = ada.number().await;
    let member = |number: &str| format!("/v1/operator/sites/lindenhof/members/{number}");
    let unit = json!({ "unit": "Flat 3" });
    let typed = number.replace(' ', "-");
    world.operator.send(Method::PUT, &member(&typed), unit.clone()).await.ok();
    let me = ada.get("/v1/me").await.ok()["id"].as_str().unwrap().to_owned();
    let wrong = world.operator.send(Method::PUT, &member(&me), unit.clone()).await;
    assert_eq!((wrong.code(), &wrong.body["pointer"]), ("malformed".to_owned(), &json!("/number")));
    assert_eq!(
        world.operator.send(Method::PUT, &member(&of_nobody(&number)), unit).await.code(),
        "not_found"
    );
    let holding = |number: &str| {
        json!({ "number": number, "title": "Cellar", "locker": locker.id,
                                            "door": Locker::door("D4") })
    };
    assert_eq!(world.operator.post("/v1/operator/holdings", holding(&me)).await.code(), "malformed");
    world.operator.post("/v1/operator/holdings", holding(&number)).await.ok();
    assert_eq!(ada.named("Cellar").await["state"], "held");
    world.operator.send(Method::DELETE, &member(&typed), json!({})).await.ok();
}

pub(crate) async fn deletion_says_what_it_means(world: World) {
    let locker = world.locker().await;
    let ada = world.customer("Ada").await;
    let told = ada.get("/v1/me/deletion").await.ok();
    let ids = |titles: &[&str]| {
        let ada = &ada;
        let titles: Vec<String> = titles.iter().map(|&title| title.to_owned()).collect();
        async move {
            let mut ids = Vec::new();
            for title in titles {
                ids.push(ada.named(&title).await["id"].clone());
            }
            ids.sort_by_key(Value::to_string);
            ids
        }
    };
    let sorted = |list: &Value| {
        let mut list = list.as_array().unwrap().clone();
        list.sort_by_key(Value::to_string);
        list
    };
    assert_eq!(sorted(&told["hindered_by"]), ids(&["Winter jacket", "Flat 12 box"]).await);
    assert_eq!(sorted(&told["parcels"]), ids(&["Running shoes", "Two paperbacks"]).await);
    assert_eq!(ada.send(Method::DELETE, "/v1/me", json!({})).await.code(), "wrong_state");
    for (title, action) in [("Winter jacket", "cancel"), ("Flat 12 box", "release")] {
        let path = format!("/v1/reservations/{}/{action}", ada.named(title).await["id"].as_str().unwrap());
        ada.post(&path, json!({})).await.ok();
    }
    assert_eq!(ada.get("/v1/me/deletion").await.ok()["hindered_by"], json!([]));
    let number = ada.number().await;
    assert_eq!(ada.send(Method::DELETE, "/v1/me", json!({})).await.status, 204);
    assert!(!ada.get("/v1/me").await.status.is_success());
    // To a carrier nothing has changed.
    let parcel = announce_to(&world, "HX1", &number).await;
    assert!(parcel["claim_link"].as_str().is_some());
    drop(locker);
}

pub(crate) async fn accounts_of_before_are_given_numbers(world: World) {
    let devices = [world.customer("Ada").await, world.customer("Ben").await, world.customer("Cleo").await];
    world.heron.post("/v1/carrier/couriers", json!({ "name": "Cart" })).await.ok();
    // The database as the version of before left it.
    let mut tx = world.hub.store.begin().await.unwrap();
    for sql in [
        "ALTER TABLE doors DROP COLUMN frozen",
        "ALTER TABLE reservations DROP COLUMN frozen",
        "ALTER TABLE reservations DROP COLUMN fragile",
        "ALTER TABLE reservations DROP COLUMN keeps_hours",
        "ALTER TABLE reservations DROP COLUMN keeps_until",
        "DROP INDEX letters_invitation",
        "DROP TABLE flat_compartments",
        "DROP INDEX shares_given",
        "ALTER TABLE shares DROP COLUMN given_by",
        "ALTER TABLE site_members DROP COLUMN since_at",
        "ALTER TABLE assets DROP COLUMN missing_at",
        "DROP TABLE report_answers",
        "DROP INDEX problems_state",
        "DROP INDEX problems_solved",
        "ALTER TABLE problems DROP COLUMN state",
        "ALTER TABLE problems DROP COLUMN solved_at",
        "DROP TABLE letters",
        "DROP TABLE invitations",
        "DROP TABLE emails",
        "DROP INDEX doors_reported",
        "DROP INDEX reservations_opened",
        "ALTER TABLE doors DROP COLUMN reported_by",
        "ALTER TABLE reservations DROP COLUMN answered_locker",
        "ALTER TABLE reservations DROP COLUMN answered_door",
        "ALTER TABLE occupancies DROP COLUMN first_epoch",
        "ALTER TABLE occupancies DROP COLUMN lost",
        "DROP INDEX accounts_number",
        "ALTER TABLE accounts DROP COLUMN number",
        "DELETE FROM schema_versions WHERE version >= 10",
    ] {
        sqlx::query(sql).execute(tx.on()).await.unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(
        world.hub.store.migrate().await.unwrap(),
        [
            "0010_customer_numbers",
            "0011_mail",
            "0012_whose_doors",
            "0013_reopenings",
            "0014_reports",
            "0015_missing_things",
            "0016_residents",
            "0017_care"
        ]
    );
    let mut numbers = std::collections::BTreeSet::new();
    for device in &devices {
        let number = device.number().await;
        assert!(is_number(&number.replace(' ', "")), "{number}");
        numbers.insert(number);
    }
    assert_eq!(numbers.len(), 3);
}
