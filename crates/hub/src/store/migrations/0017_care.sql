-- What freezes and what must be frozen, what breaks easily, and how long a parcel keeps: hours from when it is put in, and, once it lies
-- there, until when.
ALTER TABLE doors ADD COLUMN frozen BIGINT NOT NULL DEFAULT 0;
ALTER TABLE reservations ADD COLUMN frozen BIGINT NOT NULL DEFAULT 0;
ALTER TABLE reservations ADD COLUMN fragile BIGINT NOT NULL DEFAULT 0;
ALTER TABLE reservations ADD COLUMN keeps_hours BIGINT;
ALTER TABLE reservations ADD COLUMN keeps_until BIGINT;
