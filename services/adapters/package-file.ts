import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BelfryError } from '../core/errors.ts';

/**
 * Path of a file that the package ships beside its code (schemas, SQL), whether the code runs from source or from dist/.
 * @param path relative to the package's folder
 */
export function packageFile(path: string): string {
  for (let folder = import.meta.dirname; folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json')) && existsSync(join(folder, path))) return join(folder, path);
  }
  throw new BelfryError(
    'broken_install',
    `${path} is missing from this installation of Belfry; install the package again.`,
  );
}
