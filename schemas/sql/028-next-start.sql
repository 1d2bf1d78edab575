-- When the next run of a job starts, where that is not when its timer strikes: the occurrences in between are excluded, or what
-- strikes is the end of a job that listens to events (then null: no run is known). It holds as long as the timer that it was
-- written with: `next_start_of` is that timer's time. So whoever changes the job without knowing of these columns ends it.
ALTER TABLE jobs ADD COLUMN next_start_at bigint, ADD COLUMN next_start_of bigint;

-- In the statement of the step that wrote the jobs: those of the partitions that it was accepted for.
CREATE FUNCTION write_next_starts(
  accepted int[], of_partition int[], of_tenant text[], of_job_id text[], of_start_at bigint[], of_fire_at bigint[]
) RETURNS int LANGUAGE sql
BEGIN ATOMIC
  WITH written AS (
    UPDATE jobs j
    SET next_start_at = n.start_at, next_start_of = n.fire_at
    FROM unnest(of_partition, of_tenant, of_job_id, of_start_at, of_fire_at) AS n (partition, tenant, job_id, start_at, fire_at)
    WHERE n.partition = ANY (accepted) AND j.tenant = n.tenant AND j.job_id = n.job_id AND j.next_fire_at = n.fire_at
    RETURNING 1
  )
  SELECT count(*)::int FROM written;
END;
