/** What the HTTP API tells is read back as it was: the CLI prints the same, whichever way it asks. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RunDetail } from '../../services/core/ports/inspect.ts';
import { deadRunOf, jobOf, keyOf, outcomeOf, runDetailOf, runOf } from '../../services/core/read-resources.ts';
import { deadRunJson, jobJson, keyJson, outcomeJson, runDetailJson, runJson } from '../../services/core/resources.ts';
import { parseJobSpec } from '../../services/core/spec/parse-command.ts';
import { dead, detail, job, outcome, run, NOW } from './cli/support.ts';
import { dueRecord } from '../support/due.ts';

type Json = Record<string, unknown>;
const overHttp = (json: object): Json => JSON.parse(JSON.stringify(json)) as Json;

describe('resources', () => {
  it('jobs of every kind of schedule come back with all that is told of them', () => {
    const schedules = [
      { in: '5m' },
      { at: '2026-12-01T09:00:00Z' },
      { fixedDelay: '1h30m', startAt: '2026-12-01T09:00:00Z' },
      { cron: '0 9 * * MON', timezone: 'Europe/Paris', exclude: ['2026-12-25'], jitter: '10s', maxRuns: 3 },
    ];
    for (const schedule of schedules) {
      const spec = parseJobSpec(
        { type: 'CUSTOM', handler: 'h', payload: { deep: [null, 1] }, labels: { a: 'b' }, schedule },
        {
          ...{ allowInlineSecrets: true, topicPrefix: '', allowTopics: null },
        },
      );
      assert.ok(!('rejection' in spec));
      const active = [{ runId: 'r', since: 1 }];
      const stored = job({ spec, active, pausedAt: NOW, nextStartAt: null });
      const { partition: _p, nextFireAt: _f, cancelGen: _c, recentCommands: _r, appliedCommands: _a, ...told } = stored;
      assert.deepEqual(jobOf(overHttp(jobJson(stored))), { ...told, active: [{ runId: 'r' }] });
    }
  });

  it('runs, dead runs, outcomes and keys come back as they were', () => {
    const skipped = run({ from: NOW, to: NOW + 1, count: 2, retryAt: NOW, startedAt: null });
    assert.deepEqual(runOf(overHttp(runJson(skipped))), skipped);
    const gone = dead({ discarded: { at: NOW, note: 'n' }, replays: [{ runId: 'r', status: 'COMPLETED' }] });
    for (const each of [gone, dead()]) assert.deepEqual(deadRunOf(overHttp(deadRunJson(each))), each);
    const failed: RunDetail = detail({
      due: dueRecord({ jobId: 'report', scheduledFor: NOW }),
      discarded: { at: NOW, note: '' },
    });
    for (const each of [failed, detail()]) assert.deepEqual(runDetailOf(overHttp(runDetailJson(each))), each);
    for (const each of [outcome(), outcome({ startedAt: null, from: NOW, to: NOW })])
      assert.deepEqual(outcomeOf(overHttp(outcomeJson(each))), each);
    const key = { prefix: 'p', tenant: 't', name: 'n', scopes: ['read'] as const, createdAt: NOW };
    const used = { ...key, expiresAt: null, revokedAt: NOW, lastUsedAt: null };
    assert.deepEqual(keyOf(overHttp(keyJson(used))), used);
  });

  it('a job that was accepted before is told, though it would be refused today', () => {
    const headers = { 'X-A': '1', 'x-a': '2' };
    const written = { type: 'HTTP_REQUEST', payload: { url: 'https://example.com' }, schedule: { every: '5m' } };
    const spec = parseJobSpec(written, { allowInlineSecrets: true, topicPrefix: '', allowTopics: null });
    assert.ok(!('rejection' in spec));
    const kept = job({ spec: { ...spec, payload: { url: 'https://example.com', headers } } });
    assert.deepEqual(jobOf(overHttp(jobJson(kept))).spec, kept.spec);
  });

  it('a skipped run, whose row has no priority, is told with none: found by the fuzz', () => {
    const skipped = run({ status: 'SKIPPED', priority: '' as never });
    assert.equal((runJson(skipped) as { priority: unknown }).priority, null);
  });

  it('what is no such thing is an error that says what to do', () => {
    assert.throws(() => outcomeOf({ scheduledFor: 'soon' }), { code: 'api_unreadable', message: /API's version/ });
  });
});
