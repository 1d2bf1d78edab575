/** Errors as RFC 9457 has them: `application/problem+json`, one type for each code. */
import type { FastifyError } from 'fastify';
import { factsOf, type ErrorCode } from '../core/error-codes.ts';
import { BelfryError } from '../core/errors.ts';
import type { Path } from '../core/spec/problems.ts';

/** Where something is wrong: in the body (a JSON pointer), in the path or the query, or in a header. */
export type Fault = { pointer?: string; parameter?: string; header?: string; detail: string };

export type Problem = { type: string; title: string; status: number; detail: string; errors?: readonly Fault[] };

const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  404: 'not_found',
  413: 'too_large',
  415: 'unsupported_media_type',
};

/** A request that is refused, with all that is wrong with it. */
export class RequestError extends BelfryError {
  readonly faults: readonly Fault[];

  constructor(code: ErrorCode, message: string, faults: readonly Fault[] = []) {
    super(code, message);
    this.faults = faults;
  }
}

/** The problem that an error is to the client: nothing of what failed inside is told. */
export function problemOf(error: Error | FastifyError): Problem {
  if (error instanceof BelfryError && factsOf(error.code).status !== null) {
    return problem(error.code, error.message, faultsOf(error));
  }
  const status = 'statusCode' in error && !(error instanceof BelfryError) ? (error.statusCode ?? 500) : 500;
  if (status >= 400 && status < 500) return problem(BY_STATUS[status] ?? 'unreadable', error.message);
  return problem('internal', 'The log of the API tells more.');
}

export function problem(code: ErrorCode, detail: string, errors: readonly Fault[] = []): Problem {
  const { status: usual, text } = factsOf(code);
  // What the body names is missing, not what the address does.
  const isNamed = usual === 404 && errors.some(({ pointer }) => pointer !== undefined);
  const status = isNamed ? 422 : (usual ?? 500);
  return { type: `urn:belfry:problem:${code}`, title: text, status, detail, ...(errors.length > 0 && { errors }) };
}

function faultsOf(error: BelfryError): readonly Fault[] {
  if (error instanceof RequestError) return error.faults;
  return error.field === undefined ? [] : [{ pointer: pointerOfField(error.field), detail: error.message }];
}

/** Names in a body are the user's, of whatever length; so is how deep they stand. */
const MAX_KEY_CHARS = 300;
const MAX_KEYS = 50;

/** `#/schedule/exclude/2`: a JSON pointer as the fragment of a URI, as far as people read it. */
export function pointerOf(path: Path): string {
  const parts = path
    .slice(0, MAX_KEYS)
    .map((key) => `/${String(key).slice(0, MAX_KEY_CHARS).replaceAll('~', '~0').replaceAll('/', '~1')}`);
  return `#${encodeURI(parts.join('').toWellFormed())}`;
}

/** From the name that a timer gives a field of the command: the body of a request holds the job itself. */
function pointerOfField(field: string): string {
  const path = field.replace(/^job\.(?=.)/, '').split(/[.[\]]+/);
  return pointerOf(path.filter((part) => part !== ''));
}
