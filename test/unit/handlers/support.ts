import { Secrets } from '../../../services/executor/handlers/http/secrets.ts';
import { mkdtemp, rm, writeFile, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { HandlerContext } from '../../../services/executor/handlers/handler.ts';
import type { Log } from '../../../services/core/ports/log.ts';

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silent };

/** What a handler gets in a run that says nothing special. */
export function contextWith(fields: Partial<HandlerContext> = {}): HandlerContext {
  return {
    runId: '019ae2c0-5f00-8d3a-9c41-0b7e6a2f1d55',
    tenant: 'acme',
    jobId: 'job-1',
    scheduledFor: new Date('2026-01-01T00:00:00Z'),
    attempt: 1,
    maxAttempts: 4,
    trigger: 'schedule',
    upstream: [],
    payload: {},
    labels: {},
    idempotencyKey: '019ae2c0-5f00-8d3a-9c41-0b7e6a2f1d55',
    traceparent: null,
    event: null,
    signal: new AbortController().signal,
    logger: silent,
    progress: () => {},
    transaction: () => Promise.reject(new Error('not in this test')),
    schedule: () => Promise.reject(new Error('not in this test')),
    ...fields,
  };
}

/** A folder with these files, removed at the end of the `await using` block. */
export async function folderWith(files: Record<string, string>): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'belfry-handlers-'));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(path, name)), { recursive: true });
    await writeFile(join(path, name), text);
  }
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

export function secretsIn(dir: string | undefined, warned: unknown[] = []): Secrets {
  const nothing = (): void => undefined;
  const log: Log = {
    ...{ debug: nothing, info: nothing, error: nothing, child: () => log },
    warn: (fields) => void warned.push(fields),
  };
  return new Secrets(dir, log);
}
