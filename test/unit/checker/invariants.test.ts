import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { IN_TRANSACTION, type Fault, type History, type RunRow, type SentCommand } from '../../checker/history.ts';
import { checkFormer } from '../../checker/check.ts';
import { broken, call, command, EVERY_10_S, JOB, kept, run, scheduled, T0, told } from './histories.ts';

const without = (history: History, runId: string): History => {
  const keep = <T extends { runId: string }>(list: readonly T[]): T[] => list.filter((each) => each.runId !== runId);
  return { ...history, runs: keep(history.runs), events: keep(history.events), calls: keep(history.calls) };
};
const fault = (kind: Fault['kind'], fromMs: number, untilMs: number): Fault => {
  return { node: 'executor-1', kind, from: T0 + fromMs, until: T0 + untilMs };
};
const replaced = (index: number, changes: object): Pick<History, 'runs' | 'events'> => {
  const runs = kept().runs.map((row, i) => (i === index ? { ...row, ...changes } : row));
  return { runs, events: runs.map((row) => told(row)) };
};

describe('the checker', () => {
  it('accepts a history that keeps every promise', () => {
    assert.deepEqual(broken(kept()), []);
  });

  describe('I1, nothing is silently missed', () => {
    it('catches an occurrence without a run', () => {
      assert.deepEqual(broken(without(kept(), 'run-2')), ['I1']);
    });
    it('takes a skipped occurrence for a recorded reason, also in a group', () => {
      const history = without(kept(), 'run-2');
      const skipped = run('group', 20_000, { status: 'SKIPPED', result: null });
      const told20 = told(skipped, { from: T0 + 20_000, to: T0 + 20_000 });
      assert.deepEqual(
        broken({ ...history, runs: [...history.runs, skipped], events: [...history.events, told20] }),
        [],
      );
    });
    it('catches a one-shot that never ran', () => {
      const spec = { ...scheduled().spec!, schedule: { kind: 'at', at: T0 + 5_000 } } as const;
      const commands = [scheduled({ commandId: 'c-2', job: 'acme/once', spec })];
      const jobs = [{ job: 'acme/once', version: 1, state: 'FINISHED' }];
      assert.deepEqual(broken({ ...kept({ jobs, commands }), runs: [], events: [], calls: [] }), ['I1']);
    });
    it('catches an acknowledged job that is not stored', () => {
      assert.deepEqual(broken(kept({ jobs: [] })), ['I1']);
    });
    it('catches a trigger that was acknowledged and came to nothing', () => {
      assert.deepEqual(broken(kept({ commands: [scheduled(), command('trigger', 5_000)] })), ['I1']);
    });
    it('does not ask for what a command without an answer may have changed', () => {
      const commands = [scheduled(), command('cancel', 10_500, { answer: null })];
      assert.deepEqual(broken(without(kept({ commands }), 'run-2')), []);
    });
    it('asks for it when that command was refused', () => {
      const refused: SentCommand['answer'] = {
        outcome: 'rejected',
        at: T0 + 10_600,
        state: null,
        version: null,
        nextFireAt: null,
      };
      const commands = [scheduled(), command('cancel', 10_500, { answer: refused })];
      assert.deepEqual(broken(without(kept({ commands }), 'run-2')), ['I1']);
    });
    it('asks for what passed in a pause when the job is changed or cancelled then', () => {
      const paused = [scheduled(), command('pause', 15_000)];
      const schedule = { ...EVERY_10_S.schedule, maxRuns: 9 } as typeof EVERY_10_S.schedule;
      const spec = { ...EVERY_10_S, schedule };
      const answer = { ...scheduled().answer!, state: 'PAUSED', at: T0 + 35_020, nextFireAt: null };
      const only = without(without(kept(), 'run-2'), 'run-3');
      const over = [{ job: JOB, version: 1, state: 'CANCELLED' }];
      const later = [
        command('cancel', 35_000),
        { ...command('schedule', 35_000), spec, answer },
        { ...command('schedule', 35_000), spec: EVERY_10_S, answer },
      ];
      const found = later.map((last) => broken({ ...only, jobs: over, commands: [...paused, last] }));
      assert.deepEqual(found, [['I1'], ['I1'], []], 'the same schedule again decides nothing');
      // A timer of the former release decides nothing of it, either: that is told apart, and told.
      const former = { partitions: 1, owned: [{ partition: 0, from: T0, until: null }] };
      const cancelled = { ...only, jobs: over, commands: [...paused, later[0]!], former };
      assert.deepEqual(broken(cancelled), []);
      assert.deepEqual(
        checkFormer(cancelled).map(({ invariant, about }) => [invariant, about]),
        [['I1', JOB]],
      );
      const commands = [scheduled(), command('pause', 35_000), command('cancel', 45_000)];
      const before = without(kept({ jobs: over, commands, former }), 'run-1');
      assert.deepEqual(broken(before), ['I1'], 'what came long before the pause it does decide');
    });
    it('takes FINISHED for an answer where the job ran before, and only there', () => {
      const answer = { ...scheduled().answer!, state: 'FINISHED', at: T0 + 50_020, nextFireAt: null };
      const again = { ...command('schedule', 50_000), spec: EVERY_10_S, answer };
      assert.deepEqual(broken(kept({ commands: [scheduled(), again] })), []);
      const history = { ...kept({ commands: [{ ...again, job: 'acme/other' }] }), runs: [], events: [], calls: [] };
      assert.deepEqual(broken({ ...history, jobs: [{ job: 'acme/other', version: 1, state: 'FINISHED' }] }), ['I1']);
    });
  });

  describe('I2, at most one run per occurrence', () => {
    it('catches two runs at one time', () => {
      const twin = run('twin', 20_000);
      const { runs, events } = kept();
      const history = kept({
        runs: [...runs, twin],
        events: [...events, told(twin)],
        calls: [...kept().calls, call('twin', 25_000)],
      });
      assert.deepEqual(broken(history), ['I2']);
    });
    it('catches a run where no schedule has one', () => {
      const { runs, events, calls } = kept();
      const odd = run('odd', 13_000);
      const history = kept({
        runs: [...runs, odd],
        events: [...events, told(odd)],
        calls: [...calls, call('odd', 14_000)],
      });
      assert.deepEqual(broken(history), ['I2']);
    });
    it('catches a command that was applied twice', () => {
      const acks = [1, 2].map((version) => ({ commandId: 'c-1', outcome: 'applied', text: `version ${version}` }));
      assert.deepEqual(broken(kept({ acks })), ['I2']);
      assert.deepEqual(broken(kept({ acks: [acks[0]!, acks[0]!] })), [], 'the same answer may come twice');
    });
  });

  describe('I3, one terminal outcome per run', () => {
    it('catches two outcomes of a run, and accepts a repeated event', () => {
      const { events } = kept();
      assert.deepEqual(broken(kept({ events: [...events, { ...events[0]!, result: 'other' }] })), ['I3']);
      assert.deepEqual(broken(kept({ events: [...events, events[0]!] })), []);
    });
    it('catches an event that disagrees with the row', () => {
      const [first, ...others] = kept().events;
      assert.deepEqual(broken(kept({ events: [{ ...first!, status: 'SKIPPED' }, ...others] })), ['I3']);
    });
    it('catches a stale writer: a terminal row that changed', () => {
      assert.deepEqual(broken(kept({ sightings: [{ runId: 'run-1', status: 'CANCELLED', result: null }] })), ['I3']);
    });
  });

  describe('I4, effects', () => {
    it('catches a success without a call', () => {
      assert.deepEqual(broken(kept({ calls: kept().calls.slice(1) })), ['I4']);
    });
    it('catches another key, also that of a replay', () => {
      assert.deepEqual(
        broken(kept({ calls: [call('run-1', 10_050, { idempotencyKey: 'x' }), ...kept().calls.slice(1)] })),
        ['I4'],
      );
    });
    it('catches a repeat that no fault explains, and accepts one that a fault explains', () => {
      const calls = [
        ...kept().calls.slice(0, 1),
        call('run-1', 12_000, { node: 'executor-2' }),
        ...kept().calls.slice(1),
      ];
      assert.deepEqual(broken(kept({ calls })), ['I4']);
      assert.deepEqual(broken(kept({ calls, faults: [fault('kill', 11_000, 11_000)] })), []);
      assert.deepEqual(
        broken(kept({ calls, faults: [fault('slow', 11_000, 11_500)] })),
        ['I4'],
        'slow answers explain nothing',
      );
    });
    it('catches two calls of a run at the same time, unless the first was frozen or would not stop', () => {
      const calls = (changes: object) => [
        call('run-1', 10_050, { endedAt: T0 + 19_000, ...changes }),
        call('run-1', 18_000, { node: 'executor-2', scheduledFor: T0 + 10_000 }),
        ...kept().calls.slice(1),
      ];
      assert.deepEqual(broken(kept({ calls: calls({}), faults: [fault('cut', 10_500, 18_500)] })), ['I4']);
      assert.deepEqual(broken(kept({ calls: calls({}), faults: [fault('freeze', 10_500, 18_800)] })), []);
      assert.deepEqual(
        broken(kept({ calls: calls({}), faults: [fault('freeze', 10_500, 12_000)] })),
        ['I4'],
        'thawed long ago',
      );
      assert.deepEqual(broken(kept({ calls: calls({ obedient: false }), faults: [fault('cut', 10_500, 18_500)] })), []);
    });
    it('catches runs of a job that overlap against its policy', () => {
      const calls = [call('run-1', 10_050, { endedAt: T0 + 20_200 }), ...kept().calls.slice(1)];
      assert.deepEqual(broken(kept({ calls })), ['I4']);
    });
    it('catches a second call of what must run at most once', () => {
      const spec = { ...scheduled().spec!, delivery: 'at_most_once' } as const;
      const calls = [...kept().calls.slice(0, 1), call('run-1', 12_000), ...kept().calls.slice(1)];
      assert.deepEqual(
        broken(kept({ commands: [scheduled({ spec })], calls, faults: [fault('kill', 11_000, 11_000)] })),
        ['I4'],
      );
    });
    it('catches a transaction that took effect twice, or never, or for a run that did not complete', () => {
      const { runs, events } = replaced(0, { result: IN_TRANSACTION });
      const write = { runId: 'run-1' };
      assert.deepEqual(broken(kept({ runs, events, writes: [write] })), []);
      assert.deepEqual(broken(kept({ runs, events, writes: [write, write] })), ['I4']);
      assert.deepEqual(broken(kept({ runs, events, writes: [] })), ['I4']);
      assert.deepEqual(broken(kept({ writes: [write] })), ['I4']);
    });
    it('catches a message that readers saw twice, or never', () => {
      const [first, ...others] = kept().events;
      const events = [{ ...first!, type: 'KAFKA_MESSAGE' as const }, ...others];
      const message = { runId: 'run-1', at: T0 + 10_010 };
      assert.deepEqual(broken(kept({ events, messages: [message] })), []);
      assert.deepEqual(broken(kept({ events, messages: [message, message] })), ['I4']);
      assert.deepEqual(broken(kept({ events, messages: [] })), ['I4']);
    });
  });

  it('I5: catches a call, a retry and a message that were early', () => {
    const [, ...calls] = kept().calls;
    assert.deepEqual(broken(kept({ calls: [call('run-1', 9_999, { scheduledFor: T0 + 10_000 }), ...calls] })), ['I5']);
    const retried = [call('run-1', 10_050, { end: 'threw' }), call('run-1', 10_700, { attempt: 2 })];
    assert.deepEqual(broken(kept({ calls: [...retried, ...calls] })), ['I5']);
    const [first, ...others] = kept().events;
    const events = [{ ...first!, type: 'KAFKA_MESSAGE' as const }, ...others];
    assert.deepEqual(broken(kept({ events, messages: [{ runId: 'run-1', at: T0 + 9_000 }] })), ['I5']);
  });

  it('I6: catches a backlog that stays, or that goes too late', () => {
    assert.deepEqual(broken(kept({ left: ['run run-9 is RUNNING'], quietAt: null })), ['I6']);
    assert.deepEqual(broken(kept({ quietAt: T0 + 600_000 })), ['I6']);
  });

  it('I7: catches a FAILED run that is not on the DLQ, a dead one that is not FAILED, and an end that no event tells', () => {
    const failed = replaced(0, { status: 'FAILED', result: null });
    assert.deepEqual(broken(kept(failed)), ['I7']);
    assert.deepEqual(broken(kept({ ...failed, dead: [{ runId: 'run-1' }, { runId: 'run-1' }] })), []);
    assert.deepEqual(broken(kept({ dead: [{ runId: 'run-2' }] })), ['I7']);
    assert.deepEqual(broken(kept({ events: kept().events.slice(1) })).includes('I7'), true);
  });

  it('I8: catches a start after an applied cancel, but not one of a process that stood still, nor after a new schedule', () => {
    const commands = [scheduled(), command('cancel', 15_000)];
    assert.deepEqual(broken(kept({ commands })), ['I8']);
    const stalls = [fault('freeze', 14_000, 40_000)];
    assert.deepEqual(broken(kept({ commands, faults: stalls })), []);
    assert.deepEqual(
      broken(kept({ commands: [...commands, { ...scheduled({ commandId: 'c-9', sentAt: T0 + 16_000 }) }] })),
      [],
    );
    assert.deepEqual(broken(kept({ commands: [scheduled(), command('cancel', 45_000)] })), [], JOB);
  });

  it('I8: catches a scheduled run that is CANCELLED for what was over before its time', () => {
    const cancelled = { ...replaced(2, { status: 'CANCELLED', result: null }), calls: kept().calls.slice(0, 2) };
    const trigger = (atMs: number): SentCommand => command('trigger', atMs, { overlap: 'cancel_running' });
    const started = (atMs: number): Pick<History, 'runs' | 'events'> => {
      const manual = run('manual', atMs);
      const events = [...cancelled.events, told(manual, { trigger: 'manual', cause: `c-${atMs}` })];
      return { runs: [...cancelled.runs, manual], events };
    };
    const historyOf = (atMs: number): History =>
      kept({ ...cancelled, ...started(atMs), commands: [scheduled(), trigger(atMs)] });
    assert.ok(broken(historyOf(15_000)).includes('I8'));
    assert.ok(!broken(historyOf(30_100)).includes('I8'));
    assert.ok(broken(kept(cancelled)).includes('I8'), 'nobody cancelled it');
  });

  describe('I11, chains', () => {
    const bounds = { timezone: 'UTC', startAt: null, endAt: null, exclude: [], jitterMs: 0, maxRuns: null } as const;
    const after = [{ jobId: 'job', when: 'success' as const }];
    /** The three runs of the job, and one of another after each. */
    const chained = (fields: Partial<RunRow> = {}, causes = ['run-1', 'run-2', 'run-3']): History => {
      const base = kept();
      const next = scheduled({
        ...{ commandId: 'c-9', job: 'acme/next' },
        spec: { ...EVERY_10_S, overlap: 'allow', schedule: { kind: 'after', after, ...bounds } },
        answer: { outcome: 'applied', at: T0 + 20, state: 'SCHEDULED', version: 1, nextFireAt: null },
      });
      const runs = causes.map((_, index) =>
        run(`next-${index}`, 10_500 + index * 10_000, { job: 'acme/next', ...(index === 0 ? fields : {}) }),
      );
      const events = runs.map((row, index) => told(row, { trigger: 'dependency', cause: causes[index]! }));
      const calls = runs.map(({ runId, scheduledFor }, index) =>
        call(runId, 10_510 + index * 10_000, { job: 'acme/next', scheduledFor }),
      );
      return {
        ...base,
        commands: [...base.commands, next],
        jobs: [...base.jobs, { job: 'acme/next', version: 1, state: 'SCHEDULED' }],
        ...{ runs: [...base.runs, ...runs], events: [...base.events, ...events], calls: [...base.calls, ...calls] },
      };
    };
    it('accepts a run after each run', () => {
      assert.deepEqual(broken(chained()), []);
    });
    it('catches a run that nothing came after', () => {
      assert.deepEqual(broken(chained({}, ['run-1', 'run-2'])), ['I11']);
    });
    it('catches a second run after the same one', () => {
      assert.ok(broken(chained({}, ['run-1', 'run-2', 'run-3', 'run-3'])).includes('I11'));
    });
    it('catches a run of no whole set', () => {
      assert.ok(broken(chained({}, ['run-1', 'run-2', 'run-3', 'run-9'])).includes('I11'));
    });
    it('catches a run after one that did not end as wanted', () => {
      const { runs, events, ...rest } = chained();
      const failed = { status: 'FAILED', result: null } as const;
      const history: History = {
        ...rest,
        dead: [{ runId: 'run-2' }],
        runs: runs.map((row) => (row.runId === 'run-2' ? { ...row, ...failed } : row)),
        events: events.map((event) => (event.runId === 'run-2' ? { ...event, ...failed } : event)),
      };
      assert.deepEqual(broken(history), ['I11']);
    });
  });

  describe('I10, events and backfills', () => {
    const LISTENER = 'acme/listener';
    const schedule = { kind: 'on', event: 'tick', filter: 'event.n > 4', waitMs: 0, timezone: 'UTC' } as const;
    const bounds = { startAt: null, endAt: null, exclude: [], jitterMs: 0, maxRuns: null };
    const listens = (changes: Partial<SentCommand> = {}): SentCommand =>
      scheduled({
        job: LISTENER,
        commandId: 'listen',
        spec: { ...scheduled().spec!, schedule: { ...schedule, ...bounds } },
        ...changes,
      });
    const emits = (atMs: number, n: number): SentCommand => {
      const event = { name: 'tick', id: `e-${atMs}`, payload: { n } };
      const { answer } = command('emit', atMs);
      return command('emit', atMs, { job: 'acme/tick', event, answer: { ...answer!, version: null } });
    };
    const ofEvent = (cause: string, runId = `run of ${cause}`): Pick<History, 'runs' | 'events' | 'calls'> => {
      const row = run(runId, 5_000, { job: LISTENER });
      const own = call(runId, 5_000, { job: LISTENER, scheduledFor: row.scheduledFor });
      return { runs: [row], events: [told(row, { trigger: 'event', cause })], calls: [own] };
    };
    const history = (commands: SentCommand[], ...ran: Pick<History, 'runs' | 'events' | 'calls'>[]): History => {
      const base = kept({ jobs: [{ job: LISTENER, version: 1, state: 'SCHEDULED' }], commands });
      const [runs, events, calls] = [
        ran.flatMap((r) => r.runs),
        ran.flatMap((r) => r.events),
        ran.flatMap((r) => r.calls),
      ];
      return { ...base, runs, events, calls };
    };

    it('accepts a run for each event that passes', () => {
      assert.deepEqual(broken(history([listens(), emits(5_000, 9), emits(6_000, 1)], ofEvent('e-5000'))), []);
    });
    it('catches an event that did not reach a job which listened before', () => {
      assert.deepEqual(broken(history([listens(), emits(5_000, 9)])), ['I10']);
    });
    it('asks for nothing where the job may have been changed meanwhile, or listened only afterwards', () => {
      const cancelled = command('cancel', 6_000, { job: LISTENER });
      assert.deepEqual(broken(history([listens(), cancelled, emits(5_000, 9)])), []);
      assert.deepEqual(broken(history([listens({ sentAt: T0 + 4_990 }), emits(5, 9)])), []);
    });
    it('catches two runs of one event', () => {
      const commands = [listens(), emits(5_000, 9)];
      assert.deepEqual(broken(history(commands, ofEvent('e-5000'), ofEvent('e-5000', 'another'))), ['I2', 'I4']);
    });
    it('catches a run of an event that the filter keeps out, and of one that nobody sent', () => {
      assert.deepEqual(broken(history([listens(), emits(5_000, 1)], ofEvent('e-5000'))), ['I10']);
      assert.deepEqual(broken(history([listens()], ofEvent('e-1'))), ['I10']);
    });
    it('catches a backfilled occurrence without a run', () => {
      const { answer } = scheduled();
      const backfill = command('backfill', 5_000, { answer: { ...answer!, occurrences: [T0 - 10_000] } });
      assert.deepEqual(broken(kept({ commands: [scheduled(), backfill] })), ['I10']);
    });
    it('catches a second run of an occurrence', () => {
      const again = run('again', 10_000);
      const events = [told(again, { trigger: 'backfill', cause: 'b' })];
      const base = kept();
      const more = { runs: [...base.runs, again], events: [...base.events, ...events] };
      const calls = [...base.calls, call('again', 15_000, { scheduledFor: again.scheduledFor })];
      assert.deepEqual(broken({ ...base, ...more, calls }), ['I10']);
    });
  });
});
