/** The payload of HTTP_REQUEST jobs. */
import { z } from 'zod';
import type { Rejection } from '../records.ts';
import { listOf, mapOf, name, record, text, word } from './fields.ts';
import { HEADER_NAME, SECRET, type NameRule } from './names.ts';
import type { SpecOptions } from './options.ts';
import { invalid, rejectionOf, type Path } from './problems.ts';

const HTTP_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;
/** Headers that carry credentials: as literal text they would stand in topics, tables and pages. */
const CREDENTIAL_HEADERS = ['authorization', 'cookie', 'proxy-authorization'];
/** Headers that belong to the connection, which is ours. */
const CONNECTION_HEADERS = [
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

/** As long as a payload with nothing else in it. */
const MAX_HEADER_CHARS = 256 * 1024;
const headerText = text('must be text', { max: MAX_HEADER_CHARS }).refine(
  (text) => /^[\t\x20-\x7e\x80-\xff]*$/.test(text),
  { error: 'has characters that a header cannot carry' },
);
const secret = record('a secret header', { secret: name(SECRET) });

/** Where something is sent. */
export const httpUrl = text('must be an http or https URL').superRefine((text, context) => {
  const problem = urlProblem(text);
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
});

const EXPECTED_STATUS: NameRule = {
  allowed: 'must be a status such as 204 or a class such as 2xx',
  holds: (text) => /^[1-5](?:\d\d|xx)$/.test(text),
};

const httpSchema = record('an HTTP payload', {
  method: word(HTTP_METHODS).default('GET'),
  url: httpUrl,
  headers: mapOf(
    HEADER_NAME,
    z.union([headerText, secret], { error: 'must be text a header can carry (no line breaks), or { "secret": name }' }),
    100,
  ).default({}),
  body: z.unknown().optional(),
  expectStatus: listOf(name(EXPECTED_STATUS), 'statuses such as 204 or 2xx', {
    ...{ min: 1, max: 100, tooFew: 'is empty: no answer could be right' },
  }).default(['2xx']),
}).superRefine(({ method, body, headers }, context) => {
  if (body !== undefined && (method === 'GET' || method === 'HEAD')) {
    context.addIssue({ code: 'custom', path: ['body'], message: `does not go with ${method}; choose another method` });
  }
  for (const header of Object.keys(headers)) {
    if (CONNECTION_HEADERS.includes(header.toLowerCase())) {
      context.addIssue({
        code: 'custom',
        path: ['headers', header],
        message: 'is set by the connection; leave it out',
      });
    }
  }
});

/**
 * What an HTTP_REQUEST job sends. A text `body` goes out as it is, anything else as JSON; undefined: none.
 * A status is right when it equals an entry of `expectStatus` or belongs to its class (`2xx`).
 */
export type HttpPayload = z.output<typeof httpSchema>;

/** Reads the payload of an HTTP_REQUEST job, with the defaults filled in. */
export function parseHttpPayload(
  payload: unknown,
  options: SpecOptions,
  path: Path = ['payload'],
): HttpPayload | { rejection: Rejection } {
  const { data, error } = httpSchema.safeParse(payload);
  if (error !== undefined) return { rejection: rejectionOf(error, payload, 'the payload', path) };
  const literal = Object.entries(data.headers).find(
    ([header, value]) => typeof value === 'string' && CREDENTIAL_HEADERS.includes(header.toLowerCase()),
  );
  if (literal === undefined || options.allowInlineSecrets) return data;
  const message = 'is refused as literal text; write { "secret": name } and put the value into the secrets folder';
  return { rejection: invalid([...path, 'headers', literal[0]], message) };
}

/**
 * Names of headers differ in more than their case: else one of the values is not sent. New payloads are held to it, not those
 * of jobs that were accepted before.
 */
export function repeatedHeader({ headers }: HttpPayload, path: Path): Rejection | undefined {
  const seen = new Map<string, string>();
  for (const header of Object.keys(headers)) {
    const former = seen.get(header.toLowerCase());
    if (former !== undefined)
      return invalid([...path, 'headers', header], `is the same header as ${former}: give it once`);
    seen.set(header.toLowerCase(), header);
  }
  return undefined;
}

function urlProblem(text: string): string | undefined {
  // What came is never shown: URLs with mistakes may hold passwords too.
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return 'is not an http or https URL';
  if (url.username === '' && url.password === '') return undefined;
  return 'carries a user name or password; send a header with { "secret": name } instead';
}
