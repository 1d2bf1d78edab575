/** A subscriber to the API's stream of outcomes that comes back, to whichever process, with the id of the last event that it saw. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createParser } from 'eventsource-parser';
import type { HttpDoor } from './http-door.ts';

const AGAIN_AFTER_MS = 500;
/** The API says every 15 s that it is still there. */
const SILENT_MS = 20_000;

export class Listener {
  readonly tenant: string;
  /** Ids of the runs of which it has heard, and of their events. */
  readonly runs = new Set<string>();
  readonly events = new Set<string>();
  /** It knows its position: from here on it is to hear of all. */
  readonly begun: Promise<void>;
  private readonly door: HttpDoor;
  private readonly ending = new AbortController();
  private readonly begin: () => void;
  private readonly loop: Promise<void>;
  private lastId: string | undefined;

  constructor(door: HttpDoor, tenant: string) {
    this.door = door;
    this.tenant = tenant;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.begun = promise;
    this.begin = resolve;
    this.loop = this.run();
  }

  async close(): Promise<void> {
    this.ending.abort();
    await this.loop;
  }

  private async run(): Promise<void> {
    while (!this.ending.signal.aborted) {
      await this.follow().catch(() => undefined); // it comes back, as browsers do
      await sleep(AGAIN_AFTER_MS, undefined, { signal: this.ending.signal }).catch(() => undefined);
    }
  }

  /** One connection, until it ends or falls silent. */
  private async follow(): Promise<void> {
    const silence = new AbortController();
    const watch = setTimeout(() => silence.abort(), SILENT_MS);
    try {
      const headers = this.lastId === undefined ? {} : { 'last-event-id': this.lastId };
      const signal = AbortSignal.any([silence.signal, this.ending.signal]);
      const { status, body } = await this.door.open(this.tenant, { path: '/api/events/stream', headers, signal });
      if (status !== 200 || body === null) return;
      const parser = createParser({ onEvent: ({ id, event, data }) => this.hear(id, event, data) });
      for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
        watch.refresh();
        parser.feed(chunk);
      }
    } finally {
      clearTimeout(watch);
    }
  }

  private hear(id: string | undefined, event: string | undefined, data: string): void {
    this.lastId = id ?? this.lastId;
    if (event === 'position') this.begin();
    if (event !== 'outcome') return;
    const { runId, eventId } = JSON.parse(data) as { runId: string; eventId: string };
    this.runs.add(runId);
    this.events.add(eventId);
  }
}
