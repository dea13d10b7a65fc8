-- What the source of an imported site said last (JSON), so that a correction of the operator's is told from it.
ALTER TABLE sites ADD COLUMN imported TEXT;
-- The source does not have it any more, or says that it is closed: the finder leaves it out.
ALTER TABLE sites ADD COLUMN gone_at BIGINT;
ALTER TABLE sites ADD COLUMN payment TEXT NOT NULL DEFAULT '';
-- Planned closures (JSON).
ALTER TABLE sites ADD COLUMN closures TEXT NOT NULL DEFAULT '[]';
CREATE INDEX sites_source ON sites (source, id);
