/** From handlers as users write them to those that the executor runs. */
import { fieldOf } from '../../core/spec/problems.ts';
import type { Handlers } from './define.ts';
import { checkHandlers, type CheckedHandler } from './definition.ts';
import type { Handler, HandlerRegistry, Validation } from './handler.ts';
import type { StandardResult, StandardSchemaV1 } from './standard-schema.ts';

/** More would not help whoever reads it. */
const MAX_ISSUES = 5;

/**
 * @param handlers the user's, by name
 * @param builtIn handlers of the job types that Belfry itself runs
 * @throws BelfryError `handlers_invalid`
 */
export function makeRegistry(handlers: Handlers, builtIn: { http: Handler }): HandlerRegistry {
  const registry = new Map<string, Handler>([['HTTP_REQUEST', builtIn.http]]);
  for (const handler of checkHandlers(handlers)) registry.set(handler.name, handlerOf(handler));
  return registry;
}

function handlerOf({ run, payload, timeoutMs, retry, concurrency }: CheckedHandler): Handler {
  return {
    run,
    ...(payload === undefined ? {} : { validate: (value: unknown) => validate(payload, value) }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(retry === undefined ? {} : { retry }),
    ...(concurrency === undefined ? {} : { concurrency }),
  };
}

async function validate(schema: StandardSchemaV1, value: unknown): Promise<Validation> {
  const result = await schema['~standard'].validate(value);
  return result.issues === undefined
    ? { ok: true, value: result.value }
    : { ok: false, message: messageOf(result.issues) };
}

type Issues = NonNullable<StandardResult<unknown>['issues']>;

/** `payload.items[0].price: Expected number; payload.to: Required`. */
function messageOf(issues: Issues): string {
  const shown = issues.slice(0, MAX_ISSUES).map(({ path = [], message }) => {
    const keys = path.map((part) => (typeof part === 'object' ? part.key : part));
    return `${fieldOf(['payload', ...keys])}: ${message}`;
  });
  const more = issues.length - shown.length;
  return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join('; ');
}
