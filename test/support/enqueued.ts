/** Whose commands come in database transactions of their senders' own. */
import type { Action } from './life.ts';
import type { Random } from './random.ts';

/** Jobs of these lives, by chance, all of whose commands are enqueued: so their order is known. Backfills and events are not. */
export function enqueuedOf(random: Random, lives: readonly Action[], share: number): string[] {
  const byJob = Map.groupBy(lives, ({ jobId }) => jobId);
  return [...byJob].flatMap(([jobId, own]) => {
    const isFit = own.every(({ type }) => type !== 'emit' && type !== 'backfill');
    return random.chance(share) && isFit ? [jobId] : [];
  });
}
