/** The user's handlers, and stand-ins for Belfry's own. */
import { BelfryError } from '../core/errors.ts';
import { parseHttpPayload, type HttpPayload } from '../core/spec/payload-http.ts';
import type { Handlers } from '../executor/handlers/define.ts';
import type { Handler, HandlerContext, HandlerRegistry } from '../executor/handlers/handler.ts';
import { makeRegistry } from '../executor/handlers/registry.ts';
import type { Stage } from './stage.ts';

/** Answers an HTTP_REQUEST job in place of a server: its value is the run's result, what it throws fails the attempt. */
export type HttpAnswer = (request: HttpPayload, ctx: HandlerContext<HttpPayload>) => unknown;

const ACCEPTED = { allowInlineSecrets: true, topicPrefix: '', allowTopics: null };

/** @throws BelfryError `handlers_invalid` */
export function testRegistry(handlers: Handlers, http: HttpAnswer | undefined, stage: Stage): HandlerRegistry {
  const registry = makeRegistry(handlers, { http: httpHandler(http) });
  const staged = [...registry].map(([name, handler]): [string, Handler] => [
    name,
    { ...handler, run: (ctx) => stage.handler(() => handler.run(ctx)) },
  ]);
  return new Map(staged);
}

function httpHandler(answer: HttpAnswer = noServer): Handler {
  return {
    validate: (payload) => {
      const parsed = parseHttpPayload(payload, ACCEPTED);
      return 'rejection' in parsed ? { ok: false, message: parsed.rejection.message } : { ok: true, value: parsed };
    },
    run: (ctx) => answer(ctx.payload as HttpPayload, ctx as HandlerContext<HttpPayload>),
  };
}

function noServer(): never {
  const message = 'The testing kit calls no server: answer HTTP_REQUEST jobs with { http: (request) => … }.';
  throw new BelfryError('http_error', message);
}
