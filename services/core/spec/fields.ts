/** The building blocks of the schemas: each says what it allows in the words that users read. */
import { z } from 'zod';
import { MAX_DURATION_MS, formatDuration, parseDuration } from './duration.ts';
import { explainInstant, parseInstant } from './instant.ts';
import type { NameRule } from './names.ts';
import { listed, unknownField } from './problems.ts';

/** The longest text of any field but payloads: a cause of a run. */
const MAX_TEXT_CHARS = 8_192;

/**
 * An object with these fields and no others.
 * @param owner what it is, for messages: `a schedule`.
 * @param refused fields that people may try, each with what to tell them.
 */
export function record<S extends z.core.$ZodLooseShape>(
  owner: string,
  shape: S,
  refused: Readonly<Record<string, string>> = {},
) {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys') return 'must be an object';
      const key = String(issue.keys[0]);
      return Object.hasOwn(refused, key) ? refused[key] : unknownField(key, owner, known);
    },
  });
}

/** Text that keeps to a rule, which bounds its length. */
export function name(rule: NameRule) {
  return text(rule.allowed, { tooLong: rule.allowed }).refine(rule.holds, { error: rule.allowed });
}

/**
 * Text of at most `max` characters: of more, nothing else is looked at.
 * @param error what is said of anything that is no text
 */
export function text(error: string, { max = MAX_TEXT_CHARS, tooLong }: { max?: number; tooLong?: string } = {}) {
  return z.string({ error }).max(max, { error: tooLong ?? `is longer than ${max} characters`, abort: true });
}

/** One of a closed set of words. */
export function word<const W extends readonly [string, ...string[]]>(words: W) {
  return z.enum(words, { error: `must be ${listed(words)}` });
}

/** A whole number, both ends included. */
export function whole(min: number, max: number) {
  const error = max === Number.MAX_SAFE_INTEGER ? `must be a whole number from ${min} up` : wholeText(min, max);
  return z.int({ error }).min(min, { error }).max(max, { error });
}

const wholeText = (min: number, max: number): string => `must be a whole number from ${min} to ${max}`;

/** A number, both ends included. */
export function amount(min: number, max: number) {
  const error = `must be a number from ${min} to ${max}`;
  return z.number({ error }).min(min, { error }).max(max, { error });
}

/** `true` or `false`. */
export const flag = z.boolean({ error: 'must be true or false' });

/** A duration as text; becomes milliseconds. */
export function duration(minMs = 0, maxMs = MAX_DURATION_MS) {
  const least = minMs > 0 ? ` of at least ${formatDuration(minMs)}` : '';
  const most = maxMs < MAX_DURATION_MS ? ` and at most ${formatDuration(maxMs)}` : '';
  const error = `must be a duration${least}${most}, such as ${minMs < 1_000 ? '500ms, ' : ''}30s, 5m, 1h30m or 2d`;
  return text(error).transform((written, context) => {
    const ms = parseDuration(written);
    if (ms !== undefined && ms >= minMs && ms <= maxMs) return ms;
    context.addIssue({ code: 'custom', message: error });
    return z.NEVER;
  });
}

/** A time as text; becomes milliseconds since the epoch. */
export const instant = text('must be an ISO 8601 time with an offset such as 2026-12-01T09:00:00Z').transform(
  (written, context) => {
    const ms = parseInstant(written);
    if (ms !== undefined) return ms;
    context.addIssue({ code: 'custom', message: explainInstant(written) ?? 'is no time' });
    return z.NEVER;
  },
);

/**
 * A list of at most `max` entries, which are counted before any is judged.
 * @param what it is a list of, as messages say
 */
export function listOf<T extends z.ZodType>(entry: T, what: string, { max, min = 0, ...errors }: ListBounds) {
  const { wrong = `must be a list of ${what}`, tooFew = 'is empty', tooMany = tooManyEntries(max) } = errors;
  // eslint-disable-next-line belfry/bounded-schemas -- counted by the step before
  const list = z.array(entry, { error: wrong }).min(min, { error: tooFew });
  return counted(list, (value) => (Array.isArray(value) && value.length > max ? tooMany : undefined), {
    maxItems: max,
  });
}
type ListBounds = { max: number; min?: number; wrong?: string; tooFew?: string; tooMany?: string };

/** An object whose keys are the user's: at most `max` of them, counted before any is judged, each keeping to a rule. */
export function mapOf<V extends z.ZodType>(keys: NameRule, values: V, max: number) {
  const badKey = `has a name that is not allowed; it ${keys.allowed}`;
  // eslint-disable-next-line belfry/bounded-schemas -- counted by the step before
  const map = z.record(z.string().refine(keys.holds), values, {
    error: ({ code }) => (code === 'invalid_key' ? badKey : 'must be an object'),
  }) as z.ZodType<Record<string, z.output<V>>, Record<string, z.input<V>>>;
  return counted(map, (value) => mapProblem(value, max), { maxProperties: max });
}

function mapProblem(value: unknown, max: number): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  // zod drops an own __proto__ key without a word; here it is an error like any other unknown key.
  if (Object.hasOwn(value, '__proto__')) return 'has the key __proto__, which is refused';
  return Object.keys(value).length > max ? tooManyEntries(max) : undefined;
}

/**
 * `schema`, which is not even begun where `problem` says what is wrong with the whole: zod judges all entries of a list first, and
 * tells of each.
 */
function counted<S extends z.ZodType>(
  schema: S,
  problem: (value: unknown) => string | undefined,
  bound: { maxItems: number } | { maxProperties: number },
) {
  const counted = z.preprocess((value, context) => {
    const message = problem(value);
    if (message === undefined) return value;
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  }, schema);
  return counted.meta(bound) as unknown as z.ZodType<z.output<S>, z.input<S>>;
}

const tooManyEntries = (max: number): string => `has too many entries; at most ${max} are allowed`;

const FREE_FIELD = 'payload';
const PLAIN = { enumerable: true, configurable: true, writable: true };

/**
 * A copy without the fields that are null or undefined: null means absent. What stands in `payload` is the user's own
 * and stays as it is.
 * @param depth levels to copy; no valid command is deeper, and hostile ones must not exhaust the stack.
 */
export function withoutNulls(value: unknown, depth = 8): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || depth === 0) return value;
  const kept: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    const item = (value as Record<string, unknown>)[key];
    if (item === null || item === undefined) continue;
    const copy = key === FREE_FIELD ? item : withoutNulls(item, depth - 1);
    // Assigned, it would set the prototype.
    if (key === '__proto__') Object.defineProperty(kept, key, { ...PLAIN, value: copy });
    else kept[key] = copy;
  }
  return kept;
}
