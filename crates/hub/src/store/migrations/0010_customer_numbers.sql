-- What a person gives a shop, a carrier or a landlord. Guests and couriers have none.
ALTER TABLE accounts ADD COLUMN number TEXT;
CREATE UNIQUE INDEX accounts_number ON accounts (number);
