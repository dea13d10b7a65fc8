-- Whose each epoch of a door was, what ended it, and what the locker has heard.

CREATE TABLE occupancies (
    locker_id TEXT NOT NULL,
    door BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    -- None: forgotten, or nobody's (an operator looked).
    reservation_id TEXT,
    -- Whose share of the site it counts against; none where no customer booked it.
    booked_by TEXT,
    -- The epoch of a courier who takes something out.
    courier BIGINT NOT NULL DEFAULT 0,
    began_at BIGINT NOT NULL,
    -- Once it has ended: number of the news that ends the access, what it holds unless it was opened since (`nothing`,
    -- `something`), the last end of its tokens, whether it had a PIN.
    ended_news BIGINT,
    holds TEXT,
    tokens_until BIGINT,
    pins BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (locker_id, door, epoch)
){{BY_KEY}};
CREATE INDEX occupancies_reservation ON occupancies (reservation_id);
CREATE INDEX occupancies_booked ON occupancies (booked_by) WHERE booked_by IS NOT NULL;

-- PINs that were given: each device has its own in an epoch, and none is given twice.
CREATE TABLE pin_slots (
    locker_id TEXT NOT NULL,
    door BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    slot BIGINT NOT NULL,
    session_id TEXT NOT NULL,
    ended BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (locker_id, door, epoch, slot)
){{BY_KEY}};
CREATE UNIQUE INDEX pin_slots_device ON pin_slots (session_id, locker_id, door, epoch) WHERE ended = 0;

-- What opens nothing any more before its time: living entries of the bulletins of a locker.
CREATE TABLE revocations (
    locker_id TEXT NOT NULL,
    kind BIGINT NOT NULL,
    name TEXT NOT NULL,
    at BIGINT NOT NULL,
    drop_at BIGINT NOT NULL,
    number BIGINT NOT NULL,
    session_id TEXT,
    PRIMARY KEY (locker_id, kind, name)
){{BY_KEY}};
CREATE INDEX revocations_drop ON revocations (drop_at);

-- News of a locker are counted; `news_known` is the newest that any receipt acknowledges. The chain is complete up to
-- `whole_to`; what it proves there.
ALTER TABLE lockers ADD COLUMN news BIGINT NOT NULL DEFAULT 0;
ALTER TABLE lockers ADD COLUMN news_known BIGINT NOT NULL DEFAULT 0;
ALTER TABLE lockers ADD COLUMN whole_to BIGINT NOT NULL DEFAULT -1;
ALTER TABLE lockers ADD COLUMN whole_news BIGINT NOT NULL DEFAULT 0;
ALTER TABLE lockers ADD COLUMN whole_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE lockers ADD COLUMN content_sensors BIGINT NOT NULL DEFAULT 0;

ALTER TABLE doors ADD COLUMN proven_epoch BIGINT NOT NULL DEFAULT 0;
ALTER TABLE doors ADD COLUMN ended_slots BIGINT NOT NULL DEFAULT 0;
ALTER TABLE doors ADD COLUMN news_number BIGINT NOT NULL DEFAULT 0;
-- The occupancy that has ended and is not proven yet; the door is nobody else's until then.
ALTER TABLE doors ADD COLUMN settling_epoch BIGINT;
DROP INDEX doors_free;
CREATE INDEX doors_free ON doors (site_id, size, out_of_order, reservation_id, settling_epoch);
CREATE INDEX doors_settling ON doors (locker_id) WHERE settling_epoch IS NOT NULL;
CREATE INDEX doors_news ON doors (locker_id, news_number) WHERE news_number > 0;

ALTER TABLE reservations ADD COLUMN unproven BIGINT NOT NULL DEFAULT 0;
ALTER TABLE reservations ADD COLUMN inside TEXT;
ALTER TABLE reservations ADD COLUMN answer BIGINT;
ALTER TABLE reservations ADD COLUMN answered_after BIGINT;
ALTER TABLE reservations ADD COLUMN lent BIGINT NOT NULL DEFAULT 0;
ALTER TABLE reservations ADD COLUMN called_off BIGINT NOT NULL DEFAULT 0;

ALTER TABLE grants ADD COLUMN door BIGINT NOT NULL DEFAULT -1;
ALTER TABLE grants ADD COLUMN delegable BIGINT NOT NULL DEFAULT 0;
CREATE INDEX grants_door ON grants (locker_id, door, expires_at);
CREATE INDEX grants_account ON grants (account_id, expires_at);
CREATE INDEX grants_session ON grants (session_id, expires_at);

ALTER TABLE receipts ADD COLUMN news BIGINT NOT NULL DEFAULT 0;
ALTER TABLE receipts ADD COLUMN epoch BIGINT;
ALTER TABLE receipts ADD COLUMN courier BIGINT NOT NULL DEFAULT 0;

-- One parcel of a carrier's under way for each tracking number.
CREATE TABLE parcel_references (
    carrier_id TEXT NOT NULL,
    reference TEXT NOT NULL,
    reservation_id TEXT NOT NULL,
    PRIMARY KEY (carrier_id, reference)
){{BY_KEY}};
CREATE INDEX reservations_under_way ON reservations (carrier_id, id)
    WHERE state IN ('announced', 'in_transit', 'expired', 'deposited', 'ready');

-- What stands from before. A door that was kept for what has ended settles.
UPDATE grants SET door = COALESCE((SELECT r.door FROM reservations r WHERE r.id = grants.reservation_id), -1);
UPDATE receipts SET epoch = (SELECT g.epoch FROM grants g WHERE g.token_id = receipts.token_id);
UPDATE doors SET proven_epoch = COALESCE((SELECT MAX(r.epoch) FROM receipts r WHERE r.locker_id = doors.locker_id
    AND r.door = doors.door AND r.standing = 'chained'), 0);
UPDATE reservations SET lent = 1 WHERE id IN (SELECT reservation_id FROM assets WHERE reservation_id IS NOT NULL);
INSERT INTO occupancies (locker_id, door, epoch, reservation_id, booked_by, began_at)
    SELECT d.locker_id, d.door, d.epoch, d.reservation_id,
        CASE WHEN r.kind = 'return' OR (r.kind = 'storage' AND r.until_at IS NOT NULL AND r.lent = 0)
            THEN r.account_id END, r.created_at
    FROM doors d JOIN reservations r ON r.id = d.reservation_id;
UPDATE occupancies SET ended_news = 0, holds = 'nothing' WHERE reservation_id IN (SELECT id FROM reservations
    WHERE state IN ('collected', 'returned', 'accepted', 'refused', 'released', 'cancelled'));
UPDATE doors SET settling_epoch = epoch, reservation_id = NULL WHERE reservation_id IN (SELECT id FROM reservations
    WHERE state IN ('collected', 'returned', 'accepted', 'refused', 'released', 'cancelled'));
INSERT INTO parcel_references (carrier_id, reference, reservation_id)
    SELECT carrier_id, reference, MAX(id) FROM reservations WHERE kind = 'pickup' AND reference IS NOT NULL
    AND state IN ('announced', 'in_transit', 'ready', 'opened', 'expired') GROUP BY carrier_id, reference;
