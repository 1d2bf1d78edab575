/** What people are told by a database that has no tables of this version. */
import { BelfryError } from '../../core/errors.ts';
import { sqlState } from './classify.ts';

/** SQLSTATEs of a table and of a function that is not there. */
const UNDEFINED = ['42P01', '42883'];

/** @throws BelfryError `not_migrated` where tables or functions are missing, else as `work` */
export async function asMigrated<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!UNDEFINED.includes(sqlState(error) ?? '')) throw error;
    const message =
      'The database has no Belfry tables of this version yet: run "belfry migrate", or check BELFRY_DB_SCHEMA.';
    throw new BelfryError('not_migrated', message, { cause: error });
  }
}
