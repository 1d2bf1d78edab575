-- What people and migrations leave behind: discarded dead runs, topics made. Times are milliseconds of this database's clock.

-- FAILED runs that somebody has looked at and wants no more of; written by `belfry dlq discard`. A table of its own, since
-- settling must stay a HOT update and history goes by the day.
CREATE TABLE discards (
  run_id uuid   PRIMARY KEY,
  at     bigint NOT NULL,
  note   text   NOT NULL
);

-- Topics that migrations of this deployment made, or were about to make when they ended: written before the topic is made, so
-- that one which exists and is not here is somebody else's.
CREATE TABLE topics (
  name text PRIMARY KEY
);
