//! Residents by invitation: what a landlord sends, what whoever gets it is told, and what moving out ends. The real hub over
//! HTTP, the real firmware at the door. On both databases by `conformance`; SECURITY.md names these tests.

use postern_protocol::Operation;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    cabinet::{Cabinet, Hand},
    client::{Answer, Device, http},
    promises::{fetch, hand_in, path, report},
    world::World,
};

const DAY: i64 = 86_400;
const INVITATIONS: &str = "/v1/operator/sites/yard/invitations";

/// A house whose lockers are for those who live there, with a cabinet.
async fn house(world: &World) -> Cabinet {
    let site = json!({ "name": "Yard 5", "address": "Yard 5, Berlin", "latitude": 52.5, "longitude": 13.4, "hours": "24/7",
                       "always_open": true, "access": "residents", "step_free": true });
    world.operator.send(Method::PUT, "/v1/operator/sites/yard", site).await.ok();
    world.cabinet_at("yard", true).await
}

async fn invite(world: &World, flat: Value) -> Value {
    world.operator.post(INVITATIONS, json!({ "flats": [flat] })).await.ok()["invitations"][0].clone()
}

async fn look(device: &Device, invitation: &Value) -> Answer {
    device.post("/v1/homes/invitation", json!({ "code": invitation["code"] })).await
}

async fn join(device: &Device, invitation: &Value) -> Answer {
    device.post("/v1/homes", json!({ "code": invitation["code"] })).await
}

async fn homes(device: &Device) -> Value {
    let me = device.get("/v1/me").await.ok();
    me.get("homes").cloned().unwrap_or_else(|| json!([]))
}

/// A compartment that the landlord gives a flat.
async fn give(world: &World, cabinet: &Cabinet, unit: &str, door: u16) {
    let holding = json!({ "unit": unit, "title": "Cellar", "locker": cabinet.id, "door": door });
    world.operator.post("/v1/operator/holdings", holding).await.ok();
}

async fn move_out(world: &World, device: &Device) -> Answer {
    let member = format!("/v1/operator/sites/yard/members/{}", device.number().await.replace(' ', ""));
    world.operator.send(Method::DELETE, &member, json!({})).await
}

pub(crate) async fn an_invitation_says_what_it_is_before_anybody_joins(world: World) {
    let cabinet = house(&world).await;
    give(&world, &cabinet, "3 right", 2).await;
    let (ada, ben) = (world.customer("Ada").await, world.customer("Ben").await);
    let sent = invite(&world, json!({ "unit": " 3  right ", "people": 2 })).await;
    let link = sent["link"].as_str().unwrap();
    assert!(link.starts_with(&format!("{}/home/", world.base)), "{link}");

    // In a browser, in its language, by whoever has the link; looking uses nothing up.
    for _ in 0..3 {
        let page = Answer::of(http().get(link).header("accept-language", "de")).await.ok();
        let page = page.as_str().unwrap();
        assert!(
            page.contains("Du bist zu Yard 5, 3 right eingeladen") && page.contains("postern://home?"),
            "{page}"
        );
    }
    let told = look(&ada, &sent).await.ok();
    assert_eq!(
        (&told["name"], &told["address"], &told["unit"], &told["joined"]),
        (&json!("Yard 5"), &json!("Yard 5, Berlin"), &json!("3 right"), &json!(false))
    );
    assert_eq!(homes(&ada).await, json!([]), "nobody joins by looking");
    assert!(!ada.get("/v1/sites").await.ok().to_string().contains("Yard 5"));
    // As it is typed from paper.
    let typed = sent["code"].as_str().unwrap().to_lowercase().replace('-', " ");
    let joined = ada.post("/v1/homes", json!({ "code": typed })).await.ok();
    assert_eq!((&joined["unit"], &joined["joined"]), (&json!("3 right"), &json!(true)));
    assert_eq!(homes(&ada).await[0]["unit"], "3 right");
    assert_eq!(ada.named("Cellar").await["flat"], "3 right");
    assert!(ada.get("/v1/sites").await.ok().to_string().contains("Yard 5"));
    // An answer that was lost is asked for again, and uses no other's place up.
    assert_eq!(join(&ada, &sent).await.ok()["joined"], true);
    assert_eq!(join(&ben, &sent).await.ok()["joined"], true);
    assert_eq!(look(&ben, &sent).await.ok()["joined"], true);

    // The landlord sees who came, and no code any more.
    let listed = world.operator.get(INVITATIONS).await.ok();
    let one = &listed["invitations"][0];
    assert_eq!((&one["joined"], &one["state"], one.get("code")), (&json!(2), &json!("used"), None));
    let members = world.operator.get("/v1/operator/sites/yard/members").await.ok();
    let mut names: Vec<_> =
        members["residents"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["Ada", "Ben"]);
}

/// Whoever has no good code learns nothing of which there are.
pub(crate) async fn every_code_that_is_not_good_gets_the_same_answer(world: World) {
    house(&world).await;
    let (ada, ben, mallory) =
        (world.customer("Ada").await, world.customer("Ben").await, world.customer("Mallory").await);
    let used = invite(&world, json!({ "unit": "1" })).await;
    join(&ada, &used).await.ok();
    let withdrawn = invite(&world, json!({ "unit": "2" })).await;
    let which = format!("{INVITATIONS}/{}", withdrawn["id"].as_str().unwrap());
    world.operator.send(Method::DELETE, &which, json!({})).await.ok();
    let over = invite(&world, json!({ "unit": "3", "until": world.clock.now() + 60 })).await;
    // Of another network: a code as good as any, and unknown here.
    let elsewhere = World::start().await;
    house(&elsewhere).await;
    let foreign = invite(&elsewhere, json!({ "unit": "1" })).await;
    world.clock.jump(61);

    let mut answers = Vec::new();
    for code in [&used, &withdrawn, &over, &foreign] {
        for asked in ["/v1/homes/invitation", "/v1/homes"] {
            let refused = mallory.post(asked, json!({ "code": code["code"] })).await;
            answers.push((refused.status, refused.body));
        }
        let code = code["code"].as_str().unwrap();
        assert_eq!(Answer::of(http().get(format!("{}/home/{code}", world.base))).await.status, 410);
    }
    assert_eq!(answers[0].1["code"], "claim_ended");
    assert!(answers.windows(2).all(|two| two[0] == two[1]), "{answers:?}");
    assert_eq!(homes(&mallory).await, json!([]));
    // A slip of the finger is told at once, whatever the code would be.
    let code = used["code"].as_str().unwrap();
    let slip = if code.starts_with('2') { "3" } else { "2" };
    for typed in [&*format!("{slip}{}", &code[1..]), "7QFM", "", "https://elsewhere.example"] {
        assert_eq!(mallory.post("/v1/homes", json!({ "code": typed })).await.code(), "wrong_code", "{typed}");
    }
    // Guessing is slowed down, for whoever guesses alone.
    let mut throttled = 0;
    for _ in 0..70 {
        throttled += u32::from(look(&mallory, &used).await.status == 429);
    }
    assert!(throttled > 0, "a guesser waits");
    let another = invite(&world, json!({ "unit": "4" })).await;
    join(&ben, &another).await.ok();
    // One flat of a house at a time; and the landlord may say otherwise.
    let other = invite(&world, json!({ "unit": "5" })).await;
    assert_eq!(join(&ben, &other).await.code(), "wrong_state");
    assert_eq!(
        world.operator.get(INVITATIONS).await.ok()["invitations"][4]["joined"],
        0,
        "nothing was used up"
    );
    let member = format!("/v1/operator/sites/yard/members/{}", ben.number().await.replace(' ', ""));
    world.operator.send(Method::PUT, &member, json!({ "unit": "5" })).await.ok();
    assert_eq!(homes(&ben).await[0]["unit"], "5");
    // Those of another network's operator, of carriers and of nobody.
    assert_eq!(world.heron.get(INVITATIONS).await.status, 403);
    assert_eq!(world.operator.get("/v1/operator/sites/nowhere/invitations").await.code(), "not_found");
    assert_eq!(
        world.operator.send(Method::DELETE, &format!("{INVITATIONS}/x"), json!({})).await.code(),
        "not_found"
    );
}

/// Of many at once no more are let in than an invitation is for.
pub(crate) async fn no_more_join_than_were_invited(world: World) {
    house(&world).await;
    let sent = invite(&world, json!({ "unit": "3 right", "people": 2 })).await;
    let mut people = Vec::new();
    for n in 0..6 {
        people.push(world.customer(&format!("Guest {n}")).await);
    }
    let answers = futures::future::join_all(people.iter().map(|one| join(one, &sent))).await;
    let joined = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(joined, 2, "{answers:?}");
    assert!(answers.iter().all(|answer| answer.status == 200 || answer.code() == "claim_ended"));
    let members = world.operator.get("/v1/operator/sites/yard/members").await.ok();
    assert_eq!(members["residents"].as_array().unwrap().len(), 2);
    assert_eq!(world.operator.get(INVITATIONS).await.ok()["invitations"][0]["joined"], 2);
}

pub(crate) async fn a_list_of_sixty_flats_is_invited_at_once_or_not_at_all(world: World) {
    house(&world).await;
    let list = format!("{INVITATIONS}/list");
    let csv: String = (1..=60).map(|n| format!("{};{}\r\n", n, 1 + n % 3)).collect();
    let csv = format!("flat;people\r\n{csv}");
    // Dry: what would come of it, and nothing of it.
    let dry = world.operator.post(&list, json!({ "csv": csv, "dry_run": true })).await.ok();
    assert_eq!((&dry["flats"], &dry["invitations"], dry.get("faults")), (&json!(60), &json!([]), None));
    let broken = csv.replace("\n7;2\r", "\n7;two\r").replace("\n9;1\r", "\n8;1\r");
    let dry = world.operator.post(&list, json!({ "csv": broken, "dry_run": true })).await.ok();
    let places: Vec<_> =
        dry["faults"].as_array().unwrap().iter().map(|fault| (&fault["line"], &fault["column"])).collect();
    assert_eq!(places, [(&json!(8), &json!(2)), (&json!(10), &json!(1))]);
    let refused = world.operator.post(&list, json!({ "csv": broken })).await;
    assert_eq!((refused.code(), &refused.body["pointer"]), ("malformed".to_owned(), &json!("/csv")));
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.contains("line 8, column 2") && detail.contains("line 10, column 1"), "{detail}");
    assert_eq!(world.operator.get(INVITATIONS).await.ok()["invitations"], json!([]), "nothing half done");

    // The same request again is the same codes.
    let ask = || {
        let request = world.operator.request(Method::POST, &list).header("idempotency-key", "list-of-yard");
        Answer::of(request.json(&json!({ "csv": csv })))
    };
    let made = ask().await.ok();
    assert_eq!(ask().await.ok(), made);
    let codes: std::collections::BTreeSet<_> =
        made["invitations"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert_eq!(codes.len(), 60);
    let printed: Vec<_> = made["csv"].as_str().unwrap().trim().split("\r\n").collect();
    assert_eq!((printed.len(), printed[0]), (61, "flat,people,until,code,link"));
    assert!(
        printed[60].starts_with("60,1,") && printed[60].contains(&format!("{}/home/", world.base)),
        "{}",
        printed[60]
    );
    let ada = world.customer("Ada").await;
    join(&ada, &made["invitations"][59]).await.ok();
    assert_eq!(homes(&ada).await[0]["unit"], "60");
    assert_eq!(
        world
            .operator
            .post("/v1/operator/sites/nowhere/invitations/list", json!({ "csv": csv }))
            .await
            .code(),
        "not_found"
    );
}

/// Either of two who live together opens what is the flat's, gives access to it and hands it over.
pub(crate) async fn either_resident_uses_and_hands_over_what_is_the_flats(world: World) {
    let mut cabinet = house(&world).await;
    let (ada, ben, cleo) =
        (world.customer("Ada").await, world.customer("Ben").await, world.customer("Cleo").await);
    let mallory = world.customer("Mallory").await;
    give(&world, &cabinet, "3 right", 2).await;
    let sent = invite(&world, json!({ "unit": "3 right", "people": 2 })).await;
    join(&ada, &sent).await.ok();
    join(&ben, &sent).await.ok();
    let cellar = ada.named("Cellar").await;
    assert_eq!(ben.named("Cellar").await["role"], "owner");
    // What one puts in the other takes out.
    for (device, hand) in [(&ada, Hand::Puts), (&ben, Hand::Takes)] {
        let (mine, news) = fetch(device, &cellar).await;
        assert!(mine["pin"].is_string(), "{mine}");
        let receipts = cabinet.visit(device, &mine, Operation::Access, &news, hand).receipts();
        hand_in(device, receipts).await;
    }
    // A guest of the one is seen and sent away by the other.
    let offer = ben
        .post(&path(&cellar, "/shares"), json!({ "name": "Uncle", "until": world.clock.now() + DAY }))
        .await
        .ok();
    let secret = offer["link"].as_str().unwrap().rsplit('/').next().unwrap();
    mallory.post("/v1/claims", json!({ "claim": secret })).await.ok();
    let share = ada.named("Cellar").await["shares"][0]["id"].as_str().unwrap().to_owned();
    ada.send(Method::DELETE, &path(&cellar, &format!("/shares/{share}")), json!({})).await.ok();
    assert_eq!(mallory.get(&path(&cellar, "")).await.code(), "not_found");

    // Between the two: what one booked alone.
    let wish = json!({ "title": "Skis", "site": "yard", "size": "m", "until": world.clock.now() + DAY });
    let skis = ben.post("/v1/storage", wish).await.ok();
    assert_eq!(ada.get(&path(&skis, "")).await.code(), "not_found");
    ben.post(&path(&skis, "/handover"), json!({ "unit": "3 right" })).await.ok();
    assert_eq!(ada.named("Skis").await["role"], "owner");
    assert_eq!(ben.get(&path(&skis, "")).await.code(), "not_found");
    // To a neighbour: what is the flat's is the neighbour's flat's then, and nobody's of the first any more.
    let next_door = invite(&world, json!({ "unit": "3 left" })).await;
    join(&cleo, &next_door).await.ok();
    assert_eq!(ben.post(&path(&cellar, "/handover"), json!({ "unit": "9" })).await.code(), "not_found");
    assert_eq!(
        ben.post(&path(&cellar, "/handover"), json!({ "unit": "3 right" })).await.code(),
        "wrong_state"
    );
    ben.post(&path(&cellar, "/handover"), json!({ "unit": "3 left" })).await.ok();
    assert_eq!(cleo.named("Cellar").await["flat"], "3 left");
    for device in [&ada, &ben] {
        assert_eq!(device.get(&path(&cellar, "")).await.code(), "not_found");
        assert_eq!(
            device.post("/v1/tokens", json!({ "reservations": [cellar["id"]] })).await.code(),
            "not_found"
        );
    }
    // And back, where two live: both have it.
    cleo.post(&path(&cellar, "/handover"), json!({ "unit": "3 right" })).await.ok();
    assert_eq!(
        (&ada.named("Cellar").await["flat"], &ben.named("Cellar").await["flat"]),
        (&json!("3 right"), &json!("3 right"))
    );
}

/// Whoever moves out opens nothing of the flat's any more once the locker has heard, and neither do their guests; whoever stays
/// opens it as before, online or not.
pub(crate) async fn moving_out_ends_access_and_nobody_elses(world: World) {
    for leaves in [true, false] {
        let world = &world;
        let mut cabinet = house(world).await;
        let unit = if leaves { "1" } else { "2" };
        give(world, &cabinet, unit, 2).await;
        let (ada, ben, uncle) =
            (world.customer("Ada").await, world.customer("Ben").await, world.customer("Uncle").await);
        let sent = invite(world, json!({ "unit": unit, "people": 2 })).await;
        for device in [&ada, &ben] {
            join(device, &sent).await.ok();
        }
        let cellar = ada.named("Cellar").await;
        let share = json!({ "name": "Uncle", "until": world.clock.now() + DAY });
        let offer = ada.post(&path(&cellar, "/shares"), share).await.ok();
        let secret = offer["link"].as_str().unwrap().rsplit('/').next().unwrap();
        uncle.post("/v1/claims", json!({ "claim": secret })).await.ok();
        let (adas, news) = fetch(&ada, &cellar).await;
        let (bens, _) = fetch(&ben, &cellar).await;
        let (uncles, _) = fetch(&uncle, &cellar).await;
        // Nothing stands in the way: what is the flat's stays with Ben.
        assert!(homes(&ada).await[0].get("hindered_by").is_none());
        let receipts = cabinet.visit(&ada, &adas, Operation::Access, &news, Hand::Puts).receipts();
        hand_in(&ada, receipts).await;
        if leaves {
            ada.send(Method::DELETE, "/v1/homes/yard", json!({})).await.ok();
        } else {
            move_out(world, &ada).await.ok();
        }
        assert_eq!(homes(&ada).await, json!([]));
        for device in [&ada, &uncle] {
            assert_eq!(device.get(&path(&cellar, "")).await.code(), "not_found");
            assert_eq!(
                device.post("/v1/tokens", json!({ "reservations": [cellar["id"]] })).await.code(),
                "not_found"
            );
        }
        assert_eq!(ada.send(Method::DELETE, "/v1/homes/yard", json!({})).await.code(), "not_found");
        assert_eq!(join(&ada, &sent).await.code(), "claim_ended", "used is used");
        // Ben brings the news with the token that he had, and finds what lay there.
        let (_, news) = fetch(&ben, &cellar).await;
        let receipts = cabinet.visit(&ben, &bens, Operation::Access, &news, Hand::Takes).receipts();
        hand_in(&ben, receipts).await;
        assert_eq!(ben.named("Cellar").await["role"], "owner");
        for (device, grant) in [(&ada, &adas), (&uncle, &uncles)] {
            cabinet.visit(device, grant, Operation::Access, &json!([]), Hand::Nothing).refused();
            if grant["pin"].is_string() {
                assert_eq!(cabinet.type_pin(&grant["pin"], Hand::Nothing), None);
            }
        }
        assert!(cabinet.type_pin(&bens["pin"], Hand::Nothing).is_some(), "Ben's PIN is Ben's");
    }
}

/// The last of a flat: what may lie inside stands in the way of leaving, and is looked at where the operator ends it.
pub(crate) async fn what_the_last_resident_leaves_inside_is_nobodys_before_somebody_looked(world: World) {
    let mut cabinet = house(&world).await;
    give(&world, &cabinet, "3", 2).await;
    let (ada, ben) = (world.customer("Ada").await, world.customer("Ben").await);
    let sent = invite(&world, json!({ "unit": "3", "people": 3 })).await;
    join(&ada, &sent).await.ok();
    let wish = json!({ "title": "Skis", "site": "yard", "size": "m", "until": world.clock.now() + DAY });
    let skis = ada.post("/v1/storage", wish).await.ok();
    let cellar = ada.named("Cellar").await;
    let open = async |cabinet: &mut Cabinet, hand: Hand| {
        let (mine, news) = fetch(&ada, &cellar).await;
        let receipts = cabinet.visit(&ada, &mine, Operation::Access, &news, hand).receipts();
        hand_in(&ada, receipts).await;
        mine
    };
    open(&mut cabinet, Hand::Puts).await;
    let hindered = homes(&ada).await[0]["hindered_by"].clone();
    let mut both = vec![skis["id"].clone(), cellar["id"].clone()];
    both.sort_by_key(Value::to_string);
    let mut told = hindered.as_array().unwrap().clone();
    told.sort_by_key(Value::to_string);
    assert_eq!(told, both);
    assert_eq!(ada.send(Method::DELETE, "/v1/homes/yard", json!({})).await.code(), "wrong_state");
    ada.post(&path(&skis, "/release"), json!({})).await.ok();
    assert_eq!(homes(&ada).await[0]["hindered_by"], json!([cellar["id"]]));
    // Emptied, it waits for whoever comes next.
    let old = open(&mut cabinet, Hand::Takes).await;
    ada.send(Method::DELETE, "/v1/homes/yard", json!({})).await.ok();
    join(&ben, &sent).await.ok();
    let bens = ben.named("Cellar").await;
    assert_eq!(
        (&bens["id"], bens["timeline"].as_array().map_or(0, Vec::len)),
        (&cellar["id"], 0),
        "and no past"
    );
    let (mine, news) = fetch(&ben, &bens).await;
    let receipts = cabinet.visit(&ben, &mine, Operation::Access, &news, Hand::Puts).receipts();
    hand_in(&ben, receipts).await;
    cabinet.visit(&ada, &old, Operation::Access, &json!([]), Hand::Nothing).refused();

    // The landlord ends it, with something inside: nobody has it, and somebody is told to look.
    assert_eq!(ben.get("/v1/me/deletion").await.ok()["hindered_by"], json!([cellar["id"]]));
    move_out(&world, &ben).await.ok();
    assert_eq!(ben.get(&path(&cellar, "")).await.code(), "not_found");
    assert_eq!(
        world
            .operator
            .post(
                "/v1/operator/holdings",
                json!({ "unit": "3", "title": "Cellar", "locker": cabinet.id,
        "door": 2 })
            )
            .await
            .code(),
        "no_compartment"
    );
    assert_eq!(join(&ada, &sent).await.ok()["joined"], true);
    assert!(ada.reservations().await.iter().all(|one| one["title"] != "Cellar"));
    let door = report(&world, &cabinet, 2).await;
    assert!(door["settling"] == true || door["out_of_order"] == true, "{door}");
    let clear = format!("/v1/operator/lockers/{}/doors/2/clear", cabinet.id);
    world.operator.post(&clear, json!({})).await.ok();
    give(&world, &cabinet, "3", 2).await;
    assert_eq!(ada.named("Cellar").await["flat"], "3");
}

/// Deleting an account takes nothing from those one lived with.
pub(crate) async fn who_deletes_an_account_leaves_the_flats_things_to_the_others(world: World) {
    let mut cabinet = house(&world).await;
    give(&world, &cabinet, "3", 2).await;
    let (ada, ben) = (world.customer("Ada").await, world.customer("Ben").await);
    let sent = invite(&world, json!({ "unit": "3", "people": 2 })).await;
    for device in [&ada, &ben] {
        join(device, &sent).await.ok();
    }
    let cellar = ada.named("Cellar").await;
    let (mine, news) = fetch(&ada, &cellar).await;
    let receipts = cabinet.visit(&ada, &mine, Operation::Access, &news, Hand::Puts).receipts();
    hand_in(&ada, receipts).await;
    assert_eq!(ada.get("/v1/me/deletion").await.ok()["hindered_by"], json!([]));
    assert_eq!(ada.send(Method::DELETE, "/v1/me", json!({})).await.status, 204);
    let (mine, news) = fetch(&ben, &cellar).await;
    let receipts = cabinet.visit(&ben, &mine, Operation::Access, &news, Hand::Takes).receipts();
    hand_in(&ben, receipts).await;
    assert_eq!(ben.named("Cellar").await["state"], "held");
    let members = world.operator.get("/v1/operator/sites/yard/members").await.ok();
    assert_eq!(members["residents"].as_array().unwrap().len(), 1);
}
