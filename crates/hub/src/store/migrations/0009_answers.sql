-- The customer's last opening that is known, as its place in the locker's chain: an answer at the door is of one opening.
ALTER TABLE reservations ADD COLUMN opening BIGINT;
UPDATE reservations SET opening = (SELECT MAX(r.sequence) FROM receipts r WHERE r.reservation_id = reservations.id
    AND r.locker_id = reservations.locker_id AND r.door = reservations.door AND r.courier = 0
    AND r.standing = 'chained' AND r.outcome IN (0, 2, 3))
    WHERE state IN ('ready', 'opened', 'booked', 'held', 'deposited', 'cancelled');
