-- Who lives in which flat, by the landlord's invitation. Of a code only a keyed hash is kept, and of an address nothing but the
-- sealed letter.
CREATE TABLE invitations (
    id TEXT PRIMARY KEY,
    site_id TEXT NOT NULL REFERENCES sites (id) ON DELETE CASCADE,
    unit TEXT NOT NULL,
    code_hash TEXT NOT NULL UNIQUE,
    people BIGINT NOT NULL,
    used BIGINT NOT NULL DEFAULT 0,
    until_at BIGINT NOT NULL,
    withdrawn_at BIGINT,
    created_at BIGINT NOT NULL
);
CREATE INDEX invitations_site ON invitations (site_id, id);
CREATE INDEX invitations_until ON invitations (until_at);
ALTER TABLE site_members ADD COLUMN since_at BIGINT;
-- Compartments that are a flat's: whoever lives there has them.
CREATE TABLE flat_compartments (
    reservation_id TEXT PRIMARY KEY REFERENCES reservations (id) ON DELETE CASCADE,
    site_id TEXT NOT NULL,
    unit TEXT NOT NULL
);
CREATE INDEX flat_compartments_unit ON flat_compartments (site_id, unit);
-- Who gave a share, where several might have.
ALTER TABLE shares ADD COLUMN given_by TEXT;
CREATE INDEX shares_given ON shares (given_by);
ALTER TABLE letters ADD COLUMN invitation_id TEXT REFERENCES invitations (id) ON DELETE CASCADE;
CREATE INDEX letters_invitation ON letters (invitation_id);
