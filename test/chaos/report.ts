/** What a chaos run tells people. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { INVARIANTS, type History, type Violation } from '../checker/history.ts';
import { percentile, type Gap } from './failover.ts';
import type { ChaosResult } from './run.ts';

const MOST_VIOLATIONS = 20;
const MOST_MESSAGE = 600;

/** @returns whether all promises were kept */
export function tell({ plan, history, violations, former, gaps, late, unclean }: ChaosResult): boolean {
  console.log(`\nseed ${plan.seed}, ${plan.durationMs / 60_000} minutes`);
  for (const line of countsOf(history)) console.log(`  ${line}`);
  console.log('\nfaults, and how long they held up what should have gone on (ms)');
  console.log(`  ${'kind'.padEnd(20)} count    p50    max  bound (of those that struck alone)`);
  for (const [kind, same] of [...Map.groupBy(gaps, (gap) => gap.kind)].sort()) console.log(`  ${rowOf(kind, same)}`);
  if (former.length > 0) console.log('\ndone by processes of the former release, which does not promise otherwise');
  for (const line of former.slice(0, MOST_VIOLATIONS).map(lineOf)) console.log(line);
  const broken = [...late, ...unclean];
  if (violations.length + broken.length === 0) {
    console.log('\nall promises were kept');
    return true;
  }
  console.log(`\n${violations.length + broken.length} violations`);
  for (const line of violations.slice(0, MOST_VIOLATIONS).map(lineOf)) console.log(line);
  for (const message of broken) console.log(`  fail-over: ${message}`);
  return false;
}

function lineOf({ invariant, about, message }: Violation): string {
  return `  ${invariant} (${INVARIANTS[invariant]})\n     ${about}: ${message.slice(0, MOST_MESSAGE)}`;
}

function rowOf(kind: string, gaps: readonly Gap[]): string {
  const bounds = gaps.flatMap(({ boundMs }) => boundMs ?? []);
  const bound = bounds.length === 0 ? '' : Math.round(Math.min(...bounds));
  const figures = [gaps.length, percentile(gaps, 0.5), percentile(gaps, 1)].map((figure) => Math.round(figure));
  return `${kind.padEnd(20)} ${String(figures[0]).padStart(5)} ${String(figures[1]).padStart(6)} ${String(figures[2]).padStart(6)}  ${bound}`;
}

function countsOf({ commands, runs, calls, events, faults, healedAt, quietAt, dead }: History): string[] {
  const statuses = Map.groupBy(runs, ({ status }) => status);
  const triggers = new Map<string, Set<string>>();
  for (const { trigger, runId } of events) triggers.set(trigger, (triggers.get(trigger) ?? new Set()).add(runId));
  const attempts = Map.groupBy(calls, ({ runId, attempt }) => `${runId} ${attempt}`);
  const repeats = calls.length - attempts.size;
  return [
    `${commands.length} commands, ${commands.filter(({ answer }) => answer?.outcome === 'applied').length} applied`,
    `${runs.length} runs: ${[...statuses].map(([status, same]) => `${same.length} ${status}`).join(', ')}`,
    `of them ${[...triggers].map(([trigger, same]) => `${same.size} by ${trigger}`).join(', ')}`,
    `${calls.length} calls of handlers, ${repeats} of them repeats of an attempt`,
    `${events.length} events, ${events.length - new Set(events.map(({ eventId }) => eventId)).size} of them repeats; ${dead.length} on the DLQ`,
    `${faults.length} times something befell a process`,
    quietAt === null ? 'never quiet' : `quiet ${quietAt - healedAt} ms after healing`,
  ];
}

/** Keeps what is needed to look into a failure. */
export async function keep(
  folder: string,
  { plan, history, struck, gaps, incarnations, ...found }: ChaosResult,
): Promise<void> {
  const write = (name: string, value: unknown): Promise<void> =>
    writeFile(join(folder, name), JSON.stringify(value, undefined, 1));
  await Promise.all([
    write('plan.json', plan),
    write('history.json', history),
    write('found.json', { ...found, struck, gaps }),
    ...incarnations.map(({ node, release, service }) =>
      writeFile(join(folder, `${node}.${release}.log`), service.lines.join('\n')),
    ),
  ]);
}
