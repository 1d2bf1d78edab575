/** The README's own tests of handlers, run as they stand there. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '../../..');
const SOURCES = { 'belfry/testing': 'services/testing/main.ts', belfry: 'services/client/main.ts' };

test("the README's handlers pass the README's tests", (t) => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const folder = mkdtempSync(join(tmpdir(), 'belfry-readme-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
  for (const name of ['handlers.ts', 'handlers.test.ts']) writeFileSync(join(folder, name), snippet(readme, name));
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--test', 'handlers.test.ts'], {
    cwd: folder,
    env,
    encoding: 'utf8',
  });
  assert.equal(status, 0, stdout + stderr);
  assert.match(stdout, /pass 2/);
});

/** The block that begins with the file's name, its imports of the package pointing at the sources. */
function snippet(readme: string, name: string): string {
  const code = readme
    .split('```ts\n')
    .map((part) => part.split('```')[0]!)
    .find((part) => part.startsWith(`// ${name}\n`));
  assert.ok(code !== undefined, `README.md has no block "// ${name}"`);
  return code.replaceAll(/from '(belfry(?:\/testing)?)'/g, (_, module: keyof typeof SOURCES) => {
    return `from '${join(root, SOURCES[module])}'`;
  });
}
