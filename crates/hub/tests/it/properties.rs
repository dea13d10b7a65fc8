//! Requests made at random from the OpenAPI document, right ones and broken ones, by everybody: whatever comes, the answer
//! is one that the document describes.
//!
//! `POSTERN_SEED` repeats a run, `POSTERN_CASES` says how many requests are made of each operation.

use std::collections::BTreeMap;

use postern_hub::config::{Config, Policy};
use reqwest::{Method, RequestBuilder, header};
use serde_json::{Map, Value, json};

use crate::{
    client::Answer,
    document::{self, Document, resolve},
    people::People,
    postgres::Postgres,
};

/// Of each operation, on each database.
const CASES: u64 = 16;

/// Numbers that anybody can repeat (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// One in `of` times.
    pub(crate) fn one_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// What is there to be named, by what it is called: without it, all requests would end at the first question.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) texts: BTreeMap<String, Vec<String>>,
    /// What may be done now, with the ids that it may be done to, by the last segment of its path.
    /// Or by the whole operation, or by it and the name of a parameter.
    pub(crate) fitting: BTreeMap<String, Vec<String>>,
    /// What a field or a body is as a whole, which chance would not put together.
    pub(crate) whole: BTreeMap<String, Value>,
    /// Devices and keys that everybody goes on with: nobody takes them away.
    pub(crate) kept: Vec<String>,
}

impl Known {
    /// `what` is the collection that `value` is of, or the field.
    pub(crate) fn learn(&mut self, value: &Value, what: &str) {
        match value {
            // What a claim link is good for is its end.
            Value::String(link) if what == "link" => {
                self.learn(&json!(link.rsplit('/').next().unwrap_or_default()), "claim");
            }
            Value::String(text) if (1..=64).contains(&text.len()) && !self.kept.contains(text) => {
                let known = self.texts.entry(what.to_owned()).or_default();
                if !known.contains(text) {
                    known.push(text.clone());
                }
            }
            Value::Array(all) => all.iter().for_each(|one| self.learn(one, what)),
            Value::Object(all) => {
                self.learn_what_fits(value);
                for (name, field) in all {
                    // An id is named after what it is the id of.
                    self.learn(field, if name == "id" { what } else { name });
                }
            }
            _ => {}
        }
    }

    /// Reservations say what their owner may do, parcels where they stand.
    fn learn_what_fits(&mut self, value: &Value) {
        let Some(id) = value["id"].as_str() else { return };
        let of_owner = value["actions"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let of_owner = of_owner.filter_map(|action| match action {
            "change_locker" => Some("move"),
            "share" => Some("shares"),
            "report" => Some("problems"),
            "confirm_taken" => Some("taken"),
            "extend" | "hold" | "cancel" | "release" => Some(action),
            _ => None,
        });
        let of_carrier: &[_] = match value["state"].as_str() {
            Some("announced") => &["dispatch", "deposit"],
            Some("in_transit") => &["deposit"],
            Some("expired") => &["returned"],
            Some("deposited") => &["accept", "refuse"],
            _ => &[],
        };
        let of_resident: &[_] =
            if value["kind"] == "storage" && value["state"] == "held" { &["handover"] } else { &[] };
        for what in of_owner.chain(of_carrier.iter().copied()).chain(of_resident.iter().copied()) {
            self.fitting.entry(what.to_owned()).or_default().push(id.to_owned());
        }
    }

    /// What a field or the last collection of a path may be about.
    fn about(&self, what: &str) -> &[String] {
        let called = match what {
            "site" => "sites",
            "locker" => "lockers",
            "share" => "shares",
            "recipient" => "number",
            "parcel" | "parcels" => "reservations",
            "carrier" => "carriers",
            "code" => "enrolment_code",
            "token" => "refresh_token",
            "dpop_jkt" | "state" => "code_challenge",
            "secret" => "claim",
            other => other,
        };
        self.texts.get(called).map_or(&[], Vec::as_slice)
    }
}

const ODD: [&str; 12] = [
    "",
    " ",
    "0",
    "-1",
    "null",
    "a\u{202e}b",
    "\u{0}",
    "<script>alert(1)</script>",
    "' OR 1=1 --",
    "../../etc/passwd",
    "Łódź 🗝",
    "%00%ff%",
];

struct Maker<'a> {
    document: &'a Document,
    random: Random,
    known: Known,
    now: i64,
}

impl Maker<'_> {
    fn text(&mut self, what: &str) -> String {
        let known = self.known.about(what);
        match self.random.below(24) {
            0 => (*self.random.pick(&ODD)).to_owned(),
            1 => "x".repeat(1 << self.random.below(14)),
            2 => postern_hub::random::secret(),
            3 => {
                let all: Vec<&String> = self.known.texts.values().flatten().collect();
                all.get(self.random.below(all.len().max(1))).map_or_else(String::new, |text| (*text).clone())
            }
            _ if !known.is_empty() => self.random.pick(known).clone(),
            _ => postern_hub::random::id(),
        }
    }

    fn integer(&mut self, what: &str) -> Value {
        // Most ends are within the days that policies allow.
        if what == "until" && !self.random.one_in(4) {
            let longest = *self.random.pick(&[24, 160]);
            return json!(self.now + self.random.below(longest) as i64 * 3600);
        }
        match self.random.below(8) {
            0 => json!(*self.random.pick(&[0, -1, 1, i64::MAX, i64::MIN, 65_536, i64::from(u32::MAX) + 1])),
            1 => json!(u64::MAX),
            2 | 3 => json!(self.now + self.random.below(40) as i64 * 3600),
            _ => json!(self.random.below(17)),
        }
    }

    /// A value for `schema`; one in so many is not what it asks for.
    fn value(&mut self, schema: &Value, what: &str) -> Value {
        if self.random.one_in(60) {
            return self.random.pick(&[json!(null), json!([]), json!({}), json!("?"), json!(1.5)]).clone();
        }
        if let Some(whole) = self.known.whole.get(what).cloned()
            && !self.random.one_in(3)
        {
            return whole;
        }
        let schema = resolve(&self.document.text, schema).clone();
        if let Some(all) = schema["oneOf"].as_array() {
            let one = self.random.pick(all).clone();
            return self.value(&one, what);
        }
        if let Some(all) = schema["enum"].as_array() {
            return self.random.pick(all).clone();
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => self.random.pick(kinds).as_str().unwrap_or("null").to_owned(),
            kind => kind.as_str().unwrap_or("object").to_owned(),
        };
        match kind.as_str() {
            "null" => Value::Null,
            "string" => json!(self.text(what)),
            "integer" => self.integer(what),
            "number" => json!([0.0, 52.5, -91.0, 1e300][self.random.below(4)]),
            "boolean" => json!(self.random.one_in(2)),
            "array" => {
                let longest = if self.random.one_in(20) { 300 } else { 3 };
                (0..self.random.below(longest)).map(|_| self.value(&schema["items"], what)).collect()
            }
            _ => self.object(&schema),
        }
    }

    fn object(&mut self, schema: &Value) -> Value {
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut fields = Map::new();
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let there = if required.contains(&name.as_str()) {
                !self.random.one_in(50)
            } else {
                self.random.one_in(2)
            };
            if there {
                fields.insert(name.clone(), self.value(field, name));
            }
        }
        if self.random.one_in(20) {
            fields.insert("unheard of".to_owned(), json!(self.text("")));
        }
        Value::Object(fields)
    }

    fn path(&mut self, operation: &document::Operation) -> String {
        let mut path = operation.path.clone();
        for (name, place, schema, required) in &operation.parameters {
            // `{id}` is of what comes before it.
            let before = operation.path.split(&format!("/{{{name}}}")).next().unwrap_or_default();
            let collection = before.rsplit('/').next().unwrap_or_default();
            let what = if place == "path" && name == "id" { collection } else { name };
            // Mostly one of those that the last segment may be done to.
            let last = operation.path.rsplit('/').next().unwrap_or_default();
            let fitting = &self.known.fitting;
            let named = fitting.get(&format!("{} {name}", operation.name()));
            let of_id = fitting.get(&operation.name()).or_else(|| fitting.get(last)).filter(|_| name == "id");
            let fitting = named.or(of_id).filter(|_| place == "path").cloned();
            // What may be left out mostly is.
            if !required && !self.random.one_in(4) {
                continue;
            }
            let value = match fitting {
                Some(ids) if !self.random.one_in(8) => json!(self.random.pick(&ids)),
                _ => self.value(schema, what),
            };
            let value = match value {
                Value::String(text) => text,
                Value::Null => continue,
                other => other.to_string(),
            };
            let value: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
            // Longer ones are refused by the listener itself.
            let value: String = value.replace('+', "%20").chars().take(4096).collect();
            let value = value.trim_end_matches('%').to_owned();
            match place.as_str() {
                "path" => {
                    // Nothing, or dots alone, would be another path (RFC 3986 section 5.2.4).
                    let value = if value.trim_matches('.').is_empty() { "-" } else { value.as_str() };
                    path = path.replace(&format!("{{{name}}}"), value);
                }
                "query" => {
                    path.push(if path.contains('?') { '&' } else { '?' });
                    path.push_str(&format!("{name}={value}"));
                }
                _ => {}
            }
        }
        // A path parameter for which nothing was made.
        path.replace(['{', '}'], "")
    }

    /// The body, and how it is called.
    fn body(&mut self, operation: &document::Operation) -> Option<(Vec<u8>, &'static str)> {
        let Some(schema) = &operation.body else {
            return self.random.one_in(4).then(|| (b"{}".to_vec(), "application/json"));
        };
        let schema = schema.clone();
        let body = self.value(&schema, &operation.name());
        if operation.form {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            for (name, field) in body.as_object().into_iter().flatten() {
                let other = field.to_string();
                form.append_pair(name, field.as_str().unwrap_or(&other));
            }
            return Some((form.finish().into_bytes(), "application/x-www-form-urlencoded"));
        }
        let body = body.to_string().into_bytes();
        Some(match self.random.below(40) {
            0 => (body[..body.len() / 2].to_vec(), "application/json"),
            1 => (body, "text/plain"),
            2 => (vec![0xff, 0xfe, b'{'], "application/json"),
            3 => ([&b"["[..]].concat().repeat(2000), "application/json"),
            _ => (body, "application/json"),
        })
    }
}

async fn asked(config: Config) {
    let config = Config {
        policy: Policy {
            requests_per_minute: 1_000_000,
            sign_ins_per_minute: 1_000_000,
            ..config.policy.clone()
        },
        webhooks_anywhere: false,
        ..config
    };
    let seed = std::env::var("POSTERN_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from_le_bytes(postern_hub::random::bytes()));
    let cases = std::env::var("POSTERN_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    let people = People::meet(config).await;
    let document = Document::of(&people.world.base).await;
    document.is_sound();
    let now = people.world.clock.now();
    let mut maker = Maker { document: &document, random: Random(seed), known: Known::default(), now };
    let mut answers: BTreeMap<u16, u32> = BTreeMap::new();
    // With the last reason.
    let mut refused: BTreeMap<String, String> =
        document.operations.iter().map(|operation| (operation.name(), String::new())).collect();
    // Where chance left too much untried, as many once more.
    let enough = |refused: &BTreeMap<String, String>| refused.len() * 8 < document.operations.len();
    for round in 0..cases * 2 {
        if round >= cases && enough(&refused) {
            break;
        }
        people.learn(&mut maker.known).await;
        for operation in &document.operations {
            let path = maker.path(operation);
            let body = maker.body(operation);
            let key = maker.random.one_in(3).then(postern_hub::random::secret);
            // Who left cannot ask again.
            let leaves = operation.method == Method::DELETE
                && matches!(operation.path.as_str(), "/v1/me" | "/v1/devices/{id}");
            let repeatable = operation.method != Method::GET && !operation.form && !leaves;
            let repeated = if key.is_some() && repeatable { 2 } else { 1 };
            let mut before: Option<Answer> = None;
            for _ in 0..repeated {
                // The same people and so the same random numbers, but a proof of its own.
                let mut random = Random(maker.random.0);
                let mut request = people.request(&mut random, operation, &path);
                if let Some(key) = &key {
                    request = request.header("idempotency-key", key);
                }
                if let Some((body, kind)) = &body {
                    request = request.header(header::CONTENT_TYPE, *kind).body(body.clone());
                }
                let what = || {
                    let body = body
                        .as_ref()
                        .map(|(body, _)| String::from_utf8_lossy(body).chars().take(2000).collect());
                    let body: String = body.unwrap_or_default();
                    format!("POSTERN_SEED={seed} round {round}: {} {path} {body}", operation.method)
                };
                let answer = if operation.path == "/v1/events" {
                    first_event(request).await
                } else {
                    Answer::of(request).await
                };
                if answer.status.is_success() {
                    refused.remove(&operation.name());
                } else if let Some(reason) = refused.get_mut(&operation.name()) {
                    *reason = format!("{} {}", answer.body["code"], answer.body["detail"]);
                }
                *answers.entry(answer.status.as_u16()).or_default() += 1;
                if let Err(why) = operation.judge(&document, &answer) {
                    panic!("{}\n{why}\n{} {}", what(), answer.status, answer.body);
                }
                let collection = operation.path.split("/{").next().unwrap_or_default();
                maker.known.learn(&answer.body, collection.rsplit('/').next().unwrap_or_default());
                if let Some(before) = before.take().filter(|before| before.status.is_success()) {
                    assert_eq!(before.status, answer.status, "{}", what());
                    assert_eq!(before.body, answer.body, "{}: again, and another answer", what());
                }
                before = Some(answer);
            }
            maker.random.next();
        }
    }
    // Requests that all fail at the door would show nothing.
    let fine: u32 = answers.iter().filter(|(status, _)| **status < 300).map(|(_, count)| count).sum();
    let all: u32 = answers.values().sum();
    eprintln!("POSTERN_SEED={seed}: {all} requests, {answers:?}; refused always: {refused:?}");
    assert!(fine * 4 > all, "{fine} of {all}");
    // Nearly all are accepted at one time or another; a few are left to chance.
    assert!(enough(&refused), "{refused:?}");
    people.world.hub.store.close().await;
}

/// A stream does not end; its head and first event are what is looked at.
async fn first_event(request: RequestBuilder) -> Answer {
    let mut response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    if !status.is_success() {
        let text = response.text().await.unwrap();
        return Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) };
    }
    let event = response.chunk().await.unwrap().unwrap();
    let text = String::from_utf8(event.to_vec()).unwrap();
    let data = text.strip_prefix("data:").unwrap_or_default().trim();
    Answer { status, headers, body: serde_json::from_str(data).unwrap() }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_one_that_the_document_describes() {
    asked(Config::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_one_that_the_document_describes_on_postgres() {
    let Some(postgres) = Postgres::start() else { return };
    asked(Config { database: Some(postgres.database()), ..Config::default() }).await;
}
