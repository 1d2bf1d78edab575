/** The story that `belfry why` tells, line by line. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AppliedCommand, Job } from '../../../services/core/model.ts';
import type { Facts } from '../../../services/core/why/facts.ts';
import { tell } from '../../../services/core/why/why.ts';
import { detail, NOW } from '../cli/support.ts';
import { HOUR, MINUTE } from '../occurrences/schedules.ts';
import { APPLIED, facts, open, refused, undecided } from './facts.ts';

const texts = (known: Facts): string[] => tell(known).lines.map(({ what, text }) => `${what} ${text}`);

test('the story begins with the command that made the job what it is, and where it stands', () => {
  assert.equal(
    texts(facts({ job: open, at: NOW + HOUR }))[0],
    'accepted version 3 of the job, by command c-1 (job.commands, partition 0, offset 120)',
  );
  const enqueued = { ...open, appliedCommands: [{ ...APPLIED, offset: null }] };
  assert.match(texts(facts({ job: enqueued }))[0]!, /by command c-1 \(enqueued in a transaction\)$/);
  const formerly = facts({ job: open, run: detail({ jobVersion: 2 }) });
  assert.match(texts(formerly)[0]!, /version 2 of the job, which is at version 3 by now/);
});

test('who paused a job is told by the command', () => {
  const pause: AppliedCommand = { type: 'pause', commandId: 'c-2', at: NOW - MINUTE, offset: '121' };
  const paused: Job = { ...undecided, state: 'PAUSED', pausedAt: pause.at, appliedCommands: [APPLIED, pause] };
  assert.match(texts(facts({ job: paused }))[1]!, /^pause by command c-2/);
});

test('a run tells its attempts, its end and what repeats it', () => {
  const failure = {
    attempt: 1,
    startedAt: NOW,
    finishedAt: NOW,
    worker: 'host:1',
    error: { code: 'handler_error', message: 'oh' },
  };
  const due = { failures: [failure] } as unknown as NonNullable<Facts['run']>['due'];
  const told = texts(facts({ run: detail({ due, lost: 1, replays: [{ runId: 'r2', status: 'COMPLETED' }] }) }));
  assert.deepEqual(told.slice(1), [
    'attempt attempt 1 on host:1 failed: handler_error: oh',
    'lost 1 attempt with their worker',
    'started attempt 4 on host:1',
    'ended FAILED, timeout: too slow',
    'replayed as r2: COMPLETED',
  ]);
});

test('a refused command is told beside a time that is none', () => {
  assert.ok(
    texts(facts({ job: open, at: NOW + MINUTE, refused })).some((text) =>
      text.startsWith('refused a command for it (3-17)'),
    ),
  );
});
