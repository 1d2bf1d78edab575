/** Closing several things, none of which may keep the others open. */
import { messageOf } from './errors.ts';

type Closer = () => Promise<unknown>;

/** Closes all at once. @throws when all are closed: the failure, or an AggregateError of several */
export async function closeAll(closers: Iterable<Closer>): Promise<void> {
  const ends = await Promise.allSettled([...closers].map(async (close) => close()));
  throwAny(ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as unknown] : [])));
}

/** Closes one after the other. @throws as `closeAll` */
export async function closeInTurn(closers: Iterable<Closer>): Promise<void> {
  const failures: unknown[] = [];
  for (const close of closers) {
    try {
      await close();
    } catch (error) {
      failures.push(error);
    }
  }
  throwAny(failures);
}

function throwAny(failures: readonly unknown[]): void {
  if (failures.length === 0) return;
  if (failures.length === 1) throw failures[0];
  throw new AggregateError(failures, failures.map(messageOf).join('; '));
}
