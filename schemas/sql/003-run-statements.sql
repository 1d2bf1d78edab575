-- The executors' statements on runs, one round trip for a batch: columns come as arrays, sorted by run id, so that two batches
-- that share runs cannot deadlock.
--
-- They are functions since each of their statements sees what was committed before *it*: after waiting for somebody else's
-- insert or update of the same run, a single statement would still read the rows as they were when it began.
-- The planner is told to use the indexes, since it knows nothing of a day that has just begun.

-- Inserts a run RUNNING under the lease `me` for every id that has no row. Answers a head, then the rows of those that were
-- there before. The head's run_id is null, its started_at the moment of starting, its token the number of rows inserted.
-- Answers nothing when the lease is dead.
-- Whoever was just inserted has a live lease and is parked by nobody that matters: the usual batch looks nothing up.
CREATE FUNCTION claim_runs(
  me uuid, my_worker text, ids uuid[], tenants text[], job_ids text[], job_versions int[], types text[], handlers text[],
  queues text[], priorities text[], triggers text[], causes text[], scheduled bigint[], attempts int[], replays uuid[],
  idempotency_keys uuid[], label_maps text[], nonces uuid[]
) RETURNS SETOF run_state LANGUAGE plpgsql
  SET search_path FROM CURRENT SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  moment constant bigint := now_ms();
  inserted uuid[];
  head run_state;
BEGIN
  IF NOT EXISTS (SELECT FROM leases l WHERE l.executor = me AND NOT l.dead) THEN RETURN; END IF;
  WITH fresh AS (
    INSERT INTO runs (run_id, tenant, job_id, job_version, type, handler, queue, priority, status, trigger, cause,
                      scheduled_for, started_at, attempt, token, executor, nonce, worker, replay_of, idempotency_key, labels)
    SELECT c.run_id, c.tenant, c.job_id, c.job_version, c.type, c.handler, c.queue, c.priority, 'RUNNING', c.trigger, c.cause,
           c.scheduled_for, moment, c.attempt, 1, me, c.nonce, my_worker, c.replay_of, c.idempotency_key, c.labels
    FROM unnest(ids, tenants, job_ids, job_versions, types, handlers, queues, priorities, triggers, causes, scheduled,
                attempts, replays, idempotency_keys, label_maps, nonces)
      AS c (run_id, tenant, job_id, job_version, type, handler, queue, priority, trigger, cause, scheduled_for,
            attempt, replay_of, idempotency_key, labels, nonce)
    ON CONFLICT (run_id) DO NOTHING
    RETURNING run_id)
  SELECT coalesce(array_agg(run_id), '{}') INTO inserted FROM fresh;
  head.started_at := moment;
  head.token := cardinality(inserted);
  RETURN NEXT head;
  IF cardinality(inserted) < cardinality(ids) THEN
    RETURN QUERY SELECT s.* FROM unnest(ids) AS c (run_id) JOIN run_state s USING (run_id) WHERE c.run_id <> ALL (inserted);
  END IF;
END $$;

-- Compare-and-set of runs that wait (RETRYING, ENQUEUED) or whose worker is lost (RUNNING under a dead lease).
-- Answers the runs that are this claim's now, by this call or by an earlier one whose answer was lost.
CREATE FUNCTION reclaim_runs(
  me uuid, my_worker text, ids uuid[], attempts int[], nonces uuid[], expected_tokens bigint[], lost_attempts boolean[]
) RETURNS SETOF run_state LANGUAGE plpgsql
  SET search_path FROM CURRENT SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  UPDATE runs r SET
    status = 'RUNNING', token = r.token + 1, attempt = c.attempt, lost = r.lost + c.lost_attempt::int,
    executor = me, nonce = c.nonce, worker = my_worker, started_at = now_ms(), retry_at = NULL,
    result = NULL, result_truncated = false, error_code = NULL, error_message = NULL, progress = NULL
  FROM unnest(ids, attempts, nonces, expected_tokens, lost_attempts) AS c (run_id, attempt, nonce, expected_token, lost_attempt)
  WHERE r.run_id = c.run_id AND r.token = c.expected_token
    AND EXISTS (SELECT FROM leases l WHERE l.executor = me AND NOT l.dead)
    AND CASE WHEN c.lost_attempt
          THEN r.status = 'RUNNING' AND NOT EXISTS (SELECT FROM leases l WHERE l.executor = r.executor AND NOT l.dead)
          ELSE r.status IN ('RETRYING', 'ENQUEUED') END;
  RETURN QUERY SELECT s.* FROM unnest(ids, nonces) AS c (run_id, nonce) JOIN run_state s USING (run_id)
    WHERE s.status = 'RUNNING' AND s.executor = me AND s.nonce = c.nonce;
END $$;

-- Writes what came of runs. The token fences: it is right only for whoever claimed last, and only while RUNNING; and the lease
-- must not have been marked dead. Answers what took effect; a run that an earlier call settled in just this way is answered too
-- (perhaps twice), since that call's answer may have been lost. finished_at answers the end of the attempt.
CREATE FUNCTION settle_runs(
  me uuid, ids uuid[], tokens bigint[], statuses text[], attempts int[], retry_ins bigint[], results text[],
  truncated boolean[], error_codes text[], error_messages text[], dues text[]
) RETURNS TABLE (run_id uuid, started_at bigint, finished_at bigint, retry_at bigint, parked boolean) LANGUAGE plpgsql
  SET search_path FROM CURRENT SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
  moment constant bigint := now_ms();
  settled int;
BEGIN
  RETURN QUERY
  UPDATE runs r SET
    status = s.status, attempt = s.attempt,
    finished_at = CASE WHEN s.status IN ('COMPLETED', 'FAILED', 'CANCELLED') THEN moment END,
    retry_at = CASE WHEN s.status = 'RETRYING' THEN moment + s.retry_in END,
    executor = CASE WHEN s.status = 'ENQUEUED' THEN NULL ELSE me END,
    result = s.result, result_truncated = s.truncated, error_code = s.error_code, error_message = s.error_message, due = s.due
  FROM unnest(ids, tokens, statuses, attempts, retry_ins, results, truncated, error_codes, error_messages, dues)
    AS s (run_id, token, status, attempt, retry_in, result, truncated, error_code, error_message, due)
  WHERE r.run_id = s.run_id AND r.token = s.token AND r.executor = me AND r.status = 'RUNNING'
    AND EXISTS (SELECT FROM leases l WHERE l.executor = me AND NOT l.dead)
  RETURNING r.run_id, r.started_at, moment, r.retry_at, EXISTS (SELECT FROM parked p WHERE p.run_id = r.run_id);
  GET DIAGNOSTICS settled = ROW_COUNT;
  IF settled < cardinality(ids) THEN
    RETURN QUERY
    SELECT r.run_id, r.started_at, coalesce(r.finished_at, r.retry_at - s.retry_in, moment), r.retry_at,
           EXISTS (SELECT FROM parked p WHERE p.run_id = r.run_id)
    FROM unnest(ids, tokens, statuses, attempts, retry_ins) AS s (run_id, token, status, attempt, retry_in)
    JOIN runs r ON r.run_id = s.run_id
    WHERE r.token = s.token AND r.status = s.status AND r.attempt = s.attempt AND r.executor IS NOT DISTINCT FROM
          CASE WHEN s.status = 'ENQUEUED' THEN NULL ELSE me END;
  END IF;
END $$;

-- What running runs tell of themselves; fenced like settling.
CREATE FUNCTION note_progress(me uuid, ids uuid[], tokens bigint[], notes text[]) RETURNS void LANGUAGE plpgsql
  SET search_path FROM CURRENT SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  UPDATE runs r SET progress = n.progress
  FROM unnest(ids, tokens, notes) AS n (run_id, token, progress)
  WHERE r.run_id = n.run_id AND r.token = n.token AND r.executor = me AND r.status = 'RUNNING'
    AND EXISTS (SELECT FROM leases l WHERE l.executor = me AND NOT l.dead);
END $$;
