/**
 * Measures Belfry and its peers one after the other on this machine: `npm run bench -- --help`. Exits 0 when it could measure;
 * goals that were missed are marked in the table.
 */
import { parseArgs } from 'node:util';
import { measure, type Results } from './measure.ts';
import { writeReport } from './report/report.ts';
import { save } from './report/store.ts';
import { surroundings } from './report/surroundings.ts';
import { CANDIDATES } from './systems/index.ts';
import type { Candidate } from './systems/system.ts';
import { WORKLOADS } from './workloads/index.ts';

const HELP = `npm run bench -- [--only WORKLOAD[,…]] [--peers a,b | --peers none] [--best] [--repeat N] [--quick] [--out DIR]

  --only     ${WORKLOADS.map(({ name }) => name).join(', ')}
  --peers    ${[...new Set(CANDIDATES.map(({ system }) => system))].filter((name) => name !== 'belfry').join(', ')}, or none; default: all
  --best     leaves out the systems' default settings
  --repeat   measurements of each, of which the tables show the median; default: 1
  --quick    smaller and shorter loads: for a look, not for a claim
  --out      where the figures, the report and the plots go; a workload's figures replace its former ones;
             default: test/bench/results`;

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    peers: { type: 'string' },
    best: { type: 'boolean', default: false },
    repeat: { type: 'string', default: '1' },
    quick: { type: 'boolean', default: false },
    out: { type: 'string', default: new URL('./results', import.meta.url).pathname },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) console.log(HELP);
else await bench();
process.exit();

async function bench(): Promise<void> {
  const { out, quick } = values;
  const repeat = Math.max(1, Number(values.repeat));
  const workloads = pick('--only', WORKLOADS, ({ name }) => name, values.only);
  const candidates = candidatesOf(values.peers);
  const say = (line: string): void => console.error(line);
  for (const workload of workloads) {
    const date = new Date().toISOString();
    const measured = await measure(workload, candidates, { repeat, quick, say });
    const settings = settingsOf(candidates, measured);
    await save(out, { workload: workload.name, date, repeat, quick, ...surroundings(), settings, ...measured });
  }
  console.log(await writeReport(out, WORKLOADS));
}

/** Belfry and the peers that are wanted. */
function candidatesOf(peers: string | undefined): Candidate[] {
  const [ours, others] = [true, false].map((belfry) =>
    CANDIDATES.filter(
      ({ system, variant }) => (system === 'belfry') === belfry && !(values.best && variant === 'default'),
    ),
  );
  return [...(ours ?? []), ...(peers === 'none' ? [] : pick('--peers', others ?? [], ({ system }) => system, peers))];
}

function settingsOf(candidates: readonly Candidate[], { results }: Results): Record<string, string> {
  return Object.fromEntries(
    candidates
      .filter(({ system, variant }) => results.some((each) => each.system === system && each.variant === variant))
      .map(({ system, variant, settings }) => [`${system} (${variant})`, settings]),
  );
}

function pick<T>(option: string, all: readonly T[], nameOf: (each: T) => string, wanted: string | undefined): T[] {
  if (wanted === undefined) return [...all];
  const names = wanted.split(',');
  const unknown = names.find((name) => !all.some((each) => nameOf(each) === name));
  if (unknown !== undefined) {
    console.error(`${option}: there is no "${unknown}".\n\n${HELP}`);
    process.exit(2);
  }
  return all.filter((each) => names.includes(nameOf(each)));
}
