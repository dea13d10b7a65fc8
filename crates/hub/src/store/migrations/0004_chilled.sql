-- What must lie in a chilled compartment.
ALTER TABLE reservations ADD COLUMN chilled BIGINT NOT NULL DEFAULT 0;
