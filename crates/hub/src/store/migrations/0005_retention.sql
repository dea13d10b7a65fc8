-- What ends by the clock is found without reading everything that has not ended. Each index holds only what can be deleted.
CREATE INDEX reservations_ended ON reservations (updated_at)
    WHERE state NOT IN ('announced', 'in_transit', 'ready', 'opened', 'expired', 'booked', 'deposited', 'held');
CREATE INDEX feed_removed ON feed (changed_at) WHERE removed = 1;
CREATE INDEX accounts_guests ON accounts (id) WHERE guest = 1;
CREATE INDEX sessions_revoked ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at);
