/** One workload on every system that takes part in it, one after the other, each on servers of its own. */
import type { Candidate } from './systems/system.ts';
import type { Figures, Row, Workload } from './workloads/workload.ts';

export type Settings = {
  repeat: number;
  quick: boolean;
  /** Takes a line on how far it is. */ say: (line: string) => void;
};

/** One line that one run of a workload on one system gave. */
export type Result = { system: string; variant: string; case: string; repeat: number; figures: Figures };
/** What could not be measured, and why. */
export type Failure = { system: string; variant: string; reason: string };
export type Results = { results: Result[]; failures: Failure[] };

/** Goes on with the next system where one fails: without Redis, the others are still worth a table. */
export async function measure(
  workload: Workload,
  candidates: readonly Candidate[],
  settings: Settings,
): Promise<Results> {
  const all: Results = { results: [], failures: [] };
  for (const candidate of candidates.filter((each) => takesPart(each, workload))) {
    const { system, variant } = candidate;
    try {
      for (let repeat = 1; repeat <= settings.repeat; repeat++) {
        settings.say(`${workload.name}: ${system} (${variant}), ${repeat} of ${settings.repeat}`);
        for (const { case: name, figures } of await once(workload, candidate, settings)) {
          all.results.push({ system, variant, case: name, repeat, figures });
          settings.say(
            `  ${name} ${JSON.stringify(figures, (_, value) => (typeof value === 'number' ? round(value) : (value as object)))}`,
          );
        }
      }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      all.failures.push({ system, variant, reason });
      settings.say(`  ${reason}`);
    }
  }
  return all;
}

/** An interrupted measurement leaves no process behind. */
async function once(workload: Workload, candidate: Candidate, settings: Settings): Promise<Row[]> {
  const system = candidate.open(workload.env);
  let ending: Promise<void> | undefined;
  const interrupted = (): void => void (ending ??= system.stop().finally(() => process.exit(130)));
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    await system.start();
    return await workload.run(system, settings);
  } finally {
    await ending; // nothing else may begin
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
    await system.stop();
  }
}

function takesPart(candidate: Candidate, { name, systems }: Workload): boolean {
  if (systems === 'belfry' && candidate.system !== 'belfry') return false;
  if (systems === 'postgres' && candidate.onPostgres !== true) return false;
  return candidate.workloads?.includes(name) ?? true;
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
