/**
 * Bodies of requests, read by the decoder that commands on Kafka are read by. Before that they are measured: whatever stands in
 * them, reading and judging costs in proportion to a body of the size that is allowed.
 */
import { exceededBound, type JsonBounds } from '../core/spec/json-bounds.ts';
import { readJsonBytes } from '../core/spec/json.ts';
import { fieldOf } from '../core/spec/problems.ts';
import type { Api } from './deps.ts';
import { pointerOf, RequestError } from './problem.ts';

/**
 * Far above what any valid request has: an item of a batch is judged by itself, so that a deep one spoils no other, and no further
 * than the parser copes.
 */
const MAX_BODY: JsonBounds = { levels: 10_000, values: 250_000 };
const TOO_MUCH: Readonly<Record<keyof JsonBounds, string>> = {
  levels: `is nested too deeply; at most ${MAX_BODY.levels} levels are read`,
  values: `has too many values; at most ${MAX_BODY.values} are read in one request`,
};

/** Takes the place of the framework's parser. An empty body is none. */
export function readJsonBodies(api: Api): void {
  api.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    if (body.length === 0) return done(null, undefined);
    const exceeded = exceededBound(body as Buffer, MAX_BODY);
    if (exceeded !== undefined) return done(new RequestError('too_large', `The body ${TOO_MUCH[exceeded]}.`));
    const read = readJsonBytes(body as Buffer);
    if (!('fault' in read)) return done(null, read.value);
    const { code, path, message } = read.fault;
    if (code === 'unreadable') return done(new RequestError(code, `The body ${message}.`));
    const faults = [{ pointer: pointerOf(path), detail: message }];
    done(new RequestError(code, `${fieldOf(path) || 'the body'} ${message}`, faults));
  });
}
