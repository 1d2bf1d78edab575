/**
 * Outcomes as server-sent events.
 *
 * Invariant: `lastId` is the position behind the last outcome that was heard; the API sends one with the head of the stream, so
 * there is a place to come back to before the first outcome, too. Nothing is missed while the API keeps its topic; an outcome
 * whose connection broke just then may come twice.
 */
import { createParser } from 'eventsource-parser';
import { BelfryError, messageOf } from '../../core/errors.ts';
import type { Clock, Ids } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import type { Outcome } from '../../core/records.ts';
import { outcomeOf } from '../../core/read-resources.ts';
import type { HttpApi } from './api.ts';

/** The API says every 15 s that it is still there. */
const SILENCE_MS = 45_000;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5_000;
/** How long the first connection may take, ms. */
const OPEN_MS = 10_000;

type Deps = {
  api: HttpApi;
  clock: Clock;
  ids: Ids;
  log: Log;
  query: Readonly<Record<string, string | undefined>>;
};

export class OutcomeStream {
  private readonly deps: Deps;
  private readonly hear: (outcome: Outcome) => void;
  private readonly stop = new AbortController();
  private lastId: string | undefined;
  private done: Promise<void> = Promise.resolve();

  constructor(deps: Deps, hear: (outcome: Outcome) => void) {
    this.deps = deps;
    this.hear = hear;
  }

  /** Resolves when what comes from now on will be heard. @throws BelfryError as the API says, `api_unavailable` */
  async open(): Promise<void> {
    const ready = Promise.withResolvers<void>();
    this.done = this.listen(ready.resolve, ready.reject);
    await ready.promise;
  }

  async close(): Promise<void> {
    this.stop.abort();
    await this.done;
  }

  /** Connects again and again, until it is closed or refused. */
  private async listen(onReady: () => void, onRefused: (error: unknown) => void): Promise<void> {
    const { clock, ids, log } = this.deps;
    const deadline = clock.now() + OPEN_MS;
    let pauseMs = FIRST_PAUSE_MS;
    while (!this.stop.signal.aborted) {
      try {
        const answersWithinMs = this.lastId === undefined ? Math.max(0, deadline - clock.now()) : SILENCE_MS;
        await this.connection(answersWithinMs, () => {
          pauseMs = FIRST_PAUSE_MS;
          onReady();
        });
      } catch (error) {
        const isLasting = error instanceof BelfryError && !error.retryable;
        const isTooLate = this.lastId === undefined && clock.now() >= deadline;
        if (this.stop.signal.aborted || isLasting || isTooLate) {
          onRefused(error);
          if (isLasting) log.error({ reason: messageOf(error) }, 'outcomes are heard no more');
          return;
        }
        log.warn({ reason: messageOf(error) }, 'the stream of outcomes broke, and is taken up again');
      }
      await clock.sleep(pauseMs * (0.5 + ids.random() / 2), this.stop.signal);
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    }
    onRefused(new BelfryError('closed', 'The client was closed before it could listen.', { retryable: true }));
  }

  /** One connection, until it ends. */
  private async connection(answersWithinMs: number, onReady: () => void): Promise<void> {
    const { api, clock, query } = this.deps;
    const silent = new AbortController();
    const giveUp = (): void => silent.abort(new Error('it did not answer in time'));
    let cancel = clock.after(answersWithinMs, giveUp);
    const signal = AbortSignal.any([this.stop.signal, silent.signal]);
    try {
      const headers = { accept: 'text/event-stream', ...(this.lastId && { 'last-event-id': this.lastId }) };
      const { body } = await api.open('/api/events/stream', { query, headers, signal });
      const parser = createParser({
        onEvent: ({ event, data, id }) => {
          if (event === 'outcome') this.tell(data);
          if (id !== undefined) this.lastId = id;
          if (event === 'position') onReady();
        },
      });
      const text = new TextDecoder();
      for await (const chunk of body ?? []) {
        cancel();
        cancel = clock.after(SILENCE_MS, giveUp);
        parser.feed(text.decode(chunk as Uint8Array, { stream: true }));
      }
    } finally {
      cancel();
    }
  }

  /** A careless listener, or an outcome that cannot be read, does not end the stream. */
  private tell(data: string): void {
    try {
      this.hear(outcomeOf(JSON.parse(data) as Record<string, unknown>));
    } catch (error) {
      this.deps.log.error({ err: error }, 'an outcome could not be handed to its listener');
    }
  }
}
