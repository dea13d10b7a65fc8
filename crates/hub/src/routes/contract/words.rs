//! Words of the document that belong to no route alone.

/// What an engineer reads first.
pub(super) const INTRODUCTION: &str = "\
Parcel lockers: reservations, access tokens, receipts. Times are UNIX seconds, binary values base64url without padding, \
sizes `xs` to `xl`. Answers are JSON, whatever `Accept` says.

**Growth.** Answers and messages get new fields and enum values; a client passes over what it does not know. Requests get new \
optional fields. What a carrier or operator sends is held to this document all the same: a field or parameter that the hub does not \
know is refused with 400 and its name, for a wish that is not understood is not fulfilled. Whoever writes against a newer document \
than a hub gives leaves such fields out there. From devices, whose app may be newer than the hub, unknown fields are passed over.

**Credentials.** A carrier or operator sends `Authorization: Bearer pk_…`, an API key with scopes. A customer's or courier's \
device sends `Authorization: DPoP …`, an access token of `/oauth/token`, together with a `DPoP` header: a proof by the device \
key for this very request (RFC 9449).

**Repeating.** Every write takes an `Idempotency-Key`. The same request with the same key gets the first answer again, so that a \
client whose connection broke may simply ask once more.

**Refusals** are problem documents (RFC 9457) with a stable `code`. One that a client does not know is treated by its HTTP \
status. 429 and 503 say in `Retry-After` when another try makes sense; `RateLimit` says on every answer how many requests are left.

**Limits.** A device and an API key may ask a number of times a minute that the operator sets. A body has at most 256 KiB, a \
report with photos 12 MiB.";

/// What a receiver of messages must know.
pub(super) const WEBHOOK: &str = "\
Sent to each endpoint of the carrier when the state of one of its parcels or returns changed, as `type` says: `parcel.` and the \
new state. `data` is the parcel as it was then, without anything of the recipient. States may be added: pass over what you do not \
know.

**Signature.** As in Standard Webhooks (standardwebhooks.com), whose libraries verify it. By hand: what follows `whsec_` in the secret that \
`POST /v1/carrier/webhooks` gave is the key in base64. Join `webhook-id`, `webhook-timestamp` and the body, byte for byte as it came, \
with full stops; the HMAC-SHA256 under that key, in base64, follows `v1,` in `webhook-signature`. Compare in constant time, and refuse \
what is older than five minutes.

**Order.** Each message comes at least once and in no promised order, so act on none that you have: of two about the same \
parcel (`data.id`) the one with the higher `data.version` is the newer, and `webhook-id` tells a repetition. Versions have \
gaps, since not every change is one of state. Where it matters what is so now, ask `GET /v1/carrier/parcels/{id}`.

**Answer** with 2xx within ten seconds, before you do anything that takes long. Redirects are not followed. Anything else is tried \
again after 5 and 30 seconds, 2 and 10 minutes, 1, 3, 6, 12 and 24 hours, and then waits at `GET /v1/carrier/dead-letters`.";

/// What operations are about.
pub(super) const TAGS: [(&str, &str); 13] = [
    (
        "sign-in",
        "How devices come by tokens: OAuth 2 with PKCE and passkeys in the system browser, for couriers an enrolment code.",
    ),
    ("account", "The customer's account, devices and ways in."),
    ("sync", "What changed, as a feed, and receipts of lockers."),
    ("tokens", "What lockers open for."),
    ("sites", "Places with lockers, and things that are lent there."),
    ("reservations", "What a customer may do with a parcel, return, booking or loan."),
    ("sharing", "Access for somebody else."),
    ("homes", "Where the customer lives or works: following an invitation, and leaving."),
    ("carriers", "Parcels, from the announcement to the end."),
    ("couriers", "People and machines that put parcels in and take them out."),
    ("webhooks", "Telling carriers what changed."),
    ("operators", "Lockers, sites, residents, keys and alarms of a network."),
    ("operation", "Whether the hub is well."),
];

const PARCELS: &str = "parcels";
const WEBHOOKS: &str = "webhooks";
const NETWORK: &str = "network";
const WATCH: &str = "watch";
const KEYS: &str = "keys";

/// Which scope of an API key an operation needs. A test asks each operation with and without it.
pub(super) const SCOPES: [(&[&str], &str); 5] = [
    (
        &[
            "POST /v1/carrier/parcels",
            "GET /v1/carrier/parcels",
            "POST /v1/carrier/parcels/{id}/cancel",
            "GET /v1/carrier/parcels/{id}",
            "POST /v1/carrier/parcels/{id}/dispatch",
            "POST /v1/carrier/parcels/{id}/deposit",
            "POST /v1/carrier/parcels/{id}/returned",
            "POST /v1/carrier/parcels/{id}/accept",
            "POST /v1/carrier/parcels/{id}/refuse",
            "POST /v1/carrier/couriers",
            "DELETE /v1/carrier/couriers/{id}",
            "GET /v1/carrier/sites",
            "GET /v1/carrier/reports",
            "GET /v1/carrier/reports/{id}",
            "GET /v1/carrier/reports/{id}/photos/{photo}",
            "POST /v1/carrier/reports/{id}/answers",
        ],
        PARCELS,
    ),
    (
        &[
            "POST /v1/carrier/webhooks",
            "GET /v1/carrier/webhooks",
            "DELETE /v1/carrier/webhooks/{id}",
            "GET /v1/carrier/dead-letters",
            "POST /v1/carrier/dead-letters/{id}/retry",
        ],
        WEBHOOKS,
    ),
    (
        &[
            "POST /v1/operator/lockers",
            "DELETE /v1/operator/lockers/{id}",
            "POST /v1/operator/lockers/{id}/heartbeat",
            "POST /v1/operator/lockers/{id}/lost",
            "POST /v1/operator/lockers/{id}/receipts",
            "GET /v1/operator/lockers/{id}/bulletin",
            "PUT /v1/operator/lockers/{id}/doors/{door}",
            "POST /v1/operator/lockers/{id}/doors/{door}/clear",
            "PUT /v1/operator/sites/{id}",
            "PUT /v1/operator/sites/{id}/members/{number}",
            "DELETE /v1/operator/sites/{id}/members/{number}",
            "GET /v1/operator/sites/{id}/members",
            "GET /v1/operator/sites/{id}/invitations",
            "POST /v1/operator/sites/{id}/invitations",
            "POST /v1/operator/sites/{id}/invitations/list",
            "DELETE /v1/operator/sites/{id}/invitations/{invitation}",
            "POST /v1/operator/holdings",
            "PUT /v1/operator/assets/{id}",
            "DELETE /v1/operator/assets/{id}",
            "POST /v1/operator/alarms/{id}/resolve",
            "GET /v1/operator/reports",
            "GET /v1/operator/reports/{id}",
            "GET /v1/operator/reports/{id}/photos/{photo}",
            "POST /v1/operator/reports/{id}/answers",
        ],
        NETWORK,
    ),
    (
        &[
            "GET /metrics",
            "GET /v1/operator/lockers",
            "GET /v1/operator/lockers/{id}",
            "GET /v1/operator/sites",
            "GET /v1/operator/carriers",
            "GET /v1/operator/alarms",
            "GET /v1/operator/insight",
        ],
        WATCH,
    ),
    (
        &[
            "PUT /v1/operator/carriers/{id}",
            "GET /v1/operator/keys",
            "POST /v1/operator/keys",
            "DELETE /v1/operator/keys/{id}",
        ],
        KEYS,
    ),
];

/// Operations that may not fit the state of things (409).
pub(super) const CONFLICTS: [&str; 46] = [
    "POST /v1/me/email",
    "POST /v1/me/email/confirm",
    "DELETE /v1/me",
    "DELETE /v1/passkeys/{id}",
    "POST /v1/assets/{id}/borrow",
    "POST /v1/carrier/parcels",
    "POST /v1/carrier/parcels/{id}/accept",
    "POST /v1/carrier/parcels/{id}/cancel",
    "POST /v1/carrier/parcels/{id}/deposit",
    "POST /v1/carrier/parcels/{id}/dispatch",
    "POST /v1/carrier/parcels/{id}/refuse",
    "POST /v1/carrier/parcels/{id}/returned",
    "POST /v1/carrier/webhooks",
    "POST /v1/carrier/reports/{id}/answers",
    "POST /v1/operator/reports/{id}/answers",
    "POST /v1/claims",
    "POST /v1/homes",
    "POST /v1/homes/invitation",
    "DELETE /v1/homes/{site}",
    "POST /v1/courier/parcels/{id}/inside",
    "POST /v1/courier/tokens",
    "POST /v1/operator/holdings",
    "POST /v1/operator/lockers",
    "DELETE /v1/operator/lockers/{id}",
    "POST /v1/operator/lockers/{id}/doors/{door}/clear",
    "POST /v1/operator/lockers/{id}/lost",
    "PUT /v1/operator/assets/{id}",
    "DELETE /v1/operator/assets/{id}",
    "POST /v1/receipts",
    "POST /v1/reservations/{id}/cancel",
    "POST /v1/reservations/{id}/extend",
    "POST /v1/reservations/{id}/handover",
    "POST /v1/reservations/{id}/hold",
    "POST /v1/reservations/{id}/inside",
    "POST /v1/reservations/{id}/move",
    "POST /v1/reservations/{id}/problems",
    "POST /v1/reservations/{id}/release",
    "POST /v1/reservations/{id}/shares",
    "DELETE /v1/reservations/{id}/shares/{share}",
    "POST /v1/reservations/{id}/taken",
    "POST /v1/returns",
    "POST /v1/storage",
    "POST /v1/tokens",
    "POST /v1/recovery-codes",
    "DELETE /v1/devices/{id}",
    "PUT /v1/operator/lockers/{id}/doors/{door}",
];

/// What parameters mean: where in the path, which, what.
pub(super) const PARAMETERS: [(&str, &str, &str); 23] = [
    ("/v1/carrier/parcels/", "id", "Reservation id of the parcel, as the announcement answered."),
    ("/v1/carrier/couriers/", "id", "Courier id."),
    ("/v1/courier/parcels/", "id", "Reservation id of the parcel, as the task names it."),
    ("/v1/carrier/webhooks/", "id", "Webhook id."),
    ("/v1/carrier/dead-letters/", "id", "Message id."),
    ("/v1/operator/lockers/", "id", "Locker id, 16 hex digits."),
    ("/v1/operator/lockers/", "door", "Door number."),
    ("/v1/operator/sites/", "id", "Site id: 1 to 64 of `a-z`, `0-9`, `-` and `_`."),
    ("/v1/operator/sites/", "number", "The resident's customer number, in any grouping."),
    ("/v1/operator/sites/", "invitation", "Invitation id."),
    ("/v1/homes/", "site", "Site id, as `GET /v1/me` names it."),
    ("/v1/operator/assets/", "id", "Thing id: 1 to 64 of `a-z`, `0-9`, `-` and `_`."),
    ("/v1/operator/carriers/", "id", "Carrier id: 1 to 64 of `a-z`, `0-9`, `-` and `_`."),
    ("/v1/operator/keys/", "id", "Key id: what stands between `pk_` and the second `_`."),
    ("/v1/operator/alarms/", "id", "Alarm id."),
    ("/v1/operator/reports/", "id", "Report id."),
    ("/v1/carrier/reports/", "id", "Report id."),
    ("/reports/", "photo", "Photo id, as the report names it."),
    ("/v1/reservations/", "id", "Reservation id."),
    ("/v1/reservations/", "share", "Share id, or `in-person` for all access that was passed on in person."),
    ("/v1/assets/", "id", "Thing id."),
    ("/v1/devices/", "id", "Device id."),
    ("/v1/passkeys/", "id", "Passkey id."),
];

/// What an operation's own words do not say.
pub(super) const DETAILS: [(&str, &str); 72] = [
    (
        "POST /v1/me/email",
        "What is answered is the same whoever has the address: it is the letter's reader who decides.",
    ),
    (
        "POST /v1/me/email/confirm",
        "A code is good for 30 minutes, once, and for five guesses. Whoever had confirmed the same address before has it no longer.",
    ),
    ("DELETE /v1/me/email", "Also one that was not confirmed yet."),
    ("GET /v1/me/deletion", "To be shown before the customer decides."),
    ("GET /.well-known/postern", "Its `now` lets a device notice that its own clock is wrong."),
    ("GET /.well-known/oauth-authorization-server", "Endpoints, grants and signing algorithms."),
    ("GET /health", "Looks at nothing but the process itself: restart it where this fails."),
    ("GET /ready", "Send traffic elsewhere where this is 503."),
    ("GET /metrics", "In the text format, version 0.0.4."),
    (
        "GET /authorize",
        "The app opens it in the system browser with PKCE (S256) and the thumbprint of its device key.",
    ),
    (
        "POST /oauth/token",
        "Tokens are bound to the key of the proof. A refresh token is good once; its second use ends the session, but for the minute in which an answer may have been lost.",
    ),
    ("POST /oauth/revoke", "Also a token that nobody knows is answered as done (RFC 7009)."),
    ("GET /v1/me", "Name, devices, and what the customer prefers."),
    ("PATCH /v1/me", "What is absent stays as it is."),
    ("DELETE /v1/me", "Refused while compartments are held or returns booked: give them back first."),
    ("GET /v1/me/export", "One JSON document for the person's own files (GDPR article 20)."),
    ("PATCH /v1/devices/{id}", "One of the caller's own devices."),
    ("DELETE /v1/devices/{id}", "Doors of its tokens get a new epoch, which phones carry to the lockers."),
    ("GET /v1/passkeys", "With the time at which each was last used, and how many recovery codes are left."),
    ("POST /v1/recovery-codes", "Eight, shown once. The ones of before end."),
    (
        "GET /v1/changes",
        "At most 500 a page; ask again with the new cursor while `more` is true. An `ETag` lets an unchanged feed be answered with 304.",
    ),
    ("GET /v1/events", "Server-sent events without content: ask `GET /v1/changes` then."),
    ("POST /v1/receipts", "At most 100 a request, in any order. Each is answered for itself."),
    (
        "POST /v1/tokens",
        "At most 100 reservations. Of several, those that cannot be opened now are left out; `wrong_state` where none can. A token of a locker that is online lives for minutes, of one that is not up to a day.",
    ),
    ("GET /v1/sites", "At most 200: nearest first where a point is given, else by name."),
    ("GET /v1/assets", "At most 500, by title."),
    (
        "POST /v1/reservations/{id}/extend",
        "The answer says which deadline was granted, which may be earlier than what was asked for.",
    ),
    ("POST /v1/reservations/{id}/hold", "While the customer is away. Once for each reservation."),
    ("POST /v1/reservations/{id}/move", "As long as it is not in a locker."),
    (
        "POST /v1/reservations/{id}/problems",
        "With up to four photos (JPEG or PNG, 2 MiB each), from which position and other metadata are taken out.",
    ),
    ("POST /v1/reservations/{id}/shares", "Whoever first follows the link has access, once."),
    ("DELETE /v1/reservations/{id}/shares/{share}", "The guest's tokens end with the door's next epoch."),
    ("POST /v1/claims", "A link is good once, and not for its owner."),
    (
        "POST /v1/homes/invitation",
        "`claim_ended` is the one answer for a code that nobody has, and for one that was used, withdrawn or is over; \
         `wrong_code` says that the code cannot be one: a character is mistyped.",
    ),
    (
        "POST /v1/homes",
        "Once for each of the people that the invitation is for. The compartments of the flat are the customer's as well \
         from then on. The operator sees their customer number and the name that they chose.",
    ),
    (
        "DELETE /v1/homes/{site}",
        "Their access to the flat's compartments ends, and what they shared of them. Refused while `hindered_by` of \
         `GET /v1/me` names anything: that is given back first.",
    ),
    (
        "GET /v1/operator/sites/{id}/members",
        "200 a page. Whoever followed an invitation is known by the customer number, and by the name that they chose.",
    ),
    (
        "PUT /v1/operator/sites/{id}/members/{number}",
        "In another flat than before, they leave that one. Whoever was sent an invitation joins by themselves.",
    ),
    (
        "DELETE /v1/operator/sites/{id}/members/{number}",
        "Their access to the flat's compartments ends with the lockers' next news. What they booked themselves stays theirs \
         until it ends. The flat's compartments stay with the others; where nobody is left, one that may hold something is \
         nobody's until somebody has looked.",
    ),
    (
        "POST /v1/operator/sites/{id}/invitations",
        "Codes and links are shown once. Where an address is given, the hub mails the link.",
    ),
    (
        "POST /v1/operator/sites/{id}/invitations/list",
        "Where anything is wrong nobody is invited, and the refusal names lines and columns; a dry run answers with all of them \
         in `faults`. `csv` of the answer is the list to print, or to write letters from.",
    ),
    ("GET /v1/operator/sites/{id}/invitations", "200 a page, without codes: those are shown once."),
    (
        "DELETE /v1/operator/sites/{id}/invitations/{invitation}",
        "Nobody follows it any more; whoever did stays.",
    ),
    ("POST /v1/returns", "A door is kept for as many hours as the operator says."),
    ("POST /v1/storage", "Up to the operator's limits of days and of bookings at once."),
    (
        "POST /v1/carrier/parcels",
        "The answer is the same for everybody, so that it tells nobody who has an account: a parcel and a `claim_link` that was \
         made for it. A customer whose number or verified address it is has the parcel in the list; anybody else has it by \
         the link, with an account or as a guest. Only one parcel with a tracking number is under way at a time.",
    ),
    ("GET /v1/carrier/parcels/{id}", "Nothing of the recipient is told."),
    ("POST /v1/carrier/parcels/{id}/dispatch", "Shown to the recipient as on its way."),
    (
        "POST /v1/carrier/parcels/{id}/deposit",
        "Where couriers open doors by the locker's protocol, its receipt does this and nothing need be called.",
    ),
    ("POST /v1/carrier/parcels/{id}/accept", "Its end, shown to the customer."),
    ("POST /v1/carrier/parcels/{id}/refuse", "Its end, shown to the customer."),
    ("POST /v1/carrier/couriers", "The enrolment code is shown once and good for an hour."),
    (
        "GET /v1/courier/tasks",
        "Parcels to put in, expired ones and returns to take out, with the lockers concerned.",
    ),
    ("POST /v1/courier/tokens", "For a deposit the hub picks a free door of the named locker and keeps it."),
    (
        "POST /v1/carrier/webhooks",
        "Up to ten. The secret is shown once. Only `https`, and no address of a private network.",
    ),
    ("GET /v1/carrier/webhooks", "Without their secrets."),
    ("GET /v1/carrier/dead-letters", "After ten tries within two days a message is given up and waits here."),
    (
        "POST /v1/operator/lockers",
        "Sent by whoever installs it; harmless to repeat. Its keys never change: one with new keys is a new locker.",
    ),
    ("PUT /v1/operator/sites/{id}", "What an operator writes here, an import does not overwrite."),
    (
        "DELETE /v1/operator/assets/{id}",
        "Take it out of its compartment first: that is anybody's from then on.",
    ),
    ("POST /v1/operator/keys", "The key is shown once."),
    (
        "GET /v1/operator/alarms",
        "At most 500, oldest first; resolve them with `POST /v1/operator/alarms/{id}/resolve`.",
    ),
    (
        "GET /v1/operator/reports",
        "100 a page. Who sent them is told nowhere; photos are deleted 30 days after a report was solved.",
    ),
    (
        "GET /v1/carrier/reports",
        "100 a page. Who sent them is told nowhere; photos are deleted 30 days after a report was solved. A message \
         `parcel.reported` tells of a new one.",
    ),
    (
        "POST /v1/operator/reports/{id}/answers",
        "The customer reads it in the app. Up to twenty answers. A report that is solved resolves its alarm, where none about \
         the same thing is left.",
    ),
    ("POST /v1/carrier/reports/{id}/answers", "The customer reads it in the app. Up to twenty answers."),
    ("GET /v1/carrier/sites", "By id, 200 a page. `access` says who may collect there."),
    ("GET /v1/operator/sites", "By id, 200 a page."),
    ("GET /v1/operator/lockers", "By id, 200 a page. One locker in full: `GET /v1/operator/lockers/{id}`."),
    ("GET /v1/operator/carriers", "By id, 200 a page."),
    (
        "GET /v1/operator/keys",
        "By id, 200 a page. What is lost of a key cannot be had again: give out another.",
    ),
    ("GET /v1/operator/insight", "A group of fewer than ten is left out."),
];
