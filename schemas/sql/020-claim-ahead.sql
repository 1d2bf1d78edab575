-- Runs are claimed a little ahead of their time, and their executor waits for it: so a claim says when its runs are due, and
-- they start then, not before. Everything else of these two functions is as in 003-run-statements.sql, which says why.

DROP FUNCTION claim_runs(uuid, text, uuid[], text[], text[], int[], text[], text[], text[], text[], text[], text[], bigint[],
                         int[], uuid[], uuid[], text[], uuid[]);
DROP FUNCTION reclaim_runs(uuid, text, uuid[], int[], uuid[], bigint[], boolean[]);

CREATE FUNCTION claim_runs(
  me uuid, my_worker text, ids uuid[], tenants text[], job_ids text[], job_versions int[], types text[], handlers text[],
  queues text[], priorities text[], triggers text[], causes text[], scheduled bigint[], attempts int[], replays uuid[],
  idempotency_keys uuid[], label_maps text[], nonces uuid[], due_times bigint[]
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
           c.scheduled_for, greatest(moment, c.due_at), c.attempt, 1, me, c.nonce, my_worker, c.replay_of, c.idempotency_key, c.labels
    FROM unnest(ids, tenants, job_ids, job_versions, types, handlers, queues, priorities, triggers, causes, scheduled,
                attempts, replays, idempotency_keys, label_maps, nonces, due_times)
      AS c (run_id, tenant, job_id, job_version, type, handler, queue, priority, trigger, cause, scheduled_for,
            attempt, replay_of, idempotency_key, labels, nonce, due_at)
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

CREATE FUNCTION reclaim_runs(
  me uuid, my_worker text, ids uuid[], attempts int[], nonces uuid[], expected_tokens bigint[], lost_attempts boolean[],
  due_times bigint[]
) RETURNS SETOF run_state LANGUAGE plpgsql
  SET search_path FROM CURRENT SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  UPDATE runs r SET
    status = 'RUNNING', token = r.token + 1, attempt = c.attempt, lost = r.lost + c.lost_attempt::int,
    executor = me, nonce = c.nonce, worker = my_worker, started_at = greatest(now_ms(), c.due_at), retry_at = NULL,
    result = NULL, result_truncated = false, error_code = NULL, error_message = NULL, progress = NULL
  FROM unnest(ids, attempts, nonces, expected_tokens, lost_attempts, due_times)
    AS c (run_id, attempt, nonce, expected_token, lost_attempt, due_at)
  WHERE r.run_id = c.run_id AND r.token = c.expected_token
    AND EXISTS (SELECT FROM leases l WHERE l.executor = me AND NOT l.dead)
    AND CASE WHEN c.lost_attempt
          THEN r.status = 'RUNNING' AND NOT EXISTS (SELECT FROM leases l WHERE l.executor = r.executor AND NOT l.dead)
          ELSE r.status IN ('RETRYING', 'ENQUEUED') END;
  RETURN QUERY SELECT s.* FROM unnest(ids, nonces) AS c (run_id, nonce) JOIN run_state s USING (run_id)
    WHERE s.status = 'RUNNING' AND s.executor = me AND s.nonce = c.nonce;
END $$;
