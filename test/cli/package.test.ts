/** The package as its users get it: packed, installed into an empty folder, run and compiled against. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, test } from 'node:test';

const root = join(import.meta.dirname, '../..');
const MIN_NODE = 22;

let folder: string;
let packed: { filename: string; files: { path: string; mode: number }[] };
let env: NodeJS.ProcessEnv;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'belfry-package-'));
  env = { ...process.env, PATH: [nodeFolder(), process.env.PATH].join(delimiter), NODE_OPTIONS: undefined };
  const npmPack = ['pack', '--json', '--pack-destination', folder];
  const output = execFileSync('npm', npmPack, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  // What the build prints comes first.
  [packed] = JSON.parse(output.slice(output.search(/^\[/m))) as [typeof packed];
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'shop', private: true, type: 'module' }));
  const npmInstall = ['install', '--prefer-offline', '--no-audit', '--no-fund', packed.filename];
  execFileSync('npm', npmInstall, { cwd: folder, env, stdio: ['ignore', 'ignore', 'inherit'] });
});

after(() => rmSync(folder, { recursive: true, force: true }));

/** A folder whose `node` is this machine's own, where that is new enough, so that it is not the one of the development. */
function nodeFolder(): string {
  const own = (process.env.PATH ?? '').split(delimiter).filter((path) => !path.includes('node_modules'));
  const version = spawnSync('node', ['--version'], {
    encoding: 'utf8',
    env: { ...process.env, PATH: own.join(delimiter) },
  });
  const major = Number(/^v(\d+)/.exec(version.stdout ?? '')?.[1] ?? 0);
  if (major >= MIN_NODE) return own.join(delimiter);
  const bin = join(folder, 'node-bin');
  mkdirSync(bin);
  symlinkSync(process.execPath, join(bin, 'node'));
  return bin;
}

function run(program: string, args: string[]) {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: folder, env, encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

void test('the package holds what is needed at run time, and no source, test or development file', () => {
  const paths = packed.files.map(({ path }) => path);
  for (const path of [
    'dist/services/cli/main.js',
    'schemas/command.avsc',
    'schemas/sql/001-timer.sql',
    'infra/kafka/pom.xml',
    'infra/kafka/server.properties',
    'infra/registry/pom.xml',
  ])
    assert.ok(paths.includes(path), path);
  const wrong = paths.filter(
    (path) => /^(services|test|node_modules)\//.test(path) || (path.endsWith('.ts') && !path.endsWith('.d.ts')),
  );
  assert.deepEqual(wrong, []);
});

void test('npx belfry --help works', () => {
  const { status, output } = run('npx', ['--no-install', 'belfry', '--help']);
  assert.equal(status, 0, output);
  assert.match(output, /Usage: belfry/);
});

void test('every package that is imported at run time is a dependency', () => {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  const imported = new Set<string>();
  for (const { path } of packed.files.filter(({ path }) => path.endsWith('.js'))) {
    const code = readFileSync(join(folder, 'node_modules/belfry', path), 'utf8');
    for (const [, name = ''] of code.matchAll(
      /(?:\bfrom|\bimport\(?|\brequire\()\s*['"]((?:@[\w-]+\/)?[\w-][\w.-]*)[^'"]*['"]/g,
    ))
      imported.add(name);
  }
  imported.delete('node'); // node:fs and its like
  assert.ok(imported.has('kafkajs'));
  assert.deepEqual(
    [...imported].filter((name) => !(name in dependencies)),
    [],
  );
});

void test('the installed code finds the files that came along with it', () => {
  const script = `
    const installed = (path) => import('./node_modules/belfry/dist/' + path);
    const { schemaText } = await installed('services/adapters/codec/registry.js');
    const { infraFile } = await installed('infra/embedded/files.js');
    const { readFileSync } = await import('node:fs');
    console.log(JSON.parse(schemaText('command')).name, readFileSync(infraFile('kafka', 'pom.xml'), 'utf8').includes('<project'));`;
  const { status, output } = run('node', ['--input-type=module', '-e', script]);
  assert.equal(status, 0, output);
  assert.equal(output, 'Command true\n');
});

const PROGRAM = `
import { Belfry } from 'belfry';
import { defineHandlers, runExecutor } from 'belfry/executor';
import { createTestBelfry } from 'belfry/testing';

const handlers = defineHandlers({
  greet: { timeout: '5s', run: (ctx) => \`run \${ctx.runId} of \${ctx.jobId}\` },
  transfer: (ctx) => ctx.transaction(async (db) => (await db.query('SELECT 1')).rowCount),
});
type Job = Parameters<Belfry<typeof handlers>['schedule']>[1];
const job: Job = { type: 'CUSTOM', handler: 'greet', payload: {}, schedule: { in: '5s' } };
// @ts-expect-error no such handler: the types came along
const wrong: Job = { type: 'CUSTOM', handler: 'gret', payload: {}, schedule: { in: '5s' } };
const tested = await createTestBelfry({ handlers });
await tested.schedule('greeting', job);
await tested.advance('5s');
console.log(typeof Belfry, typeof runExecutor, tested.outcomes()[0]?.status, Object.keys(handlers).join(), job.type === wrong.type);
`;

void test('a program that uses the client and the handlers compiles against the package, and runs', () => {
  const options = { module: 'nodenext', target: 'es2024', strict: true, types: [] };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: ['shop.ts'] }));
  writeFileSync(join(folder, 'shop.ts'), PROGRAM);
  const compiled = run(process.execPath, [createRequire(import.meta.url).resolve('typescript/bin/tsc')]);
  assert.equal(compiled.status, 0, compiled.output);
  const { status, output } = run('node', ['shop.js']);
  assert.equal(status, 0, output);
  assert.equal(output, 'function function COMPLETED greet,transfer true\n');
});
