/** One request ends no API process, and stops nobody else: a real process, with a heap of 512 MB. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TestDeployment } from '../integration/support/deployment.ts';
import type { Service } from '../integration/support/service.ts';
import { send, startApi, type Answer } from './attack.ts';

const MB = 1024 * 1024;
/** The largest answer to what is not valid. */
const MAX_ANSWER = 100_000;
/** Of whoever asks meanwhile, on a machine that does other things too. */
const MAX_WAIT_MS = 10_000;

/** A batch of one job with so many labels, none of them allowed. */
function labelled(count: number): string {
  const labels = Array.from({ length: count }, (_, at) => `"é${at}":1`).join();
  return `{"jobs":[{"jobId":"large","type":"CUSTOM","handler":"noop","schedule":{"in":"1h"},"labels":{${labels}}}]}`;
}

describe('large requests', () => {
  let belfry: TestDeployment;
  let api: Service;
  let url: string;
  let key: string;
  let honest: string;
  before(async () => {
    belfry = await TestDeployment.create();
    [key, honest] = await Promise.all([belfry.key(['admin'], 'hostile'), belfry.key(['read'], 'honest')]);
    api = await startApi(belfry);
    url = `http://127.0.0.1:${await api.port}`;
  });
  after(() => belfry.destroy());

  /** While it is under way, another tenant's request is answered: longest wait, ms. */
  async function beside(attack: Promise<Answer[]>): Promise<{ answers: Answer[]; longestMs: number }> {
    let isOver = false;
    let longestMs = 0;
    const over = attack.finally(() => (isOver = true));
    while (!isOver) {
      const began = performance.now();
      assert.equal((await send(`${url}/api/me`, honest, undefined, 'GET')).status, 200);
      longestMs = Math.max(longestMs, performance.now() - began);
    }
    return { answers: await over, longestMs };
  }

  it('a batch of one item with more than a million bad labels', async () => {
    const attack = send(`${url}/api/jobs/batch`, key, labelled(1_300_000));
    const { answers, longestMs } = await beside(Promise.all([attack]));
    assert.equal(answers[0]!.status, 413);
    assert.ok(answers[0]!.text.length < MAX_ANSWER);
    assert.ok(longestMs < MAX_WAIT_MS, `${longestMs} ms`);
  });

  it('as many as are read at all', async () => {
    const attack = send(`${url}/api/jobs/batch`, key, labelled(240_000));
    const { answers, longestMs } = await beside(Promise.all([attack]));
    assert.match(answers[0]!.text, /the item has \d+ bytes/);
    assert.ok(longestMs < MAX_WAIT_MS, `${longestMs} ms`);
  });

  it('a list of what is no status', async () => {
    const body = `{"url":"https://example.com/","statuses":[${'1,'.repeat(200_000)}1]}`;
    const { status, text } = await send(`${url}/api/webhooks`, key, body);
    assert.equal(status, 400);
    assert.ok(text.length < MAX_ANSWER);
  });

  it('four bodies at once of nothing but brackets, and of empty objects', async () => {
    for (const part of ['[', '{},', '[],', '"",', '1,']) {
      const body = `${part === '[' ? '' : '['}${part.repeat((15 * MB) / part.length)}`;
      const attack = Promise.all(Array.from({ length: 4 }, () => send(`${url}/api/commands`, key, body)));
      const { answers } = await beside(attack);
      const refused = answers.filter(({ status }) => status === 429);
      assert.ok(
        answers.every(({ status }) => [413, 429].includes(status)),
        JSON.stringify(answers.map(({ status }) => status)),
      );
      for (const { headers } of refused) assert.equal(headers.get('retry-after'), '1');
    }
    assert.ok(api.running);
  });

  it('many tenants at once, each with the most that is read', async () => {
    const keys = await Promise.all(Array.from({ length: 6 }, (_, at) => belfry.key(['write'], `t${at}`)));
    const item = `{"jobId":"a","type":"CUSTOM","handler":"h","schedule":{},"payload":[${'{},'.repeat(450)}{}]}`;
    const body = `{"jobs":[${Array.from({ length: 250 }, () => item).join(',')}]${' '.repeat(15 * MB)}}`;
    const { answers } = await beside(
      Promise.all(keys.flatMap((each) => [1, 2].map(() => send(`${url}/api/jobs/batch`, each, body)))),
    );
    for (const { status, text } of answers) assert.ok([200, 413, 429, 503].includes(status), text.slice(0, 500));
    assert.ok(answers.some(({ status }) => status === 200));
    assert.ok(api.running);
  });
});
