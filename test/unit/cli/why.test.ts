import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Circumstances } from '../../../services/core/why/facts.ts';
import { detail, FakeCli, job, NOW, RUN_ID } from './support.ts';

const circumstances: Circumstances = {
  ...{ now: NOW, owner: 'host:1', unproduced: 0, oldestTimerAt: null, timers: [], parked: null },
  ...{ executors: [], historyFrom: 0, arrived: [] },
};

function cliWith(parts: Partial<FakeCli['inspect']>): FakeCli {
  const cli = new FakeCli();
  cli.inspect = {
    job: async () => job(),
    runs: async () => [],
    skippedGroup: async () => undefined,
    circumstances: async () => circumstances,
    awaitedJobs: async () => undefined,
    ...parts,
  };
  return cli;
}

describe('belfry why', () => {
  it('tells of the latest run and of what comes next: the answer, how it came to it, what to do', async () => {
    const run = detail({ error: { code: 'timeout', message: 'too\nslow' } });
    const cli = cliWith({ runs: async () => [run], run: async () => run });
    assert.equal(await cli.run('why', 'report'), 0);
    assert.equal(
      cli.stdout,
      `report, 2026-01-01T11:59:00.000Z (1 m ago): FAILED
  It failed, at attempt 4: timeout: too slow.

  -                         accepted  version 1 of the job, which is at version 3 by now
  2026-01-01T11:59:00.000Z  due       by the schedule
  2026-01-01T11:59:01.000Z  started   attempt 4 on host:1
  2026-01-01T11:59:01.012Z  ended     FAILED, timeout: too slow

  run ${RUN_ID}

  → It took longer than its timeout: give the job a longer one, or make the work smaller. belfry dlq replay ${RUN_ID} runs it again, under the same idempotency key.

report, 2026-01-01T12:03:00.000Z (in 3 m): NOT DUE
  It is not due yet: it fires in 3m, at 2026-01-01T12:03:00.000Z.

  2026-01-01T12:00:00.000Z  created  the job, which is at version 3 now`,
    );
  });

  it('answers programs with one document, times in ISO 8601', async () => {
    const cli = cliWith({});
    assert.equal(await cli.run('why', 'report', '--at', '2026-01-01T12:03:00Z', '--json'), 0);
    const { stories } = cli.document<{ stories: { at: string; verdict: string }[] }>();
    assert.deepEqual(
      stories.map(({ at, verdict }) => [at, verdict]),
      [['2026-01-01T12:03:00.000Z', 'not_due']],
    );
  });
});
