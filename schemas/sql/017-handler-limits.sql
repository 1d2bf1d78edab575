-- How many runs of a handler a tenant may have under way at one time, by the handler's name: {"send-mail": 5}. Their places stand under
-- `handler/<tenant>/<handler>`.
ALTER TABLE tenants ADD COLUMN handler_runs jsonb;
