/** What every timer store does with edges between jobs, and with ends of upstream runs that arrive. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EdgesRefused, MAX_JOBS_BEFORE } from '../../services/core/edges-refused.ts';
import type { Arrival, Edges, TimerStore } from '../../services/core/ports/timer-store.ts';
import { decided, jobIn, newJobId, type Owner, runId, T0 } from './timer-fixtures.ts';

const tenant = 'default';

/**
 * @param stored the store, once the tests run
 * @param owner takes a partition that no other test has
 */
export function timerStoreChainsConformance(stored: () => TimerStore, owner: () => Promise<Owner>): void {
  const edge = (jobId: string, ...upstreams: string[]): Edges => {
    return { tenant, jobId, upstreams: upstreams.map((upstream) => ({ jobId: upstream, when: 'success' as const })) };
  };
  /** Jobs of one partition, by names that no other test has. */
  const withJobs = async (count: number): Promise<{ me: Owner; ids: string[] }> => {
    const me = await owner();
    const jobs = Array.from({ length: count }, () => jobIn(me.partition));
    await me.step({ jobs });
    return { me, ids: jobs.map(({ jobId }) => jobId) };
  };
  const downstreams = async (jobId: string): Promise<readonly string[]> => {
    const { jobs } = await stored().read([{ tenant, jobId }], []);
    return jobs.get(`${tenant}/${jobId}`)?.downstreams ?? [];
  };
  const refusal = async (step: Promise<unknown>): Promise<EdgesRefused> => {
    const thrown = await step.then(
      () => undefined,
      (error: unknown) => error,
    );
    assert.ok(thrown instanceof EdgesRefused, String(thrown));
    return thrown;
  };

  describe('edges', () => {
    test('are known with the job that they lead from, are replaced as a whole, and go', async () => {
      const { me, ids } = await withJobs(4);
      const [a, b, c, d] = ids as [string, string, string, string];
      await me.step({ edges: [edge(c, a, b), edge(d, a)] });
      assert.deepEqual([await downstreams(a), await downstreams(b)], [[c, d].sort(), [c]]);
      const known = await stored().downstreams([
        { tenant, jobId: b },
        { tenant, jobId: c },
      ]);
      assert.deepEqual([...known], [[`${tenant}/${b}`, [c]]]);
      await me.step({ edges: [edge(c, b), edge(d)] });
      assert.deepEqual([await downstreams(a), await downstreams(b)], [[], [c]]);
    });

    test('lead from jobs of the same step, and of no other tenant', async () => {
      const me = await owner();
      const [a, b] = [jobIn(me.partition), jobIn(me.partition, { tenant: 'other' })];
      const thrown = await refusal(me.step({ jobs: [a, b], edges: [edge(newJobId(), b.jobId)] }));
      assert.equal(thrown.refused[0]?.rejection.code, 'unknown_job');
      const c = newJobId();
      await me.step({ jobs: [a], edges: [edge(c, a.jobId)] });
      assert.deepEqual(await downstreams(a.jobId), [c]);
    });

    test('that close a cycle refuse the whole step, and the cycle is told', async () => {
      const { me, ids } = await withJobs(4);
      const [a, b, c, d] = ids as [string, string, string, string];
      await me.step({ edges: [edge(b, a), edge(c, b), edge(d, a, b)] });
      const changed = jobIn(me.partition);
      const thrown = await refusal(me.step({ jobs: [changed], edges: [edge(a, c)] }));
      assert.deepEqual(
        thrown.refused.map(({ jobId, cycle, rejection }) => [jobId, cycle, rejection.code]),
        [[a, [a, b, c], 'cycle']],
      );
      assert.match(thrown.refused[0]!.rejection.message, new RegExp(`${a} → ${b} → ${c} → ${a}`));
      assert.equal((await stored().read([changed], [])).jobs.size, 0);
      assert.deepEqual(await downstreams(c), []);
      await me.step({ edges: [edge(c), edge(d)] });
      await me.step({ edges: [edge(a, c)] });
    });

    test('of a chain that forks and joins again and again are looked through in no time', async () => {
      const { me, ids } = await withJobs(81);
      const edges = ids.slice(1).map((id, index) => edge(id, ...ids.slice(Math.max(0, index - 3), index + 1)));
      await me.step({ edges });
      const thrown = await refusal(me.step({ edges: [edge(ids[0]!, ids[80]!)] }));
      assert.equal(thrown.refused[0]?.cycle[0], ids[0]);
    });

    test('of a job that many run after are changed in no time, and so are those of a long chain made at once', async () => {
      const { me, ids } = await withJobs(8_002);
      const [root, hub, ...rest] = ids as [string, string, ...string[]];
      const chain = rest.slice(0, 2_000);
      await me.step({ edges: [edge(hub, root), ...rest.map((id) => edge(id, hub))] });
      const begunAt = performance.now();
      await me.step({ edges: [edge(hub)] });
      await me.step({ edges: [edge(hub, root)] });
      await me.step({ edges: chain.map((id, index) => edge(id, chain[index - 1] ?? hub)) });
      const thrown = await refusal(me.step({ edges: [edge(root, chain.at(-1)!)] }));
      const tookMs = performance.now() - begunAt;
      assert.equal(thrown.refused[0]?.cycle.length, 2_002);
      assert.match(thrown.refused[0].rejection.message, /… \(\d+ more\)/);
      assert.ok(thrown.refused[0].rejection.message.length < 4_096);
      assert.ok(tookMs < 6_000, `took ${Math.round(tookMs)} ms`);
    });

    test('of a job that more jobs stand before than are looked at are refused, and told the limit', async () => {
      const { me, ids } = await withJobs(MAX_JOBS_BEFORE + 2);
      for (let from = 1; from < MAX_JOBS_BEFORE; from += 2_500)
        await me.step({ edges: ids.slice(from, from + 2_500).map((id, index) => edge(id, ids[from + index - 1]!)) });
      const [last] = ids.slice(-1) as [string];
      const thrown = await refusal(me.step({ edges: [edge(last, ids.at(-2)!)] }));
      assert.deepEqual(
        thrown.refused.map(({ jobId, rejection }) => [jobId, rejection.code]),
        [[last, 'quota']],
      );
      assert.match(thrown.refused[0]!.rejection.message, /more than 10000 jobs/);
      await me.step({ edges: [edge(last, ids[9_000]!)] });
    });

    test('of two steps at once that would close a cycle together: one is refused', async () => {
      for (let round = 0; round < 10; round++) {
        const [one, two] = [await withJobs(1), await withJobs(1)];
        const [a, b] = [one.ids[0]!, two.ids[0]!];
        const steps = [one.me.step({ edges: [edge(a, b)] }), two.me.step({ edges: [edge(b, a)] })];
        const ends = await Promise.allSettled(steps);
        assert.deepEqual(ends.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
        const refused = ends.find((end) => end.status === 'rejected');
        assert.ok(refused?.reason instanceof EdgesRefused, String(refused?.reason));
        assert.equal((await downstreams(a)).length + (await downstreams(b)).length, 1);
      }
    });

    test('of an owner that was replaced are not written', async () => {
      const { me, ids } = await withJobs(2);
      await stored().take(me.partition, 'timer-2');
      assert.equal(await me.step({ edges: [edge(ids[1]!, ids[0]!)] }), false);
      assert.deepEqual(await downstreams(ids[0]!), []);
    });
  });

  describe('arrivals', () => {
    const arrival = (jobId: string, upstream: string, run: string, fields: Partial<Arrival> = {}): Arrival => {
      return { tenant, jobId, upstream, runId: run, anchorAt: T0, setId: null, superseded: false, ...fields };
    };

    test('that wait are known, those that do not are known by their run', async () => {
      const me = await owner();
      const [job, other] = [newJobId(), newJobId()];
      const [waits, late, used, asked] = [1, 2, 3, 4].map((n) => runId(job, n)) as [string, string, string, string];
      const first = arrival(job, 'a', waits);
      const superseded = arrival(job, 'a', late, { superseded: true });
      const joined = arrival(job, 'b', used, { setId: runId('set', 1) });
      await me.step({ arrivals: [first, superseded, joined, arrival(other, 'a', waits)] });
      assert.deepEqual(await stored().arrivals([{ tenant, jobId: job, runId: asked }]), [first]);
      const known = await stored().arrivals([{ tenant, jobId: job, runId: used }]);
      assert.deepEqual(known.map(({ runId: id }) => id).sort(), [waits, used].sort());
      await me.step({ arrivals: [{ ...first, setId: runId('set', 2) }] });
      assert.deepEqual(await stored().arrivals([{ tenant, jobId: job, runId: asked }]), []);
    });

    test('of a replay bring along the set of the run that it repeats', async () => {
      const me = await owner();
      const job = newJobId();
      const [original, companion, set] = [runId(job, 1), runId(job, 2), runId(job, 3)];
      const replay = decided(runId(job, 4), 'a', { status: 'COMPLETED', replayOf: original });
      await me.step({
        arrivals: [arrival(job, 'a', original, { setId: set }), arrival(job, 'b', companion, { setId: set })],
        runs: [replay],
      });
      const known = await stored().arrivals([{ tenant, jobId: job, runId: replay.outcome.runId }]);
      assert.deepEqual(known.map(({ runId: id }) => id).sort(), [original, companion].sort());
    });
  });
}
