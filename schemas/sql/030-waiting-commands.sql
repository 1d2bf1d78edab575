-- Commands that wait for jobs to be scheduled: a schedule that runs after jobs which are not there yet, and what was said of its job
-- behind it. Written by the step that reads them; removed by the step that applies or rejects them, seconds later. Times are milliseconds.
CREATE TABLE waiting_commands (
  partition  int    NOT NULL,
  seq        bigint NOT NULL,                  -- the order within the partition
  tenant     text   COLLATE "C" NOT NULL,
  job_id     text   COLLATE "C" NOT NULL,
  until      bigint NOT NULL,                  -- then it is decided as things are
  missing    text   NOT NULL,                  -- JSON: ids of the jobs that it waits for; of what stands behind, none
  origin     bigint NOT NULL,                  -- offset of the record where it was read
  sent_at    bigint NOT NULL,                  -- timestamp of the record
  body       bytea  NOT NULL,                  -- the record, as in `outbox`
  PRIMARY KEY (partition, seq)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX waiting_of_job ON waiting_commands (tenant, job_id);

-- In the statement of the steps: those of the partitions that it was accepted for.
CREATE FUNCTION keep_waiting(
  accepted int[], of_partition int[], of_seq bigint[], of_tenant text[], of_job_id text[], of_until bigint[], of_missing text[],
  of_origin bigint[], of_sent_at bigint[], of_body bytea[]
) RETURNS int LANGUAGE sql
BEGIN ATOMIC
  WITH kept AS (
    INSERT INTO waiting_commands (partition, seq, tenant, job_id, until, missing, origin, sent_at, body)
    SELECT n.* FROM unnest(of_partition, of_seq, of_tenant, of_job_id, of_until, of_missing, of_origin, of_sent_at, of_body)
      AS n (partition, seq, tenant, job_id, until, missing, origin, sent_at, body)
    WHERE n.partition = ANY (accepted)
    RETURNING 1
  )
  SELECT count(*)::int FROM kept;
END;

CREATE FUNCTION forget_waiting(accepted int[], of_partition int[], of_seq bigint[]) RETURNS int LANGUAGE sql
BEGIN ATOMIC
  WITH gone AS (
    DELETE FROM waiting_commands w
    USING unnest(of_partition, of_seq) AS a (partition, seq)
    WHERE w.partition = a.partition AND w.seq = a.seq AND a.partition = ANY (accepted)
    RETURNING 1
  )
  SELECT count(*)::int FROM gone;
END;
