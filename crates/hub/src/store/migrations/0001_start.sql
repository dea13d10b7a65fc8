-- One text for SQLite and PostgreSQL. {{BYTES}} is BLOB or BYTEA; truth values are BIGINT 0 or 1; times are UNIX seconds.

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- Accounts. What is kept of a person: a display name, passkeys, devices, and what they collect.
CREATE TABLE accounts (
    id TEXT PRIMARY KEY,
    handle TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    guest BIGINT NOT NULL DEFAULT 0,
    prefers_low_doors BIGINT NOT NULL DEFAULT 0,
    feed BIGINT NOT NULL DEFAULT 0,
    feed_floor BIGINT NOT NULL DEFAULT 0,
    demo_given BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL
);
CREATE TABLE passkeys (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    credential_id TEXT NOT NULL UNIQUE,
    credential TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL
);
CREATE INDEX passkeys_account ON passkeys (account_id);
CREATE TABLE recovery_codes (
    hash TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL
);
CREATE INDEX recovery_codes_account ON recovery_codes (account_id);
-- WebAuthn ceremonies under way; used up by their end.
CREATE TABLE ceremonies (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
-- A session is a signed-in device: bound to the thumbprint of its key for life.
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    thumbprint TEXT NOT NULL,
    device_key {{BYTES}} NOT NULL,
    share_id TEXT,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE INDEX sessions_account ON sessions (account_id);
CREATE INDEX sessions_thumbprint ON sessions (thumbprint);
CREATE TABLE refresh_tokens (
    hash TEXT PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    issued_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);
CREATE TABLE auth_codes (
    hash TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    redirect_uri TEXT NOT NULL,
    challenge TEXT NOT NULL,
    thumbprint TEXT,
    device_name TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    session_id TEXT
);
-- Proofs seen at another instance; one instance keeps its own in memory.
CREATE TABLE proofs_seen (
    id TEXT PRIMARY KEY,
    expires_at BIGINT NOT NULL
);

CREATE TABLE carriers (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    pickup_hours BIGINT NOT NULL DEFAULT 72,
    created_at BIGINT NOT NULL
);
CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    hash TEXT NOT NULL,
    role TEXT NOT NULL,
    carrier_id TEXT REFERENCES carriers (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE TABLE issuer_keys (
    id BIGINT PRIMARY KEY,
    public_key {{BYTES}} NOT NULL,
    sealed_secret {{BYTES}} NOT NULL,
    created_at BIGINT NOT NULL,
    active_from BIGINT NOT NULL,
    retired_at BIGINT
);

CREATE TABLE sites (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    address TEXT NOT NULL,
    latitude DOUBLE PRECISION NOT NULL,
    longitude DOUBLE PRECISION NOT NULL,
    hours TEXT NOT NULL,
    always_open BIGINT NOT NULL,
    access TEXT NOT NULL,
    step_free BIGINT NOT NULL,
    source TEXT NOT NULL DEFAULT '',
    updated_at BIGINT NOT NULL
);
CREATE INDEX sites_place ON sites (latitude, longitude);
CREATE TABLE site_members (
    site_id TEXT NOT NULL REFERENCES sites (id) ON DELETE CASCADE,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    unit TEXT NOT NULL,
    PRIMARY KEY (site_id, account_id)
);
CREATE INDEX site_members_account ON site_members (account_id);
CREATE TABLE lockers (
    id TEXT PRIMARY KEY,
    site_id TEXT NOT NULL REFERENCES sites (id),
    descriptor TEXT NOT NULL,
    receipt_key {{BYTES}} NOT NULL,
    sealed_pin_secret {{BYTES}} NOT NULL,
    keypad BIGINT NOT NULL,
    reopen_minutes BIGINT NOT NULL,
    online_until BIGINT NOT NULL DEFAULT 0,
    bulletin_due BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    retired_at BIGINT
);
CREATE INDEX lockers_site ON lockers (site_id);
-- A door has at most one occupant: a reservation that lies in it or has booked it.
CREATE TABLE doors (
    locker_id TEXT NOT NULL REFERENCES lockers (id),
    door BIGINT NOT NULL,
    site_id TEXT NOT NULL,
    label TEXT NOT NULL,
    size TEXT NOT NULL,
    reach TEXT NOT NULL,
    chilled BIGINT NOT NULL,
    out_of_order BIGINT NOT NULL DEFAULT 0,
    epoch BIGINT NOT NULL DEFAULT 0,
    revoked_epoch BIGINT NOT NULL DEFAULT 0,
    revoked_at BIGINT NOT NULL DEFAULT 0,
    reservation_id TEXT,
    PRIMARY KEY (locker_id, door)
);
CREATE UNIQUE INDEX doors_occupant ON doors (reservation_id);
CREATE INDEX doors_free ON doors (site_id, size, out_of_order, reservation_id);

CREATE TABLE reservations (
    id TEXT PRIMARY KEY,
    account_id TEXT REFERENCES accounts (id) ON DELETE SET NULL,
    claim_hash TEXT UNIQUE,
    version BIGINT NOT NULL DEFAULT 1,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    title TEXT NOT NULL,
    carrier_id TEXT NOT NULL REFERENCES carriers (id),
    reference TEXT,
    site_id TEXT REFERENCES sites (id),
    size TEXT,
    locker_id TEXT,
    door BIGINT,
    epoch BIGINT NOT NULL DEFAULT 0,
    until_at BIGINT,
    since_at BIGINT,
    held_until BIGINT,
    extensions BIGINT NOT NULL DEFAULT 0,
    first_opened_at BIGINT,
    last_opened_at BIGINT,
    identification_format TEXT,
    identification_text TEXT,
    shares BIGINT NOT NULL DEFAULT 0,
    timeline TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX reservations_account ON reservations (account_id, state);
CREATE INDEX reservations_carrier ON reservations (carrier_id, reference);
CREATE INDEX reservations_due ON reservations (state, until_at);
-- What changed for whom: one row for each account and reservation, moved to the newest position.
CREATE TABLE feed (
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    reservation_id TEXT NOT NULL,
    seq BIGINT NOT NULL,
    removed BIGINT NOT NULL DEFAULT 0,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, reservation_id)
);
CREATE INDEX feed_position ON feed (account_id, seq);
CREATE TABLE shares (
    id TEXT PRIMARY KEY,
    reservation_id TEXT NOT NULL REFERENCES reservations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    until_at BIGINT NOT NULL,
    state TEXT NOT NULL,
    claim_hash TEXT NOT NULL UNIQUE,
    account_id TEXT,
    created_at BIGINT NOT NULL
);
CREATE INDEX shares_reservation ON shares (reservation_id);
CREATE INDEX shares_account ON shares (account_id);

-- Tokens minted: who a receipt's token id belongs to. The token itself is not kept.
CREATE TABLE grants (
    token_id TEXT PRIMARY KEY,
    reservation_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    share_id TEXT,
    locker_id TEXT NOT NULL,
    issued_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX grants_reservation ON grants (reservation_id);
CREATE INDEX grants_expiry ON grants (expires_at);
CREATE TABLE receipts (
    hash TEXT PRIMARY KEY,
    locker_id TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    previous TEXT NOT NULL,
    token_id TEXT NOT NULL,
    door BIGINT NOT NULL,
    operation BIGINT NOT NULL,
    outcome BIGINT NOT NULL,
    happened_at BIGINT NOT NULL,
    reservation_id TEXT,
    standing TEXT NOT NULL,
    bytes {{BYTES}} NOT NULL,
    received_at BIGINT NOT NULL
);
CREATE INDEX receipts_chain ON receipts (locker_id, sequence);
CREATE INDEX receipts_reservation ON receipts (reservation_id);
-- Things that an operator must look at, with the reason on record.
CREATE TABLE alarms (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    locker_id TEXT,
    door BIGINT,
    reservation_id TEXT,
    reason TEXT NOT NULL,
    repaired BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    resolved_at BIGINT
);
CREATE INDEX alarms_open ON alarms (resolved_at, created_at);

CREATE TABLE idempotency (
    principal TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    status BIGINT NOT NULL DEFAULT 0,
    body TEXT NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL,
    PRIMARY KEY (principal, idempotency_key)
);
CREATE INDEX idempotency_age ON idempotency (created_at);
