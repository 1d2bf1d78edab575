-- Which releases of Belfry work on this deployment.

-- Services say that they live, and what they know. Those of the release before this table do not: they show in `leases` and `owners`.
CREATE TABLE services (
  id uuid PRIMARY KEY,
  kind text NOT NULL,             -- timer, executor, api
  name text NOT NULL,             -- host:pid, which leases.worker is and owners.instance begins with
  release text NOT NULL,          -- the version of the package
  schema_version int NOT NULL,    -- number of the last SQL file that it brings
  started_at bigint NOT NULL DEFAULT now_ms(),
  seen_at bigint NOT NULL DEFAULT now_ms()
);

-- Services that bring less than this do not start; a migration raises it when it takes something away that they need.
ALTER TABLE meta ADD COLUMN oldest_services int NOT NULL DEFAULT 21;
