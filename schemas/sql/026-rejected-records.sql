-- Which records were rejected, and why: an index of job.commands.rejected, so that nobody has to read that topic to find one.
-- Written by the step that rejects, and by others that find a record which nobody can apply; kept as long as that topic keeps its
-- records. Of the bytes only the beginning stands here: the topic that a record came from has all of them.
-- Times are milliseconds.
CREATE TABLE rejected_records (
  id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  origin_topic     text   COLLATE "C" NOT NULL,  -- `enqueued`: the table of that name, by its id
  origin_partition int    NOT NULL,
  origin_offset    bigint NOT NULL,
  tenant           text   COLLATE "C" NOT NULL,  -- '': it does not say, or says two
  job_id           text   COLLATE "C",           -- null, as command_id: it does not say
  command_id       text,
  code             text   NOT NULL,
  message          text   NOT NULL,
  rejected_at      bigint NOT NULL,
  key              bytea,                        -- the beginning of it; null: none
  size             int,                          -- bytes of its value; null: a tombstone
  excerpt          bytea,
  UNIQUE (origin_topic, origin_partition, origin_offset)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX rejected_of_tenant ON rejected_records (tenant, id);
CREATE INDEX rejected_of_job ON rejected_records (tenant, job_id, id) WHERE job_id IS NOT NULL;

-- Entries of the steps that were accepted, in the statement of those steps; each origin once. Of a tenant the latest `most` stay:
-- who sends nothing but garbage fills neither the disk nor anybody else's list. What another process removes is left to it.
CREATE FUNCTION index_rejected(
  accepted int[], of_partition int[], of_topic text[], of_offset bigint[], of_tenant text[], of_job_id text[], of_command_id text[],
  of_code text[], of_message text[], of_at bigint[], of_key bytea[], of_size int[], of_excerpt bytea[]
) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  most CONSTANT int := 1000;
  t text;
BEGIN
  INSERT INTO rejected_records (origin_topic, origin_partition, origin_offset, tenant, job_id, command_id, code, message,
                                rejected_at, key, size, excerpt)
  SELECT n.topic, n.partition, n.first_offset, n.tenant, n.job_id, n.command_id, n.code, n.message, n.at, n.key, n.size, n.excerpt
  FROM unnest(of_partition, of_topic, of_offset, of_tenant, of_job_id, of_command_id, of_code, of_message, of_at, of_key, of_size,
              of_excerpt) WITH ORDINALITY
    AS n (partition, topic, first_offset, tenant, job_id, command_id, code, message, at, key, size, excerpt, place)
  WHERE n.partition = ANY (accepted)
  ORDER BY n.place
  ON CONFLICT DO NOTHING;
  FOR t IN SELECT DISTINCT unnest(of_tenant) LOOP
    DELETE FROM rejected_records WHERE id = ANY (ARRAY(
      SELECT r.id FROM rejected_records r
      WHERE r.tenant = t AND r.id <= (SELECT l.id FROM rejected_records l WHERE l.tenant = t ORDER BY l.id DESC OFFSET most LIMIT 1)
      FOR UPDATE SKIP LOCKED));
  END LOOP;
END $$;
