/**
 * Requests to the HTTP API. What fails on the way, or because something is away, is sent again until the time is up: every
 * request made here may be repeated, since commands carry their ids.
 */
import { factsOf, readErrorCode } from '../../core/error-codes.ts';
import { BelfryError, messageOf } from '../../core/errors.ts';
import type { Clock, Ids } from '../../core/ports/clock.ts';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;
const STANDARD_TIMEOUT_MS = 10_000;
const PROBLEM = 'urn:belfry:problem:';
export type ApiDeps = {
  /** Where the API is: `https://belfry.example.com`, without `/api`. */
  url: string;
  /** Absent: the API runs with `BELFRY_AUTH=off`. */
  apiKey?: string | undefined;
  clock: Clock;
  ids: Ids;
};

export type Request = {
  /** Names and values; undefined ones are left out, lists are repeated. */
  query?: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;
  body?: object;
  headers?: Readonly<Record<string, string>>;
  /** For all attempts together, ms. */
  timeoutMs?: number;
  signal?: AbortSignal;
  /** False: it is sent once. */
  repeat?: boolean;
};

type Answered = { value: unknown } | { error: BelfryError; waitMs?: number };

export class HttpApi {
  private readonly deps: ApiDeps;
  private readonly base: string;
  private readonly closed = new AbortController();

  /** @throws BelfryError `config_invalid` */
  constructor(deps: ApiDeps) {
    this.deps = deps;
    this.base = baseOf(deps.url);
    if (deps.apiKey !== undefined && !/^[\x21-\x7e]+$/.test(deps.apiKey))
      throw new BelfryError('config_invalid', 'The API key must be text such as bfy_…, without spaces or line ends.');
  }

  /**
   * @returns the JSON of the answer
   * @throws BelfryError with the problem's code; `api_unavailable` (retryable) when no answer came in time; `closed`
   */
  async ask<T>(method: string, path: string, request: Request = {}): Promise<T> {
    const { clock, ids } = this.deps;
    const { timeoutMs = STANDARD_TIMEOUT_MS, repeat = true } = request;
    const deadline = clock.now() + timeoutMs;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      const answered = await this.attempt(method, path, request, deadline - clock.now());
      if ('value' in answered) return answered.value as T;
      const { error, waitMs = pauseMs * (0.5 + ids.random() / 2) } = answered;
      const isOver = this.closed.signal.aborted || request.signal?.aborted === true;
      if (!repeat || !error.retryable || isOver || clock.now() + waitMs >= deadline) throw error;
      await clock.sleep(waitMs, this.closed.signal);
    }
  }

  /** As `ask`, for what may not be there. @returns undefined when the API does not find it */
  async find<T>(method: string, path: string, request: Request = {}): Promise<T | undefined> {
    try {
      return await this.ask<T>(method, path, request);
    } catch (error) {
      if (error instanceof BelfryError && factsOf(error.code).kind === 'missing') return undefined;
      throw error;
    }
  }

  /** An answer that goes on: its body is to be read. @throws as `ask`; it is sent once */
  async open(path: string, { query = {}, headers = {}, signal }: Request): Promise<Response> {
    try {
      const response = await fetch(this.urlOf(path, query), {
        redirect: 'error',
        headers: { ...this.headers(), ...headers },
        signal: AbortSignal.any([this.closed.signal, ...(signal ? [signal] : [])]),
      });
      if (!response.ok) throw await this.problemOf(response);
      return response;
    } catch (error) {
      throw error instanceof BelfryError ? error : this.unavailable(error);
    }
  }

  /** Ends what is under way. */
  close(): void {
    this.closed.abort();
  }

  private async attempt(method: string, path: string, request: Request, leftMs: number): Promise<Answered> {
    const { query = {}, body, headers = {}, signal } = request;
    const late = new AbortController();
    const cancel = this.deps.clock.after(leftMs, () => late.abort());
    try {
      const response = await fetch(this.urlOf(path, query), {
        redirect: 'error',
        method,
        headers: { ...this.headers(), ...(body && { 'content-type': 'application/json' }), ...headers },
        ...(body && { body: JSON.stringify(body) }),
        signal: AbortSignal.any([late.signal, this.closed.signal, ...(signal ? [signal] : [])]),
      });
      if (response.ok) return { value: await response.json() };
      const seconds = Number(response.headers.get('retry-after') ?? NaN);
      return { error: await this.problemOf(response), ...(seconds > 0 && { waitMs: seconds * 1_000 }) };
    } catch (error) {
      return { error: this.unavailable(late.signal.aborted ? 'it did not answer in time' : error) };
    } finally {
      cancel();
    }
  }

  private headers(): Record<string, string> {
    const { apiKey } = this.deps;
    return { accept: 'application/json', ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }) };
  }

  private urlOf(path: string, query: NonNullable<Request['query']>): string {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      for (const each of [value].flat()) if (each !== undefined) parameters.append(name, String(each));
    }
    return `${this.base}${path}${parameters.size === 0 ? '' : `?${parameters.toString()}`}`;
  }

  private async problemOf(response: Response): Promise<BelfryError> {
    const text = await response.text();
    const { type, detail, errors } = readProblem(text);
    if (!type?.startsWith(PROBLEM)) return this.unavailable(`it answered ${response.status}, and nothing of Belfry's`);
    const written = type.slice(PROBLEM.length);
    const code = readErrorCode(written);
    const field = errors?.[0]?.pointer?.replace(/^#?\//, '').replaceAll('/', '.');
    return new BelfryError(code, detail ?? written, {
      retryable: factsOf(code).kind === 'unavailable',
      ...(field && { field }),
    });
  }

  private unavailable(why: unknown): BelfryError {
    if (this.closed.signal.aborted) {
      return new BelfryError('closed', 'The client was closed before the answer came.', { retryable: true });
    }
    const reason = why instanceof Error && why.cause !== undefined ? messageOf(why.cause) : messageOf(why);
    const message = `The API at ${this.base} cannot be reached (${reason}): check its address and that "belfry api" runs.`;
    return new BelfryError('api_unavailable', message, { retryable: true, cause: why });
  }
}

type Problem = { type?: string; detail?: string; errors?: { pointer?: string }[] };

function readProblem(text: string): Problem {
  try {
    return (JSON.parse(text) as Problem | null) ?? {};
  } catch {
    return {}; // a proxy's page
  }
}

function baseOf(url: string): string {
  const parsed = URL.parse(url);
  if (parsed !== null && /^https?:$/.test(parsed.protocol) && parsed.username === '') {
    return `${parsed.origin}${parsed.pathname.replace(/\/+$/, '')}`;
  }
  throw new BelfryError(
    'config_invalid',
    `The address of the API must be a URL such as https://belfry.example.com, without a user, not "${url}".`,
  );
}
