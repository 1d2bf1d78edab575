/** What people see of it in a terminal: no text of a stranger's moves their cursor or starts a line of its own. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { World } from './world.ts';

const CLI = new URL('../../services/cli/main.ts', import.meta.url).pathname;
const LISTS = [
  ['jobs', 'list', '--limit', '1000'],
  ['runs', 'list', '--limit', '1000'],
  ['dlq', 'list', '--limit', '1000'],
  ['rejected', 'list', '--limit', '1000'],
  ['keys', 'list'],
];

export async function checkPages({ belfry }: World): Promise<void> {
  for (const args of LISTS) {
    const { stdout } = await promisify(execFile)(process.execPath, [CLI, ...args], {
      env: belfry.env,
      maxBuffer: 2 ** 26,
    });
    const bad = /[^\P{Cc}\n]/u.exec(stdout);
    assert.equal(
      bad,
      null,
      `belfry ${args.join(' ')} printed a control character at ${bad?.index}: ${JSON.stringify(stdout.slice((bad?.index ?? 0) - 80, (bad?.index ?? 0) + 80))}`,
    );
  }
}
