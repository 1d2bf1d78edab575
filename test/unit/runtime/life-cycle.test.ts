/** A service's process, from its start to its exit code. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { runUntilStopped } from '../../../services/runtime/life-cycle.ts';
import { NO_LOG } from '../cli/support.ts';

const lifeCycle = new URL('../../../services/runtime/life-cycle.ts', import.meta.url).href;

/** Runs `start` as a service says; sends the signals, each when the process has said the line before it. */
async function run(start: string, signals: [line: string, signal: NodeJS.Signals][] = []) {
  const program = `
    import { runUntilStopped } from '${lifeCycle}';
    const say = (line) => console.log(line);
    const log = { debug() {}, info() {}, warn() {}, error: (fields, text) => say('log: ' + text), child: () => log };
    const open = setInterval(() => undefined, 1_000);
    const code = await runUntilStopped(log, async (fail) => { ${start} });
    say('code ' + code);
    process.exit(code);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const tooLong = setTimeout(() => child.kill('SIGKILL'), 10_000);
  const lines: string[] = [];
  child.stdout.on('data', (chunk: Buffer) => {
    lines.push(...chunk.toString().trim().split('\n'));
    while (signals[0] !== undefined && lines.includes(signals[0][0])) child.kill(signals.shift()![1]);
  });
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(tooLong);
  return { code, lines };
}

const RUNS = `say('up'); return { stop: async () => say('stopped') };`;

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} stops the service and exits with 0`, async () => {
    assert.deepEqual(await run(RUNS, [['up', signal]]), { code: 0, lines: ['up', 'stopped', 'code 0'] });
  });
}

test('a service that cannot go on is stopped and exits with 1', async () => {
  for (const failure of [
    `fail(new Error('x'))`,
    `setTimeout(() => { throw new Error('x'); })`,
    `void Promise.reject(new Error('x'))`,
    `void Promise.reject('just text')`,
  ]) {
    const { code, lines } = await run(`${failure}; ${RUNS}`);
    assert.equal(code, 1, failure);
    assert.deepEqual(new Set(lines), new Set(['up', 'log: the service cannot go on', 'stopped', 'code 1']), failure);
  }
});

test('a stop that fails is told, and exits with 1', async () => {
  const { code, lines } = await run(`say('up'); return { stop: async () => { throw new Error('x'); } };`, [
    ['up', 'SIGTERM'],
  ]);
  assert.deepEqual([code, lines], [1, ['up', 'log: the stop was not clean', 'code 1']]);
});

test('a second signal ends a stop that takes too long', async () => {
  const start = `say('up'); return { stop: () => (say('stopping'), new Promise(() => undefined)) };`;
  const { code, lines } = await run(start, [
    ['up', 'SIGTERM'],
    ['stopping', 'SIGTERM'],
  ]);
  assert.deepEqual([code, lines], [130, ['up', 'stopping']]);
});

test('a service that still waits for its servers ends at the first signal', async () => {
  const { code, lines } = await run(`say('waiting'); await new Promise(() => undefined);`, [['waiting', 'SIGTERM']]);
  assert.deepEqual([code, lines], [0, ['waiting', 'code 0']]);
});

test("a start that fails is the caller's error", async () => {
  await assert.rejects(
    runUntilStopped(NO_LOG, () => Promise.reject(new Error('wrong configuration'))),
    /wrong configuration/,
  );
});
