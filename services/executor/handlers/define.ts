/** How users write handlers: an object with a `run` and what goes with it, or a plain function. */
import type { RetryInput } from '../../core/spec/input.ts';
import type { StandardSchemaV1 } from './standard-schema.ts';
import type { HandlerContext } from './handler.ts';

/** Gets any payload, unchecked. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- an author may state the payload that the function expects
export type HandlerFunction = (ctx: HandlerContext<any>) => unknown;

/** What `run` gets: the schema's output, or anything where there is no schema. */
type OutputOf<Schema> = Schema extends StandardSchemaV1<infer _Input, infer Output> ? Output : unknown;

export type HandlerDefinition<Schema = StandardSchemaV1 | undefined> = {
  /** Any Standard Schema (zod, valibot, arktype, …); a payload that does not fit ends the run with `payload_invalid`. */
  payload?: Schema;
  /** Per attempt, such as `30s`, for jobs that set none themselves. */
  timeout?: string;
  /** For jobs that set none themselves. */
  retry?: RetryInput;
  /** Runs of this handler at one time in one executor; default: as many as there are slots. */
  concurrency?: number;
  /** Returns the result (JSON, up to 64 KiB); throws to fail the attempt, with `retryable: false` to give up at once. */
  run(ctx: HandlerContext<OutputOf<Schema>>): unknown;
};

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- handlers of every payload stand in one object
export type Handlers = Record<string, HandlerDefinition<any> | HandlerFunction>;

/**
 * Types handlers in place: `ctx.payload` has the type that the schema gives it.
 * @returns the handlers, plain functions as objects with a `run`, so that tests call all of them alike and
 *   `new Belfry<typeof handlers>()` knows names and payloads
 */
export function defineHandlers<Schemas extends Record<string, unknown>>(handlers: {
  [Name in keyof Schemas]: HandlerDefinition<Schemas[Name]> | HandlerFunction;
}): { [Name in keyof Schemas]: HandlerDefinition<Schemas[Name]> } {
  const written = handlers as Handlers;
  const defined = Object.entries(written).map(
    ([name, handler]) => [name, typeof handler === 'function' ? { run: handler } : handler] as const,
  );
  return Object.fromEntries(defined) as Handlers as { [Name in keyof Schemas]: HandlerDefinition<Schemas[Name]> };
}
