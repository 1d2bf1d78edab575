/**
 * Commands over `POST /api/commands`, outcomes over `GET /api/events/stream`.
 *
 * Commands that are sent in one turn of the event loop go in one request. Each has its own id, which is what makes it safe to
 * send the request again when its answer was lost. A few requests of bounded size are under way at a time: a thousand at once
 * would be answered later than each of them may take.
 */
import { closeAll } from '../../core/close-all.ts';
import { readErrorCode, type ErrorCode } from '../../core/error-codes.ts';
import { BelfryError } from '../../core/errors.ts';
import type { Log } from '../../core/ports/log.ts';
import type { Ack, Outcome } from '../../core/records.ts';
import { ackOf, type CommandAnswer } from '../../core/read-resources.ts';
import { Delivery, SAFE_TO_REPEAT, type Stage } from '../delivery.ts';
import { isWanted, type OutcomeFilter, type Transport, type WireCommand } from '../transport.ts';
import { HttpApi, type ApiDeps } from './api.ts';
import { OutcomeStream } from './outcome-stream.ts';

/** What the API takes at once. */
const MAX_COMMANDS_PER_REQUEST = 1_000;
/** The larger a request, the longer all of its commands wait for their answers. */
const MAX_BYTES_PER_REQUEST = 1024 * 1024;
const MAX_REQUESTS_AT_ONCE = 4;
/** How long the API is asked to wait for timers, ms; what is not answered by then is asked for again. */
const MAX_WAIT_MS = 25_000;
/** So much earlier than its sender gives up, the API is to say what it knows, ms: that says more than a silence. */
const MARGIN_MS = 500;

type Outgoing = { command: WireCommand; bytes: number; delivery: Delivery };

export class HttpTransport implements Transport {
  readonly tenant = undefined;
  private readonly api: HttpApi;
  private readonly deps: ApiDeps & { log: Log };
  private readonly waiting = new Set<Outgoing>();
  private readonly underWay = new Set<Delivery>();
  private readonly streams = new Set<OutcomeStream>();
  private requests = 0;

  /** @throws BelfryError `config_invalid` */
  constructor(deps: ApiDeps & { log: Log }) {
    this.deps = deps;
    this.api = new HttpApi(deps);
  }

  send(command: WireCommand, timeoutMs: number): Promise<Ack> {
    const { clock, url } = this.deps;
    const delivery = new Delivery(clock, command.commandId, timeoutMs, (stage) => tooLate(stage, timeoutMs, url));
    this.underWay.add(delivery);
    const outgoing = { command, bytes: Buffer.byteLength(JSON.stringify(command)), delivery };
    if (this.waiting.size === 0) queueMicrotask(() => this.flush());
    this.waiting.add(outgoing);
    delivery.onEnd(() => {
      this.underWay.delete(delivery);
      this.waiting.delete(outgoing);
    });
    return delivery.ended;
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

  /** Whatever fails, all of it is closed. */
  async close(): Promise<void> {
    for (const delivery of this.underWay) delivery.close();
    this.api.close();
    await closeAll([...this.streams].map((stream) => () => stream.close()));
  }

  private flush(): void {
    while (this.waiting.size > 0 && this.requests < MAX_REQUESTS_AT_ONCE) void this.post(this.take());
  }

  private take(): Outgoing[] {
    const batch: Outgoing[] = [];
    let bytes = 0;
    for (const outgoing of this.waiting) {
      bytes += outgoing.bytes;
      if (batch.length === MAX_COMMANDS_PER_REQUEST || (bytes > MAX_BYTES_PER_REQUEST && batch.length > 0)) break;
      batch.push(outgoing);
      this.waiting.delete(outgoing);
    }
    return batch;
  }

  private async post(batch: Outgoing[]): Promise<void> {
    this.requests += 1;
    try {
      await this.exchange(batch);
    } catch (error) {
      for (const { delivery } of batch) delivery.fail(lost(error, delivery));
    }
    this.requests -= 1;
    this.flush();
  }

  /** Sends these until each has its answer, or its time is up. */
  private async exchange(batch: Outgoing[]): Promise<void> {
    const { clock } = this.deps;
    const isOpen = ({ delivery }: Outgoing): boolean => !delivery.isOver;
    for (let open = batch; open.length > 0; open = open.filter(isOpen)) {
      const left = open.map(({ delivery }) => delivery.deadline - clock.now());
      for (const { delivery } of open) if (delivery.stage === 'waiting') delivery.stage = 'sent';
      const answers = await this.ask(open, left);
      for (const [index, { delivery }] of open.entries())
        hear(delivery, answers[index], delivery.deadline - clock.now());
    }
  }

  private async ask(batch: readonly Outgoing[], left: readonly number[]): Promise<CommandAnswer[]> {
    const shortest = Math.min(...left);
    const waitMs = Math.floor(Math.min(shortest - Math.min(MARGIN_MS, shortest / 2), MAX_WAIT_MS));
    const body = { wait: `${Math.max(0, waitMs)}ms`, commands: batch.map(({ command }) => command) };
    const request = { body, timeoutMs: Math.max(...left) };
    return (await this.api.ask<{ results: CommandAnswer[] }>('POST', '/api/commands', request)).results;
  }
}

/** @param leftMs what is left of its time */
function hear(delivery: Delivery, answer: CommandAnswer | undefined, leftMs: number): void {
  if (answer?.outcome === 'accepted') {
    delivery.stage = 'durable';
    // Sent again it has one effect, and is answered.
    if (leftMs <= MARGIN_MS) delivery.giveUp(...tooLate('durable', delivery.timeoutMs));
  } else if (answer === undefined || answer.outcome === 'failed') {
    const silence = { code: 'api_unavailable', message: `The API gave no answer to the command. ${DOUBT}` };
    const { code, message } = answer?.error ?? silence;
    delivery.giveUp(readErrorCode(code), message);
  } else delivery.answer(ackOf(answer));
}

const DOUBT = `If the command got through, it may have been applied. ${SAFE_TO_REPEAT}`;

function tooLate(stage: Stage, timeoutMs: number, url = ''): [code: ErrorCode, message: string] {
  const texts = {
    waiting: `The command was not sent within ${timeoutMs} ms, since others came before it: send fewer at once, or allow more time.`,
    sent: `The API at ${url} did not answer within ${timeoutMs} ms: it is busy, or cannot be reached. ${DOUBT}`,
    durable: `No answer came within ${timeoutMs} ms. The command is durable: it may have been applied already, or will be when a timer service runs. ${SAFE_TO_REPEAT}`,
  };
  return [stage === 'durable' ? 'no_answer' : 'api_unavailable', texts[stage]];
}

function lost(error: unknown, { commandId }: Delivery): unknown {
  if (!(error instanceof BelfryError)) return error;
  const { code, retryable, field } = error;
  const message = code === 'api_unavailable' ? `${error.message} ${DOUBT}` : error.message;
  return new BelfryError(code, message, { retryable, cause: error, ids: { commandId }, ...(field && { field }) });
}
