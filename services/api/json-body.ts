/** Bodies of requests, read by the decoder that commands on Kafka are read by. */
import { readJsonBytes } from '../core/spec/json.ts';
import { fieldOf } from '../core/spec/problems.ts';
import type { Api } from './deps.ts';
import { pointerOf, RequestError } from './problem.ts';

/** Of a place in a body that is nested for the sake of it. */
const MAX_KEYS_TOLD = 50;

/** Takes the place of the framework's parser. An empty body is none. */
export function readJsonBodies(api: Api): void {
  api.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    if (body.length === 0) return done(null, undefined);
    const read = readJsonBytes(body as Buffer);
    if (!('fault' in read)) return done(null, read.value);
    const { code, path, message } = read.fault;
    if (code === 'unreadable') return done(new RequestError(code, `The body ${message}.`));
    const faults = [{ pointer: pointerOf(path.slice(0, MAX_KEYS_TOLD)), detail: message }];
    done(new RequestError(code, `${fieldOf(path) || 'the body'} ${message}`, faults));
  });
}
