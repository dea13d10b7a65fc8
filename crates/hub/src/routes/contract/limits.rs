//! Limits of fields as the hub enforces them. A test asks the hub with each of them overstepped.

use serde_json::{Value, json};

/// A field of a request: schema, property, and what it may be.
pub(super) type Limit = (&'static str, &'static str, fn() -> Value);

fn text(least: u32, most: u32) -> Value {
    if least == 0 { json!({ "maxLength": most }) } else { json!({ "minLength": least, "maxLength": most }) }
}

fn id() -> Value {
    json!({ "minLength": 1, "maxLength": 64, "pattern": "^[a-z0-9_-]{1,64}$" })
}

/// All of them.
pub(super) const LIMITS: [Limit; 36] = [
    ("NewParcel", "reference", || text(1, 64)),
    ("NewParcel", "title", || text(1, 120)),
    ("NewParcel", "sender", || text(0, 120)),
    ("NewParcel", "keeps_hours", || json!({ "minimum": 1, "maximum": 720 })),
    ("NewWebhook", "url", || json!({ "maxLength": 512, "format": "uri" })),
    ("NewCourier", "name", || text(1, 64)),
    ("NewReturn", "code", || text(1, 64)),
    ("NewStorage", "title", || text(1, 120)),
    ("NewShare", "name", || text(1, 64)),
    ("NewProblem", "note", || text(0, 2000)),
    ("NewReportAnswer", "text", || text(0, 2000)),
    ("NewProblem", "photos", || json!({ "maxItems": 4 })),
    ("Taken", "note", || text(0, 2000)),
    ("NewHolding", "title", || text(0, 120)),
    ("NewKey", "name", || text(0, 120)),
    ("Member", "unit", || text(1, 64)),
    ("NewHolding", "unit", || text(1, 64)),
    ("NewInvitation", "unit", || text(1, 64)),
    ("NewInvitation", "people", || json!({ "minimum": 1, "maximum": 20 })),
    ("NewInvitations", "flats", || json!({ "minItems": 1, "maxItems": 500 })),
    ("CarrierSettings", "name", || text(0, 120)),
    ("CarrierSettings", "pickup_hours", || json!({ "minimum": 1, "maximum": 720 })),
    ("Asset", "title", || text(0, 120)),
    ("Asset", "loan_hours", || json!({ "minimum": 1, "maximum": 8760 })),
    ("Site", "name", || text(0, 120)),
    ("Site", "address", || text(0, 240)),
    ("Site", "hours", || text(0, 500)),
    ("Site", "payment", || text(0, 240)),
    ("Site", "closures", || json!({ "maxItems": 16 })),
    ("Site", "latitude", || json!({ "minimum": -90, "maximum": 90 })),
    ("Site", "longitude", || json!({ "minimum": -180, "maximum": 180 })),
    ("LockerDescriptor", "id", || json!({ "pattern": "^[0-9a-f]{16}$" })),
    ("LockerDescriptor", "name", || text(0, 120)),
    ("LockerDescriptor", "doors", || json!({ "minItems": 1, "maxItems": 1000 })),
    ("TokenBatch", "reservations", || json!({ "maxItems": 100 })),
    ("ReceiptUpload", "receipts", || json!({ "maxItems": 100 })),
];

/// Writes them into the document.
pub(super) fn apply(document: &mut Value) {
    for (schema, property, limit) in LIMITS {
        let Some(field) =
            document.pointer_mut(&format!("/components/schemas/{schema}/properties/{property}"))
        else {
            continue;
        };
        for (name, value) in limit().as_object().into_iter().flatten() {
            field[name] = value.clone();
        }
    }
    // Ids that partners choose stand in paths.
    for path in ["/v1/operator/assets/{id}", "/v1/operator/carriers/{id}", "/v1/operator/sites/{id}"] {
        for parameter in document["paths"][path]["put"]["parameters"].as_array_mut().into_iter().flatten() {
            if parameter["name"] == "id" {
                for (name, value) in id().as_object().into_iter().flatten() {
                    parameter["schema"][name] = value.clone();
                }
            }
        }
    }
}
