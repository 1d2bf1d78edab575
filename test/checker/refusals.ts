/**
 * I14: what is refused. A job that is new counts against its tenant's quota with all jobs that were surely open when it was sent,
 * as their timer may know; it is refused only if as many may have been open.
 */
import { parseJobKey } from '../../services/core/topics.ts';
import { wasOfFormer } from './former.ts';
import type { CheckOptions } from './options.ts';
import { clockTime, type History, type SentCommand, type Violation } from './history.ts';

/** What a timer knows of quotas, and of jobs that others accepted, is so old at the most. */
const KNOWN_MS = 2_000;
/** The last occurrence of a schedule, after which its job is over, comes so shortly before its end at the most. */
const LONGEST_INTERVAL_MS = 10_000;
/** So long a command waits for jobs that it runs after. */
export const PATIENCE_MS = 10_000;
const HARMLESS = new Set<string>(['trigger', 'replay', 'pause', 'resume', 'backfill']);

export function checkRefusals(history: History, options: CheckOptions): Violation[] {
  return [...checkRejected(history), ...checkPatience(history, options), ...checkQuotas(history, options)];
}

/** Jobs that a job runs after are waited for before it is refused for one that is not there. The former release refuses it at once. */
function* checkPatience({ commands, former }: History, { toleranceMs }: CheckOptions): Iterable<Violation> {
  for (const { commandId, job, spec, sentAt, answer } of commands) {
    if (spec?.schedule.kind !== 'after' || answer?.code !== 'unknown_job') continue;
    const waitedMs = answer.at - sentAt;
    if (waitedMs >= PATIENCE_MS - toleranceMs) continue;
    const isOfFormer = wasOfFormer(job, [sentAt, answer.at], former);
    yield { ...violation(commandId, `refused after ${waitedMs} ms`), ...(isOfFormer && { isOfFormer }) };
  }
}

/** Among the rejected stands what was answered so, and nothing else. */
function* checkRejected({ acks, rejected }: History): Iterable<Violation> {
  if (rejected === undefined) return;
  const refused = new Set(acks.flatMap(({ commandId, outcome }) => (outcome === 'rejected' ? commandId : [])));
  const standing = new Set(rejected);
  for (const id of refused.difference(standing)) yield violation(id, 'was refused, and is not among the rejected');
  for (const id of standing.difference(refused)) yield violation(id, 'is among the rejected, and was not refused');
}

function* checkQuotas(history: History, { toleranceMs }: CheckOptions): Iterable<Violation> {
  const { commands, quotas = [], webhooks = [] } = history;
  const byJob = [...Map.groupBy(commands, ({ job }) => job)].filter(([, [first]]) => first!.type === 'schedule');
  for (const [job, [first]] of byJob) {
    const { tenant } = parseJobKey(job)!;
    const { answer, sentAt } = first!;
    const limits = limitsOf(tenant, quotas, answer?.at ?? sentAt);
    const others = byJob.filter(([other]) => other !== job && parseJobKey(other)!.tenant === tenant);
    if (answer?.outcome === 'applied') {
      const knownBy = sentAt - KNOWN_MS - toleranceMs;
      const open = others.filter(([, own]) => isOpen(own, knownBy, answer.at)).length;
      if (open >= Math.max(...limits))
        yield violation(job, `accepted at ${clockTime(answer.at)} beside ${open} jobs, quota ${Math.max(...limits)}`);
    } else if (answer?.code === 'quota') {
      // Those that deliver to webhooks count, too.
      const own = webhooks.filter((webhook) => webhook.tenant === tenant).length;
      const open = others.filter(([, [other]]) => other!.sentAt <= answer.at).length + own;
      if (open < Math.min(...limits))
        yield violation(job, `refused at ${clockTime(answer.at)} beside ${open} jobs, quota ${Math.min(...limits)}`);
    }
  }
}

/** What the tenant was allowed until then. */
function limitsOf(tenant: string, quotas: NonNullable<History['quotas']>, until: number): number[] {
  const [first, ...later] = quotas.filter((change) => change.tenant === tenant);
  const known = first === undefined ? [] : [first, ...later.filter(({ at }) => at <= until)];
  return known.length === 0 ? [Infinity] : known.map(({ quotas: { jobs } }) => jobs ?? Infinity);
}

/** Surely open from `from` to `to`. */
function isOpen([first, ...later]: readonly SentCommand[], from: number, to: number): boolean {
  const { spec, answer } = first!;
  if (answer?.outcome !== 'applied' || answer.at > from || spec === null) return false;
  if (later.some(({ type, sentAt }) => sentAt <= to && !HARMLESS.has(type))) return false;
  const { schedule } = spec;
  if (schedule.kind === 'at' || schedule.kind === 'in') return false;
  if (schedule.kind === 'after') return true;
  return schedule.maxRuns === null && (schedule.endAt === null || schedule.endAt > to + LONGEST_INTERVAL_MS);
}

function violation(about: string, message: string): Violation {
  return { invariant: 'I14', about, message };
}
