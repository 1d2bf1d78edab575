import { messageOf } from '../core/errors.ts';
import type { JobInput } from '../core/spec/input.ts';
import type { CliDeps } from './deps.ts';
import { usageError } from './exit.ts';

/** The job in a JSON file, as it stands in the `job` field of a schedule command. @throws BelfryError `usage` */
export async function readJobFile(deps: CliDeps, path: string): Promise<JobInput> {
  let text: string;
  try {
    text = await deps.readFile(path);
  } catch (error) {
    throw usageError(`The file ${path} cannot be read: ${messageOf(error)}`);
  }
  try {
    return JSON.parse(text) as JobInput;
  } catch (error) {
    throw usageError(`The file ${path} is no JSON: ${messageOf(error)}`);
  }
}
