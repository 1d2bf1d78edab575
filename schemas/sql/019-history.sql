-- What Belfry does for itself, by the clock: one row a job, written by whoever did it, after each time. Times are milliseconds of
-- this database's clock.
CREATE TABLE system_jobs (
  name        text   PRIMARY KEY,
  last_run_at bigint NOT NULL,
  next_run_at bigint NOT NULL,
  status      text   NOT NULL CHECK (status IN ('COMPLETED', 'FAILED')),
  result      text   NOT NULL,                  -- for people: what was done, or what went wrong
  changed_at  bigint,                           -- when it last had something to do,
  changed     text                              -- and what that was
);
