/** The HTTP API, through real HTTP, Kafka and PostgreSQL: all on one deployment, each with jobs or a tenant of its own. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { accessOverHttp } from './http-api/access.ts';
import { jobsOverHttp } from './http-api/jobs.ts';
import { runsOverHttp } from './http-api/runs.ts';
import { ApiStage } from './http-api/stage.ts';

describe('the HTTP API', { timeout: 180_000 }, () => {
  const stage = new ApiStage();
  before(() => stage.up());
  after(() => stage.belfry.destroy());

  jobsOverHttp(stage);
  runsOverHttp(stage);
  accessOverHttp(stage);

  it('the document describes every route, and these tests have asked them all', () => {
    assert.match(stage.api.document.openapi, /^3\.1\./);
    const all = Object.entries(stage.api.document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    assert.deepEqual(
      all.filter((operation) => !stage.api.asked.has(operation)),
      [],
    );
  });

  it('shows its documents without help from elsewhere', async () => {
    const page = await fetch(`${stage.api.url}/docs`);
    const html = await page.text();
    assert.equal(page.status, 200);
    assert.doesNotMatch(html, /(?:src|href)="(?:https?:)?\/\//);
    for (const path of ['/healthz', '/readyz']) assert.equal((await fetch(stage.api.url + path)).status, 200);
    assert.match(await stage.service.metrics(), /belfry_api_request_duration_seconds_count\{[^}]*route="\/api\/jobs"/);
  });
});
