import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { partitionOf } from '../../../services/core/murmur2.ts';
import { checkFormer } from '../../checker/check.ts';
import type { Answer, FormerOwners, History, SentCommand } from '../../checker/history.ts';
import { broken, command, JOB, kept, scheduled, T0 } from './histories.ts';

const NONE = { concurrentRuns: null, runsPerSecond: null, handlerRuns: null, jobs: null };
const REFUSED: Answer = { outcome: 'rejected', at: T0 + 10_020, state: null, version: null, nextFireAt: null };

/** A second job, sent 10 s after the first: with this answer. */
function second(answer: Partial<Answer>, jobs: number, between: SentCommand[] = []): History {
  const schedule = { kind: 'at', at: T0 + 90_000 } as const;
  const spec = { ...scheduled().spec!, schedule };
  const sent = scheduled({ commandId: 'c-2', job: 'acme/second', spec, sentAt: T0 + 10_000 });
  const given = { ...sent.answer!, at: T0 + 10_020, nextFireAt: schedule.at, ...answer };
  return kept({
    commands: [scheduled(), ...between, { ...sent, answer: given }],
    jobs: [...kept().jobs, { job: 'acme/second', version: 1, state: 'SCHEDULED' }],
    quotas: [{ at: T0, tenant: 'acme', quotas: { ...NONE, jobs } }],
  });
}

describe('the checker, I14, what is refused', () => {
  it('catches a job that was accepted beyond the quota of its tenant', () => {
    assert.deepEqual(broken(second({}, 1)), ['I14']);
    assert.deepEqual(broken(second({}, 2)), []);
  });
  it('leaves open what another timer may have accepted just before', () => {
    const history = second({}, 1);
    const [first, ...others] = history.commands;
    const late = { ...first!, answer: { ...first!.answer!, at: T0 + 8_500 } };
    assert.deepEqual(broken({ ...history, commands: [late, ...others] }), []);
  });
  it('counts no job that may have been cancelled', () => {
    const cancelled = command('cancel', 9_000, { job: JOB, answer: null });
    assert.deepEqual(broken(second({}, 1, [cancelled])), []);
  });
  it('catches a job that was refused though the quota had room', () => {
    assert.deepEqual(broken(second({ ...REFUSED, code: 'quota' }, 2)), ['I14']);
    assert.deepEqual(broken(second({ ...REFUSED, code: 'quota' }, 1)), []);
  });
  it('catches a job that was refused before the jobs that it runs after were waited for', () => {
    const schedule = { kind: 'after', after: [{ jobId: 'a', when: 'success' }], timezone: 'UTC' } as never;
    const spec = { ...scheduled().spec!, schedule };
    const refusedAfter = (ms: number, owned?: FormerOwners['owned']): History => {
      const answer = { ...REFUSED, at: T0 + 1_000 + ms, code: 'unknown_job' };
      const chain = command('schedule', 1_000, { job: 'acme/chain', spec, answer });
      return kept({ commands: [scheduled(), chain], ...(owned && { former: { partitions: 6, owned } }) });
    };
    assert.deepEqual(broken(refusedAfter(9_000)), ['I14']);
    assert.deepEqual(broken(refusedAfter(10_020)), []);
    // A timer of the former release refuses at once: that is told apart, and told.
    const partition = partitionOf('acme/chain', 6);
    const before = { partition, from: T0, until: T0 + 900 };
    const meanwhile = { partition, from: T0 + 1_500, until: null };
    const elsewhere = { ...meanwhile, partition: (partition + 1) % 6 };
    assert.deepEqual(broken(refusedAfter(9_000, [before, elsewhere])), ['I14']);
    assert.deepEqual(checkFormer(refusedAfter(9_000, [before, elsewhere])), []);
    assert.deepEqual(broken(refusedAfter(9_000, [before, meanwhile])), []);
    const [told] = checkFormer(refusedAfter(9_000, [before, meanwhile]));
    assert.deepEqual([told?.invariant, told?.about], ['I14', 'c-1000']);
  });
  it('catches a refusal that does not stand among the rejected, and the contrary', () => {
    const acks = [...kept().acks, { commandId: 'c-2', outcome: 'rejected', text: '' }];
    assert.deepEqual(broken({ ...second(REFUSED, 1), acks, rejected: ['c-2'] }), []);
    assert.deepEqual(broken({ ...second(REFUSED, 1), acks, rejected: [] }), ['I14']);
    assert.deepEqual(broken(kept({ rejected: ['c-1'] })), ['I14']);
  });
});
