-- Keys of the HTTP API; written by people, through `belfry keys` and the API. Times are milliseconds of this database's clock.
-- The secret is nowhere: whoever reads this table can act for nobody. Revoked ones stay, so that a list tells what they were.
CREATE TABLE api_keys (
  prefix       text   COLLATE "C" PRIMARY KEY,
  hash         bytea  NOT NULL,             -- SHA-256 of the secret, which is 256 random bits
  tenant       text   COLLATE "C" NOT NULL,
  name         text   NOT NULL,
  scopes       text[] NOT NULL,
  created_at   bigint NOT NULL,
  expires_at   bigint,
  revoked_at   bigint,
  last_used_at bigint
);
