-- The search for cycles looks at each job once in a step, and at a bounded number of them. The former one compared each job that it met
-- with all that it had met before: 10,000 jobs after one took 6.5 s, 20,000 the whole time that a statement may take.

-- Cycles through jobs whose edges have changed (there are no others), and jobs with too much before them to be looked through. It goes
-- against the edges, from a job to those that it runs after: their number is what people wrote, that of the jobs after it has no bound.
-- Depth first, so what stands before several of the jobs asked for is looked at once. `slots` is a hash table of the jobs met (open
-- addressing, at most half full): a job is found in constant time.
--
-- Answers each cycle in the order of running, from the job on, or `cut`: more than 10,000 jobs or 100,000 edges stand before the job (the
-- same numbers as in services/core/edges-refused.ts). More than 60,000 jobs in one step refuse it whole (SQLSTATE 54000): it is to be
-- tried in parts.
CREATE FUNCTION search_cycles(tenants text[], jobs text[]) RETURNS TABLE (tenant text, job_id text, cycle text[], cut boolean)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
#variable_conflict use_variable
DECLARE
  max_jobs CONSTANT int := 10000;
  max_edges CONSTANT int := 100000;
  max_of_step CONSTANT int := 60000;
  max_named CONSTANT int := 20000; -- of all cycles; the others are told the next time
  mask CONSTANT int := 131071;
  slots int[] := array_fill(0, ARRAY[mask + 1]);
  -- Of each job, by the number under which it was met. state: 0 met, 1 on the way from the source, 2 looked through.
  met text[] := '{}';
  state int[] := '{}';
  came_from int[] := '{}';
  jobs_met int := 0;
  met_before int;
  edges_seen int;
  named int := 0;
  -- Numbers of jobs to be looked at; a negative one ends the way through that job.
  stack int[];
  depth int;
  at int;
  back int;
  number int;
  slot int;
  next text;
BEGIN
  FOR source IN 1 .. coalesce(cardinality(jobs), 0) LOOP
    tenant := tenants[source];
    met_before := jobs_met;
    edges_seen := 0;
    at := 0;
    stack := ARRAY[0];
    depth := 0;
    LOOP
      -- At first the source itself, as if it stood before nothing.
      FOR next IN
        SELECT jobs[source] WHERE at = 0
        UNION ALL
        SELECT e.upstream FROM edges e WHERE at > 0 AND e.tenant = tenants[source] AND e.downstream = substr(met[at], length(tenants[source]) + 2)
      LOOP
        edges_seen := edges_seen + 1;
        slot := 1 + (hashtext(tenant || '/' || next) & mask);
        WHILE slots[slot] > 0 AND met[slots[slot]] <> tenant || '/' || next LOOP
          slot := 1 + (slot & mask);
        END LOOP;
        number := slots[slot];
        IF number = 0 THEN
          jobs_met := jobs_met + 1;
          number := jobs_met;
          slots[slot] := number;
          met[number] := tenant || '/' || next;
          state[number] := 0;
        END IF;
        IF state[number] = 0 THEN
          came_from[number] := at;
          depth := depth + 1;
          stack[depth] := number;
        ELSIF state[number] = 1 THEN
          cycle := ARRAY[next];
          back := at;
          WHILE back <> number LOOP
            cycle := cycle || substr(met[back], length(tenant) + 2);
            back := came_from[back];
          END LOOP;
          job_id := next;
          cut := false;
          RETURN NEXT;
          named := named + cardinality(cycle);
        END IF;
      END LOOP;
      IF jobs_met > max_of_step THEN
        RAISE EXCEPTION 'more than % jobs stand before those of one step', max_of_step USING ERRCODE = '54000';
      END IF;
      IF named > max_named THEN
        RETURN;
      END IF;
      IF jobs_met - met_before > max_jobs OR edges_seen > max_edges THEN
        job_id := jobs[source];
        cycle := NULL;
        cut := true;
        RETURN NEXT;
        RETURN; -- the jobs on the way are left as they are, so nothing more can be told
      END IF;
      LOOP
        EXIT WHEN depth = 0;
        at := stack[depth];
        depth := depth - 1;
        EXIT WHEN at > 0 AND state[at] = 0;
        IF at < 0 THEN
          state[-at] := 2;
        END IF;
        at := 0;
      END LOOP;
      EXIT WHEN at = 0;
      state[at] := 1;
      depth := depth + 1;
      stack[depth] := -at;
    END LOOP;
  END LOOP;
END $$;

-- Of a timer of the release before, should one ask it; without the bound of a step.
CREATE OR REPLACE FUNCTION cycle_through(of_tenant text, start text) RETURNS text[] LANGUAGE sql SET search_path FROM CURRENT
RETURN (SELECT s.cycle FROM search_cycles(ARRAY[of_tenant], ARRAY[start]) s WHERE NOT s.cut LIMIT 1);

-- As before, and a third problem: `cut`, a job with more before it than the search looks at. A timer of the release before takes it
-- for an upstream that is missing, and rejects the command, too.
CREATE OR REPLACE FUNCTION write_edges(
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
    SELECT c.tenant, c.job_id, json_agg(e.upstream ORDER BY e.upstream) AS missing, NULL::text[] AS cycle, false AS cut
    FROM changed c JOIN edges e ON e.tenant = c.tenant AND e.downstream = c.job_id
    WHERE NOT EXISTS (SELECT FROM jobs j WHERE j.tenant = e.tenant AND j.job_id = e.upstream)
    GROUP BY c.tenant, c.job_id
    UNION ALL
    SELECT s.tenant, s.job_id, NULL::json, s.cycle, s.cut
    FROM (SELECT array_agg(tenant) AS tenants, array_agg(job_id) AS jobs FROM changed) c
    CROSS JOIN LATERAL search_cycles(c.tenants, c.jobs) s
  )
  SELECT json_agg(p) INTO refused FROM problems p;
  IF refused IS NOT NULL THEN
    RAISE EXCEPTION 'edges refused' USING ERRCODE = 'BF001', DETAIL = refused::text;
  END IF;
END $$;
