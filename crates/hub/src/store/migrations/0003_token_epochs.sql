-- The door's epoch that a token was minted for: tells whether a token is still good for its door.
ALTER TABLE grants ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;
