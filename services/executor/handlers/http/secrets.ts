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
    throw unusable(name, tenant, 'is asked for, but BELFRY_SECRETS_DIR is not set on this executor');
  let secret: string;
  try {
    secret = (await readFile(join(dir, tenant, name), 'utf8')).trim();
  } catch (cause) {
    throw unusable(name, tenant, 'cannot be read on this executor', cause);
  }
  if (secret === '') throw unusable(name, tenant, 'is empty on this executor'); // about to be written, perhaps
  if (!/^[\t\x20-\x7e]*$/.test(secret)) throw unusable(name, tenant, 'has characters that a header cannot carry');
  return secret;
}

/** Shown in place of a secret that an answer repeats. */
const HIDDEN = '[secret]';

/** Servers that echo what they got would put secrets into results, errors and logs. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  return secrets.reduce((cleaned, secret) => cleaned.replaceAll(secret, HIDDEN), text);
}

function unusable(name: string, tenant: string, why: string, cause?: unknown): BelfryError {
  return new BelfryError('secret_not_found', `The secret "${name}" of tenant ${tenant} ${why}.`, {
    retryable: true,
    cause,
  });
}
