-- Webhooks of tenants; written by people, through `belfry webhooks` and the API. Times are milliseconds of this database's clock.
-- Secrets are sealed with a key that is not in this database (AES-256-GCM, bound to tenant and id): whoever reads this table
-- can sign nothing, and whoever writes it can put no secret of another webhook in the place of one.
CREATE TABLE webhooks (
  tenant        text    COLLATE "C",
  id            text    COLLATE "C",
  url           text    NOT NULL,
  statuses      text[]  NOT NULL,
  jobs          text[]  NOT NULL,               -- empty: of all jobs; so with the handlers
  handlers      text[]  NOT NULL,
  labels        jsonb   NOT NULL,               -- all of them, on the run
  disabled      boolean NOT NULL,
  secret        text    NOT NULL,
  former_secret text,                           -- signed with, too, until former_until
  former_until  bigint,
  created_at    bigint  NOT NULL,
  updated_at    bigint  NOT NULL,
  PRIMARY KEY (tenant, id)
);
