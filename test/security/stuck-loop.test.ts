/** A record that hangs whoever applies it costs two timers, and nobody's jobs. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { TestDeployment } from '../integration/support/deployment.ts';
import { custom, NOW } from '../integration/support/jobs.ts';
import type { Service } from '../integration/support/service.ts';

const STALL_TIMEOUT_MS = 2_000;
const CLI = new URL('../../services/cli/main.ts', import.meta.url).pathname;
const SCRIPT = new URL('./support/hanging-timer.ts', import.meta.url).pathname;
const env = { BELFRY_STALL_TIMEOUT: `${STALL_TIMEOUT_MS}ms` };

describe('an event loop that is stuck', { timeout: 180_000 }, () => {
  let belfry: TestDeployment;
  before(async () => {
    belfry = await TestDeployment.create({ partitions: 1 });
  });
  after(() => belfry.destroy());

  const hanging = (): Promise<Service> => belfry.timer({ env, script: SCRIPT, isQuiet: true });

  it('ends its process, which says where it was; the third owner of the partition sets the record aside and goes on', async () => {
    const first = await hanging();
    await belfry.client.schedule('before', custom('work', { in: '1h' }));
    const unanswered = belfry.client.schedule('poison-1', custom('work', { in: '1h' })).catch(() => undefined);
    await first.ended();
    assert.equal(first.child.signalCode, 'SIGKILL');
    const said = first.lines.find((line) => line.includes('event loop is stuck')) ?? '{}';
    const { partition, input, job, level } = JSON.parse(said) as Record<string, unknown>;
    assert.deepEqual(
      { partition, input, job, level },
      { partition: 0, input: 'commands 1', job: 'default/poison-1', level: 60 },
    );

    const second = await hanging();
    await second.ended();
    assert.equal(second.child.signalCode, 'SIGKILL');
    assert.deepEqual(
      await belfry.rows('SELECT service, partition, input, job, count(*)::int AS n FROM stalls GROUP BY 1, 2, 3, 4'),
      [{ service: 'timer', partition: 0, input: 'commands 1', job: 'default/poison-1', n: 2 }],
    );

    const third = await hanging();
    const { outcome } = await belfry.client.schedule('after', custom('work', { in: '1h' }), { timeoutMs: 20_000 });
    assert.equal(outcome, 'applied');
    await unanswered;
    const [rejected] = await belfry.rows<{ code: string; message: string }>(
      'SELECT code, message FROM rejected_records WHERE origin_offset = 1',
    );
    assert.deepEqual(rejected, {
      code: 'invalid',
      message: 'it could not be applied: the event loops of two timers in a row were stuck at it',
    });
    const { headers } = await belfry.firstRecord(belfry.topics.rejected, 'default/poison-1');
    assert.equal(headers.belfry_origin_offset, '1');
    assert.match(await third.metrics(), /^belfry_inputs_set_aside_total\S* 1$/m);
    await third.kill();
  });

  it('is named by the doctor', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [CLI, 'doctor'], {
      env: { ...process.env, ...belfry.env },
    }).catch((error: unknown) => error as { stdout: string }); // there is a problem, it says
    assert.match(
      stdout.replaceAll(/\s+/g, ' '),
      /2 × timer ended, stuck at commands 1 of partition 0 \(default\/poison-1\)/,
    );
  });

  it('is none that waits for the database, nor one that was frozen', async () => {
    const timer = await belfry.timer({ env });
    await belfry.transaction(async (pg) => {
      await pg.query('LOCK TABLE jobs, owners');
      const waiting = belfry.client.schedule('waits', custom('work', NOW), { timeoutMs: 20_000 });
      waiting.catch(() => undefined);
      await pg.query('SELECT pg_sleep($1)', [(2.5 * STALL_TIMEOUT_MS) / 1_000]);
    });
    assert.ok(timer.running);
    timer.freeze();
    await new Promise((resolve) => setTimeout(resolve, 2 * STALL_TIMEOUT_MS));
    timer.thaw();
    await belfry.client.schedule('thawed', custom('work', { in: '1h' }), { timeoutMs: 20_000 });
    assert.ok(timer.running);
    assert.deepEqual(await belfry.rows('SELECT count(*)::int AS n FROM stalls'), [{ n: 2 }]);
  });
});
