import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { IN_TRANSACTION, type Fault, type History, type QuotaChange } from '../../checker/history.ts';
import { broken, call, EVERY_10_S, kept, run, scheduled, T0, told } from './histories.ts';

const fault = (kind: Fault['kind'], fromMs: number, untilMs: number): Fault => {
  return { node: 'executor-1', kind, from: T0 + fromMs, until: T0 + untilMs };
};

describe('the checker', () => {
  describe('I9, limits', () => {
    const limited = (limit: number, changes: Partial<History> = {}): History => {
      const spec = { ...EVERY_10_S, overlap: 'allow', concurrencyKey: { key: 'customer', limit } } as const;
      const calls = [call('run-1', 10_050, { endedAt: T0 + 20_100 }), ...kept().calls.slice(1)];
      return kept({ commands: [scheduled({ spec })], calls, ...changes });
    };
    it('catches a run that began while as many as the limit allows were under way', () => {
      assert.deepEqual(broken(limited(1)), ['I9']);
      assert.deepEqual(broken(limited(2)), []);
    });
    it('accepts it when the former one was frozen: its lease had ended', () => {
      assert.deepEqual(broken(limited(1, { faults: [fault('freeze', 10_500, 20_000)] })), []);
    });

    const NONE = { concurrentRuns: null, runsPerSecond: null, handlerRuns: null, jobs: null };
    const ofTenant = (quotas: Partial<QuotaChange['quotas']>, ...later: QuotaChange[]): History => {
      const spec = { ...EVERY_10_S, overlap: 'allow' } as const;
      const [first, ...rest] = kept().calls.map((each) => ({ ...each, handler: 'work' }));
      const calls = [{ ...first!, endedAt: T0 + 20_100 }, ...rest];
      const given = { at: T0, tenant: 'acme', quotas: { ...NONE, ...quotas } };
      return kept({ commands: [scheduled({ spec })], calls, quotas: [given, ...later] });
    };
    it('catches a run beyond those that its tenant may have at one time', () => {
      assert.deepEqual(broken(ofTenant({ concurrentRuns: 1 })), ['I9']);
      assert.deepEqual(broken(ofTenant({ concurrentRuns: 2 })), []);
    });
    it('catches a run beyond those that its handler may have at one time', () => {
      assert.deepEqual(broken(ofTenant({ handlerRuns: { work: 1 } })), ['I9']);
      assert.deepEqual(broken(ofTenant({ handlerRuns: { work: 2, other: 1 } })), []);
    });
    it('allows what the tenant was allowed before', () => {
      const more = { at: T0 + 15_000, tenant: 'acme', quotas: { ...NONE, concurrentRuns: 2 } };
      assert.deepEqual(broken(ofTenant({ concurrentRuns: 1 }, more)), []);
      assert.deepEqual(broken(ofTenant({ concurrentRuns: 1 }, { ...more, at: T0 + 25_000 })), ['I9']);
    });
    it('asks nothing of the runs of other tenants', () => {
      const [given] = ofTenant({ concurrentRuns: 1 }).quotas!;
      assert.deepEqual(broken({ ...ofTenant({}), quotas: [{ ...given!, tenant: 'globex' }] }), []);
    });
    it('catches a run that began within a second that was used up', () => {
      const calls = [
        call('run-1', 10_050),
        call('run-2', 20_050),
        call('run-3', 20_900, { scheduledFor: T0 + 20_000 }),
      ];
      const rated = (faults: Fault[]): History => ({ ...ofTenant({ runsPerSecond: 1 }), calls, faults });
      assert.deepEqual(broken(rated([])), ['I9']);
      assert.deepEqual(broken(rated([fault('slow', 19_000, 20_000)])), [], 'it was late to begin');
    });
  });

  describe('I12, commands enqueued in transactions', () => {
    const NOTHING = { committed: [], rolledBack: [], scheduled: [] };
    it('catches a command that was committed and is lost', () => {
      assert.deepEqual(broken(kept({ enqueued: { ...NOTHING, committed: ['c-1', 'lost'] } })), ['I12']);
      assert.deepEqual(broken(kept({ enqueued: { ...NOTHING, committed: ['c-1'] } })), []);
    });
    it('catches an effect of a command that was rolled back', () => {
      assert.deepEqual(broken(kept({ enqueued: { ...NOTHING, rolledBack: ['c-1'] } })), ['I12']);
      const triggered = run('triggered', 5_000);
      const base = kept();
      const event = told(triggered, { trigger: 'manual', cause: 'rolled-back' });
      const more = { runs: [...base.runs, triggered], events: [...base.events, event] };
      const calls = [...base.calls, call('triggered', 5_000, { scheduledFor: triggered.scheduledFor })];
      assert.deepEqual(broken({ ...base, ...more, calls, enqueued: { ...NOTHING, rolledBack: ['rolled-back'] } }), [
        'I12',
      ]);
    });
    it('asks for one run of what a run scheduled in its transaction, and for none when that was rolled back', () => {
      const next = 'acme/next.run-1';
      const made = run('made', 12_000, { job: next });
      const history = (isCommitted: boolean, isThere: boolean): History => {
        const result = isCommitted ? IN_TRANSACTION : 'done';
        const [first, ...others] = kept().runs;
        const runs = [{ ...first!, result }, ...others, ...(isThere ? [made] : [])];
        const schedule = { kind: 'in', delayMs: 1_000 } as const;
        const sent = scheduled({ commandId: 'next', job: next, spec: { ...EVERY_10_S, schedule }, answer: null });
        return kept({
          runs,
          events: runs.map((row) => told(row)),
          calls: [
            ...kept().calls,
            ...(isThere ? [call('made', 12_000, { job: next, scheduledFor: T0 + 12_000 })] : []),
          ],
          commands: [scheduled(), sent],
          writes: isCommitted ? [{ runId: 'run-1' }] : [],
          enqueued: { ...NOTHING, scheduled: [{ runId: 'run-1', job: next }] },
        });
      };
      assert.deepEqual(broken(history(true, true)), []);
      assert.deepEqual(broken(history(false, false)), []);
      assert.deepEqual(broken(history(true, false)), ['I12']);
      assert.deepEqual(broken(history(false, true)), ['I12']);
    });
  });
});
