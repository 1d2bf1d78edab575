/** What one tenant's flood costs another. FLOOD sets its size. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TestDeployment } from '../integration/support/deployment.ts';
import { custom } from '../integration/support/jobs.ts';

const FLOOD = Number(process.env.FLOOD ?? 20_000);
const BATCH = 5_000;
const HANDLER_MS = 10;
/** Of the time that the flood lasts. Without turns, others wait for nearly all of it. */
const USUALLY_LATE = 0.1;
const MOST_LATE = 0.5;

describe(`a tenant whose ${FLOOD} runs are due at one instant`, { timeout: 400_000 }, () => {
  let belfry: TestDeployment;

  before(async () => {
    belfry = await TestDeployment.create();
    await Promise.all([belfry.timer(), belfry.executor()]);
  });
  after(() => belfry.destroy());

  it('holds up the runs of another tenant for a small part of the time that its own take', async () => {
    const dueAt = Date.now() + FLOOD * 0.8 + 5_000;
    const at = new Date(dueAt).toISOString();
    const work = custom('wait', { at }, { payload: { ms: HANDLER_MS } });
    for (let first = 0; first < FLOOD; first += BATCH) {
      const jobs = Array.from({ length: Math.min(BATCH, FLOOD - first) }, (_, n) => ({
        jobId: `a-${first + n}`,
        options: { tenant: 'a' },
        job: work,
      }));
      const sent = await belfry.client.scheduleMany(jobs);
      assert.ok(sent.every(({ status }) => status === 'fulfilled'));
    }
    assert.ok(Date.now() < dueAt - 2_000, 'the flood is ready in time');
    const seconds = Math.ceil(FLOOD / 4_000);
    const every = { every: '1s', startAt: at, endAt: new Date(dueAt + seconds * 1_000).toISOString() };
    await belfry.client.schedule('b', custom('stamp', every, { overlap: 'allow' }), { tenant: 'b' });
    const once = Array.from({ length: seconds }, (_, n) => {
      const schedule = { at: new Date(dueAt + n * 1_000 + 500).toISOString() };
      return { jobId: `once-${n}`, options: { tenant: 'b' }, job: custom('stamp', schedule) };
    });
    await belfry.client.scheduleMany(once);
    await belfry.until('all of both have run', (outcomes) => outcomes.length >= FLOOD + 2 * seconds, 250_000);

    const completed = [...belfry.distinct('COMPLETED').values()];
    const [a, b] = ['a', 'b'].map((tenant) => completed.filter((outcome) => outcome.tenant === tenant));
    assert.equal(a!.length, FLOOD);
    assert.equal(b!.length, 2 * seconds);
    const lasted = Math.max(...a!.map(({ finishedAt }) => finishedAt)) - dueAt;
    const late = b!.map(({ result, scheduledFor }) => (result as number) - scheduledFor).sort((x, y) => x - y);
    console.log(
      `the flood lasts ${lasted} ms; late by (ms): median ${late[seconds]}, most ${late.at(-1)}; all ${late.join(' ')}`,
    );
    assert.ok(late[seconds]! < lasted * USUALLY_LATE, `late by ${late[seconds]} ms in the median`);
    assert.ok(late.at(-1)! < lasted * MOST_LATE, `late by ${late.at(-1)} ms`);
  });
});
