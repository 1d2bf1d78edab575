/** The checks bite: every rule of clock, chance and architecture fails on a violation of it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { ESLint, Linter } from 'eslint';
import ts from 'typescript';
import tseslint from 'typescript-eslint';

const root = join(import.meta.dirname, '../..');

describe('time and chance', () => {
  // These rules read syntax alone; without types, a text needs no file.
  const eslint = new ESLint({ cwd: root, overrideConfig: [tseslint.configs.disableTypeChecked] });
  const messagesOf = async (code: string, filePath: string): Promise<string[]> => {
    const [result] = await eslint.lintText(`${code}\n`, { filePath: join(root, filePath) });
    const restricted = result?.messages.filter(({ ruleId, fatal }) => fatal || ruleId === 'no-restricted-syntax');
    return (restricted ?? []).map(({ message }) => message);
  };

  const violations = {
    Clock: [
      'export const at = Date.now();',
      'export const at = new Date();',
      'export const at = Date();',
      'export const at = performance.now();',
      'export const at = process.hrtime.bigint();',
      'setTimeout(() => undefined, 1);',
      'setInterval(() => undefined, 1);',
      'setImmediate(() => undefined);',
      'globalThis.setTimeout(() => undefined, 1);',
      `import { setTimeout as sleep } from 'node:timers/promises'; await sleep(1);`,
      `import { setTimeout as later } from 'timers'; later(() => undefined, 1);`,
    ],
    Ids: [
      'export const x = Math.random();',
      `import { randomUUID } from 'node:crypto'; export const x = randomUUID();`,
      `import { randomBytes as bytes } from 'node:crypto'; export const x = bytes(8);`,
      `import crypto from 'node:crypto'; export const x = crypto.randomUUID();`,
      'export const x = crypto.getRandomValues(new Uint8Array(8));',
    ],
  };
  for (const [port, codes] of Object.entries(violations)) {
    for (const code of codes) {
      it(`come from the ${port} port: a service may not say ${code}`, async () => {
        for (const file of ['services/core/x.ts', 'services/timer/x.ts', 'services/adapters/kafka/x.ts']) {
          const messages = await messagesOf(code, file);
          assert.equal(messages.length, 1, `${file}: ${messages.join('; ')}`);
          assert.match(messages[0] ?? '', new RegExp(`the ${port} port`));
        }
      });
    }
  }

  it('are read by their own two adapters, by tests and by the embedded servers', async () => {
    const all = [...violations.Clock, ...violations.Ids].map(
      (code) => `{ ${code.replace(/import .*?;|export/g, '')} }`,
    );
    for (const file of ['services/adapters/clock.ts', 'services/adapters/ids.ts', 'test/x.ts', 'infra/x.ts'])
      assert.deepEqual(await messagesOf(all.join('\n'), file), [], file);
  });

  it('may be handled as values: a given instant is no clock', async () => {
    const code = 'export const at = (ms: number): number => new Date(ms).getUTCHours();';
    assert.deepEqual(await messagesOf(code, 'services/core/x.ts'), []);
  });

  it('are read and written by the rules of core/spec/instant.ts, not by those of this machine', async () => {
    for (const code of ['export const at = Date.parse(text);', 'export const text = new Date(ms).toISOString();'])
      assert.match((await messagesOf(code, 'services/core/x.ts')).join(), /core\/spec\/instant\.ts/, code);
  });

  it('are not made of text: Date takes numbers alone', async () => {
    const { plugins } = (await eslint.calculateConfigForFile('services/core/x.ts')) as Pick<Linter.Config, 'plugins'>;
    const lint = new Linter({ cwd: '/' });
    const code =
      'new Date(ms); new Date(2026, 1); new Date(text); new Date(either); declare const ms: number, text: string, either: number | string;';
    const host = ts.createCompilerHost({});
    const source = ts.createSourceFile('/x.ts', code, ts.ScriptTarget.ESNext, true);
    const files = { ...host, getSourceFile: (name: string) => (name === '/x.ts' ? source : undefined) };
    const program = ts.createProgram(['/x.ts'], { noLib: true }, files);
    const found = lint.verify(
      code,
      {
        files: ['**/*.ts'],
        languageOptions: { parser: tseslint.parser, parserOptions: { programs: [program] } },
        plugins,
        rules: { 'belfry/no-date-of-text': 'error' },
      },
      '/x.ts',
    );
    assert.deepEqual(
      found.map(({ message, column }) => [column, message.slice(0, 16)]),
      [
        [43, 'Date reads texts'],
        [59, 'Date reads texts'],
      ],
    );
  });
});

describe('the architecture', () => {
  /** A file that breaks the rule, what it imports, and what else must be there for that. */
  const violations: Record<string, { file: string; imports: string; back?: boolean }> = {
    'no-circular': { file: 'services/core/circle.ts', imports: './elcric.ts', back: true },
    'core-is-pure': { file: 'services/core/impure.ts', imports: 'node:fs' },
    'adapters-implement-ports': { file: 'services/adapters/kafka/curious.ts', imports: '../../runtime/config.ts' },
    'services-know-ports-only': { file: 'services/timer/wired.ts', imports: '../runtime/config.ts' },
    'api-knows-ports-only': { file: 'services/api/wired.ts', imports: '../runtime/config.ts' },
    'timer-and-executor-are-strangers': { file: 'services/timer/nosy.ts', imports: '../executor/executor.ts' },
    'adapters-only-in-main': { file: 'services/cli/direct.ts', imports: '../adapters/clock.ts' },
    'runtime-is-below-services': { file: 'services/runtime/upward.ts', imports: '../timer/timer.ts' },
    'product-knows-no-tests': { file: 'infra/embedded/tested.ts', imports: '../../test/support/fixture.ts' },
    'embedded-stack-only-in-dev': { file: 'services/client/server.ts', imports: '../../infra/embedded/stack.ts' },
    'kafkajs-behind-its-adapter': { file: 'services/client/raw.ts', imports: 'kafkajs' },
    'pg-behind-its-adapter': { file: 'services/cli/sql.ts', imports: 'pg' },
    'no-dev-dependencies': { file: 'services/cli/unshipped.ts', imports: 'fast-check' },
  };
  /** What the rules allow, and must go on allowing. */
  const allowed: Record<string, string[]> = {
    'services/timer/main.ts': ['./timer.ts', '../runtime/config.ts', '../adapters/clock.ts'],
    'services/timer/timer.ts': ['../core/model.ts'],
    'services/api/server.ts': ['../core/model.ts', '../client/client.ts'],
    'services/adapters/clock.ts': ['../core/model.ts'],
    'services/adapters/kafka/broker.ts': ['kafkajs', '../../core/model.ts'],
    'services/adapters/postgres/pool.ts': ['pg'],
    'services/core/model.ts': ['node:crypto'],
    'services/cli/main.ts': ['../../infra/embedded/stack.ts', '../timer/main.ts'],
    'test/unit/clock.test.ts': ['../../services/adapters/clock.ts', 'fast-check'],
  };
  const packages = { dependencies: { kafkajs: '1.0.0', pg: '1.0.0' }, devDependencies: { 'fast-check': '1.0.0' } };

  function cruise(): { from: string; rule: string }[] {
    const folder = mkdtempSync(join(tmpdir(), 'belfry-rules-'));
    const write = (path: string, text: string): void => {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text, { flag: 'a' });
    };
    const link = (from: string, to: string): void => {
      write(from, `import '${to}';\n`);
      if (to.startsWith('.')) write(join(dirname(from), to), 'export const value = 1;\n');
    };
    try {
      write('package.json', JSON.stringify({ name: 'fixture', type: 'module', ...packages }));
      write('tsconfig.json', readFileSync(join(root, 'tsconfig.json'), 'utf8'));
      for (const name of Object.keys({ ...packages.dependencies, ...packages.devDependencies })) {
        write(`node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.0.0', main: 'index.js' }));
        write(`node_modules/${name}/index.js`, '');
      }
      for (const [file, imports] of Object.entries(allowed)) for (const each of imports) link(file, each);
      for (const { file, imports, back } of Object.values(violations)) {
        link(file, imports);
        if (back === true) link(join(dirname(file), imports), `./${file.split('/').at(-1)}`);
      }
      const program = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
      const args = [
        '--config',
        join(root, '.dependency-cruiser.json'),
        '--output-type',
        'json',
        'services',
        'infra',
        'test',
      ];
      const { stdout, stderr } = spawnSync(process.execPath, [program, ...args], { cwd: folder, encoding: 'utf8' });
      assert.notEqual(stdout, '', stderr);
      const { summary } = JSON.parse(stdout) as { summary: { violations: { from: string; rule: { name: string } }[] } };
      return summary.violations.map(({ from, rule }) => ({ from, rule: rule.name }));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  const found = cruise();
  for (const [rule, { file, imports }] of Object.entries(violations)) {
    it(`is guarded by ${rule}: ${file} may not import ${imports}`, () => {
      assert.deepEqual(
        found.filter(({ from }) => from === file),
        [{ from: file, rule }],
      );
    });
  }

  it('leaves the right ways open', () => {
    const wrong = new Set(Object.values(violations).map(({ file }) => file));
    assert.deepEqual(
      found.filter(({ from, rule }) => !wrong.has(from) && rule !== 'no-circular'),
      [],
    );
  });

  it('has no rule that is not shown to bite here', () => {
    const config = JSON.parse(readFileSync(join(root, '.dependency-cruiser.json'), 'utf8')) as {
      forbidden: { name: string; severity: string }[];
    };
    assert.deepEqual(
      config.forbidden.map(({ name, severity }) => [name, severity]),
      Object.keys(violations).map((name) => [name, 'error']),
    );
  });
});
