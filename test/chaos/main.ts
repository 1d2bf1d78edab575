/** `npm run test:chaos -- [--seed S] --minutes M [--brokers 3] [--mixed] [--keep]` */
import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findFakeTime } from './fake-time.ts';
import { keep, tell } from './report.ts';
import { releasesOf } from './releases.ts';
import { runChaos } from './run.ts';

const { values } = parseArgs({
  options: {
    /** Default: one of chance, which is printed. */
    seed: { type: 'string', default: String(randomInt(1, 1_000_000)) },
    minutes: { type: 'string', default: '3' },
    brokers: { type: 'string', default: '1' },
    /** Default: that of the seed, every other one is Avro's. */
    encoding: { type: 'string' },
    /** Processes of the former release and of this one, side by side. */
    mixed: { type: 'boolean', default: false },
    /** Also when nothing failed. */
    keep: { type: 'boolean', default: false },
  },
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
const folder = await mkdtemp(join(tmpdir(), 'belfry-chaos-'));
const log = (line: string): void => console.log(line);
const fakeTime = findFakeTime();
if (fakeTime === null) log('clocks are not shifted: that needs libfaketime (apt-get install libfaketime)');
const seed = Number(values.seed);
const encoding = (values.encoding ?? (seed % 2 === 0 ? 'avro' : 'json')) === 'avro' ? 'avro' : 'json';
log(`seed ${seed}, ${encoding}${values.mixed ? ', a cluster of two releases' : ''}`);
const result = await runChaos({
  ...{ seed, encoding },
  releases: values.mixed ? releasesOf(seed) : null,
  durationMs: Number(values.minutes) * 60_000,
  brokers: Number(values.brokers),
  ...{ folder, fakeTime, log },
});
const isFine = tell(result);
if (isFine && !values.keep) {
  await rm(folder, { recursive: true, force: true });
} else {
  await rm(join(folder, 'servers'), { recursive: true, force: true });
  await keep(folder, result);
  log(`\nhistory, plan and the processes' logs: ${folder}`);
  log(
    `again: npm run test:chaos -- --seed ${values.seed} --minutes ${values.minutes} --brokers ${values.brokers}${values.mixed ? ' --mixed' : ''}`,
  );
}
process.exit(isFine ? 0 : 1);
