-- Which job listens to which event. Written by the step that changes the job, so that it holds whatever the job holds; read by the
-- owner of the event's partition. A job listens to one event at the most, and only while it is SCHEDULED or PAUSED.
-- The order of job ids is the order in which an event reaches its jobs, one part at a time.
CREATE TABLE subscriptions (
  tenant text COLLATE "C",
  job_id text COLLATE "C",
  event  text COLLATE "C" NOT NULL,
  filter text,
  PRIMARY KEY (tenant, job_id)
);
CREATE INDEX subscriptions_event ON subscriptions (tenant, event, job_id);

-- What the jobs of a step listen to from now on (null: to nothing), in the statement of that step: those of the partitions that it was
-- accepted for. Their owners are the only writers.
CREATE FUNCTION subscribe(accepted int[], of_partition int[], of_tenant text[], of_job_id text[], of_event text[], of_filter text[])
RETURNS int LANGUAGE sql
BEGIN ATOMIC
  WITH wanted AS (
    SELECT n.tenant, n.job_id, n.event, n.filter
    FROM unnest(of_partition, of_tenant, of_job_id, of_event, of_filter) AS n (partition, tenant, job_id, event, filter)
    WHERE n.partition = ANY (accepted)
  ), gone AS (
    DELETE FROM subscriptions s USING wanted w WHERE s.tenant = w.tenant AND s.job_id = w.job_id AND w.event IS NULL RETURNING 1
  ), kept AS (
    INSERT INTO subscriptions (tenant, job_id, event, filter)
    SELECT w.tenant, w.job_id, w.event, w.filter FROM wanted w WHERE w.event IS NOT NULL
    ON CONFLICT (tenant, job_id) DO UPDATE SET event = excluded.event, filter = excluded.filter
    RETURNING 1
  )
  SELECT ((SELECT count(*) FROM gone) + (SELECT count(*) FROM kept))::int;
END;
