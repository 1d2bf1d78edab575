import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BelfryError } from '../../../services/core/errors.ts';
import type { HandlerContext } from '../../../services/executor/handlers/handler.ts';
import type { Cluster } from './harness.ts';
import { eachWithCluster, forever, type Handlers } from './harness.ts';

/** Throws anything, as handlers may. */
function fling(what: unknown): never {
  throw what;
}

describe('a run', () => {
  let cluster: Cluster;
  eachWithCluster((fresh) => (cluster = fresh));

  /** Fires one run of this handler and answers its outcome. */
  const outcomeOf = async (work: Handlers[string], changes = {}) => {
    cluster.start({ work });
    const due = cluster.due(changes);
    await cluster.fire(due);
    return { due, outcome: await cluster.untilOutcome(due, 200_000) };
  };
  const noRetry = { retry: { maxRetries: 0, initialDelayMs: 1_000, factor: 2, maxDelayMs: 60_000, jitter: 0 } };

  it('whose record comes early is claimed early and starts at its time', async () => {
    cluster.start({ work: () => cluster.clock.now() });
    await cluster.live(...cluster.nodes);
    const due = cluster.due({ scheduledFor: cluster.clock.now() + 40 });
    await cluster.fire(due);
    await cluster.running(due);
    assert.ok(cluster.clock.now() < due.dueAt);
    const outcome = await cluster.untilOutcome(due);
    assert.ok(Number(outcome.result) >= due.dueAt);
    assert.equal(outcome.startedAt, due.dueAt);
  });

  it('is not started when its job is cancelled between its claim and its time', async () => {
    cluster.start({ work: () => 'worked' });
    await cluster.live(...cluster.nodes);
    const due = cluster.due({ scheduledFor: cluster.clock.now() + 40 });
    await cluster.fire(due);
    await cluster.running(due);
    cluster.cancel(due);
    assert.equal((await cluster.untilOutcome(due)).status, 'CANCELLED');
  });

  it('completes with the value that its handler returned, and its offset is committed', async () => {
    const { outcome, due } = await outcomeOf(({ payload }) => ({ got: payload }), { payload: { invoice: 42 } });
    assert.equal(outcome.status, 'COMPLETED');
    assert.deepEqual(outcome.result, { got: { invoice: 42 } });
    assert.equal(outcome.worker, 'node-1');
    assert.equal(cluster.status(due), 'COMPLETED');
    assert.equal(cluster.uncommitted(), 0);
    assert.equal(cluster.outcomes.length, 1);
  });

  it('gives its handler all that the contract promises', async () => {
    let seen: HandlerContext | undefined;
    const { due } = await outcomeOf(
      (ctx) => {
        seen = ctx;
        ctx.progress(0.5, 'half');
        ctx.logger.info({}, 'hello');
      },
      { labels: { team: 'billing' }, traceparent: '00-1-2-01' },
    );
    assert.equal(seen?.runId, due.runId);
    assert.equal(seen?.idempotencyKey, due.runId);
    assert.equal(seen?.scheduledFor.getTime(), due.scheduledFor);
    assert.deepEqual([seen?.attempt, seen?.maxAttempts], [1, 3]);
    assert.deepEqual([seen?.tenant, seen?.jobId, seen?.trigger], [due.tenant, due.jobId, 'schedule']);
    assert.deepEqual(seen?.labels, { team: 'billing' });
    assert.equal(seen?.traceparent, '00-1-2-01');
    assert.equal(seen?.signal.aborted, false);
  });

  it('never starts before it is due', async () => {
    const { outcome, due } = await outcomeOf(() => 1, { dueAt: cluster.clock.now() + 700 });
    assert.ok((outcome.startedAt ?? 0) >= due.dueAt);
  });

  it('is tried again after the delay of its policy, then goes to the DLQ with all failures', async () => {
    let tries = 0;
    const { outcome } = await outcomeOf(() => {
      throw new Error(`broken ${++tries}`);
    });
    assert.equal(outcome.status, 'FAILED');
    assert.equal(outcome.attempt, 3);
    assert.deepEqual(outcome.error, { code: 'handler_error', message: 'broken 3' });
    assert.deepEqual(
      cluster.retries.map((due) => due.attempt),
      [2, 3],
    );
    const [dead] = cluster.dead;
    assert.deepEqual(
      dead?.failures.map((failure) => failure.error.message),
      ['broken 1', 'broken 2', 'broken 3'],
    );
    assert.equal(dead?.originTopic, 'job.due.medium');
    const [first, second] = dead?.failures ?? [];
    assert.ok(
      Date.parse(second?.startedAt ?? '') - Date.parse(first?.finishedAt ?? '') >= 1_000,
      'the first retry waits a second',
    );
  });

  it('succeeds when a later attempt does', async () => {
    const { outcome } = await outcomeOf(({ attempt }) => {
      if (attempt < 2) throw new Error('not yet');
      return attempt;
    });
    assert.deepEqual([outcome.status, outcome.result, outcome.attempt], ['COMPLETED', 2, 2]);
  });

  it('waits at least as long as the error asks', async () => {
    const { outcome } = await outcomeOf(({ attempt }) => {
      if (attempt === 1) throw Object.assign(new Error('slow down'), { retryAfterMs: 20_000 });
    });
    assert.ok(cluster.retries[0] && cluster.retries[0].dueAt - cluster.clock.now() <= 0);
    assert.ok((outcome.startedAt ?? 0) - outcome.scheduledFor >= 20_000);
  });

  const badHandlers: [string, Handlers[string], { code: string; message: RegExp; retried: boolean }][] = [
    ['throws text', () => fling('just text'), { code: 'handler_error', message: /just text/, retried: true }],
    ['throws undefined', () => fling(undefined), { code: 'handler_error', message: /undefined/, retried: true }],
    ['throws a number', () => fling(7), { code: 'handler_error', message: /7/, retried: true }],
    [
      'throws an object that cannot be shown',
      () => {
        const knot = Object.create(null) as Record<string, unknown>;
        knot.self = knot;
        fling(knot);
      },
      { code: 'handler_error', message: /cannot be shown/, retried: true },
    ],
    [
      'throws an error that says it is final',
      () => Promise.reject(Object.assign(new Error('no such customer'), { retryable: false })),
      { code: 'handler_error', message: /no such customer/, retried: false },
    ],
    ['returns a BigInt', () => 1n, { code: 'result_invalid', message: /BigInt/, retried: false }],
    [
      'returns a cycle',
      () => {
        const cycle: Record<string, unknown> = {};
        return (cycle.self = cycle);
      },
      { code: 'result_invalid', message: /circular/i, retried: false },
    ],
    [
      'returns what is nested too deeply',
      () => JSON.parse(`${'['.repeat(1_001)}${']'.repeat(1_001)}`) as unknown,
      { code: 'result_invalid', message: /deeper than 1000 levels/, retried: false },
    ],
    [
      'has a payload that it refuses',
      { validate: async () => ({ ok: false, message: 'payload.invoice is missing' }), run: () => 1 },
      { code: 'payload_invalid', message: /invoice is missing/, retried: false },
    ],
    [
      'has a validation that throws',
      { validate: () => Promise.reject(new Error('schema broken')), run: () => 1 },
      { code: 'payload_invalid', message: /schema broken/, retried: false },
    ],
    [
      'fails with a code of its own',
      () => Promise.reject(new BelfryError('http_status', '503 from api.example.com', { retryable: true })),
      { code: 'http_status', message: /503/, retried: true },
    ],
  ];
  for (const [title, handler, { code, message, retried }] of badHandlers) {
    it(`whose handler ${title} fails readably`, async () => {
      const { outcome } = await outcomeOf(handler);
      assert.equal(outcome.status, 'FAILED');
      assert.equal(outcome.error?.code, code);
      assert.match(outcome.error?.message ?? '', message);
      assert.equal(cluster.retries.length, retried ? 2 : 0);
      assert.equal(cluster.dead.length, 1);
    });
  }

  it('whose handler returns a function or nothing completes without a result', async () => {
    const { outcome } = await outcomeOf(() => () => 1);
    assert.deepEqual([outcome.status, outcome.result], ['COMPLETED', null]);
  });

  it('whose result is larger than 64 KiB keeps the beginning of it', async () => {
    const { outcome } = await outcomeOf(() => 'é'.repeat(100_000));
    assert.equal(outcome.resultTruncated, true);
    assert.ok(Buffer.byteLength(outcome.result as string) <= 64 * 1024);
    assert.ok((outcome.result as string).startsWith('"ééé'));
  });

  it('whose error message is endless keeps 4 KiB of it, without NUL', async () => {
    const { outcome } = await outcomeOf(() => Promise.reject(new Error('\0'.repeat(10_000))), noRetry);
    assert.equal(outcome.error?.message, '\uFFFD'.repeat(4_096));
  });

  it('that takes too long is aborted, and fails when its handler has stopped', async () => {
    const stoppedAt: number[] = [];
    const work = async ({ signal }: HandlerContext) => {
      await cluster.clock.sleep(1e9, signal);
      await cluster.clock.sleep(3_000);
      stoppedAt.push(cluster.clock.now());
      return 'too late';
    };
    const { outcome } = await outcomeOf(work, { timeoutMs: 5_000, ...noRetry });
    assert.equal(outcome.error?.code, 'timeout');
    assert.ok(outcome.finishedAt >= (stoppedAt[0] ?? Infinity));
  });

  it('whose handler ignores the abort holds its slot for 30 s more, then is abandoned', async () => {
    const node = cluster.start({ work: forever }, { slots: 1 });
    const due = cluster.due({ timeoutMs: 5_000, ...noRetry });
    await cluster.fire(due);
    await cluster.clock.advance(34_000);
    assert.equal(node.executor.stats().free, 0);
    assert.equal(cluster.status(due), 'RUNNING');
    await cluster.clock.advance(2_000);
    assert.equal(node.executor.stats().free, 1);
    assert.match(cluster.outcomeOf(due)?.error?.message ?? '', /abandoned/);
  });

  it('whose handler goes on after it was abandoned is a figure until that handler ends', async () => {
    const ends = Promise.withResolvers<void>();
    const node = cluster.start({ work: () => ends.promise });
    const due = cluster.due({ timeoutMs: 5_000, ...noRetry });
    await cluster.fire(due);
    await cluster.untilOutcome(due);
    assert.equal(node.executor.stats().abandoned, 1);
    await cluster.clock.advance(60_000);
    assert.deepEqual([node.executor.stats().running, node.executor.stats().abandoned], [0, 1]);
    ends.resolve();
    await cluster.clock.advance(1_000);
    assert.equal(node.executor.stats().abandoned, 0);
  });

  it('that is cancelled while it runs gets the signal and ends CANCELLED within 10 s though its handler goes on', async () => {
    let reason: unknown;
    const node = cluster.start(
      {
        work: ({ signal }) => {
          signal.addEventListener('abort', () => {
            reason = signal.reason;
          });
          return forever();
        },
      },
      { slots: 1 },
    );
    const due = cluster.due();
    await cluster.fire(due);
    await cluster.running(due);
    cluster.cancel(due);
    await cluster.clock.advance(2_000);
    assert.equal((reason as BelfryError).code, 'cancelled');
    await cluster.untilOutcome(due, 8_000);
    assert.equal(cluster.outcomeOf(due)?.status, 'CANCELLED');
    assert.equal(node.executor.stats().free, 0, 'the slot is held while the handler goes on');
  });

  it('that is cancelled before it starts never starts', async () => {
    let ran = false;
    const due = cluster.due();
    cluster.cancel(due);
    cluster.start({ work: () => (ran = true) });
    await cluster.fire(due);
    assert.equal((await cluster.untilOutcome(due)).status, 'CANCELLED');
    assert.equal(ran, false);
  });

  it('that is cancelled by itself while it runs ends CANCELLED within 10 s, and another run of its job goes on', async () => {
    let working = 0;
    const node = cluster.start({ work: () => ((working += 1), forever()) });
    const [due, other] = [cluster.due(), cluster.due({ scheduledFor: cluster.clock.now() + 1 })];
    for (const each of [due, other]) await cluster.fire({ ...each, jobId: due.jobId });
    await cluster.clock.until(() => working === 2, 'both run');
    cluster.db.cancelledRuns.set(due.runId, cluster.clock.now());
    await cluster.untilOutcome(due, 10_000);
    assert.equal(cluster.outcomeOf(due)?.status, 'CANCELLED');
    await cluster.clock.advance(10_000);
    assert.equal(cluster.outcomeOf(other), undefined);
    assert.deepEqual(node.fatal, []);
  });

  it('that is cancelled by itself before it starts never starts', async () => {
    let ran = false;
    const due = cluster.due();
    cluster.db.cancelledRuns.set(due.runId, cluster.clock.now());
    cluster.start({ work: () => (ran = true) });
    await cluster.fire(due);
    assert.equal((await cluster.untilOutcome(due)).status, 'CANCELLED');
    assert.equal(ran, false);
  });

  it('that is at_most_once is not tried again', async () => {
    const { outcome } = await outcomeOf(() => Promise.reject(new Error('once')), { delivery: 'at_most_once' });
    assert.deepEqual([outcome.status, outcome.attempt, cluster.retries.length], ['FAILED', 1, 0]);
  });

  it('uses the policy of its handler when its job has the general one', async () => {
    const general = {
      timeoutMs: 900_000,
      retry: { maxRetries: 3, initialDelayMs: 2_000, factor: 2, maxDelayMs: 3_600_000, jitter: 0 },
    };
    const retry = { ...general.retry, maxRetries: 1 };
    const { outcome } = await outcomeOf({ retry, timeoutMs: 1_000, run: forever }, general);
    assert.deepEqual([outcome.error?.code, outcome.attempt], ['timeout', 2]);
  });

  it('runs no more at once than its handler allows, and others pass by', async () => {
    let now = 0;
    let most = 0;
    const narrow = async () => {
      most = Math.max(most, ++now);
      await cluster.clock.sleep(1_000);
      now--;
    };
    cluster.start({ work: { concurrency: 2, run: narrow }, other: () => 1 });
    const dues = Array.from({ length: 6 }, () => cluster.due());
    const other = cluster.due({ handler: 'other' });
    await cluster.fire(...dues, other);
    const outcome = await cluster.untilOutcome(other);
    assert.ok(outcome.finishedAt - other.dueAt < 500);
    for (const due of dues) await cluster.untilOutcome(due);
    assert.equal(most, 2);
  });

  it('commits its transaction with the result of fn; what is thrown afterwards changes nothing', async () => {
    const { outcome, due } = await outcomeOf(async (ctx) => {
      await ctx.transaction(async () => ({ written: 1 }));
      throw new Error('afterwards');
    });
    assert.deepEqual([outcome.status, outcome.result], ['COMPLETED', { written: 1 }]);
    assert.equal(cluster.status(due), 'COMPLETED');
    assert.equal(cluster.outcomes.length, 1);
  });

  it('fails normally when fn throws', async () => {
    const { outcome } = await outcomeOf(
      (ctx) => ctx.transaction(() => Promise.reject(new Error('constraint'))),
      noRetry,
    );
    assert.deepEqual([outcome.status, outcome.error?.message], ['FAILED', 'constraint']);
  });

  it('does not begin the work of its transaction when it was aborted while the database let it wait', async () => {
    let hasBegun = false;
    const node = cluster.start({ work: (ctx) => ctx.transaction(async () => (hasBegun = true)) });
    node.storeFault = (method, when) =>
      method === 'transaction' && when === 'before' ? cluster.clock.sleep(20_000) : undefined;
    const due = cluster.due({ ...noRetry, timeoutMs: 5_000 });
    await cluster.fire(due);
    const outcome = await cluster.untilOutcome(due, 200_000);
    assert.deepEqual([outcome.status, outcome.error?.code, hasBegun], ['FAILED', 'timeout', false]);
  });

  it('is given no more time than the operator allows, whatever its job says', async () => {
    const node = cluster.start({ forever }, { maxTimeoutMs: 2_000 });
    await cluster.live(node);
    const due = cluster.due({ ...noRetry, handler: 'forever', timeoutMs: 7 * 86_400_000 });
    await cluster.fire(due);
    const { error } = await cluster.untilOutcome(due, 60_000);
    assert.equal(error?.code, 'timeout');
    assert.match(error?.message ?? '', /within 2000 ms, the most that BELFRY_MAX_TIMEOUT allows/);
  });

  it('completes when its transaction was open at the timeout and then committed', async () => {
    const { outcome } = await outcomeOf(
      (ctx) => ctx.transaction(async () => (await cluster.clock.sleep(20_000), 'slow but sure')),
      { timeoutMs: 5_000 },
    );
    assert.deepEqual([outcome.status, outcome.result], ['COMPLETED', 'slow but sure']);
  });

  it('leaves a record that cannot be read behind, and goes on', async () => {
    cluster.start({ work: () => 1 });
    const producer = await cluster.broker.client('stranger').producer();
    const bad = { topic: cluster.topics.due('default', 'medium'), partition: 0, key: null, headers: {} };
    void producer.send([
      { ...bad, value: Buffer.from('not json') },
      { ...bad, value: null },
      { ...bad, value: Buffer.from('{"runId":"x"}') },
    ]);
    const due = cluster.due();
    await cluster.fire(due);
    await cluster.untilOutcome(due);
    await cluster.clock.until(() => cluster.uncommitted() === 0, 'all offsets are committed');
  });
});
