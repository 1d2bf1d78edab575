/** I6. */
import type { CheckOptions } from './options.ts';
import type { History, Violation } from './history.ts';

export function checkBacklog({ healedAt, quietAt, left }: History, { quietWithinMs }: CheckOptions): Violation[] {
  if (quietAt !== null && quietAt - healedAt <= quietWithinMs) return [];
  const state = quietAt === null ? `left: ${left.join('; ')}` : `quiet only after ${quietAt - healedAt} ms`;
  return [
    {
      invariant: 'I6',
      about: left[0] ?? 'the backlog',
      message: `not within ${quietWithinMs} ms of healing; ${state}`,
    },
  ];
}
