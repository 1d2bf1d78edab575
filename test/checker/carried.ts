/** I16: version skew. What this release does not know of a record, it passes on. */
import type { History, Violation } from './history.ts';

export function* checkCarried({ dropped = [] }: History): Iterable<Violation> {
  for (const { runId, topic } of dropped)
    yield { invariant: 'I16', about: runId, message: `a record on ${topic} lost what a newer release wrote` };
}
