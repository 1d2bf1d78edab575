-- Chains: which job runs after which, and which ends of upstream runs have reached their downstream job.

-- An edge per upstream of a job that is SCHEDULED or PAUSED; written by the step of the downstream's owner that changes its
-- schedule, under the tenant's lock. Invariant: within a tenant the edges have no cycle. The race: two edits in different
-- partitions, neither of which sees the other's edge; the lock puts one after the other.
-- Read by upstream (does anybody wait for the end of this run?), and by downstream (all edges of a job are replaced at once).
CREATE TABLE edges (
  tenant     text COLLATE "C",
  upstream   text COLLATE "C",
  downstream text COLLATE "C",
  "when"     text NOT NULL CHECK ("when" IN ('success', 'failure', 'always')),
  PRIMARY KEY (tenant, upstream, downstream)
);
CREATE INDEX edges_downstream ON edges (tenant, downstream);

-- The end of an upstream's run, at the job that runs after it; written by that job's owner, kept as long as the history. The
-- key makes an end that is told again no second one, however long after. set_id is the downstream run that was decided from
-- it; without one it waits for the other upstreams, unless a later run of the same upstream took its place (superseded).
CREATE TABLE arrivals (
  tenant     text COLLATE "C",
  job_id     text COLLATE "C",
  run_id     uuid,
  upstream   text COLLATE "C" NOT NULL,
  anchor_at  bigint NOT NULL,
  set_id     uuid,
  superseded boolean NOT NULL,
  arrived_at bigint NOT NULL,
  PRIMARY KEY (tenant, job_id, run_id)
);
CREATE INDEX arrivals_waiting ON arrivals (tenant, job_id) WHERE set_id IS NULL AND NOT superseded;

-- Until the end of the statement no other step changes edges of these tenants. In order, so that two never wait for each other
-- in a circle; owners' rows are locked afterwards.
CREATE FUNCTION lock_edges(tenants text[]) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  name text;
BEGIN
  FOR name IN SELECT DISTINCT t COLLATE "C" FROM unnest(tenants) AS t ORDER BY 1 LOOP
    PERFORM pg_advisory_xact_lock(hashtextextended(current_schema() || ' edges ' || name, 0));
  END LOOP;
END $$;

-- The shortest way from a job along the edges back to it, in the order of running; null: there is none. Breadth first, each job
-- once: walking all paths (a recursive query that carries them) takes exponential time where a chain forks and joins again.
CREATE FUNCTION cycle_through(of_tenant text, start text) RETURNS text[] LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  jobs_met text[] := ARRAY[start];
  came_from int[] := ARRAY[0];
  at int := 1;
  back int;
  next text;
  way text[];
BEGIN
  WHILE at <= cardinality(jobs_met) LOOP
    FOR next IN SELECT e.downstream FROM edges e WHERE e.tenant = of_tenant AND e.upstream = jobs_met[at] ORDER BY 1 LOOP
      IF next = start THEN
        back := at;
        WHILE back > 0 LOOP
          way := jobs_met[back] || way;
          back := came_from[back];
        END LOOP;
        RETURN way;
      END IF;
      IF next <> ALL (jobs_met) THEN
        jobs_met := jobs_met || next;
        came_from := came_from || at;
      END IF;
    END LOOP;
    at := at + 1;
  END LOOP;
  RETURN NULL;
END $$;

-- What a step does to edges, in the same statement as the step and after it, so that jobs of the step are there.
-- `chain_` are the jobs whose edges are replaced, `edge_` all that they have now.
-- Edges that cannot be refuse the whole statement (SQLSTATE BF001, the reasons as JSON): nothing of it was applied.
CREATE FUNCTION write_edges(
  accepted int[],
  chain_partition int[], chain_tenant text[], chain_job_id text[],
  edge_partition int[], edge_tenant text[], edge_upstream text[], edge_downstream text[], edge_when text[]
) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  refused json;
BEGIN
  DELETE FROM edges e
  USING unnest(chain_partition, chain_tenant, chain_job_id) AS c (partition, tenant, job_id)
  WHERE e.tenant = c.tenant AND e.downstream = c.job_id AND c.partition = ANY (accepted);

  INSERT INTO edges (tenant, upstream, downstream, "when")
  SELECT n.tenant, n.upstream, n.downstream, n.condition
  FROM unnest(edge_partition, edge_tenant, edge_upstream, edge_downstream, edge_when)
    AS n (partition, tenant, upstream, downstream, condition)
  WHERE n.partition = ANY (accepted);

  WITH changed AS (
    SELECT c.tenant, c.job_id FROM unnest(chain_partition, chain_tenant, chain_job_id) AS c (partition, tenant, job_id)
    WHERE c.partition = ANY (accepted)
  ), problems AS (
    SELECT c.tenant, c.job_id, json_agg(e.upstream ORDER BY e.upstream) AS missing, NULL::text[] AS cycle
    FROM changed c JOIN edges e ON e.tenant = c.tenant AND e.downstream = c.job_id
    WHERE NOT EXISTS (SELECT FROM jobs j WHERE j.tenant = e.tenant AND j.job_id = e.upstream)
    GROUP BY c.tenant, c.job_id
    UNION ALL
    SELECT * FROM (SELECT c.tenant, c.job_id, NULL::json, cycle_through(c.tenant, c.job_id) AS cycle FROM changed c) x
    WHERE x.cycle IS NOT NULL
  )
  SELECT json_agg(p) INTO refused FROM problems p;
  IF refused IS NOT NULL THEN
    RAISE EXCEPTION 'edges refused' USING ERRCODE = 'BF001', DETAIL = refused::text;
  END IF;
END $$;

-- Ends of upstream runs that a step took in, and what it made of those that waited.
CREATE FUNCTION write_arrivals(
  accepted int[], arrival_partition int[], arrival_tenant text[], arrival_job_id text[], arrival_run_id uuid[],
  arrival_upstream text[], arrival_anchor_at bigint[], arrival_set_id uuid[], arrival_superseded boolean[]
) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO arrivals AS a (tenant, job_id, run_id, upstream, anchor_at, set_id, superseded, arrived_at)
  SELECT n.tenant, n.job_id, n.run_id, n.upstream, n.anchor_at, n.set_id, n.superseded, now_ms()
  FROM unnest(arrival_partition, arrival_tenant, arrival_job_id, arrival_run_id, arrival_upstream, arrival_anchor_at,
              arrival_set_id, arrival_superseded)
    AS n (partition, tenant, job_id, run_id, upstream, anchor_at, set_id, superseded)
  WHERE n.partition = ANY (accepted)
  ON CONFLICT (tenant, job_id, run_id) DO UPDATE SET set_id = excluded.set_id, superseded = excluded.superseded;
END $$;
