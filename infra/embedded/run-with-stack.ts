/**
 * Runs a command with Kafka and PostgreSQL (and a schema registry) beside it, all gone afterwards:
 *
 *   node infra/embedded/run-with-stack.ts [--registry] -- <command> [arguments]
 *
 * The command finds them in KAFKA_BROKERS, DATABASE_URL and SCHEMA_REGISTRY_URL; what is set there already is used instead.
 * Exits with the command's code, or with 128 + the number of the signal that ended it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';

import { messageOf } from '../../services/core/errors.ts';
import { startStack, type Stack } from './stack.ts';

const USAGE = 'usage: run-with-stack.ts [--registry] -- <command> [arguments]';
const EXIT_USAGE = 2;
const EXIT_STACK_FAILED = 1;

let received: NodeJS.Signals | undefined;
let forward: (signal: NodeJS.Signals) => void = () => undefined;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    received = signal;
    forward(signal);
  });
}

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const separator = argv.indexOf('--');
  const flags = argv.slice(0, Math.max(separator, 0));
  const command = argv.slice(separator + 1);
  if (separator < 0 || command.length === 0 || flags.some((flag) => flag !== '--registry')) {
    console.error(USAGE);
    return EXIT_USAGE;
  }

  const dataDir = await mkdtemp(join(tmpdir(), 'belfry-stack-'));
  await chmod(dataDir, 0o711); // root's PostgreSQL runs under an account of its own, which must get to its data
  try {
    const log = (line: string) => console.error(line);
    const stack = await startStack({ dataDir, registry: flags.includes('--registry'), log });
    try {
      return received ? exitCode(null, received) : await run(command, stack);
    } finally {
      await stack.stop();
    }
  } catch (error) {
    console.error(messageOf(error));
    return EXIT_STACK_FAILED;
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function run([program, ...args]: readonly string[], stack: Stack): Promise<number> {
  const child = spawn(program as string, args, {
    stdio: 'inherit',
    env: {
      ...process.env,
      KAFKA_BROKERS: stack.kafkaBrokers.join(','),
      DATABASE_URL: stack.databaseUrl,
      ...(stack.registryUrl ? { SCHEMA_REGISTRY_URL: stack.registryUrl } : {}),
    },
  });
  forward = (signal) => void child.kill(signal);
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  forward = () => undefined;
  return exitCode(code, signal);
}

function exitCode(code: number | null, signal: NodeJS.Signals | null): number {
  return code ?? 128 + (signal ? constants.signals[signal] : 0);
}
