-- Runs that wait under a limit end soon after their job is cancelled, not only when their turn comes.

-- Of a run of kind `waiting`: whose it is, and which cancels of its job it knew when it was decided.
ALTER TABLE parked
  ADD COLUMN tenant text COLLATE "C", ADD COLUMN job_id text COLLATE "C", ADD COLUMN cancel_gen int;
CREATE INDEX parked_waiting ON parked (tenant, job_id) WHERE kind = 'waiting';

-- As above, and notes of what waits whose it is.
CREATE FUNCTION admit_runs(
  me uuid, ids uuid[], attempts int[], nonces uuid[], tickets uuid[], are_parked boolean[], queues text[], priorities text[],
  handlers text[], dues text[], limit_owners int[], limit_names text[], limit_mosts int[], limit_seconds boolean[],
  tenants text[], job_ids text[], cancel_gens int[]
) RETURNS TABLE (run_id uuid, outcome text) LANGUAGE plpgsql
  SET search_path FROM CURRENT SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  RETURN QUERY SELECT * FROM admit_runs(
    me, ids, attempts, nonces, tickets, are_parked, queues, priorities, handlers, dues, limit_owners, limit_names, limit_mosts,
    limit_seconds);
  UPDATE parked p SET tenant = u.tenant, job_id = u.job_id, cancel_gen = u.cancel_gen
  FROM unnest(ids, attempts, tenants, job_ids, cancel_gens) u (id, attempt, tenant, job_id, cancel_gen)
  WHERE p.run_id = u.id AND p.kind = 'waiting' AND p.attempt = u.attempt;
END $$;

-- Those that wait in a queue although their job was cancelled: it looks at each job that has some, not at each run.
CREATE FUNCTION cancelled_waiting(of_queue text, up_to int) RETURNS SETOF uuid LANGUAGE plpgsql
  SET search_path FROM CURRENT SET enable_seqscan = off AS $$
DECLARE
  t text;
  j text;
  found_now int;
BEGIN
  SELECT p.tenant, p.job_id INTO t, j FROM parked p WHERE p.kind = 'waiting' ORDER BY p.tenant, p.job_id LIMIT 1;
  WHILE j IS NOT NULL AND up_to > 0 LOOP
    RETURN QUERY SELECT p.run_id FROM parked p
      WHERE p.kind = 'waiting' AND p.tenant = t AND p.job_id = j AND p.queue = of_queue
        AND p.cancel_gen < (SELECT jobs.cancel_gen FROM jobs WHERE jobs.tenant = t AND jobs.job_id = j)
      LIMIT up_to FOR UPDATE SKIP LOCKED;
    GET DIAGNOSTICS found_now = ROW_COUNT;
    up_to := up_to - found_now;
    SELECT p.tenant, p.job_id INTO t, j FROM parked p
    WHERE p.kind = 'waiting' AND (p.tenant, p.job_id) > (t, j) ORDER BY p.tenant, p.job_id LIMIT 1;
  END LOOP;
END $$;
