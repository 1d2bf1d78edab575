import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BelfryError } from '../../../core/errors.ts';

/**
 * Reads a secret at the moment of sending, so that it stands in no topic and no table, and a rotated one is used at once.
 * @param dir `BELFRY_SECRETS_DIR`; the file is `<dir>/<tenant>/<name>` (both names were validated and hold no path)
 * @throws BelfryError `secret_not_found`: retried, because the file may be on its way to this machine
 */
export async function readSecret(dir: string | undefined, tenant: string, name: string): Promise<string> {
  if (dir === undefined)
    throw new BelfryError(
      'secret_not_found',
      `The secret "${name}" is asked for, but BELFRY_SECRETS_DIR is not set on this executor.`,
      { retryable: true },
    );
  try {
    return (await readFile(join(dir, tenant, name), 'utf8')).trim();
  } catch (cause) {
    throw new BelfryError(
      'secret_not_found',
      `The secret "${name}" of tenant ${tenant} cannot be read on this executor.`,
      { retryable: true, cause },
    );
  }
}
