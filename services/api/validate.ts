/** Requests checked by zod: all that is wrong is told at once, each with its place. */
import type { FastifySchemaCompiler } from 'fastify';
import type { z } from 'zod';
import { withoutNulls } from '../core/spec/fields.ts';
import { fieldOf, findingsOf, type Finding } from '../core/spec/problems.ts';
import { pointerOf, RequestError, type Fault } from './problem.ts';

/** Null means absent in bodies, as in commands. */
export const validatorCompiler: FastifySchemaCompiler<z.ZodType> =
  ({ schema, httpPart }) =>
  (data: unknown) => {
    const written = httpPart === 'body' ? bodyOf(data) : data;
    const { data: value, error } = schema.safeParse(written);
    return error === undefined ? { value } : { error: invalidRequest(httpPart ?? 'body', findingsOf(error, written)) };
  };

/** The error for what is wrong in the body, the query or the path. */
export function invalidRequest(part: string, findings: readonly Finding[]): RequestError {
  const faults = findings.map(({ path, message }) => faultOf(part, path, message));
  const [first = { path: [], message: 'is not valid' }] = findings;
  const field = fieldOf(first.path) || (part === 'body' ? 'the body' : `the ${part}`);
  return new RequestError('invalid', `${field} ${first.message}`, faults);
}

function faultOf(part: string, path: Finding['path'], detail: string): Fault {
  return part === 'body' ? { pointer: pointerOf(path), detail } : { parameter: fieldOf(path), detail };
}

function bodyOf(data: unknown): unknown {
  const written = withoutNulls(data ?? {});
  // "Run it with null" differs from an absent payload, which is "run it with its own".
  if (isObject(data) && isObject(written) && data.payload === null) return { ...written, payload: null };
  return written;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
