-- What an Idempotency-Key stood for first, so that it cannot stand for another request: written by the API before it sends the command,
-- forgotten after a day. Both are the beginning of a hash: of tenant and key, and of the request.
CREATE TABLE idempotency_keys (
  id          uuid   PRIMARY KEY,
  fingerprint uuid   NOT NULL,
  at          bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05);

-- Runs that somebody cancelled by themselves. Written by the step that applies the command; read by executors before they start a run
-- and with each heartbeat, as the cancel generation of its job is. Kept as long as the history.
CREATE TABLE cancelled_runs (
  run_id uuid   PRIMARY KEY,
  at     bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX cancelled_runs_at ON cancelled_runs (at);

-- Those of the steps that were accepted, in the statement of those steps.
CREATE FUNCTION cancel_runs(accepted int[], of_partition int[], of_run_id uuid[]) RETURNS void LANGUAGE plpgsql
  SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO cancelled_runs (run_id, at)
  SELECT c.run_id, now_ms() FROM unnest(of_partition, of_run_id) AS c (partition, run_id)
  WHERE c.partition = ANY (accepted)
  ON CONFLICT DO NOTHING;
END $$;

-- Runs of a queue that nobody has in hand although they were cancelled: executors end them. Only what was cancelled lately is looked
-- for; of an older one it is found when its turn comes.
CREATE FUNCTION cancelled_parked(of_queue text, up_to int) RETURNS SETOF uuid LANGUAGE plpgsql
  SET search_path FROM CURRENT SET enable_seqscan = off AS $$
BEGIN
  RETURN QUERY SELECT p.run_id FROM cancelled_runs c JOIN parked p ON p.run_id = c.run_id
    WHERE c.at > now_ms() - 600000 AND p.kind IN ('waiting', 'handed_over') AND p.queue = of_queue
    LIMIT up_to FOR UPDATE OF p SKIP LOCKED;
END $$;
