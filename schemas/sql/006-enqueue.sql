-- Commands in the user's own transaction: SELECT belfry.enqueue('{"type":"schedule",…}') commits or rolls back with it.

-- Commands that are committed and not applied yet. Written by `enqueue` in anybody's transaction; read and removed by the owner of
-- the partition alone, in the statement that applies them: so each has its effect exactly once, whoever dies when.
-- A row that commits after one with a higher id is found all the same: nobody remembers how far he came, rows are there or not.
-- The key is the order of applying. Of one session, or of transactions of which one began after the other had committed, it is
-- the order of enqueuing.
CREATE TABLE enqueued (
  partition int,
  id bigint GENERATED ALWAYS AS IDENTITY,
  enqueued_at bigint NOT NULL,
  key text NOT NULL,
  command text NOT NULL,
  PRIMARY KEY (partition, id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- Kafka's default way from a key to a partition: murmur2 without its sign bit, in arithmetic modulo 2^32.
CREATE FUNCTION job_partition(key text, partitions int) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  m CONSTANT bigint := x'5bd1e995'::bigint;
  mask CONSTANT bigint := x'ffffffff'::bigint;
  bytes bytea := convert_to(key, 'UTF8');
  size int := length(bytes);
  whole int := size - size % 4;
  h bigint := x'9747b28c'::bigint # size;
  k bigint;
  i int := 0;
BEGIN
  WHILE i < whole LOOP
    k := get_byte(bytes, i) | (get_byte(bytes, i + 1) << 8) | (get_byte(bytes, i + 2) << 16) | (get_byte(bytes, i + 3)::bigint << 24);
    k := k * m & mask;
    k := (k # (k >> 24)) * m & mask;
    h := (h * m & mask) # k;
    i := i + 4;
  END LOOP;
  IF size > whole THEN
    FOR i IN REVERSE size - 1 .. whole LOOP
      h := h # (get_byte(bytes, i)::bigint << 8 * (i - whole));
    END LOOP;
    h := h * m & mask;
  END IF;
  h := (h # (h >> 13)) * m & mask;
  h := h # (h >> 15);
  RETURN (h & x'7fffffff'::bigint) % partitions;
END
$$;

-- Enqueues a command, as it would stand on job.commands; `commandId` may be left out. It is applied within milliseconds of the
-- commit, and not at all when the transaction rolls back. What cannot be a command is refused here and now (SQLSTATE 22023);
-- all else is judged when it is applied, and refused on job.commands.rejected like any other.
-- Its rights are its owner's, so that a role needs no more than USAGE of the schema and EXECUTE on this function. Who has
-- these may act for every tenant: nobody has them unless they are granted.
-- @returns the commandId
CREATE FUNCTION enqueue(command jsonb) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  tenant text := coalesce(command->>'tenant', 'default');
  -- An event's place is that of its name.
  name text := coalesce(command->>'jobId', command->>'event');
  command_id text := coalesce(command->>'commandId', gen_random_uuid()::text);
  refusal text;
  partition int;
BEGIN
  refusal := CASE
    WHEN jsonb_typeof(command) IS DISTINCT FROM 'object' THEN 'a command is a JSON object'
    WHEN coalesce(command->>'type', '') NOT IN ('schedule', 'cancel', 'pause', 'resume', 'trigger', 'replay', 'emit')
      THEN 'type must be schedule, cancel, pause, resume, trigger, replay or emit'
    WHEN tenant !~ '^[a-z0-9][a-z0-9-]{0,63}$' THEN 'tenant must be 1 to 64 lower-case letters, digits and hyphens, not beginning with a hyphen'
    WHEN name IS NULL THEN 'jobId is missing'
    WHEN command ? 'jobId' AND name !~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,199}$'
      THEN 'jobId must be 1 to 200 letters, digits and . _ : - characters, beginning with a letter or digit'
    WHEN command->>'type' = 'schedule' AND jsonb_typeof(command->'job'->'schedule') IS DISTINCT FROM 'object'
      THEN 'job must be an object with a schedule'
    WHEN length(command_id) NOT BETWEEN 1 AND 128 THEN 'commandId must have 1 to 128 characters'
    WHEN octet_length(command::text) > 512 * 1024 THEN 'a command has at most 524288 bytes'
  END;
  IF refusal IS NOT NULL THEN
    RAISE EXCEPTION 'belfry: %', refusal USING ERRCODE = 'invalid_parameter_value';
  END IF;
  INSERT INTO enqueued (partition, enqueued_at, key, command)
  SELECT job_partition(tenant || '/' || name, m.partitions), now_ms(), tenant || '/' || name,
         (command || jsonb_build_object('commandId', command_id))::text
  FROM meta m
  RETURNING enqueued.partition INTO STRICT partition;
  -- Wakes the owner at the commit; a notice that is lost costs a second.
  PERFORM pg_notify('belfry_enqueued', current_schema() || '/' || partition);
  RETURN command_id;
END
$$;

-- The owner's rights and search path: a table of the caller's own must not stand in for one of these.
DO $$
BEGIN
  EXECUTE format('ALTER FUNCTION enqueue(jsonb) SET search_path = %I, pg_temp', current_schema());
END
$$;
REVOKE ALL ON FUNCTION enqueue(jsonb) FROM PUBLIC;

-- Removes commands that a step has applied, in the statement of that step: those of the partitions that it was accepted for.
CREATE FUNCTION forget_enqueued(accepted int[], of_partition int[], of_id bigint[]) RETURNS int LANGUAGE sql
BEGIN ATOMIC
  WITH gone AS (
    DELETE FROM enqueued e
    USING unnest(of_partition, of_id) AS a (partition, id)
    WHERE e.partition = a.partition AND e.id = a.id AND a.partition = ANY (accepted)
    RETURNING 1
  )
  SELECT count(*)::int FROM gone;
END;
