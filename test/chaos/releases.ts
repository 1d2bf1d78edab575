/** Clusters of two releases: which one each process is of, and the way from the former to the current one. */
import { formerRelease } from '../support/former-release.ts';
import { Random } from '../support/random.ts';
import { Service } from '../integration/support/service.ts';
import { SEATS } from './plan.ts';

export type Release = 'former' | 'current';
/** By seat: of one process after the other that has it; the last one stands for all that follow. */
export type Releases = readonly (readonly Release[])[];

const CLI = 'services/cli/main.ts';
/** The program of this release. */
export const CURRENT = new URL(`../../${CLI}`, import.meta.url).pathname;
/** More than any seat has. */
const MOST_PROCESSES = 200;

/** All begin as the former release; then each is of either, by chance. */
export function releasesOf(seed: number): Releases {
  return SEATS.map((_, index) => {
    const random = new Random(`releases ${index} ${seed}`);
    const later = Array.from({ length: MOST_PROCESSES }, (): Release => (random.chance(0.55) ? 'current' : 'former'));
    return ['former', ...later];
  });
}

/** @returns the programs of both */
export async function programs(): Promise<Record<Release, string>> {
  return { current: CURRENT, former: `${await formerRelease()}/${CLI}` };
}

/** A command of the CLI, as people give it. @returns what it printed @throws Error with its last lines when it fails */
export async function cli(program: string, env: Record<string, string>, ...args: string[]): Promise<string> {
  const command = new Service(args, { env, script: program, isQuiet: true });
  await command.ended();
  if (command.child.exitCode !== 0)
    throw new Error(`${args.join(' ')} failed:\n${command.lines.slice(-10).join('\n')}`);
  return command.lines.join('\n');
}
