/**
 * Hears of enqueued commands by LISTEN, on a connection of its own. Best effort: the timer asks for them every second
 * anyway, so a notice that is lost (a reconnect, a pooler in between) only costs time.
 */
import pg from 'pg';

import { messageOf } from '../../core/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import type { EnqueuedListener } from '../../core/ports/timer-store.ts';
import { within } from '../../core/within.ts';

/** `databaseUrl`: of the server itself; poolers pass no notices on. */
export type ListenOptions = { databaseUrl: string; schema: string; clock: Clock; log: Log };

const CHANNEL = 'belfry_enqueued';
const CONNECT_TIMEOUT_MS = 5_000;
const AGAIN_AFTER_MS = 2_000;
const CLOSE_MS = 2_000;

export function enqueuedListener(options: ListenOptions): EnqueuedListener {
  return (onEnqueued) => {
    const stopped = new AbortController();
    const ended = keepListening(options, onEnqueued, stopped.signal);
    return {
      close: () => {
        stopped.abort();
        return ended;
      },
    };
  };
}

async function keepListening(
  options: ListenOptions,
  onEnqueued: (partition: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log } = options;
  while (!signal.aborted) {
    try {
      await listenOnce(options, onEnqueued, signal);
    } catch (thrown) {
      log.warn({ reason: messageOf(thrown) }, 'no notices of enqueued commands; asking every second meanwhile');
    }
    await clock.sleep(AGAIN_AFTER_MS, signal);
  }
}

/** Until the connection ends, or the signal. */
async function listenOnce(
  { databaseUrl, schema, clock }: ListenOptions,
  onEnqueued: (partition: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    application_name: 'belfry-timer-listen',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  });
  const { promise: over, resolve, reject } = Promise.withResolvers<void>();
  over.catch(() => undefined); // heard below; not unhandled while it connects
  client.on('error', reject);
  client.on('end', resolve);
  client.on('notification', ({ payload = '' }) => {
    const [of, partition] = payload.split('/');
    if (of === schema) onEnqueued(Number(partition));
  });
  const stop = (): void => resolve();
  signal.addEventListener('abort', stop);
  try {
    // Whatever it waits for, the end of the connection or of the listening ends it.
    await Promise.race([over, listen(client)]);
    await over;
  } finally {
    signal.removeEventListener('abort', stop);
    await within(clock, CLOSE_MS, client.end(), () => new Error('it does not close')).catch(() => undefined);
  }
}

async function listen(client: pg.Client): Promise<void> {
  await client.connect();
  await client.query(`LISTEN ${CHANNEL}`);
}
