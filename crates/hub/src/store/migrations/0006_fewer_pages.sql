-- A receipt touches fewer pages, which in a large file all lie apart: what is opened leaves one index and moves in none.
DROP INDEX reservations_due;
CREATE INDEX reservations_due ON reservations (until_at) WHERE state IN ('ready', 'booked', 'held');
DROP INDEX reservations_account;
CREATE INDEX reservations_account ON reservations (account_id);
ALTER TABLE feed RENAME TO feed_before;
DROP INDEX feed_position;
DROP INDEX feed_removed;
CREATE TABLE feed (
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    reservation_id TEXT NOT NULL,
    seq BIGINT NOT NULL,
    removed BIGINT NOT NULL DEFAULT 0,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, reservation_id)
){{BY_KEY}};
INSERT INTO feed (account_id, reservation_id, seq, removed, changed_at)
    SELECT account_id, reservation_id, seq, removed, changed_at FROM feed_before;
DROP TABLE feed_before;
CREATE INDEX feed_position ON feed (account_id, seq);
CREATE INDEX feed_removed ON feed (changed_at) WHERE removed = 1;
