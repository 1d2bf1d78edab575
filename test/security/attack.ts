/** What attacks on the HTTP API share: a deployment with a small heap, and requests as programs of others make them. */
import type { TestDeployment } from '../integration/support/deployment.ts';
import type { Service } from '../integration/support/service.ts';

/** Of a machine that is not large. */
export const HEAP_MB = 512;
const API = ['--max-old-space-size', HEAP_MB].join('=');

export type Answer = { status: number; headers: Headers; text: string };

/** An API process as operators run it, with the heap of a small machine. */
export function startApi(belfry: TestDeployment, env: Record<string, string> = {}): Promise<Service> {
  return belfry.api({ env: { NODE_OPTIONS: API, ...env } });
}

/** Sends a request and reads the whole answer. */
export async function send(url: string, key: string, body?: string | object, method = 'POST'): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}
