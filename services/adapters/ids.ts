/** Real chance; see clock.ts. */
import { randomBytes, randomUUID } from 'node:crypto';
import type { Ids } from '../core/ports/clock.ts';

export class RandomIds implements Ids {
  uuid(): string {
    return randomUUID();
  }

  random(): number {
    return Math.random();
  }

  /** What nobody can guess: for keys. */
  bytes(count: number): Buffer {
    return randomBytes(count);
  }
}
