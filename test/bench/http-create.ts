/**
 * How long it takes to create a job over HTTP, at a steady rate: from the moment at which a request was to be sent (not from
 * when a slow one before it let it go) to its 201. `npm run bench:http`; RATE a second, for SECONDS.
 */
import { TestDeployment } from '../integration/support/deployment.ts';

const rate = Number(process.env.RATE ?? 200);
const seconds = Number(process.env.SECONDS ?? 20);
const WARM_UP = 500;

const belfry = await TestDeployment.create();
const key = await belfry.key(['write']);
const [service] = await Promise.all([belfry.api({ env: { BELFRY_API_RATE: '100000' } }), belfry.timer()]);
const url = `http://127.0.0.1:${await service.port}/api/jobs`;

async function create(jobId: string): Promise<void> {
  const job = { jobId, type: 'CUSTOM', handler: 'noop', payload: { invoice: 42 }, schedule: { every: '1h' } };
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(job) });
  const text = await response.text();
  if (response.status !== 201) throw new Error(`${response.status} ${text}`);
}

for (let index = 0; index < WARM_UP; index += 1) await create(`warm-${index}`);
const began = performance.now();
const latencies = await Promise.all(
  Array.from({ length: rate * seconds }, async (_, index) => {
    const due = began + (index * 1_000) / rate;
    await new Promise((resolve) => setTimeout(resolve, due - performance.now()));
    await create(`job-${index}`);
    return performance.now() - due;
  }),
);
latencies.sort((a, b) => a - b);
const at = (share: number): string => `${(latencies[Math.floor(latencies.length * share)] ?? 0).toFixed(1)} ms`;
console.log(
  `${latencies.length} jobs created over HTTP at ${rate}/s: p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(0.99999)}`,
);
await belfry.destroy();
process.exit(0);
