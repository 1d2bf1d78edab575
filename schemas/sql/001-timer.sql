-- What the timer keeps: meta, owners, jobs, timers, outbox, seen_commands, replays; and its two functions, step and take.
-- Names are unqualified: the search path is the schema (BELFRY_DB_SCHEMA). Times are milliseconds since the epoch.
-- JSON is text, since jsonb refuses \u0000. Names compare by bytes (COLLATE "C"): faster, and the same everywhere.

-- Written once, by the first migration; read by every service at its start, which refuses to run on other settings.
-- The key admits one row: of two first migrations with different settings one loses.
CREATE TABLE meta (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  partitions int NOT NULL CHECK (partitions > 0),
  encoding text NOT NULL CHECK (encoding IN ('json', 'avro')),
  topic_prefix text NOT NULL,
  deployment_id uuid NOT NULL DEFAULT gen_random_uuid()
);

-- Who owns a partition, and how far it is. Written by every step of its owner and by every take-over. Each step locks this
-- row and is refused unless epoch and offsets are those it knew: a zombie changes nothing, nothing is applied twice.
-- One hot row per partition, updated in place: so much free space and eager vacuuming.
CREATE TABLE owners (
  partition int PRIMARY KEY,
  instance text NOT NULL DEFAULT '',
  epoch bigint NOT NULL DEFAULT 0,
  -- The next offset of each topic that this partition is read from.
  commands_offset bigint NOT NULL DEFAULT 0,
  retry_offset bigint NOT NULL DEFAULT 0,
  completed_offset bigint NOT NULL DEFAULT 0,
  outbox_seq bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);

-- A job as its partition's owner sees it; written by that owner's steps alone. The key keeps one job per id.
-- Its updates change no indexed column (HOT): next_at and next_fire_at are not indexed, `timers` finds what is due, and
-- `tracked` (the timer must hear of the end of its runs) stays as it is while `active` comes and goes. Pages are filled by
-- half: one-shots that were scheduled together finish in one step, and all find room beside themselves (measured: 28 % of
-- these updates were HOT at 80, all of them at 50, at the same size in the end).
CREATE TABLE jobs (
  tenant text COLLATE "C",
  job_id text COLLATE "C",
  partition int NOT NULL,
  state text NOT NULL,
  version int NOT NULL,
  spec text NOT NULL,
  cancel_gen int NOT NULL,
  anchor_at bigint NOT NULL,
  next_at bigint,
  next_fire_at bigint,
  run_count bigint NOT NULL,
  tracked boolean NOT NULL,
  active text NOT NULL,
  buffered text NOT NULL,
  recent_commands text NOT NULL,
  paused_at bigint,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  PRIMARY KEY (tenant, job_id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX jobs_tracked ON jobs (partition) WHERE tracked; -- the sweep over active runs

-- What fires when; written by the owner's steps alone. The key is the order of firing, and makes the same occurrence, or
-- the same retry heard of twice, one row. Rows come and go quickly: eager vacuuming keeps the head of the index short.
CREATE TABLE timers (
  partition int,
  fire_at bigint,
  run_id uuid,
  kind text NOT NULL,
  tenant text COLLATE "C" NOT NULL,
  job_id text COLLATE "C" NOT NULL,
  topic text NOT NULL,
  due text NOT NULL,
  PRIMARY KEY (partition, fire_at, run_id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX timers_retry ON timers (tenant, job_id) WHERE kind = 'retry'; -- a cancel brings them forward

-- Ready-made Kafka records of steps that are committed, until they are produced; written by the owner's steps alone. The
-- key is the order of producing; the number is the fenced one of `owners`, so that no two owners use it.
CREATE TABLE outbox (
  partition int,
  seq bigint,
  lane text NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (partition, seq)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0, toast.autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_cost_delay = 0);
ALTER TABLE outbox ALTER COLUMN body SET STORAGE EXTERNAL; -- lives for milliseconds: compressing it costs more than it saves

-- Ids of trigger and replay commands of the last day; written by the owner's steps, cleaned by anybody. The key makes a
-- command that was sent twice one command, long after it left the job's own last 16.
CREATE TABLE seen_commands (
  tenant text COLLATE "C",
  job_id text COLLATE "C",
  command_id text COLLATE "C",
  seen_at bigint NOT NULL,
  PRIMARY KEY (tenant, job_id, command_id)
);

-- Which runs repeat a run, from the moment the replay is decided; written by the owner's steps, cleaned by anybody. Without
-- it, two replay commands in a row would both find no replay of the run in `runs` yet, and both be taken.
CREATE TABLE replays (
  original uuid,
  replay uuid,
  PRIMARY KEY (original, replay)
);

-- The database's clock, in milliseconds.
CREATE FUNCTION now_ms() RETURNS bigint LANGUAGE sql VOLATILE PARALLEL SAFE
RETURN floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint;

-- Makes `new_instance` the owner: its former owner's steps are refused from here on. Waits two seconds at most for a step
-- under way (SQLSTATE 55P03).
CREATE FUNCTION take(of_partition int, new_instance text) RETURNS SETOF owners LANGUAGE sql
SET lock_timeout = '2s'
BEGIN ATOMIC
  UPDATE owners SET epoch = epoch + 1, instance = new_instance WHERE partition = of_partition RETURNING *;
END;

-- Applies a step of the timer to several partitions at once, in one round trip: a process frozen in the middle of one
-- cannot hold a lock. Each parameter is a column of what is to be written; `timer-step.ts` makes them, each row once, in
-- the order of their keys.
--
-- Locks the owners' rows in the order of their partitions (no deadlocks), accepts those whose epoch and offsets are the
-- expected ones, applies the effects of these alone, and answers them. Removals come before insertions: a timer that is
-- removed and added again stays; a job that fired as a one-shot and was then scheduled anew is what it was scheduled as.
CREATE FUNCTION step(
  owner_partition int[], owner_epoch bigint[],
  known_commands bigint[], known_retry bigint[], known_completed bigint[],
  next_commands bigint[], next_retry bigint[], next_completed bigint[],
  next_outbox_seq bigint[],

  produced_partition int[], produced_seq bigint[],
  removed_partition int[], removed_fire_at bigint[], removed_run_id uuid[],
  finished_partition int[], finished_tenant text[], finished_job_id text[],

  job_tenant text[], job_job_id text[], job_partition int[], job_state text[], job_version int[], job_spec text[],
  job_cancel_gen int[], job_anchor_at bigint[], job_next_at bigint[], job_next_fire_at bigint[], job_run_count bigint[],
  job_tracked boolean[], job_active text[], job_buffered text[], job_recent_commands text[], job_paused_at bigint[],
  job_created_at bigint[], job_updated_at bigint[],

  timer_partition int[], timer_fire_at bigint[], timer_run_id uuid[], timer_kind text[], timer_tenant text[],
  timer_job_id text[], timer_topic text[], timer_due text[],

  run_partition int[], run_run_id uuid[], run_tenant text[], run_job_id text[], run_job_version int[], run_type text[],
  run_handler text[], run_queue text[], run_priority text[], run_status text[], run_trigger text[], run_cause text[],
  run_scheduled_for bigint[], run_started_at bigint[], run_finished_at bigint[], run_attempt int[], run_worker text[],
  run_result text[], run_result_truncated boolean[], run_error_code text[], run_error_message text[], run_reason text[],
  run_count bigint[], run_from_at bigint[], run_to_at bigint[], run_replay_of uuid[], run_idempotency_key uuid[],
  run_labels text[], run_due text[],

  seen_partition int[], seen_tenant text[], seen_job_id text[], seen_command_id text[],
  replay_partition int[], replay_original uuid[], replay_replay uuid[],
  outbox_partition int[], outbox_seq bigint[], outbox_lane text[], outbox_body bytea[]
) RETURNS int[] LANGUAGE plpgsql AS $step$
#variable_conflict use_column
DECLARE
  accepted int[];
BEGIN
  WITH fenced AS MATERIALIZED (
    SELECT o.partition, s.next_commands, s.next_retry, s.next_completed, s.next_seq
    FROM unnest(step.owner_partition, step.owner_epoch, step.known_commands, step.known_retry, step.known_completed,
                step.next_commands, step.next_retry, step.next_completed, step.next_outbox_seq)
           AS s (partition, epoch, known_commands, known_retry, known_completed, next_commands, next_retry, next_completed, next_seq)
    JOIN owners o ON o.partition = s.partition AND o.epoch = s.epoch AND o.commands_offset = s.known_commands
                 AND o.retry_offset = s.known_retry AND o.completed_offset = s.known_completed
    ORDER BY o.partition
    FOR UPDATE OF o
  ), updated AS (
    UPDATE owners o
    SET commands_offset = f.next_commands, retry_offset = f.next_retry, completed_offset = f.next_completed, outbox_seq = f.next_seq
    FROM fenced f
    WHERE o.partition = f.partition
    RETURNING o.partition
  )
  SELECT coalesce(array_agg(partition), '{}') INTO accepted FROM updated;

  IF cardinality(produced_seq) > 0 THEN
    DELETE FROM outbox o
    USING unnest(produced_partition, produced_seq) AS p (partition, seq)
    WHERE o.partition = p.partition AND o.seq = p.seq AND p.partition = ANY (accepted);
  END IF;

  IF cardinality(removed_run_id) > 0 THEN
    DELETE FROM timers t
    USING unnest(removed_partition, removed_fire_at, removed_run_id) AS r (partition, fire_at, run_id)
    WHERE t.partition = r.partition AND t.fire_at = r.fire_at AND t.run_id = r.run_id AND r.partition = ANY (accepted);
  END IF;

  IF cardinality(finished_job_id) > 0 THEN
    UPDATE jobs j
    SET state = 'FINISHED', next_at = NULL, next_fire_at = NULL, updated_at = now_ms()
    FROM unnest(finished_partition, finished_tenant, finished_job_id) AS f (partition, tenant, job_id)
    WHERE j.tenant = f.tenant AND j.job_id = f.job_id AND j.state = 'SCHEDULED' AND f.partition = ANY (accepted);
  END IF;

  IF cardinality(job_job_id) > 0 THEN
    INSERT INTO jobs AS j (tenant, job_id, partition, state, version, spec, cancel_gen, anchor_at, next_at, next_fire_at, run_count,
                           tracked, active, buffered, recent_commands, paused_at, created_at, updated_at)
    SELECT n.*
    FROM unnest(job_tenant, job_job_id, job_partition, job_state, job_version, job_spec, job_cancel_gen, job_anchor_at, job_next_at,
                job_next_fire_at, job_run_count, job_tracked, job_active, job_buffered, job_recent_commands, job_paused_at,
                job_created_at, job_updated_at)
           AS n (tenant, job_id, partition, state, version, spec, cancel_gen, anchor_at, next_at, next_fire_at, run_count,
                 tracked, active, buffered, recent_commands, paused_at, created_at, updated_at)
    WHERE n.partition = ANY (accepted)
    ON CONFLICT (tenant, job_id) DO UPDATE
    SET partition = excluded.partition, state = excluded.state, version = excluded.version,
        -- A spec changes with its version alone; the stored one is kept, so that large payloads are not written at every fire.
        spec = CASE WHEN j.version = excluded.version THEN j.spec ELSE excluded.spec END,
        cancel_gen = excluded.cancel_gen, anchor_at = excluded.anchor_at, next_at = excluded.next_at,
        next_fire_at = excluded.next_fire_at, run_count = excluded.run_count, tracked = excluded.tracked,
        active = excluded.active, buffered = excluded.buffered, recent_commands = excluded.recent_commands,
        paused_at = excluded.paused_at, created_at = excluded.created_at, updated_at = excluded.updated_at;
  END IF;

  IF cardinality(timer_run_id) > 0 THEN
    INSERT INTO timers (partition, fire_at, run_id, kind, tenant, job_id, topic, due)
    SELECT n.*
    FROM unnest(timer_partition, timer_fire_at, timer_run_id, timer_kind, timer_tenant, timer_job_id, timer_topic, timer_due)
           AS n (partition, fire_at, run_id, kind, tenant, job_id, topic, due)
    WHERE n.partition = ANY (accepted)
    ON CONFLICT (partition, fire_at, run_id) DO UPDATE
    SET kind = excluded.kind, tenant = excluded.tenant, job_id = excluded.job_id, topic = excluded.topic, due = excluded.due;
  END IF;

  IF cardinality(run_run_id) > 0 THEN
    INSERT INTO runs (run_id, tenant, job_id, job_version, type, handler, queue, priority, status, trigger, cause, scheduled_for,
                      started_at, finished_at, attempt, token, lost, worker, result, result_truncated, error_code, error_message,
                      reason, count, from_at, to_at, replay_of, idempotency_key, labels, due)
    SELECT n.run_id, n.tenant, n.job_id, n.job_version, n.type, n.handler, n.queue, n.priority, n.status, n.trigger, n.cause,
           n.scheduled_for, n.started_at, n.finished_at, n.attempt, 0, 0, n.worker, n.result, n.result_truncated, n.error_code,
           n.error_message, n.reason, n.count, n.from_at, n.to_at, n.replay_of, n.idempotency_key, n.labels, n.due
    FROM unnest(run_partition, run_run_id, run_tenant, run_job_id, run_job_version, run_type, run_handler, run_queue, run_priority,
                run_status, run_trigger, run_cause, run_scheduled_for, run_started_at, run_finished_at, run_attempt, run_worker,
                run_result, run_result_truncated, run_error_code, run_error_message, run_reason, run_count, run_from_at, run_to_at,
                run_replay_of, run_idempotency_key, run_labels, run_due)
           AS n (partition, run_id, tenant, job_id, job_version, type, handler, queue, priority, status, trigger, cause,
                 scheduled_for, started_at, finished_at, attempt, worker, result, result_truncated, error_code, error_message,
                 reason, count, from_at, to_at, replay_of, idempotency_key, labels, due)
    WHERE n.partition = ANY (accepted)
    ON CONFLICT (run_id) DO NOTHING;
  END IF;

  IF cardinality(seen_command_id) > 0 THEN
    INSERT INTO seen_commands (tenant, job_id, command_id, seen_at)
    SELECT n.tenant, n.job_id, n.command_id, now_ms()
    FROM unnest(seen_partition, seen_tenant, seen_job_id, seen_command_id) AS n (partition, tenant, job_id, command_id)
    WHERE n.partition = ANY (accepted)
    ON CONFLICT (tenant, job_id, command_id) DO NOTHING;
  END IF;

  IF cardinality(replay_replay) > 0 THEN
    INSERT INTO replays (original, replay)
    SELECT n.original, n.replay
    FROM unnest(replay_partition, replay_original, replay_replay) AS n (partition, original, replay)
    WHERE n.partition = ANY (accepted)
    ON CONFLICT (original, replay) DO NOTHING;
  END IF;

  IF cardinality(step.outbox_seq) > 0 THEN
    INSERT INTO outbox (partition, seq, lane, body)
    SELECT n.*
    FROM unnest(step.outbox_partition, step.outbox_seq, step.outbox_lane, step.outbox_body) AS n (partition, seq, lane, body)
    WHERE n.partition = ANY (accepted);
  END IF;

  RETURN accepted;
END
$step$;
