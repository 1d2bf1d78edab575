-- Limits that hold over the whole deployment: how many runs of a name may run at one time, or start within a second.
-- Times are milliseconds of this database's clock.

-- A place that a run has under a limit: written by executors before they claim, removed when the handler has let go of its
-- slot. It counts while the lease of its executor is not marked dead, so a crash frees it with the runs themselves.
-- The key admits a run once under a name; `ticket` is new with every admission, so that a removal that comes late removes
-- nothing but what it was meant for. Who counts the places of a name holds that name's lock (lock_limits) until it commits.
CREATE TABLE places (
  name       text   COLLATE "C",
  run_id     uuid,
  executor   uuid   NOT NULL,
  ticket     uuid   NOT NULL,
  expires_at bigint,                            -- of a limit per second: counts until then, whatever becomes of the run
  PRIMARY KEY (name, run_id)
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);
CREATE INDEX places_ticket ON places (ticket);

-- A parked run of kind `waiting` waits under this name; it keeps it when it is woken, until it has its place.
ALTER TABLE parked ADD COLUMN limit_name text COLLATE "C", ADD COLUMN most int;
CREATE INDEX parked_limit ON parked (limit_name, run_id) WHERE limit_name IS NOT NULL;

-- One order for all, so that two callers with several names cannot deadlock.
CREATE FUNCTION lock_limits(names text[]) RETURNS void LANGUAGE plpgsql
  SET search_path FROM CURRENT AS $$
DECLARE
  key bigint;
BEGIN
  FOR key IN SELECT DISTINCT hashtextextended(current_schema() || '/' || n, 0) FROM unnest(names) n ORDER BY 1 LOOP
    PERFORM pg_advisory_xact_lock(key);
  END LOOP;
END $$;

-- How many places of the name are taken. Those of the dead, and of seconds that are over, go.
CREATE FUNCTION taken_places(of_name text) RETURNS int LANGUAGE plpgsql
  SET search_path FROM CURRENT AS $$
BEGIN
  DELETE FROM places p WHERE p.name = of_name AND CASE WHEN p.expires_at IS NULL
    THEN NOT EXISTS (SELECT FROM leases l WHERE l.executor = p.executor AND NOT l.dead)
    ELSE p.expires_at <= now_ms() END;
  RETURN (SELECT count(*) FROM places p WHERE p.name = of_name);
END $$;

-- How many that wait under the name go before this run, counted up to `up_to`: those that wait, and those just woken that
-- have no place yet (for some seconds only: perhaps nobody has their handler).
CREATE FUNCTION waiting_before(of_name text, of_run uuid, up_to int) RETURNS int LANGUAGE sql
  SET search_path FROM CURRENT
RETURN (
  SELECT count(*) FROM (
    SELECT FROM parked p
    WHERE p.limit_name = of_name AND (of_run IS NULL OR p.run_id < of_run)
      AND (p.kind = 'waiting' AND of_run IS NOT NULL
           OR p.kind <> 'waiting' AND p.parked_at > now_ms() - 5000)
    LIMIT greatest(up_to, 0)) s);

-- Decides for each run whether it may start, in the order of the arrays; the limits of run i are those with owner = i.
-- Answers `placed` (it has its places), `known` (its row tells what to do, without starting it), `held` (somebody else is about to
-- start it: ask again) or `waits` (it is parked now, in this same statement: whoever frees a place afterwards finds it).
CREATE FUNCTION admit_runs(
  me uuid, ids uuid[], attempts int[], nonces uuid[], tickets uuid[], are_parked boolean[], queues text[], priorities text[],
  handlers text[], dues text[], limit_owners int[], limit_names text[], limit_mosts int[], limit_seconds boolean[]
) RETURNS TABLE (run_id uuid, outcome text) LANGUAGE plpgsql
  SET search_path FROM CURRENT SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
  i int;
  l record;
  room int;
  full_name text;
  full_most int;
BEGIN
  IF NOT EXISTS (SELECT FROM leases WHERE executor = me AND NOT dead) THEN RETURN; END IF;
  PERFORM lock_limits(limit_names);
  FOR i IN 1 .. cardinality(ids) LOOP
    admit_runs.run_id := ids[i];
    IF EXISTS (SELECT FROM run_state s WHERE s.run_id = ids[i]
               AND (s.status IN ('COMPLETED', 'FAILED', 'CANCELLED', 'SKIPPED') OR s.attempt > attempts[i]
                    OR s.status = 'RUNNING' AND s.lease_alive AND (s.executor <> me OR s.nonce <> nonces[i]))) THEN
      outcome := 'known';
      RETURN NEXT;
      CONTINUE;
    END IF;
    IF EXISTS (SELECT FROM places p JOIN leases o ON o.executor = p.executor AND NOT o.dead
               WHERE p.run_id = ids[i] AND p.executor <> me AND p.expires_at IS NULL AND p.name = ANY (limit_names)) THEN
      outcome := 'held';
      RETURN NEXT;
      CONTINUE;
    END IF;
    full_name := NULL;
    FOR l IN SELECT n, most FROM unnest(limit_owners, limit_names, limit_mosts) AS u (owner, n, most) WHERE owner = i ORDER BY n LOOP
      CONTINUE WHEN EXISTS (SELECT FROM places p WHERE p.name = l.n AND p.run_id = ids[i]
                              AND (p.executor = me AND p.expires_at IS NULL OR p.ticket = tickets[i]));
      room := l.most - taken_places(l.n);
      IF room <= 0 OR waiting_before(l.n, ids[i], room) >= room THEN
        full_name := l.n;
        full_most := l.most;
        EXIT;
      END IF;
    END LOOP;
    IF full_name IS NULL THEN
      INSERT INTO places AS p (name, run_id, executor, ticket, expires_at)
      SELECT n, ids[i], me, tickets[i], CASE WHEN per_second THEN now_ms() + 1000 END
      FROM unnest(limit_owners, limit_names, limit_seconds) AS u (owner, n, per_second) WHERE owner = i
      ON CONFLICT (name, run_id) DO UPDATE SET executor = excluded.executor, ticket = excluded.ticket, expires_at = excluded.expires_at;
      -- It waits no more. The row stays: who let its record go relies on it, also when a frozen owner of the partition, whose offset
      -- holds nothing any more, comes by with the same record.
      UPDATE parked p SET
        limit_name = NULL, most = NULL,
        kind = CASE WHEN are_parked[i] OR p.kind = 'detached' THEN 'detached' ELSE 'handed_over' END,
        executor = CASE WHEN p.kind = 'detached' THEN p.executor WHEN are_parked[i] THEN me END
      WHERE p.run_id = ids[i] AND p.attempt = attempts[i];
      outcome := 'placed';
    ELSE
      INSERT INTO parked AS p (run_id, attempt, kind, executor, queue, priority, handler, due, parked_at, limit_name, most)
      VALUES (ids[i], attempts[i], 'waiting', NULL, queues[i], priorities[i], handlers[i], dues[i], now_ms(), full_name, full_most)
      ON CONFLICT (run_id) DO UPDATE SET
        attempt = excluded.attempt, kind = excluded.kind, executor = NULL, queue = excluded.queue, priority = excluded.priority,
        handler = excluded.handler, due = excluded.due, limit_name = excluded.limit_name, most = excluded.most,
        parked_at = CASE WHEN p.kind = 'waiting' AND p.attempt = excluded.attempt THEN p.parked_at ELSE excluded.parked_at END
      WHERE p.attempt <= excluded.attempt;
      outcome := 'waits';
    END IF;
    RETURN NEXT;
  END LOOP;
END $$;

-- Wakes those that have waited longest under the name, as many as there are places; its lock must be held.
CREATE FUNCTION wake_under(of_name text) RETURNS int LANGUAGE plpgsql
  SET search_path FROM CURRENT AS $$
DECLARE
  used int := taken_places(of_name) + waiting_before(of_name, NULL, 100000);
  woken int := 0;
  r record;
BEGIN
  FOR r IN SELECT p.run_id, p.most FROM parked p WHERE p.limit_name = of_name AND p.kind = 'waiting' ORDER BY p.run_id LOOP
    EXIT WHEN used + woken >= r.most;
    UPDATE parked SET kind = 'handed_over', parked_at = now_ms() WHERE run_id = r.run_id AND kind = 'waiting';
    woken := woken + 1;
  END LOOP;
  RETURN woken;
END $$;

-- Gives places back, and wakes who waits for them; answers how many were woken.
CREATE FUNCTION leave_places(gone uuid[]) RETURNS int LANGUAGE plpgsql
  SET search_path FROM CURRENT SET enable_seqscan = off AS $$
DECLARE
  names text[] := ARRAY (SELECT DISTINCT name FROM places WHERE ticket = ANY (gone) AND expires_at IS NULL ORDER BY 1);
BEGIN
  PERFORM lock_limits(names);
  DELETE FROM places WHERE ticket = ANY (gone) AND expires_at IS NULL;
  RETURN coalesce((SELECT sum(wake_under(n)) FROM unnest(names) n), 0);
END $$;

-- Wakes under every name that somebody waits under and that has room: places that came free with a lease, or with the end of
-- a second. A name that somebody else has locked is being seen to. Of the locks few are taken, since few names have room.
CREATE FUNCTION wake_waiting() RETURNS int LANGUAGE plpgsql
  SET search_path FROM CURRENT SET enable_seqscan = off AS $$
DECLARE
  woken int := 0;
  n text := (SELECT min(limit_name) FROM parked WHERE limit_name IS NOT NULL);
BEGIN
  WHILE n IS NOT NULL LOOP
    IF (SELECT count(*) FROM places p WHERE p.name = n AND CASE WHEN p.expires_at IS NULL
          THEN EXISTS (SELECT FROM leases l WHERE l.executor = p.executor AND NOT l.dead) ELSE p.expires_at > now_ms() END)
       < (SELECT p.most FROM parked p WHERE p.limit_name = n AND p.kind = 'waiting' ORDER BY p.run_id LIMIT 1)
       AND pg_try_advisory_xact_lock(hashtextextended(current_schema() || '/' || n, 0)) THEN
      woken := woken + wake_under(n);
    END IF;
    EXIT WHEN woken > 1000;
    n := (SELECT min(limit_name) FROM parked WHERE limit_name > n);
  END LOOP;
  RETURN woken;
END $$;

-- What a tenant may have and do; written by people, through `belfry tenants` and the API. One without a row, and whatever is
-- null here, has no limits beyond those of the contract.
CREATE TABLE tenants (
  tenant          text   COLLATE "C" PRIMARY KEY,
  jobs            int,                          -- SCHEDULED and PAUSED ones
  runs_per_second int,
  concurrent_runs int,
  payload_bytes   int,                          -- of a job's or a trigger's payload, as JSON
  min_interval_ms bigint,                       -- between two occurrences of a job
  history_days    int,
  queue           text,                         -- all of its runs go there, and nowhere else
  updated_at      bigint NOT NULL
);
