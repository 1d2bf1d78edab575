/** The way to the HTTP API for those who use it: whichever of its processes answers, with the key of a tenant. */
import type { Proxy } from './proxy.ts';
import type { Random } from '../support/random.ts';

const WITHIN_MS = 8_000;

export type HttpAnswer = { status: number; commandId: string | null; body: unknown };
export type Asked = { method: string; path: string; body?: unknown; headers?: Record<string, string> };

export class HttpDoor {
  private readonly fronts: readonly Proxy[];
  private readonly keys: ReadonlyMap<string, string>;
  private readonly random: Random;

  /** @param keys by tenant */
  constructor(fronts: readonly Proxy[], keys: ReadonlyMap<string, string>, random: Random) {
    this.fronts = fronts;
    this.keys = keys;
    this.random = random;
  }

  /** @throws Error while that process is away, or says so: ask again */
  async ask(tenant: string, { method, path, body, headers = {} }: Asked): Promise<HttpAnswer> {
    const response = await this.open(tenant, {
      ...{ method, signal: AbortSignal.timeout(WITHIN_MS) },
      ...{ path, headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) } },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (response.status >= 500 || response.status === 429) throw new Error(`${response.status} ${text.slice(0, 200)}`);
    const commandId = response.headers.get('belfry-command-id');
    return { status: response.status, commandId, body: text === '' ? null : JSON.parse(text) };
  }

  /** An answer of any length. */
  open(tenant: string, { path, headers, ...more }: RequestInit & { path: string }): Promise<Response> {
    const { port } = this.random.pick(this.fronts);
    const authorization = `Bearer ${this.keys.get(tenant)}`;
    return fetch(`http://127.0.0.1:${port}${path}`, { ...more, headers: { ...headers, authorization } });
  }
}
