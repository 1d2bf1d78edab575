-- Who changed what, and when. Appended by the step that applies a command, and with changes of quotas, keys and dead runs; never
-- updated; forgotten with the history. `changes` is JSON: fields with what they were and are, payloads as size and hash alone.
-- Times are milliseconds of this database's clock.
CREATE TABLE audit (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at         bigint NOT NULL,
  tenant     text   COLLATE "C" NOT NULL,
  job_id     text   COLLATE "C",                -- null: it is not of a job
  action     text   NOT NULL,
  actor_kind text   NOT NULL,                   -- key, kafka, sql, cli
  actor_id   text,                              -- of a key: its prefix
  actor_name text,
  command_id text,
  version    int,                               -- of the job, afterwards
  changes    text   NOT NULL
);
CREATE INDEX audit_tenant ON audit (tenant, id);
CREATE INDEX audit_job ON audit (tenant, job_id, id) WHERE job_id IS NOT NULL;

-- Entries of the steps that were accepted, in the statement of those steps, in the order of the arrays.
CREATE FUNCTION write_audit(
  accepted int[], of_partition int[], of_at bigint[], of_tenant text[], of_job_id text[], of_action text[], of_actor_kind text[],
  of_actor_id text[], of_actor_name text[], of_command_id text[], of_version int[], of_changes text[]
) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO audit (at, tenant, job_id, action, actor_kind, actor_id, actor_name, command_id, version, changes)
  SELECT n.at, n.tenant, n.job_id, n.action, n.actor_kind, n.actor_id, n.actor_name, n.command_id, n.version, n.changes
  FROM unnest(of_partition, of_at, of_tenant, of_job_id, of_action, of_actor_kind, of_actor_id, of_actor_name, of_command_id,
              of_version, of_changes) WITH ORDINALITY
    AS n (partition, at, tenant, job_id, action, actor_kind, actor_id, actor_name, command_id, version, changes, place)
  WHERE n.partition = ANY (accepted)
  ORDER BY n.place;
END $$;
