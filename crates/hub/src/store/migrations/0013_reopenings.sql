-- Pickups whose minutes for opening again end soon are looked for every few seconds.
CREATE INDEX reservations_opened ON reservations (last_opened_at) WHERE state = 'opened';
