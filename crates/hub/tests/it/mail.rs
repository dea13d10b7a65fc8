//! Letters, at a real mail server (aiosmtpd): on both databases.

use std::{
    path::Path,
    process::{Child, Command},
    sync::Arc,
    time::{Duration, Instant},
};

use postern_hub::config::{Config, Mail, Policy, Security};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    client::{Answer, Device},
    contract::python,
    kill::certificate,
    postgres::Postgres,
    world::World,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A mail server, ended with this value.
struct Post {
    folder: tempfile::TempDir,
    port: u16,
    process: Option<Child>,
}

impl Post {
    /// Where one will stand; nobody is there yet.
    fn vacant() -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { folder: tempfile::tempdir().unwrap(), port, process: None }
    }

    fn open() -> Self {
        let mut post = Self::vacant();
        post.begin(&[]);
        post
    }

    fn begin(&mut self, certificate: &[&Path]) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/mail_server.py");
        let mut command = Command::new(python().join("python"));
        command.arg(script).arg(self.port.to_string()).arg(self.folder.path()).args(certificate);
        self.process = Some(command.spawn().unwrap());
        let deadline = Instant::now() + PATIENCE;
        while !self.folder.path().join("ready").exists() {
            assert!(Instant::now() < deadline, "no mail server");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn settings(&self) -> Mail {
        Mail {
            server: "127.0.0.1".to_owned(),
            port: Some(self.port),
            security: Security::None,
            user: None,
            password_file: None,
            root: None,
            from: "Lindenhof <lockers@lindenhof.example>".to_owned(),
            language: "en".to_owned(),
        }
    }

    /// All letters so far, oldest first.
    fn letters(&self) -> Vec<Value> {
        let mut names: Vec<_> = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|kind| kind == "json"))
            .collect();
        names.sort();
        names.iter().map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()).collect()
    }

    /// The letter with this number to `to`, once it came.
    async fn letter(&self, to: &str, number: usize) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let letters = self.letters();
            if let Some(letter) = letters.iter().filter(|letter| letter["to"] == json!([to])).nth(number) {
                return letter.clone();
            }
            assert!(Instant::now() < deadline, "no letter {number} to {to}: {letters:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

async fn world(post: &Post, database: Option<String>) -> World {
    let policy = Policy { letters_per_day: 8, ..Policy::default() };
    World::with(Config { mail: Some(post.settings()), database, policy, ..Config::default() }).await
}

async fn ask_code(device: &Device, address: &str, language: &str) -> Answer {
    device.post("/v1/me/email", json!({ "email": address, "language": language })).await
}

async fn confirm(device: &Device, code: &str) -> Answer {
    device.post("/v1/me/email/confirm", json!({ "code": code })).await
}

/// The one line of eight digits.
fn code_of(letter: &Value) -> String {
    let text = letter["text"].as_str().unwrap();
    let is_code = |line: &&str| line.len() == 8 && line.bytes().all(|c| c.is_ascii_digit());
    text.lines().find(is_code).unwrap_or_else(|| panic!("no code in {text}")).to_owned()
}

fn wrong(code: &str) -> String {
    code.chars().map(|c| if c == '0' { '1' } else { '0' }).collect()
}

async fn delivery(device: &Device, expected: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let email = device.get("/v1/me").await.ok()["email"].clone();
        if email["delivery"] == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{email} instead of {expected}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn announce(world: &World, reference: &str, recipient: &str) -> Value {
    let parcel = json!({ "reference": reference, "recipient": recipient, "title": reference, "site": "lindenhof",
                         "size": "s" });
    world.heron.post("/v1/carrier/parcels", parcel).await.ok()
}

async fn addresses_are_confirmed_and_parcels_find_them(database: Option<String>) {
    let post = Post::open();
    let mut world = world(&post, database).await;
    let (mut ada, mut ben) = (world.customer("Ada").await, world.customer("Ben").await);
    assert_eq!(ada.get("/v1/me").await.ok()["email"], json!({}), "this network sends mail");
    for bad in ["ada", "ada@example.org, all@example.org", "ada@example.org\r\nBcc: all@example.org"] {
        let refused = ask_code(&ada, bad, "de").await;
        assert_eq!((refused.code(), &refused.body["pointer"]), ("malformed".to_owned(), &json!("/email")));
    }

    let pending = ask_code(&ada, "Ada@Example.ORG", "de").await.ok();
    assert_eq!(pending["email"]["pending"], "Ada@example.org");
    let letter = post.letter("Ada@example.org", 0).await;
    let headers = &letter["headers"];
    assert!(headers["subject"].as_str().unwrap().starts_with("Dein Code: "), "{headers}");
    assert_eq!(headers["auto-submitted"], "auto-generated");
    assert_eq!(headers["content-type"], "text/plain; charset=\"utf-8\"", "no picture can count who reads it");
    assert_eq!(letter["from"], "lockers@lindenhof.example");
    delivery(&ada, "sent").await;
    let code = code_of(&letter);
    assert_eq!(confirm(&ada, &wrong(&code)).await.code(), "wrong_code");
    assert_eq!(confirm(&ben, &code).await.code(), "code_ended", "a code is one account's");
    // Before it is confirmed, the address is nobody's.
    announce(&world, "HX-early", "ada@example.org").await;
    assert!(ada.reservations().await.is_empty());
    let early = post.letter("ada@example.org", 0).await;
    assert!(early["headers"]["subject"].as_str().unwrap().contains("Heron Express"), "{early}");

    // Several at once: one is the first.
    let spaced = format!("{} {}", &code[..4], &code[4..]);
    let answers = futures::future::join_all((0..4).map(|_| confirm(&ada, &spaced))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    for late in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(late.code(), "code_ended");
    }
    assert_eq!(ada.get("/v1/me").await.ok()["email"], json!({ "address": "Ada@example.org" }));

    let known = announce(&world, "HX-known", "ada@EXAMPLE.org").await;
    assert_eq!(ada.named("HX-known").await["role"], "owner");
    let letter = post.letter("ada@example.org", 1).await;
    assert!(letter["headers"]["subject"].as_str().unwrap().starts_with("Ein Paket für dich"), "her language");
    assert!(letter["text"].as_str().unwrap().contains(known["claim_link"].as_str().unwrap()));
    // What the carrier is told of somebody whom nobody knows is of the same form.
    let unknown = announce(&world, "HX-other", "somebody@example.org").await;
    let form = |answer: &Value| {
        let fields = answer.as_object().unwrap().iter();
        fields.map(|(name, value)| (name.clone(), value.to_string().len())).collect::<Vec<_>>()
    };
    let form =
        |answer: &Value| form(answer).into_iter().filter(|(name, _)| name != "reference").collect::<Vec<_>>();
    assert_eq!(form(&known), form(&unknown));
    assert!(known["letter"].is_null());
    post.letter("somebody@example.org", 0).await;
    let carriers = format!("/v1/carrier/parcels/{}", unknown["id"].as_str().unwrap());
    let mut shown = world.heron.get(&carriers).await.ok();
    // The letter is there a moment before the hub has written down that it is.
    for _ in 0..100 {
        if shown["letter"] == "sent" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        shown = world.heron.get(&carriers).await.ok();
    }
    assert_eq!(
        (&shown["letter"], &shown["claim_link"]),
        (&json!("sent"), &Value::Null),
        "the link is told once"
    );

    // Who reads mail there now has the address now.
    ask_code(&ben, "ada@example.org", "xx").await.ok();
    let letter = post.letter("ada@example.org", 2).await;
    assert!(
        letter["headers"]["subject"].as_str().unwrap().starts_with("Your code: "),
        "the operator's language"
    );
    confirm(&ben, &code_of(&letter)).await.ok();
    assert_eq!(ada.get("/v1/me").await.ok()["email"], json!({}));
    announce(&world, "HX-moved", "ada@example.org").await;
    assert_eq!(ben.named("HX-moved").await["role"], "owner");
    assert_eq!(ada.reservations().await.len(), 1);

    // A code ends by guessing, by time, and with the next one.
    ask_code(&ada, "two@example.org", "en").await.ok();
    let code = code_of(&post.letter("two@example.org", 0).await);
    for _ in 0..5 {
        assert_eq!(confirm(&ada, &wrong(&code)).await.code(), "wrong_code");
    }
    assert_eq!(confirm(&ada, &code).await.code(), "code_ended", "guessed at too often");
    ask_code(&ada, "two@example.org", "en").await.ok();
    let second = code_of(&post.letter("two@example.org", 1).await);
    assert_eq!(confirm(&ada, &code).await.code(), "wrong_code", "the code of before");
    world.clock.advance(31 * 60);
    for device in [&mut ada, &mut ben] {
        device.refresh().await.ok();
    }
    assert_eq!(confirm(&ada, &second).await.code(), "code_ended", "too late");

    // Forgotten, and mail goes on without an account.
    ben.send(Method::DELETE, "/v1/me/email", json!({})).await.ok();
    announce(&world, "HX-gone", "ada@example.org").await;
    assert!(ben.reservations().await.iter().all(|one| one["title"] != "HX-gone"));
    world.hub.stopping.cancel();
    world.hub.store.close().await;
    world.clock = postern_hub::clock::Clock::default();
}

async fn mail_that_does_not_arrive_is_told(database: Option<String>) {
    let mut post = Post::vacant();
    let world = world(&post, database).await;
    let ada = world.customer("Ada").await;
    // Nobody answers: it waits, and the carrier has its answer all the same.
    ask_code(&ada, "ada@example.org", "en").await.ok();
    delivery(&ada, "delayed").await;
    let parcel = announce(&world, "HX-wait", "ben@example.org").await;
    assert!(parcel["claim_link"].as_str().unwrap().starts_with(&world.base));
    post.begin(&[]);
    let mut ada = ada;
    world.clock.advance(60);
    ada.refresh().await.ok();
    post.letter("ada@example.org", 0).await;
    post.letter("ben@example.org", 0).await;
    delivery(&ada, "sent").await;

    // No such mailbox.
    ask_code(&ada, "nobody@example.org", "en").await.ok();
    delivery(&ada, "refused").await;
    let parcel = announce(&world, "HX-none", "nobody@example.org").await;
    let path = format!("/v1/carrier/parcels/{}", parcel["id"].as_str().unwrap());
    let deadline = Instant::now() + PATIENCE;
    while world.heron.get(&path).await.ok()["letter"] != "refused" {
        assert!(Instant::now() < deadline, "the carrier is told that the address has no mailbox");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Told to come again, until it is of no use any more.
    ask_code(&ada, "busy@example.org", "en").await.ok();
    delivery(&ada, "delayed").await;
    for _ in 0..4 {
        world.clock.advance(9 * 60);
        ada.refresh().await.ok();
        tokio::time::sleep(Duration::from_millis(1500)).await;
    }
    delivery(&ada, "given_up").await;
    assert!(post.letters().iter().all(|letter| letter["to"] != json!(["busy@example.org"])));

    // So many a day for one account, and to one address, whoever asks.
    let mut told = Vec::new();
    for n in 0..10 {
        told.push(ask_code(&ada, &format!("n{n}@example.org"), "en").await);
    }
    let late = told.iter().find(|answer| answer.status == 429).expect("a limit for one account");
    assert!(late.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 60);
    for n in 0..12 {
        announce(&world, &format!("HX-many{n}"), "many@example.org").await;
    }
    post.letter("many@example.org", 7).await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let many = post.letters().iter().filter(|letter| letter["to"] == json!(["many@example.org"])).count();
    assert_eq!(many, 8, "twelve announcements");
    world.hub.stopping.cancel();
    world.hub.store.close().await;
}

/// The letter about a parcel to an address.
async fn parcel_letter(post: &Post, to: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    let about_parcel = |letter: &&Value| {
        letter["to"] == json!([to])
            && letter["headers"]["subject"].as_str().unwrap().contains("Heron Express")
    };
    loop {
        if let Some(letter) = post.letters().iter().find(about_parcel) {
            return letter.clone();
        }
        assert!(Instant::now() < deadline, "no letter about a parcel to {to}: {:?}", post.letters());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How the carrier is told of the letter about its parcel.
async fn told(world: &World, parcel: &Value, expected: &str) {
    let path = format!("/v1/carrier/parcels/{}", parcel["id"].as_str().unwrap());
    let deadline = Instant::now() + PATIENCE;
    loop {
        let letter = world.heron.get(&path).await.ok()["letter"].clone();
        if letter == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{letter} instead of {expected}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The link of an invitation reaches who is invited, in the language that the landlord names; one that was withdrawn is not sent.
async fn invitations_are_mailed(database: Option<String>) {
    let post = Post::open();
    let world = world(&post, database).await;
    let path = "/v1/operator/sites/lindenhof/invitations";
    let flats = json!({ "language": "pl", "flats": [{ "unit": "3 right", "email": "ada@example.org" }, { "unit": "4" }] });
    let made = world.operator.post(path, flats).await.ok();
    let (mailed, printed) = (&made["invitations"][0], &made["invitations"][1]);
    assert_eq!((&mailed["mailed"], &printed["mailed"]), (&json!(true), &json!(false)));
    let letter = post.letter("ada@example.org", 0).await;
    let (text, subject) = (letter["text"].as_str().unwrap(), letter["headers"]["subject"].as_str().unwrap());
    assert!(subject.contains("Twoje zaproszenie: Lindenhof, 3 right"), "{subject}");
    for part in [&mailed["link"], &mailed["code"]] {
        assert!(text.contains(part.as_str().unwrap()), "{text}");
    }
    // Whoever reads it follows it.
    let ada = world.customer("Ada").await;
    let code = text.lines().find(|line| line.len() == 14 && line.matches('-').count() == 2).unwrap();
    assert_eq!(ada.post("/v1/homes", json!({ "code": code })).await.ok()["unit"], "3 right");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let listed = world.operator.get(path).await.ok()["invitations"].clone();
        assert!(listed[1].get("letter").is_none());
        if listed[0]["letter"] == "sent" {
            break;
        }
        assert!(Instant::now() < deadline, "{listed}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let refused = world.operator.post(path, json!({ "flats": [{ "unit": "5", "email": "nobody" }] })).await;
    assert_eq!(
        (refused.code(), &refused.body["pointer"]),
        ("malformed".to_owned(), &json!("/flats/0/email"))
    );
    world.hub.store.close().await;
}

/// Whoever asks for codes to an address of somebody else keeps no parcel's letter from them, and no carrier keeps them from
/// confirming it.
async fn codes_and_parcels_use_up_nothing_of_each_other(database: Option<String>) {
    let post = Post::open();
    let world = world(&post, database).await;
    let (ada, ben) = (world.customer("Ada").await, world.customer("Ben").await);
    for _ in 0..8 {
        ask_code(&ada, "victim@example.org", "en").await.ok();
    }
    assert_eq!(ask_code(&ben, "victim@example.org", "en").await.status, 429, "whoever asks");
    announce(&world, "HX-victim", "victim@example.org").await;
    parcel_letter(&post, "victim@example.org").await;
    for n in 0..12 {
        announce(&world, &format!("HX-{n}"), "busy-shopper@example.org").await;
    }
    ask_code(&ben, "busy-shopper@example.org", "en").await.ok();
    delivery(&ben, "sent").await;
    world.hub.stopping.cancel();
    world.hub.store.close().await;
}

/// A letter of which the disk lost something is given up, which is no fault of the address, and the others go their way.
async fn an_unreadable_letter_is_given_up(database: Option<String>) {
    let mut post = Post::vacant();
    let world = world(&post, database).await;
    let lost = announce(&world, "HX-lost", "lost@example.org").await;
    told(&world, &lost, "delayed").await;
    let fine = announce(&world, "HX-fine", "fine@example.org").await;
    told(&world, &fine, "delayed").await;
    let mut tx = world.hub.store.begin().await.unwrap();
    sqlx::query("UPDATE letters SET sealed = $1 WHERE reservation_id = $2")
        .bind(vec![0_u8; 64])
        .bind(lost["id"].as_str().unwrap())
        .execute(tx.on())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    post.begin(&[]);
    world.clock.advance(60);
    parcel_letter(&post, "fine@example.org").await;
    told(&world, &fine, "sent").await;
    told(&world, &lost, "given_up").await;
    world.hub.stopping.cancel();
    world.hub.store.close().await;
}

/// An address goes from one to another while its code is given several times at once: it is confirmed once.
async fn a_code_confirms_once(database: Option<String>) {
    let post = Post::open();
    let world = world(&post, database).await;
    let (ada, ben) = (world.customer("Ada").await, world.customer("Ben").await);
    ask_code(&ben, "both@example.org", "en").await.ok();
    confirm(&ben, &code_of(&post.letter("both@example.org", 0).await)).await.ok();
    ask_code(&ada, "both@example.org", "en").await.ok();
    let code = code_of(&post.letter("both@example.org", 1).await);
    // Ben's address is in use just now, so that all of them come to the same point.
    let mut tx = world.hub.store.begin().await.unwrap();
    sqlx::query("UPDATE emails SET language = language WHERE address_key = 'both@example.org'")
        .execute(tx.on())
        .await
        .unwrap();
    let (answers, ()) =
        tokio::join!(futures::future::join_all((0..4).map(|_| confirm(&ada, &code))), async {
            tokio::time::sleep(Duration::from_millis(1500)).await;
            drop(tx);
        });
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "{answers:?}");
    for late in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(late.code(), "code_ended");
    }
    assert_eq!(ada.get("/v1/me").await.ok()["email"]["address"], "both@example.org");
    assert_eq!(ben.get("/v1/me").await.ok()["email"], json!({}));

    // Two who share a mailbox confirm at once: the later one has it, and nobody sees a fault of the hub's.
    for (number, device) in [&ada, &ben].into_iter().enumerate() {
        ask_code(device, "shared@example.org", "en").await.ok();
        post.letter("shared@example.org", number).await;
    }
    let codes = [
        code_of(&post.letter("shared@example.org", 0).await),
        code_of(&post.letter("shared@example.org", 1).await),
    ];
    let (first, second) = tokio::join!(confirm(&ada, &codes[0]), confirm(&ben, &codes[1]));
    first.ok();
    second.ok();
    let mut having = 0;
    for device in [&ada, &ben] {
        having += usize::from(device.get("/v1/me").await.ok()["email"]["address"] == "shared@example.org");
    }
    assert_eq!(having, 1);
    world.hub.stopping.cancel();
    world.hub.store.close().await;
}

/// A mail server that says nothing keeps an instance waiting; another, which believes that it has died, sends the letter. What
/// the first one then finds changes nothing of that.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_instance_has_sent_stays_sent() {
    let Some(postgres) = Postgres::start() else { return };
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let post = Post::open();
    let database = postgres.database();
    let config = |port: u16| Config {
        mail: Some(Mail { port: Some(port), ..post.settings() }),
        database: Some(database.clone()),
        ..Config::default()
    };
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let one = World::in_folder(config(mute.local_addr().unwrap().port()), Arc::clone(&folder)).await;
    let ada = one.customer("Ada").await;
    ask_code(&ada, "ada@example.org", "en").await.ok();
    let held = tokio::time::timeout(PATIENCE, mute.accept()).await.unwrap().unwrap();
    let two = World::in_folder(config(post.port), folder).await;
    two.clock.advance(150);
    post.letter("ada@example.org", 0).await;
    delivery(&ada, "sent").await;
    drop((held, mute));
    for _ in 0..60 {
        assert_eq!(ada.get("/v1/me").await.ok()["email"]["delivery"], "sent");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(post.letters().len(), 1);
    for world in [&one, &two] {
        world.hub.stopping.cancel();
        world.hub.store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_and_parcels_use_up_nothing_of_each_other_on_sqlite() {
    codes_and_parcels_use_up_nothing_of_each_other(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invitations_are_mailed_on_sqlite() {
    invitations_are_mailed(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_letter_is_given_up_on_sqlite() {
    an_unreadable_letter_is_given_up(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_confirms_once_on_sqlite() {
    a_code_confirms_once(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_confirmed_on_sqlite() {
    addresses_are_confirmed_and_parcels_find_them(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_does_not_arrive_is_told_on_sqlite() {
    mail_that_does_not_arrive_is_told(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_on_postgres() {
    let Some(postgres) = Postgres::start() else { return };
    addresses_are_confirmed_and_parcels_find_them(Some(postgres.database())).await;
    mail_that_does_not_arrive_is_told(Some(postgres.database())).await;
    codes_and_parcels_use_up_nothing_of_each_other(Some(postgres.database())).await;
    an_unreadable_letter_is_given_up(Some(postgres.database())).await;
    a_code_confirms_once(Some(postgres.database())).await;
    invitations_are_mailed(Some(postgres.database())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mail_server_must_be_the_one_that_an_authority_vouches_for() {
    let mut post = Post::vacant();
    let (key, chain) = (post.folder.path().join("key.pem"), post.folder.path().join("chain.pem"));
    let (other_key, other) = (post.folder.path().join("other-key.pem"), post.folder.path().join("other.pem"));
    if !certificate(&key, &chain) || !certificate(&other_key, &other) {
        return;
    }
    post.begin(&[&chain, &key]);
    let password_file = post.folder.path().join("password");
    std::fs::write(&password_file, "hush\n").unwrap();
    for (root, password, arrives) in
        [(&chain, "hush\n", true), (&other, "hush\n", false), (&chain, "shush", false)]
    {
        std::fs::write(&password_file, password).unwrap();
        let mail = Mail {
            server: "localhost".to_owned(),
            security: Security::Starttls,
            user: Some("postern".to_owned()),
            password_file: Some(password_file.clone()),
            root: Some(root.clone()),
            ..post.settings()
        };
        let world = World::with(Config { mail: Some(mail), ..Config::default() }).await;
        let ada = world.customer("Ada").await;
        ask_code(&ada, "ada@example.org", "en").await.ok();
        delivery(&ada, if arrives { "sent" } else { "delayed" }).await;
    }
    let letters = post.letters();
    assert_eq!((letters.len(), &letters[0]["tls"]), (1, &json!(true)));
}

#[tokio::test]
async fn a_network_without_a_mail_server_says_so() {
    let world = World::start().await;
    let ada = world.customer("Ada").await;
    assert!(ada.get("/v1/me").await.ok()["email"].is_null());
    assert_eq!(ask_code(&ada, "ada@example.org", "en").await.code(), "wrong_state");
    // The carrier passes the link on by itself.
    let parcel = announce(&world, "HX1", "ada@example.org").await;
    assert!(parcel["claim_link"].as_str().unwrap().contains("/claim/"));
}
