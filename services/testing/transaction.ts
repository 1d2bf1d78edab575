/** `ctx.transaction` in tests: on the test's own connection where it gives one, and not at all where it does not. */
import type { ClientBase } from 'pg';
import { BelfryError } from '../core/errors.ts';

/**
 * Runs the work in a transaction of this connection.
 * @throws BelfryError `no_database` when the work uses a connection and none was given; else what the work throws, after ROLLBACK
 */
export async function inTransaction<T>(
  pg: ClientBase | undefined,
  work: (client: ClientBase) => Promise<T>,
): Promise<T> {
  if (pg === undefined) return work(NO_DATABASE);
  await pg.query('BEGIN');
  try {
    const value = await work(pg);
    await pg.query('COMMIT');
    return value;
  } catch (thrown) {
    await pg.query('ROLLBACK');
    throw thrown;
  }
}

const NO_DATABASE = new Proxy({} as ClientBase, {
  get: (_target, name) => {
    // A promise that resolves to it looks for this one.
    if (name === 'then') return undefined;
    throw new BelfryError(
      'no_database',
      'This test has no database: give the testing kit a connection, { pg: client }.',
    );
  },
});
