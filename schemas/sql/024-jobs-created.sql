-- Lists of a tenant's jobs by the time at which they were made, a page at a time. That time never changes, so updates of jobs still
-- change no indexed column (HOT).
CREATE INDEX jobs_created ON jobs (tenant, created_at, job_id);
