/**
 * `npm run test:fuzz -- --seed S --requests N --records N`: hostile requests to a real API and hostile records to a real timer. The
 * seed makes the same ones again; ids of runs and secrets are those of the deployment, and differ.
 */
import { parseArgs } from 'node:util';
import { fuzz } from './fuzz.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    requests: { type: 'string', default: '10000' },
    records: { type: 'string', default: '10000' },
  },
});
const [seed, requests, records] = [values.seed, values.requests, values.records].map(Number) as [
  number,
  number,
  number,
];
if (![seed, requests, records].every((each) => Number.isSafeInteger(each) && each >= 0)) {
  console.error('usage: npm run test:fuzz -- [--seed S] [--requests N] [--records N], whole numbers');
  process.exit(2);
}
try {
  console.log(JSON.stringify(await fuzz({ seed, requests, records }, console.log), null, 2));
} catch (error) {
  console.error(error);
  console.error(`npm run test:fuzz -- --seed ${seed} --requests ${requests} --records ${records} repeats it`);
  process.exitCode = 1;
}
// What a failure left open does not keep the process.
process.exit();
