-- Processes that their watchdog ended because the event loop was stuck, and what they were at. A timer that takes a partition reads
-- here at which input two of its owners were lost, and sets that aside. Times are milliseconds.
CREATE TABLE stalls (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  stalled_at bigint NOT NULL DEFAULT now_ms(),
  service text NOT NULL,          -- timer, executor, api
  worker text NOT NULL,           -- host:pid
  partition int,                  -- of the job space; null: what it was at is of none
  input text,                     -- by name, such as `commands 120`: the offset; null: at nothing that was marked
  job text                        -- tenant/job id
);
CREATE INDEX stalls_of_partition ON stalls (partition, stalled_at);
CREATE INDEX stalls_by_time ON stalls (stalled_at);
