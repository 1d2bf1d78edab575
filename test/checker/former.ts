/** What only this release promises is told apart where a timer of the former release, which does not, may have done it. */
import { partitionOf } from '../../services/core/murmur2.ts';
import type { FormerOwners } from './history.ts';

/** Whether a timer of the former release had the job at some time between; times are ms since the epoch. */
export function wasOfFormer(
  job: string,
  [from, to]: readonly [number, number],
  former: FormerOwners | undefined,
): boolean {
  if (former === undefined) return false;
  const partition = partitionOf(job, former.partitions);
  return former.owned.some((own) => own.partition === partition && own.from <= to && (own.until ?? Infinity) >= from);
}
