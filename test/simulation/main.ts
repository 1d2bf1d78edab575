/** `npm run test:simulation -- --seeds N | --seed S [--trace] [--shrink] | --mutations [--seeds N]` */
import { parseArgs } from 'node:util';
import { mutationTable } from './mutation-table.ts';
import { explore, replay } from './report.ts';

const DEFAULT_SEEDS = 200;
const MUTATION_SEEDS = 1_000;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    shrink: { type: 'boolean', default: false },
    mutations: { type: 'boolean', default: false },
    mutation: { type: 'string' },
  },
});

const from = Number(values.from);
let isFine: boolean;
if (values.mutations) isFine = await mutationTable(from, Number(values.seeds ?? MUTATION_SEEDS), values.mutation);
else if (values.seed !== undefined) isFine = await replay(Number(values.seed), { ...values });
else isFine = await explore(from, Number(values.seeds ?? DEFAULT_SEEDS));
process.exitCode = isFine ? 0 : 1;
