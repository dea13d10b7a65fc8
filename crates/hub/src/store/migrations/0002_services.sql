-- Problems, couriers, webhooks, things that are lent.

CREATE TABLE problems (
    id TEXT PRIMARY KEY,
    reservation_id TEXT NOT NULL REFERENCES reservations (id) ON DELETE CASCADE,
    account_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    note TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX problems_reservation ON problems (reservation_id);
CREATE TABLE photos (
    id TEXT PRIMARY KEY,
    problem_id TEXT NOT NULL REFERENCES problems (id) ON DELETE CASCADE,
    media_type TEXT NOT NULL,
    bytes {{BYTES}} NOT NULL
);
CREATE INDEX photos_problem ON photos (problem_id);

-- A courier is an account that belongs to a carrier.
ALTER TABLE accounts ADD COLUMN courier_of TEXT;
CREATE INDEX accounts_courier ON accounts (courier_of);
CREATE TABLE enrolments (
    hash TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    expires_at BIGINT NOT NULL
);

CREATE TABLE webhooks (
    id TEXT PRIMARY KEY,
    carrier_id TEXT NOT NULL REFERENCES carriers (id) ON DELETE CASCADE,
    url TEXT NOT NULL,
    sealed_secret {{BYTES}} NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX webhooks_carrier ON webhooks (carrier_id);
CREATE TABLE deliveries (
    id TEXT PRIMARY KEY,
    webhook_id TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    message TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    next_at BIGINT NOT NULL,
    error TEXT NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL
);
CREATE INDEX deliveries_due ON deliveries (state, next_at);
CREATE INDEX deliveries_webhook ON deliveries (webhook_id, state);

-- A thing that is lent has a door of its own, kept even while it is away.
CREATE TABLE assets (
    id TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    site_id TEXT NOT NULL REFERENCES sites (id),
    locker_id TEXT NOT NULL,
    door BIGINT NOT NULL,
    loan_hours BIGINT NOT NULL,
    reservation_id TEXT,
    UNIQUE (locker_id, door)
);
CREATE INDEX assets_site ON assets (site_id);
