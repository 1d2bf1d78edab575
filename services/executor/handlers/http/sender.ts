/** One way out for all that is sent over HTTP: addresses are guarded, no redirect is followed, and what fails is told in Belfry's words. */
import { LRUCache } from 'lru-cache';
import { Agent, request, type Dispatcher } from 'undici';
import { BelfryError, messageOf } from '../../../core/errors.ts';
import type { Clock } from '../../../core/ports/clock.ts';
import type { AddressGuard } from './address-guard.ts';
import { readAnswer, type HttpResult } from './answer.ts';
import { withoutSecrets } from './hide-secrets.ts';
import { retryAfterMs } from './retry-after.ts';

const MAX_EXCERPT_CHARS = 500;
/** Nobody here gains by compression; a job may ask for it all the same. */
const PLAIN = { 'accept-encoding': 'identity' };
/** Of one tenant to one origin. */
const MAX_CONNECTIONS = 50;
const MAX_TENANTS = 500;
/** Of a body no more than 48 KiB are read, so that only a trickle takes longer. */
const BODY_LIMITS: BodyLimits = { idleMs: 60_000, totalMs: 15 * 60_000 };

export type Outgoing = {
  /** Connections are not shared among tenants: one that holds all of its own to an origin does not stop the others. */
  tenant: string;
  method: Dispatcher.HttpMethod;
  url: string;
  headers: Readonly<Record<string, string>>;
  body: string | null;
  signal: AbortSignal;
};

/** How long the body of an answer may take: between two pieces of it, and in all. */
export type BodyLimits = { idleMs: number; totalMs: number };
export type Exchange = { result: HttpResult; retryAfter: string | string[] | undefined };

export class Sender {
  private readonly guard: AddressGuard;
  private readonly clock: Pick<Clock, 'after'>;
  private readonly bodyLimits: BodyLimits;
  /** By tenant. One that is dropped ends the requests that it has, and its idle connections close. */
  private readonly agents = new LRUCache<string, Agent>({
    max: MAX_TENANTS,
    dispose: (agent) => void agent.close().catch(() => undefined),
  });

  constructor(guard: AddressGuard, clock: Pick<Clock, 'after'>, bodyLimits: BodyLimits = BODY_LIMITS) {
    this.guard = guard;
    this.clock = clock;
    this.bodyLimits = bodyLimits;
  }

  /**
   * The run's own timeout, its signal, is the deadline of it all; the body has limits besides.
   * @param secrets texts that are sent, not to be shown in the answer
   * @returns the answer, whatever its status
   * @throws BelfryError `address_denied`, `http_error` (retryable); the reason of the signal
   */
  async send({ tenant, url, headers, ...options }: Outgoing, secrets: readonly string[]): Promise<Exchange> {
    const { idleMs, totalMs } = this.bodyLimits;
    let cancelTimer = (): void => undefined;
    try {
      // Follows no redirect: where it leads was never accepted.
      const response = await request(url, {
        ...{ ...options, headers: { ...PLAIN, ...headers } },
        ...{ dispatcher: this.agentOf(tenant), headersTimeout: 0, bodyTimeout: idleMs },
      });
      cancelTimer = this.clock.after(totalMs, () => response.body.destroy(tooSlow(totalMs)));
      return { result: await readAnswer(response, secrets), retryAfter: response.headers['retry-after'] };
    } catch (cause) {
      throw networkError(cause, secrets);
    } finally {
      cancelTimer();
    }
  }

  private agentOf(tenant: string): Agent {
    const known = this.agents.get(tenant);
    if (known !== undefined) return known;
    const agent = new Agent({
      connect: this.guard.connector(),
      ...{ keepAliveTimeout: 4_000, connections: MAX_CONNECTIONS },
    });
    this.agents.set(tenant, agent);
    return agent;
  }
}

function tooSlow(totalMs: number): BelfryError {
  const message = `The body of the answer did not end within ${totalMs} ms.`;
  return new BelfryError('http_error', message, { retryable: true });
}

/** An answer that is none of those that were hoped for. @param now ms since the epoch */
export function statusError({ result, retryAfter }: Exchange, retryable: boolean, now: number): BelfryError {
  const excerpt = result.bodyEncoding === undefined ? result.body.slice(0, MAX_EXCERPT_CHARS) : '(not text)';
  const message = `The answer was ${result.status}${excerpt === '' ? '' : `: ${excerpt}`}`;
  const error = new BelfryError('http_status', message, { retryable });
  return Object.assign(error, { retryAfterMs: retryAfterMs(retryAfter, now) });
}

/** Of a failed connection without its address: that is what a name resolved to, and not for tenants. */
function reasonOf(cause: unknown): string {
  const [error] = cause instanceof AggregateError ? (cause.errors as unknown[]) : [cause];
  const { address, syscall, code } = (error ?? {}) as NodeJS.ErrnoException & { address?: unknown };
  return address === undefined ? messageOf(error) : `${syscall} ${code}`;
}

/** A refusal of ours (`address_denied`, the signal's reason) as it is; all else may be better next time. */
function networkError(cause: unknown, secrets: readonly string[]): BelfryError {
  for (let inner: unknown = cause; inner instanceof Error; inner = inner.cause) {
    if (inner instanceof BelfryError) return inner;
  }
  return new BelfryError('http_error', `The request failed: ${withoutSecrets(reasonOf(cause), secrets)}`, {
    retryable: true,
    cause,
  });
}
