/** One way out for all that is sent over HTTP: addresses are guarded, no redirect is followed, and what fails is told in Belfry's words. */
import { Agent, request, type Dispatcher } from 'undici';
import { BelfryError, messageOf } from '../../../core/errors.ts';
import type { AddressGuard } from './address-guard.ts';
import { readAnswer, type HttpResult } from './answer.ts';
import { retryAfterMs } from './retry-after.ts';

const MAX_EXCERPT_CHARS = 500;
/** Nobody here gains by compression; a job may ask for it all the same. */
const PLAIN = { 'accept-encoding': 'identity' };

export type Outgoing = {
  method: Dispatcher.HttpMethod;
  url: string;
  headers: Readonly<Record<string, string>>;
  body: string | null;
  signal: AbortSignal;
};

export type Exchange = { result: HttpResult; retryAfter: string | string[] | undefined };

export class Sender {
  private readonly agent: Agent;

  constructor(guard: AddressGuard) {
    this.agent = new Agent({ connect: guard.connector(), keepAliveTimeout: 4_000, connections: 50 });
  }

  /**
   * @param secrets texts that are sent, not to be shown in the answer
   * @returns the answer, whatever its status
   * @throws BelfryError `address_denied`, `http_error` (retryable); the reason of the signal
   */
  async send({ url, headers, ...options }: Outgoing, secrets: readonly string[]): Promise<Exchange> {
    try {
      // Follows no redirect: where it leads was never accepted. The run's own timeout, its signal, is the only one.
      const response = await request(url, {
        ...{ ...options, headers: { ...PLAIN, ...headers } },
        ...{ dispatcher: this.agent, headersTimeout: 0, bodyTimeout: 0 },
      });
      return { result: await readAnswer(response, secrets), retryAfter: response.headers['retry-after'] };
    } catch (cause) {
      throw networkError(cause);
    }
  }
}

/** An answer that is none of those that were hoped for. @param now ms since the epoch */
export function statusError({ result, retryAfter }: Exchange, retryable: boolean, now: number): BelfryError {
  const excerpt = result.bodyEncoding === undefined ? result.body.slice(0, MAX_EXCERPT_CHARS) : '(not text)';
  const message = `The answer was ${result.status}${excerpt === '' ? '' : `: ${excerpt}`}`;
  const error = new BelfryError('http_status', message, { retryable });
  return Object.assign(error, { retryAfterMs: retryAfterMs(retryAfter, now) });
}

/** A refusal of ours (`address_denied`, the signal's reason) as it is; all else may be better next time. */
function networkError(cause: unknown): BelfryError {
  for (let inner: unknown = cause; inner instanceof Error; inner = inner.cause) {
    if (inner instanceof BelfryError) return inner;
  }
  return new BelfryError('http_error', `The request failed: ${messageOf(cause)}`, { retryable: true, cause });
}
