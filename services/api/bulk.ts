/**
 * One action on everything that a filter finds. Nothing happens without a look first: a call that is no dry run names how many
 * it expects at the most, and is refused when there are more by now.
 */
import { flag, whole } from '../core/spec/fields.ts';
import { problemOf, RequestError, type Problem } from './problem.ts';

/** So many at once, so that no call takes for ever. */
export const MOST = 10_000;
const SAMPLE = 10;
/** Commands on their way at once. */
const AT_ONCE = 500;
const FAILURES_SHOWN = 100;

/** Fields of the body. */
export const bulkFields = {
  dryRun: flag.default(true).meta({ description: 'Only count.' }),
  expected: whole(0, MOST)
    .optional()
    .meta({ description: 'How many there are at the most, as a dry run told; needed when it is none.' }),
};

export type Bulk = { dryRun: boolean; expected?: number | undefined };
export type BulkResult = {
  dryRun: boolean;
  matched: number;
  more: boolean;
  sample: string[];
  done: number;
  failed: { id: string; problem: Problem }[];
};

/**
 * What an action is about to do: nothing where it only looks.
 * @param find answers the first so many
 * @throws RequestError `invalid` for an action without `expected`, `conflict` where more match by now
 */
export async function lookFirst<T>(
  { dryRun, expected }: Bulk,
  find: (limit: number) => Promise<T[]>,
  idOf: (item: T) => string,
): Promise<{ items: readonly T[]; result: BulkResult }> {
  const found = await find(MOST + 1);
  const items = found.slice(0, MOST);
  const result: BulkResult = {
    ...{ dryRun, matched: items.length, more: found.length > MOST },
    sample: items.slice(0, SAMPLE).map(idOf),
    ...{ done: 0, failed: [] },
  };
  if (dryRun) return { items, result };
  if (expected === undefined) {
    const detail = 'is missing; it must be the number that a dry run told';
    throw new RequestError('invalid', `expected ${detail}`, [{ pointer: '#/expected', detail }]);
  }
  if (items.length <= expected) return { items, result };
  throw new RequestError('conflict', `${items.length} match by now, more than the ${expected} expected: look again.`);
}

/**
 * @param find answers the first so many
 * @param act applied to each, in their order, many at once; one that fails does not stop the others
 */
export async function runBulk<T>(
  bulk: Bulk,
  find: (limit: number) => Promise<T[]>,
  idOf: (item: T) => string,
  act: (item: T) => Promise<void>,
): Promise<BulkResult> {
  const { items, result } = await lookFirst(bulk, find, idOf);
  if (result.dryRun) return result;
  for (let start = 0; start < items.length; start += AT_ONCE) {
    await Promise.all(items.slice(start, start + AT_ONCE).map((item) => one(item, idOf, act, result)));
  }
  return result;
}

async function one<T>(
  item: T,
  idOf: (item: T) => string,
  act: (item: T) => Promise<void>,
  result: BulkResult,
): Promise<void> {
  try {
    await act(item);
    result.done += 1;
  } catch (error) {
    if (result.failed.length < FAILURES_SHOWN)
      result.failed.push({ id: idOf(item), problem: problemOf(error as Error) });
  }
}
