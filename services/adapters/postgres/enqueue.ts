import { BelfryError } from '../../core/errors.ts';
import { classify, sqlState } from './classify.ts';

const INVALID_PARAMETER_VALUE = '22023';

export const ENQUEUE = { name: 'enqueue', text: 'SELECT enqueue($1)' };

/** The SQL function `enqueue` refuses what cannot be a command. @throws BelfryError `invalid`, and as `classify` says */
export function rethrowRefusal(error: unknown): never {
  if (sqlState(error) !== INVALID_PARAMETER_VALUE) throw classify(error);
  const { message: refusal } = (error instanceof BelfryError ? error.cause : error) as Error;
  const message = refusal.replace(/^belfry: /, '');
  throw new BelfryError('invalid', message, { cause: error });
}
