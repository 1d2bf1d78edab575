/** The raw figures: a file of JSON for each workload, which its next run replaces. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Results } from '../measure.ts';
import type { Surroundings } from './surroundings.ts';

export type Measured = Results &
  Surroundings & {
    workload: string;
    /** Of the run, ISO 8601. */
    date: string;
    repeat: number;
    quick: boolean;
    /** Settings of each that took part, by "system (variant)". */
    settings: Readonly<Record<string, string>>;
  };

export async function save(folder: string, measured: Measured): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(fileOf(folder, measured.workload), `${JSON.stringify(measured, undefined, 1)}\n`);
}

/** @returns undefined where the workload was never measured */
export async function load(folder: string, workload: string): Promise<Measured | undefined> {
  const file = fileOf(folder, workload);
  return existsSync(file) ? (JSON.parse(await readFile(file, 'utf8')) as Measured) : undefined;
}

function fileOf(folder: string, workload: string): string {
  return join(folder, `${workload}.json`);
}
