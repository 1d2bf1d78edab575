import { existsSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * The path of a file that ships in the package's `infra` folder.
 *
 * Found from the folder that holds package.json, because this module runs both from `infra/` and from `dist/infra/`.
 */
export function infraFile(...segments: string[]): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`no package.json above ${fileURLToPath(import.meta.url)}`);
    folder = parent;
  }
  return join(folder, 'infra', ...segments);
}

/** Writes a file so that a reader, or the next start after a crash, sees the old text or the new one and nothing between. */
export async function writeAtomically(path: string, text: string, mode = 0o644): Promise<void> {
  const unfinished = `${path}.${process.pid}.tmp`;
  await writeFile(unfinished, text, { mode });
  await rename(unfinished, path);
}

/** True for the error of a file or folder that is not there. */
export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
