-- Addresses that customers gave: one that is proven, and one that waits for its code.
CREATE TABLE emails (
    account_id TEXT PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    address TEXT,
    address_key TEXT,
    verified_at BIGINT,
    pending TEXT,
    code TEXT,
    code_until BIGINT NOT NULL DEFAULT 0,
    tries BIGINT NOT NULL DEFAULT 0,
    language TEXT NOT NULL
);
CREATE UNIQUE INDEX emails_proven ON emails (address_key);
-- What is to be mailed. Address and text are sealed, and gone once it was sent or given up.
CREATE TABLE letters (
    id TEXT PRIMARY KEY,
    account_id TEXT REFERENCES accounts (id) ON DELETE CASCADE,
    reservation_id TEXT REFERENCES reservations (id) ON DELETE CASCADE,
    sealed {{BYTES}},
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    next_at BIGINT NOT NULL,
    until_at BIGINT NOT NULL,
    error TEXT NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL
);
CREATE INDEX letters_due ON letters (state, next_at);
CREATE INDEX letters_account ON letters (account_id);
CREATE INDEX letters_reservation ON letters (reservation_id);
