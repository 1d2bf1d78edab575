/** Requests to every route of the API's own document, as acme's administrator: whatever is in them, nothing breaks. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Answer } from '../integration/support/http-api.ts';
import { rarely, Values, type JsonSchema } from './values.ts';
import type { World } from './world.ts';

type Parameter = { name: string; in: string; schema?: JsonSchema };
type Operation = { parameters?: Parameter[]; requestBody?: { content?: Record<string, { schema?: JsonSchema }> } };
type Request = {
  method: string;
  path: string;
  query: string;
  headers: Record<string, string>;
  body: string | undefined;
};

/** Ends only with its connection. */
const ENDLESS = '/api/events/stream';
const HEADERS = ['idempotency-key', 'if-match', 'if-none-match', 'x-request-id', 'traceparent', 'accept', 'user-agent'];

const MOST_FINDINGS = 20;
const LONGEST_FINDING = 3_000;

export type RequestFigures = { requests: number; byStatus: Record<string, number>; operations: number };

/**
 * @param seed of all requests
 * @param count how many
 * @throws AssertionError naming the request that broke a promise
 */
export async function fuzzRequests(world: World, seed: number, count: number): Promise<RequestFigures> {
  const operations = operationsOf(world);
  const byStatus: Record<string, number> = {};
  let state = await world.acmeState();
  const findings: string[] = [];
  let done = 0;
  const made = fc.sample(fc.oneof(...operations.map((each) => requestOf(world, each))), { seed, numRuns: count });
  for (const request of made) {
    const answer = await send(world, request);
    const now = await world.acmeState();
    try {
      judge(world, request, answer);
      if (answer.status >= 400)
        assert.equal(now, state, `refused, and yet something changed: ${shown(request, answer)}`);
    } catch (error) {
      findings.push((error as Error).message.slice(0, LONGEST_FINDING));
      if (findings.length === MOST_FINDINGS) break;
    }
    state = now;
    const kind = `${Math.floor(answer.status / 100)}xx`;
    byStatus[kind] = (byStatus[kind] ?? 0) + 1;
    done += 1;
  }
  assert.equal(findings.length, 0, findings.join('\n\n'));
  return { requests: done, byStatus, operations: operations.length };
}

type Route = { method: string; path: string; operation: Operation };

function operationsOf({ api }: World): Route[] {
  return Object.entries(api.document.paths).flatMap(([path, operations]) =>
    path === ENDLESS
      ? []
      : Object.entries(operations).map(([method, operation]) => ({
          ...{ method: method.toUpperCase(), path, operation: operation as Operation },
        })),
  );
}

function requestOf({ api, known }: World, { method, path, operation }: Route): fc.Arbitrary<Request> {
  const values = new Values(api.document, known);
  const { parameters = [], requestBody } = operation;
  const schema = requestBody?.content?.['application/json']?.schema;
  const inPath = [...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name!);
  const inQuery = parameters.filter((each) => each.in === 'query').map(({ name }) => name);
  const body = schema === undefined ? fc.constant(undefined) : values.of(schema).map((value) => JSON.stringify(value));
  const broken = fc.constantFrom('{', '', 'null', '[]', '{"a":1}{', '\u0000', '"\\ud800"', `${'['.repeat(20_000)}`);
  return fc
    .record({
      path: fc.tuple(...inPath.map((name) => values.text(name))),
      query: fc
        .subarray(inQuery, { maxLength: Math.min(3, inQuery.length) })
        .chain((names) => fc.tuple(...names.map((name) => fc.tuple(fc.constant(name), values.text(name))))),
      strange: rarely(fc.tuple(values.text('text'), values.text('text'))),
      headers: fc
        .subarray(HEADERS, { maxLength: 2 })
        .chain((names) => fc.tuple(...names.map((name) => fc.tuple(fc.constant(name), values.text('commandId'))))),
      body: fc.oneof({ weight: 20, arbitrary: body }, { weight: 1, arbitrary: broken }),
      type: fc.oneof(
        { weight: 20, arbitrary: fc.constant('application/json') },
        { weight: 1, arbitrary: fc.constantFrom('text/plain', 'application/xml', 'x') },
      ),
    })
    .map((parts) => {
      let next = 0;
      const pairs = parts.strange === null ? parts.query : [...parts.query, parts.strange];
      const isBodyless = method === 'GET' || method === 'DELETE' || parts.body === undefined;
      return {
        method,
        path: path.replaceAll(/\{[^}]+\}/g, () => encodeURIComponent(parts.path[next++]!.toWellFormed()) || '%20'),
        query: new URLSearchParams(
          pairs.map(([name, value]): [string, string] => [name.toWellFormed(), value.toWellFormed()]),
        ).toString(),
        headers: {
          ...Object.fromEntries(parts.headers.map(([name, value]) => [name, headerText(value)])),
          ...(!isBodyless && { 'content-type': parts.type }),
        },
        body: isBodyless ? undefined : parts.body,
      };
    });
}

/** What a client can send at all: fetch itself refuses line ends in headers. */
function headerText(text: string): string {
  return text
    .replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '?')
    .slice(0, 2_000)
    .trim();
}

async function send(world: World, { method, path, query, headers, body }: Request): Promise<Answer> {
  const { api } = world;
  const response = await fetch(`${api.url}${path}${query === '' ? '' : `?${query}`}`, {
    method,
    headers: { authorization: `Bearer ${api.key}`, ...headers },
    ...(body !== undefined && { body }),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: (text === '' ? null : JSON.parse(text)) as unknown,
  };
}

function judge({ api, secret }: World, request: Request, answer: Answer): void {
  assert.ok(answer.status < 500, shown(request, answer));
  assert.ok(!JSON.stringify(answer.body).includes(secret), `told what is another tenant's: ${shown(request, answer)}`);
  assert.equal(answer.headers.get('x-injected'), null, shown(request, answer));
  assert.match(answer.headers.get('content-type') ?? '', /^application\/(problem\+)?json/, shown(request, answer));
  assert.equal(answer.headers.get('x-content-type-options'), 'nosniff', shown(request, answer));
  api.check(request.method, request.path, answer);
}

function shown({ method, path, query, headers, body }: Request, answer: Answer): string {
  const asked = `${method} ${path.slice(0, 300)}?${query.slice(0, 300)} ${JSON.stringify(headers)} ${body?.slice(0, 1_000) ?? ''}`;
  return `${asked}\n→ ${answer.status} ${JSON.stringify(answer.body).slice(0, 1_000)}`;
}
