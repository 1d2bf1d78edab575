/**
 * I17: what cannot be applied stops nobody else. While poison is there, each command of the others is answered within a bound, times
 * in which a process or its way to a server was disturbed left out. Of a job that runs after others, commands may wait for these.
 */
import type { CheckOptions } from './options.ts';
import { PATIENCE_MS } from './refusals.ts';
import { clockTime, type History, type Violation } from './history.ts';

export function checkPromptness(history: History, { failoverMs }: CheckOptions): Violation[] {
  const { commands, faults, promptMs } = history;
  if (promptMs === undefined) return [];
  const late: Violation[] = [];
  const chains = new Set(commands.flatMap(({ job, spec }) => (spec?.schedule.kind === 'after' ? job : [])));
  for (const { commandId, job, sentAt, answer } of commands) {
    if (answer === null) continue; // nothing is left to do at the end, or I6 is broken
    const disturbed = faults.filter(({ from }) => from <= answer.at).map(({ until }) => Math.min(until, answer.at));
    const since = Math.max(sentAt, ...disturbed.map((until) => until + failoverMs));
    const allowedMs = chains.has(job) ? promptMs + PATIENCE_MS : promptMs;
    if (answer.at - since <= allowedMs) continue;
    const message = `sent at ${clockTime(sentAt)}, answered at ${clockTime(answer.at)}, ${allowedMs} ms are allowed`;
    late.push({ invariant: 'I17', about: commandId, message });
  }
  return late;
}
