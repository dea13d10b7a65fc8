-- Whose share of the site a door counts against that was taken out of service because they said so; empty: of an account
-- that is deleted. None where nobody did, or an operator has looked since.
ALTER TABLE doors ADD COLUMN reported_by TEXT;
CREATE INDEX doors_reported ON doors (reported_by) WHERE reported_by IS NOT NULL;

-- Which door an answer was given at: the place of an opening in a chain is one of its locker alone.
ALTER TABLE reservations ADD COLUMN answered_locker TEXT;
ALTER TABLE reservations ADD COLUMN answered_door BIGINT;
UPDATE reservations SET answered_locker = locker_id, answered_door = door WHERE answer IS NOT NULL;

-- The epoch since which the door has been the reservation's without a break: what became of it is told by the receipts of
-- those epochs alone.
ALTER TABLE occupancies ADD COLUMN first_epoch BIGINT NOT NULL DEFAULT 0;
UPDATE occupancies SET first_epoch = COALESCE((SELECT MAX(p.epoch) + 1 FROM occupancies p
    WHERE p.locker_id = occupancies.locker_id AND p.door = occupancies.door AND p.epoch < occupancies.epoch
    AND COALESCE(p.reservation_id, '') <> COALESCE(occupancies.reservation_id, '')), 0);

-- Receipts of the locker that were given up for lost may be of this occupancy.
ALTER TABLE occupancies ADD COLUMN lost BIGINT NOT NULL DEFAULT 0;
