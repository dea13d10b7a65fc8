-- What became of a report, and what was answered.
ALTER TABLE problems ADD COLUMN state TEXT NOT NULL DEFAULT 'open';
ALTER TABLE problems ADD COLUMN solved_at BIGINT;
CREATE INDEX problems_state ON problems (state, id);
CREATE INDEX problems_solved ON problems (solved_at) WHERE solved_at IS NOT NULL;
CREATE TABLE report_answers (
    id TEXT PRIMARY KEY,
    problem_id TEXT NOT NULL REFERENCES problems (id) ON DELETE CASCADE,
    author TEXT NOT NULL,
    note TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX report_answers_problem ON report_answers (problem_id);
