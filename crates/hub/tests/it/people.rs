//! Everybody who asks the hub at random, and what goes on around them.

use std::sync::{Mutex, PoisonError};

use postern_hub::config::Config;
use postern_protocol::{Operation, receipt::Outcome};
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::{
    client::{Device, Key, http, token_request},
    document,
    properties::{Known, Random},
    world::{Locker, World},
};

/// Everybody who asks.
pub(crate) struct People {
    pub(crate) world: World,
    customer: Device,
    courier: Device,
    /// Who deletes their account, and who signs a device out: others with each round.
    leaving: Mutex<[Device; 2]>,
    /// Of a device that signs in at the token endpoint.
    newcomer: Key,
    /// What stands at the site; another with each round.
    lockers: Mutex<Vec<Locker>>,
}

impl People {
    pub(crate) async fn meet(config: Config) -> Self {
        let world = World::with(config).await;
        let lockers = Mutex::new(vec![world.locker().await]);
        let customer = world.customer("Ada").await;
        let leaving = Mutex::new([world.customer("Ben").await, world.customer("Cleo").await]);
        let made = world.heron.post("/v1/carrier/couriers", json!({ "name": "Cart" })).await.ok();
        let code = made["enrolment_code"].as_str().unwrap();
        let form = [("grant_type", "enrolment"), ("code", code), ("client_id", "postern-app")];
        let key = Key::ed25519();
        let answer = token_request(&world.base, &key, &form, world.clock.now()).await.ok();
        let courier = Device::from_answer(&world.base, key, &answer, &world.clock);
        Self { customer, courier, leaving, newcomer: Key::ed25519(), lockers, world }
    }

    /// A request by who may make it, mostly.
    pub(crate) fn request(
        &self,
        random: &mut Random,
        operation: &document::Operation,
        path: &str,
    ) -> RequestBuilder {
        let by = if random.one_in(12) { "" } else { operation.needs.as_str() };
        let method: Method = operation.method.clone();
        let carrier = if random.one_in(6) { &self.world.nordpost } else { &self.world.heron };
        match by {
            "dpop" if operation.path.starts_with("/v1/courier/") => self.courier.request(method, path),
            // Who takes a link up, or deletes an account or a device, is somebody else than who goes on.
            "dpop"
                if (operation.path == "/v1/me" && method == Method::DELETE)
                    || (operation.path == "/v1/devices/{id}" && method == Method::PATCH)
                    || operation.path == "/v1/claims" =>
            {
                self.leaving.lock().unwrap_or_else(PoisonError::into_inner)[0].request(method, path)
            }
            "dpop" if operation.path == "/v1/devices/{id}" => {
                self.leaving.lock().unwrap_or_else(PoisonError::into_inner)[1].request(method, path)
            }
            "dpop" => match random.below(12) {
                0 => self.courier.request(method, path),
                _ => self.customer.request(method, path),
            },
            "key" if operation.path.starts_with("/v1/operator/") || operation.path == "/metrics" => {
                self.world.operator.request(method, path)
            }
            "key" => carrier.request(method, path),
            _ => {
                let url = format!("{}{path}", self.world.base);
                let request = http().request(method.clone(), &url);
                if operation.form && !random.one_in(12) {
                    let proof = self.newcomer.proof(method.as_str(), &url, None, self.world.clock.now());
                    return request.header("DPoP", proof);
                }
                request
            }
        }
    }

    /// What clients would have seen, and what goes on in the world without them.
    pub(crate) async fn learn(&self, known: &mut Known) {
        known.fitting.clear();
        self.meet_others(known).await;
        for ours in [&self.customer, &self.courier] {
            let me = ours.get("/v1/me").await.ok();
            known.kept.push(me["device_id"].as_str().unwrap().to_owned());
        }
        // Nor are the keys taken back by which everything is asked.
        let keys = self.world.operator.get("/v1/operator/keys").await.ok();
        let keys = keys["keys"].as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap().to_owned());
        known.kept.extend(keys);
        self.go_on(known).await;
        for path in ["/v1/changes", "/v1/sites", "/v1/assets", "/v1/passkeys"] {
            known.learn(&self.customer.get(path).await.ok(), "");
        }
        if let Some(shared) = known.fitting.get("shares").cloned() {
            known.fitting.insert("DELETE /v1/reservations/{id}/shares/{share}".to_owned(), shared);
        }
        known.learn(&self.customer.get("/v1/me").await.ok(), "account");
        known.learn(&self.world.operator.get("/v1/operator/alarms").await.ok(), "");
        known.learn(&self.courier.get("/v1/courier/tasks").await.ok(), "");
        let told: [(&str, &[&str]); 11] = [
            ("carriers", &["heron", "nordpost"]),
            ("scopes", &["parcels", "webhooks", "network", "watch"]),
            ("url", &["https://shop.example/hook"]),
            ("near", &["52.5,13.4"]),
            ("shares", &["in-person"]),
            ("response_type", &["code"]),
            ("client_id", &["postern-app"]),
            ("redirect_uri", &["http://127.0.0.1:49999/signed-in", "postern://signed-in"]),
            ("code_challenge", &["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"]),
            ("code_challenge_method", &["S256"]),
            ("add_passkey", &["true"]),
        ];
        for (what, texts) in told {
            known.learn(&json!(texts), what);
        }
    }

    /// People leave, neighbours move in, lockers are put up and taken down.
    async fn meet_others(&self, known: &mut Known) {
        let others = [self.world.customer("Ben").await, self.world.customer("Cleo").await];
        for (other, operation) in others.iter().zip(["PATCH /v1/devices/{id}", "DELETE /v1/devices/{id}"]) {
            let device = other.get("/v1/me").await.ok()["device_id"].as_str().unwrap().to_owned();
            known.fitting.insert(operation.to_owned(), vec![device]);
        }
        // Who leaves has given everything back.
        for reservation in others[0].reservations().await {
            for action in ["release", "cancel"] {
                if reservation["actions"].as_array().unwrap().contains(&json!(action)) {
                    let path = format!("/v1/reservations/{}/{action}", reservation["id"].as_str().unwrap());
                    others[0].post(&path, json!({})).await.ok();
                }
            }
        }
        let operator = &self.world.operator;
        let mut neighbours = vec![self.customer.number().await];
        neighbours.push(others[1].number().await);
        for account in &neighbours {
            let member = format!("/v1/operator/sites/lindenhof/members/{account}");
            operator.send(Method::PUT, &member, json!({ "unit": account })).await;
        }
        known.texts.insert("unit".to_owned(), vec![neighbours[1].clone()]);
        let depot = json!({ "name": "Depot", "address": "Depot 1", "latitude": 52.5, "longitude": 13.4, "hours": "24/7",
                            "always_open": true, "access": "workplace", "step_free": true });
        operator.send(Method::PUT, "/v1/operator/sites/depot", depot.clone()).await;
        known.whole.insert("PUT /v1/operator/sites/{id}".to_owned(), depot);
        known.fitting.insert("PUT /v1/operator/sites/{id}".to_owned(), vec!["depot".to_owned()]);
        self.invite_to(known, "depot").await;
        let (spare, new) = (Locker::new(), Locker::new());
        let provision = json!({ "descriptor": spare.descriptor("depot") });
        operator.post("/v1/operator/lockers", provision).await.ok();
        known.fitting.insert("DELETE /v1/operator/lockers/{id}".to_owned(), vec![spare.id.clone()]);
        known.whole.insert("descriptor".to_owned(), new.descriptor("depot"));
        // Doors are never all taken.
        let another = self.world.locker().await;
        let here = another.id.clone();
        let key = json!({ "carrier": "heron", "name": "server", "scopes": ["parcels"] });
        known.whole.insert("POST /v1/operator/keys".to_owned(), key);
        known.texts.insert("lockers".to_owned(), vec![here.clone()]);
        self.lockers.lock().unwrap_or_else(PoisonError::into_inner).push(another);
        let drill = json!({ "id": "drill", "title": "Drill", "site": "lindenhof", "locker": here,
                            "door": Locker::door("D4"), "loan_hours": 24 });
        known.whole.insert("PUT /v1/operator/assets/{id}".to_owned(), drill);
        for operation in ["PUT /v1/operator/assets/{id}", "POST /v1/assets/{id}/borrow"] {
            known.fitting.insert(operation.to_owned(), vec!["drill".to_owned()]);
        }
        *self.leaving.lock().unwrap_or_else(PoisonError::into_inner) = others;
    }

    /// An invitation to follow, one to take back, and a flat to leave.
    async fn invite_to(&self, known: &mut Known, site: &str) {
        let operator = &self.world.operator;
        let path = format!("/v1/operator/sites/{site}/invitations");
        let flats = json!({ "flats": [{ "unit": "1", "people": 20 }, { "unit": "2" }] });
        let made = operator.post(&path, flats).await.ok()["invitations"].clone();
        let code = json!({ "code": made[0]["code"] });
        self.customer.post("/v1/homes", code.clone()).await;
        for operation in ["POST /v1/homes", "POST /v1/homes/invitation"] {
            known.whole.insert(operation.to_owned(), code.clone());
        }
        let told = |value: &serde_json::Value| vec![value.as_str().unwrap().to_owned()];
        let withdraw = "DELETE /v1/operator/sites/{id}/invitations/{invitation}";
        for (place, texts) in [
            ("GET /home/{code} code".to_owned(), told(&made[0]["code"])),
            ("DELETE /v1/homes/{site} site".to_owned(), vec![site.to_owned()]),
            (format!("{withdraw} id"), vec![site.to_owned()]),
            (format!("{withdraw} invitation"), told(&made[1]["id"])),
        ] {
            known.fitting.insert(place, texts);
        }
    }

    /// Parcels come, doors are opened, one expires, a courier joins, a message cannot be delivered.
    async fn go_on(&self, known: &mut Known) {
        let account = self.customer.number().await;
        let hook = json!({ "url": "https://shop.example/hook" });
        self.world.heron.post("/v1/carrier/webhooks", hook).await;
        let back = json!({ "code": postern_hub::random::id(), "site": "lindenhof", "size": "l" });
        self.customer.post("/v1/returns", back).await;
        for size in ["s", "m"] {
            let parcel = json!({ "reference": postern_hub::random::id(), "recipient": account, "title": "Shoes",
                                 "site": "lindenhof", "size": size });
            let parcel = self.world.heron.post("/v1/carrier/parcels", parcel).await;
            if parcel.status.is_success() {
                known.learn(&parcel.body, "reservations");
            }
        }
        let courier = self.world.heron.post("/v1/carrier/couriers", json!({ "name": "New" })).await.ok();
        // Last year's codes are over.
        known.texts.remove("enrolment_code");
        known.learn(&courier, "couriers");
        let grants = self.customer.post("/v1/tokens", json!({})).await.ok();
        let grants = grants["grants"].as_array().cloned().unwrap_or_default();
        let deposits = |grant: &&serde_json::Value| grant["operations"][0] == "deposit";
        for grant in grants.first().into_iter().chain(grants.iter().skip(1).filter(deposits)) {
            let operation = match grant["operations"][0].as_str() {
                Some("deposit") => Operation::Deposit,
                Some("access") => Operation::Access,
                Some("reopen") => Operation::Reopen,
                _ => Operation::Collect,
            };
            let receipt = {
                let mut lockers = self.lockers.lock().unwrap_or_else(PoisonError::into_inner);
                let locker = lockers.iter_mut().find(|locker| grant["locker"] == json!(locker.id));
                let now = self.world.clock.now();
                locker.map(|locker| locker.receipt(grant, operation, Outcome::Opened, now))
            };
            if let Some(receipt) = receipt {
                self.customer.post("/v1/receipts", json!({ "receipts": [receipt] })).await.ok();
            }
        }
        let mut tx = self.world.hub.store.begin().await.unwrap();
        for change in [
            "UPDATE reservations SET state = 'expired' WHERE id = (SELECT MIN(id) FROM reservations \
             WHERE kind = 'pickup' AND state = 'ready')",
            "UPDATE deliveries SET state = 'dead', error = 'connection refused' WHERE id = (SELECT MIN(id) \
             FROM deliveries WHERE state <> 'dead')",
        ] {
            sqlx::query(change).execute(tx.on()).await.unwrap();
        }
        tx.commit().await.unwrap();
        known.learn(&self.world.heron.get("/v1/carrier/dead-letters").await.ok()["letters"], "dead-letters");
    }
}
