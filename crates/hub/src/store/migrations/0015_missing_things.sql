-- Somebody looked, and a thing that is lent was not in its compartment: nobody borrows it until the operator says that it is back.
ALTER TABLE assets ADD COLUMN missing_at BIGINT;
