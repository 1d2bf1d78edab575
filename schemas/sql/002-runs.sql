-- What executors keep: runs, leases, parked runs. Times are milliseconds of this database's clock; free JSON is text, since
-- jsonb refuses \u0000.

-- A row per run: the idempotency table and the history in one.
-- Written by executors (claim, settle) and by timers (runs that they decide themselves: skipped, cancelled, KAFKA_MESSAGE).
-- The key prevents two runs of one occurrence: whoever inserts second finds the first. `token` prevents two outcomes: every
-- claim raises it, every write of a run's owner names the one it got, so a worker that lost its run changes nothing.
--
-- Partitioned by the day of the run id, whose first 48 bits are the scheduled millisecond: a day of history goes by dropping a
-- table. Settling updates no indexed column and finds room in its page, so it is a HOT update: no index on any column that
-- changes, and no partial index either. The runs of a page end at about the same time, so there is room for all of them
-- (fillfactor 45: 60,000 of 60,000 HOT; 75: 19,564, a table as large, and larger indexes).
CREATE TABLE runs (
  run_id           uuid    NOT NULL,
  tenant           text    COLLATE "C" NOT NULL,
  job_id           text    COLLATE "C" NOT NULL,
  job_version      int     NOT NULL,
  type             text    NOT NULL,
  handler          text    NOT NULL,
  queue            text    NOT NULL,
  priority         text    NOT NULL,
  status           text    NOT NULL,
  trigger          text    NOT NULL,
  cause            text    NOT NULL,
  scheduled_for    bigint  NOT NULL,
  started_at       bigint,                      -- of the latest attempt
  finished_at      bigint,                      -- set with a terminal status, never before
  attempt          int     NOT NULL DEFAULT 1,  -- RETRYING: the one that is announced
  token            bigint  NOT NULL DEFAULT 0,
  lost             int     NOT NULL DEFAULT 0,
  executor         uuid,                        -- the lease that runs it, or settled it; null: nobody's
  nonce            uuid,                        -- of the claim, so that one whose answer was lost is recognised
  worker           text    NOT NULL DEFAULT '',
  retry_at         bigint,
  result           text,
  result_truncated boolean NOT NULL DEFAULT false,
  error_code       text,
  error_message    text,
  reason           text,
  count            bigint,                      -- a group of skipped occurrences: how many, the first, the last
  from_at          bigint,
  to_at            bigint,
  replay_of        uuid,
  idempotency_key  uuid    NOT NULL,
  labels           text    NOT NULL DEFAULT '{}',
  due              text,                        -- FAILED: the due record, for replay
  progress         text,
  PRIMARY KEY (run_id)
) PARTITION BY RANGE (run_id);

-- History of a job, newest last.
CREATE INDEX runs_job ON runs (tenant, job_id, run_id);

-- The far past, days not made yet, and unfinished runs of dropped days.
CREATE TABLE runs_default PARTITION OF runs DEFAULT WITH (fillfactor = 45);

-- A row per incarnation of an executor, renewed by it, marked dead by whoever finds that it ran out. Dead is final: the next
-- renewal fails, and its runs may be taken over. A missing row counts as dead. Dead rows stay for a day: they tell when a
-- handler was last to be had.
CREATE TABLE leases (
  executor         uuid    PRIMARY KEY,
  worker           text    NOT NULL,
  queue            text    NOT NULL,
  transactional_id text    NOT NULL,
  handlers         text[]  NOT NULL,
  free             int     NOT NULL DEFAULT 0,
  alive_since      bigint  NOT NULL,            -- begins anew when it is renewed after it ran out
  expires_at       bigint  NOT NULL,
  dead             boolean NOT NULL DEFAULT false
) WITH (fillfactor = 30, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0);

-- Runs that no Kafka offset holds any more, each with its due record. One row a run: a later attempt replaces an earlier one,
-- never the other way round.
CREATE TABLE parked (
  run_id    uuid   PRIMARY KEY,
  attempt   int    NOT NULL,
  kind      text   NOT NULL,                    -- handed_over: anybody's; detached: `executor` brings it to its end
  executor  uuid,
  queue     text   NOT NULL,
  priority  text   NOT NULL,
  handler   text   NOT NULL,
  due       text   NOT NULL,
  parked_at bigint NOT NULL                     -- since when it is of this kind
) WITH (autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);
CREATE INDEX parked_handed_over ON parked (queue, handler) WHERE kind = 'handed_over';
CREATE INDEX parked_detached ON parked (executor) WHERE kind = 'detached';

-- Runs as a claim's decision needs them.
CREATE VIEW run_state AS
SELECT r.run_id, r.status, r.attempt, r.token, r.lost, r.executor, r.worker, r.nonce,
       EXISTS (SELECT FROM leases l WHERE l.executor = r.executor AND NOT l.dead AND l.expires_at > now_ms()) AS lease_alive,
       -- A row left from an earlier attempt does not hold this one: it is about to go.
       EXISTS (SELECT FROM parked p WHERE p.run_id = r.run_id AND p.attempt >= r.attempt) AS parked,
       r.started_at, r.finished_at, r.retry_at, r.result, r.result_truncated, r.error_code, r.error_message, r.reason
FROM runs r;

-- Public: columns are only ever added.
CREATE VIEW run_history AS
SELECT run_id, tenant, job_id, status, trigger,
       to_timestamp(scheduled_for / 1000.0) AS scheduled_for,
       to_timestamp(started_at / 1000.0) AS started_at,
       to_timestamp(finished_at / 1000.0) AS finished_at,
       attempt, handler, worker, error_code, reason, replay_of, labels::jsonb AS labels
FROM runs;

-- The smallest run id of a millisecond.
CREATE FUNCTION first_run_id(ms bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
$$ SELECT (lpad(to_hex(greatest(ms, 0)), 12, '0') || repeat('0', 20))::uuid $$;

-- The partition of the day that begins at `day_ms`.
CREATE FUNCTION run_day_name(day_ms bigint) RETURNS text LANGUAGE sql STABLE AS
$$ SELECT 'runs_' || to_char(to_timestamp(day_ms / 1000.0) AT TIME ZONE 'UTC', 'YYYYMMDD') $$;

-- Makes the partitions of `days` days, beginning with the day of `from_ms`. Safe when run twice at once.
-- The runs of a day that was missing are in the default partition: they move along. `runs` itself is locked meanwhile: a statement
-- that had read the list of partitions just before would look for a moved run where it is no more, and take it for gone.
-- Waits for that lock only shortly, since others queue behind it; the next maintenance tries again.
CREATE FUNCTION ensure_run_days(from_ms bigint, days int) RETURNS void LANGUAGE plpgsql
  SET search_path FROM CURRENT SET lock_timeout = '2s' AS $$
DECLARE
  day_ms constant bigint := 86400000;
  first constant bigint := from_ms - from_ms % day_ms;
  start bigint;
  name text;
BEGIN
  IF NOT EXISTS (SELECT FROM generate_series(0, days - 1) d WHERE to_regclass(run_day_name(first + d * day_ms)) IS NULL) THEN
    RETURN;
  END IF;
  LOCK TABLE runs IN ACCESS EXCLUSIVE MODE;
  FOR start IN SELECT first + d * day_ms FROM generate_series(0, days - 1) d LOOP
    name := run_day_name(start);
    CONTINUE WHEN to_regclass(name) IS NOT NULL;
    EXECUTE format('CREATE TABLE %I (LIKE runs INCLUDING ALL) WITH (fillfactor = 45)', name);
    EXECUTE format('WITH moved AS (DELETE FROM runs_default WHERE run_id >= $1 AND run_id < $2 RETURNING *)
                    INSERT INTO %I SELECT * FROM moved', name) USING first_run_id(start), first_run_id(start + day_ms);
    EXECUTE format('ALTER TABLE runs ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                   name, first_run_id(start), first_run_id(start + day_ms));
  END LOOP;
END $$;

-- Drops the oldest of the days that were over before `before_ms`, after its unfinished runs moved to the default partition.
-- Answers how many such days there were: call again until it is 0. Only then it forgets a slice of the default partition's runs
-- that ended before. `runs` is locked while a day is read, since a run may come in or move on meanwhile.
CREATE FUNCTION drop_run_days(before_ms bigint) RETURNS int LANGUAGE plpgsql
  SET search_path FROM CURRENT SET lock_timeout = '2s' AS $$
DECLARE
  current_day constant text := run_day_name(before_ms - before_ms % 86400000);
  days text[];
BEGIN
  SELECT array_agg(c.relname::text ORDER BY c.relname) INTO days
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
  WHERE i.inhparent = 'runs'::regclass AND c.relname <> 'runs_default' AND c.relname < current_day COLLATE "C";
  IF days IS NULL THEN
    DELETE FROM runs_default WHERE run_id IN (
      SELECT run_id FROM runs_default
      WHERE status IN ('COMPLETED', 'FAILED', 'CANCELLED', 'SKIPPED') AND finished_at < before_ms LIMIT 10000);
    RETURN 0;
  END IF;
  LOCK TABLE runs IN ACCESS EXCLUSIVE MODE;
  IF to_regclass(days[1]) IS NOT NULL THEN -- else another call dropped it just now
    EXECUTE format('ALTER TABLE runs DETACH PARTITION %I', days[1]);
    EXECUTE format('INSERT INTO runs_default SELECT * FROM %I WHERE status IN (''ENQUEUED'', ''RUNNING'', ''RETRYING'')', days[1]);
    EXECUTE format('DROP TABLE %I', days[1]);
  END IF;
  RETURN cardinality(days);
END $$;

SELECT ensure_run_days(now_ms() - 86400000, 9);
