-- Finds the few jobs that `belfry apply` made among millions: their spec has its label. A spec is text, so this looks for the
-- label's text: cheap at every insert, and what has it elsewhere (in a payload) is sorted out by whoever reads. A spec
-- changes with its version alone, so jobs' other updates stay HOT.
CREATE INDEX jobs_managed ON jobs (tenant, job_id) WHERE strpos(spec, '"belfry.managed-by":"') > 0;
