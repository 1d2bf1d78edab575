/** How commands get to the timers, and outcomes from the executors: over Kafka (`kafka-transport.ts`) or HTTP (`http/`). */
import type { TerminalStatus } from '../core/model.ts';
import { OpenOnce } from '../core/open-once.ts';
import type { Ack, Outcome } from '../core/records.ts';

/** A command as it stands on job.commands; without a tenant it is the transport's own one. An emit has an event, no job. */
export type WireCommand = {
  type: string;
  commandId: string;
  tenant?: string | undefined;
  jobId?: string;
  event?: string;
};

export type OutcomeFilter = { statuses?: readonly TerminalStatus[]; tenant?: string; jobId?: string };

export interface Transport {
  /** Of commands that name none; undefined: the other side knows it. */
  readonly tenant: string | undefined;
  /**
   * Resolves when the command was applied or refused. The same `commandId` sent again is safe.
   * @param timeoutMs how long all of it may take, connecting included, ms
   * @param headers of the record on job.commands; over HTTP there are none
   * @throws BelfryError `no_answer` (retryable): the command is durable, and may have been applied; `broker_unavailable` or
   *   `api_unavailable` (retryable): it was not sent, or, as the message says, may have been applied; `closed` (retryable);
   *   `not_migrated`; over HTTP also `unauthorized`, `forbidden`, `rate_limited` (retryable)
   */
  send(command: WireCommand, timeoutMs: number, headers?: Readonly<Record<string, string>>): Promise<Ack>;
  /** Hears outcomes from the moment that it resolves. @returns stops listening */
  onOutcome(hear: (outcome: Outcome) => void, filter: OutcomeFilter): Promise<() => Promise<void>>;
  /** Whoever still waits hears `closed`. */
  close(): Promise<void>;
}

/** Whether an outcome is one of those that were asked for. */
export function isWanted({ statuses, tenant, jobId }: OutcomeFilter, outcome: Outcome): boolean {
  return (
    (statuses === undefined || statuses.includes(outcome.status)) &&
    (tenant === undefined || tenant === outcome.tenant) &&
    (jobId === undefined || jobId === outcome.jobId)
  );
}

/** A transport that is made when it is first used: what it needs is loaded only then. */
export class LazyTransport implements Transport {
  readonly tenant: string | undefined;
  private readonly made: OpenOnce<Transport>;

  constructor(tenant: string | undefined, make: () => Promise<Transport>) {
    this.tenant = tenant;
    this.made = new OpenOnce(make, (transport) => transport.close());
  }

  async send(...args: Parameters<Transport['send']>): Promise<Ack> {
    return (await this.made.get()).send(...args);
  }

  async onOutcome(...args: Parameters<Transport['onOutcome']>): Promise<() => Promise<void>> {
    return (await this.made.get()).onOutcome(...args);
  }

  close(): Promise<void> {
    return this.made.close();
  }
}
