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

-- From before news were counted (0007): epochs that their lockers may not have heard of were told of with every bulletin, and
-- have to be told of still; and what had ended then settles when they have been heard of.
UPDATE doors SET epoch = epoch + 1, revoked_epoch = epoch + 1, ended_slots = 0, news_number = 0
    WHERE EXISTS (SELECT 1 FROM occupancies o WHERE o.locker_id = doors.locker_id AND o.door = doors.door
    AND o.epoch = doors.settling_epoch AND o.ended_news = 0) AND epoch = settling_epoch;
UPDATE occupancies SET pins = 1, tokens_until = (SELECT MAX(g.expires_at) FROM grants g
    WHERE g.locker_id = occupancies.locker_id AND g.door = occupancies.door
    AND g.reservation_id = occupancies.reservation_id),
    ended_news = (SELECT l.news + 1 FROM lockers l WHERE l.id = occupancies.locker_id)
    WHERE ended_news = 0 AND EXISTS (SELECT 1 FROM doors d WHERE d.locker_id = occupancies.locker_id
    AND d.door = occupancies.door AND d.settling_epoch = occupancies.epoch);
UPDATE doors SET news_number = (SELECT l.news + 1 FROM lockers l WHERE l.id = doors.locker_id)
    WHERE news_number = 0 AND revoked_epoch > proven_epoch;
UPDATE lockers SET news = news + 1 WHERE EXISTS (SELECT 1 FROM doors d WHERE d.locker_id = lockers.id
    AND d.news_number > lockers.news);
