import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startStack, type Stack } from '../../infra/embedded/stack.ts';
import { TestDeployment } from '../integration/support/deployment.ts';
import { custom } from '../integration/support/jobs.ts';

/** These tests restart servers, so they have servers of their own. */
describe('when a server restarts', { timeout: 180_000 }, () => {
  let folder: string;
  let stack: Stack;
  let belfry: TestDeployment;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'belfry-servers-'));
    stack = await startStack({
      dataDir: folder,
      env: { PATH: process.env.PATH, HOME: process.env.HOME, JAVA_HOME: process.env.JAVA_HOME },
    });
    belfry = await TestDeployment.create({ partitions: 3, servers: stack });
    await Promise.all([belfry.timer(), belfry.executor()]);
    await belfry.client.schedule('steady', custom('record', { every: '1s' }, { missed: { policy: 'all' } }));
    await completions(2);
  });
  after(async () => {
    await belfry?.destroy();
    await stack?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function completions(more: number, timeoutMs = 60_000): Promise<void> {
    const count = belfry.distinct('COMPLETED').size;
    await belfry.until(`${more} more completions`, () => belfry.distinct('COMPLETED').size >= count + more, timeoutMs);
  }

  async function nothingLostOrRepeated(): Promise<void> {
    const rows = await belfry.rows<{ scheduled_for: string; status: string }>(
      `SELECT scheduled_for, status FROM runs WHERE job_id = 'steady' ORDER BY run_id`,
    );
    for (const [index, row] of rows.entries()) {
      const previous = rows[index - 1];
      if (previous !== undefined)
        assert.equal(
          Number(row.scheduled_for) - Number(previous.scheduled_for),
          1_000,
          'an occurrence has neither run nor row',
        );
    }
    const ended = rows.filter(({ status }) => status === 'COMPLETED' || status === 'SKIPPED').length;
    assert.ok(rows.length - ended <= 2, 'all but the latest have ended');
    const twice = await belfry.rows(
      `SELECT scheduled_for FROM sink WHERE job_id = 'steady' GROUP BY scheduled_for HAVING count(*) > 1`,
    );
    assert.deepEqual(twice, []);
  }

  it('Kafka, killed and started again: both services go on by themselves, nothing is lost or run twice', async () => {
    await stack.embedded.kafka?.kill();
    await stack.embedded.kafka?.start();
    await completions(5);
    await nothingLostOrRepeated();
  });

  it('PostgreSQL, killed and started again: both services go on by themselves, nothing is lost or run twice', async () => {
    await stack.embedded.postgres?.kill();
    await stack.embedded.postgres?.start();
    await completions(5);
    await nothingLostOrRepeated();
  });

  it('PostgreSQL, away for 10 s: no lease of a living executor is taken over, and work resumes', async () => {
    await stack.embedded.postgres?.stop();
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    await stack.embedded.postgres?.start();
    await completions(5);
    await nothingLostOrRepeated();
    assert.ok(
      belfry.services.every((service) => service.running),
      'no process ended by itself',
    );
  });
});
