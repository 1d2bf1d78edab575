/**
 * I11: chains. Which ends of upstream runs make a set depends on when they are heard of (of two runs of one upstream that wait,
 * the one that ended later counts), so what is asked for is what no order can change: sets are whole, none is used twice, none
 * is left over. What ended after all that is in a set was heard of after the last set was made.
 */
import type { ChainCondition, Upstream } from '../../services/core/model.ts';
import { jobKey, parseJobKey } from '../../services/core/topics.ts';
import type { CheckOptions } from './options.ts';
import { clockTime, type Event, type History, type RunRow, type SentCommand, type Violation } from './history.ts';

const TERMINAL = new Set<string>(['COMPLETED', 'FAILED', 'CANCELLED', 'SKIPPED']);

/** A job that was a chain, always the same, from its first command on, or most of it: `from` is when it surely was. */
type Chain = { job: string; upstreams: readonly (Upstream & { job: string })[]; from: number; isUndisturbed: boolean };

export function* checkChains(history: History, options: CheckOptions): Iterable<Violation> {
  const rows = new Map(history.runs.map((row) => [row.runId, row]));
  const sets = Map.groupBy(
    [...new Map(history.events.map((event) => [event.runId, event])).values()].filter(isOfChain),
    ({ job }) => job,
  );
  for (const chain of chainsOf(history.commands)) {
    const own = sets.get(chain.job) ?? [];
    for (const message of [
      ...wrongSets(chain, own, rows),
      ...usedTwice(own, rows),
      ...(chain.isUndisturbed ? leftOver(chain, own, history, options) : []),
    ])
      yield { invariant: 'I11', about: chain.job, message };
  }
}

function isOfChain({ trigger }: Event): boolean {
  return trigger === 'dependency';
}

function* chainsOf(commands: readonly SentCommand[]): Iterable<Chain> {
  for (const [job, own] of Map.groupBy(commands, (command) => command.job)) {
    const schedules = own.filter(({ type }) => type === 'schedule');
    const [first] = schedules;
    const schedule = first?.spec?.schedule;
    if (first === undefined || schedules.length > 1 || schedule?.kind !== 'after') continue;
    const { tenant } = parseJobKey(job)!;
    const upstreams = schedule.after.map((each) => ({ ...each, job: jobKey(tenant, each.jobId) }));
    const isUndisturbed = first.answer?.outcome === 'applied' && own.every(({ type }) => type !== 'cancel');
    yield { job, upstreams, from: first.answer?.at ?? Infinity, isUndisturbed };
  }
}

/** Each occurrence is of one ended run of each upstream, and is SKIPPED when one ended otherwise than wanted. */
function* wrongSets({ upstreams }: Chain, own: readonly Event[], rows: Map<string, RunRow>): Iterable<string> {
  for (const { runId, cause, status } of own) {
    const members = cause.split(',').map((id) => rows.get(id));
    const isWhole = upstreams.every(({ job }, index) => {
      const member = members[index];
      return member?.job === job && TERMINAL.has(member.status);
    });
    if (!isWhole || members.length !== upstreams.length) yield `run ${runId} is not of a whole set: ${cause}`;
    else if (status !== 'SKIPPED' && !upstreams.every(({ when }, index) => matches(when, members[index]!.status)))
      yield `run ${runId} is ${status}, though not all of ${cause} ended as wanted`;
  }
}

/** A run is in one set; in another one only beside a replay, which takes the place of the run that it repeats. */
function* usedTwice(own: readonly Event[], rows: Map<string, RunRow>): Iterable<string> {
  const uses = own.flatMap(({ cause }) => {
    const ids = cause.split(',');
    const isRepeat = ids.some((id) => (rows.get(id)?.replayOf ?? null) !== null);
    return isRepeat ? [] : ids;
  });
  for (const [id, same] of Map.groupBy(uses, (each) => each)) {
    if (same.length > 1) yield `run ${id} has ${same.length} runs after it`;
  }
}

/** What ended after all that is in a set, once for every upstream, is a set of its own. */
function* leftOver(
  { job, upstreams, from }: Chain,
  own: readonly Event[],
  { runs }: History,
  { failoverMs }: CheckOptions,
): Iterable<string> {
  const used = new Set(own.flatMap(({ cause }) => cause.split(',')));
  const endedAt = runs.flatMap(({ runId, finishedAt }) => (used.has(runId) ? [finishedAt ?? 0] : []));
  const isSingle = upstreams.length === 1;
  const since = Math.max(from + failoverMs, ...(isSingle ? [] : endedAt));
  const unused = upstreams.map(({ job: upstream }) =>
    runs.find((row) => {
      const { runId, status, finishedAt } = row;
      const ended = row.job === upstream && TERMINAL.has(status) && !used.has(runId);
      return ended && (finishedAt ?? 0) > since;
    }),
  );
  if (unused.some((row) => row === undefined)) return;
  const ends = unused.map((row) => `${row!.runId} (${clockTime(row!.finishedAt ?? 0)})`);
  yield `no run of ${job} after ${ends.join(' and ')}`;
}

function matches(when: ChainCondition, status: string): boolean {
  return when === 'always' || status === (when === 'success' ? 'COMPLETED' : 'FAILED');
}
