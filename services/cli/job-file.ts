import { messageOf } from '../core/errors.ts';
import type { JobInput } from '../core/spec/input.ts';
import type { CliDeps } from './deps.ts';
import { usageError } from './exit.ts';
import { parseJson } from './json-text.ts';

/** The job in a JSON file, as it stands in the `job` field of a schedule command. @throws BelfryError `usage` */
export async function readJobFile(deps: CliDeps, path: string): Promise<JobInput> {
  let text: string;
  try {
    text = await deps.readFile(path);
  } catch (error) {
    throw usageError(`The file ${path} cannot be read: ${messageOf(error)}`);
  }
  return parseJson(`The file ${path}`, text) as JobInput;
}
