/**
 * Commands over `POST /api/commands`, outcomes over `GET /api/events/stream`.
 *
 * Commands that are sent in one turn of the event loop go in one request. Each has its own id, which is what makes it safe to
 * send the request again when its answer was lost.
 */
import { BelfryError } from '../../core/errors.ts';
import type { Log } from '../../core/ports/log.ts';
import type { Ack, Outcome } from '../../core/records.ts';
import { ackOf, type CommandAnswer } from '../../core/read-resources.ts';
import { isWanted, type OutcomeFilter, type Transport, type WireCommand } from '../transport.ts';
import { HttpApi, type ApiDeps } from './api.ts';
import { OutcomeStream } from './outcome-stream.ts';

/** What the API takes at once. */
const MOST = 1_000;
const MOST_BYTES = 8 * 1024 * 1024;
/** How long the API is asked to wait for timers, ms; what is not answered by then is asked for again. */
const LONGEST_WAIT_MS = 25_000;
const MARGIN_MS = 500;

type Waiting = {
  command: WireCommand;
  bytes: number;
  timeoutMs: number;
  resolve: (ack: Ack) => void;
  reject: (error: unknown) => void;
};

export class HttpTransport implements Transport {
  readonly tenant = undefined;
  private readonly api: HttpApi;
  private readonly deps: ApiDeps & { log: Log };
  private waiting: Waiting[] = [];
  private readonly streams = new Set<OutcomeStream>();

  /** @throws BelfryError `config_invalid` */
  constructor(deps: ApiDeps & { log: Log }) {
    this.deps = deps;
    this.api = new HttpApi(deps);
  }

  send(command: WireCommand, timeoutMs: number): Promise<Ack> {
    return new Promise((resolve, reject) => {
      const bytes = Buffer.byteLength(JSON.stringify(command));
      if (this.waiting.length === 0) queueMicrotask(() => this.flush());
      this.waiting.push({ command, bytes, timeoutMs, resolve, reject });
    });
  }

  async onOutcome(hear: (outcome: Outcome) => void, filter: OutcomeFilter): Promise<() => Promise<void>> {
    const { clock, ids, log } = this.deps;
    const { jobId, statuses } = filter;
    const status = statuses?.length === 1 ? statuses[0] : undefined;
    const stream = new OutcomeStream({ api: this.api, clock, ids, log, query: { jobId, status } }, (outcome) => {
      if (isWanted(filter, outcome)) hear(outcome);
    });
    await stream.open();
    this.streams.add(stream);
    return async () => {
      this.streams.delete(stream);
      await stream.close();
    };
  }

  async close(): Promise<void> {
    this.api.close();
    await Promise.all([...this.streams].map((stream) => stream.close()));
  }

  private flush(): void {
    const all = this.waiting;
    this.waiting = [];
    let batch: Waiting[] = [];
    let bytes = 0;
    for (const each of all) {
      if (batch.length === MOST || bytes + each.bytes > MOST_BYTES) {
        void this.post(batch);
        [batch, bytes] = [[], 0];
      }
      batch.push(each);
      bytes += each.bytes;
    }
    void this.post(batch);
  }

  /** Sends these until each has its answer, or its time is up. */
  private async post(batch: Waiting[]): Promise<void> {
    const { clock } = this.deps;
    const began = clock.now();
    const leftOf = ({ timeoutMs }: Waiting): number => began + timeoutMs - clock.now();
    for (let open = batch; open.length > 0;) {
      const leftMs = Math.max(...open.map(leftOf));
      try {
        const answers = await this.ask(open, leftMs);
        open = open.filter((each, index) => !settle(each, answers[index], leftOf(each) > 0));
      } catch (error) {
        for (const { command, reject } of open) reject(lost(error, command));
        return;
      }
    }
  }

  private async ask(batch: readonly Waiting[], leftMs: number): Promise<CommandAnswer[]> {
    const wait = `${Math.max(0, Math.min(Math.floor(leftMs), LONGEST_WAIT_MS))}ms`;
    const body = { wait, commands: batch.map(({ command }) => command) };
    // A little longer than the API waits: its answer says more than a silence.
    const request = { body, timeoutMs: leftMs + MARGIN_MS };
    return (await this.api.ask<{ results: CommandAnswer[] }>('POST', '/api/commands', request)).results;
  }
}

/** @returns whether that was the last word */
function settle({ command, resolve, reject }: Waiting, answer: CommandAnswer | undefined, hasTime: boolean): boolean {
  const { commandId } = command;
  if (answer !== undefined && answer.outcome !== 'accepted' && answer.outcome !== 'failed') {
    resolve(ackOf(answer));
    return true;
  }
  if (answer?.outcome === 'accepted') {
    if (hasTime) return false; // sent again it has one effect, and is answered
    const message = `No answer came in time. The command is durable and will be applied when a timer service runs; sending it again with the same commandId is safe.`;
    reject(new BelfryError('no_answer', message, { retryable: true, ids: { commandId } }));
    return true;
  }
  const { code, message } = answer?.error ?? {
    code: 'api_unavailable',
    message: 'The API gave no answer to a command.',
  };
  reject(new BelfryError(code, message, { retryable: true, ids: { commandId } }));
  return true;
}

function lost(error: unknown, { commandId }: WireCommand): unknown {
  if (!(error instanceof BelfryError)) return error;
  const { code, message, retryable, field } = error;
  return new BelfryError(code, message, { retryable, cause: error, ids: { commandId }, ...(field && { field }) });
}
