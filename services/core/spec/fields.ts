/** The building blocks of the schemas: each says what it allows in the words that users read. */
import { z } from 'zod';
import { MAX_DURATION_MS, formatDuration, parseDuration } from './duration.ts';
import { explainInstant, parseInstant } from './instant.ts';
import type { NameRule } from './names.ts';
import { listed, unknownField } from './problems.ts';

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

/** Text that keeps to a rule. */
export function name(rule: NameRule) {
  return z.string({ error: rule.allowed }).refine(rule.holds, { error: rule.allowed });
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
  return z.string({ error }).transform((text, context) => {
    const ms = parseDuration(text);
    if (ms !== undefined && ms >= minMs && ms <= maxMs) return ms;
    context.addIssue({ code: 'custom', message: error });
    return z.NEVER;
  });
}

/** A time as text; becomes milliseconds since the epoch. */
export const instant = z
  .string({ error: 'must be an ISO 8601 time with an offset such as 2026-12-01T09:00:00Z' })
  .transform((text, context) => {
    const ms = parseInstant(text);
    if (ms !== undefined) return ms;
    context.addIssue({ code: 'custom', message: explainInstant(text) ?? 'is no time' });
    return z.NEVER;
  });

/**
 * A list of at most `max` entries.
 * @param what it is a list of, as messages say
 */
export function listOf<T extends z.ZodType>(entry: T, what: string, max: number) {
  return z.array(entry, { error: `must be a list of ${what}` }).max(max, { error: tooMany(max) });
}

/** An object whose keys are the user's: at most `max` of them, each keeping to a rule. */
export function mapOf<V extends z.ZodType>(keys: NameRule, values: V, max: number) {
  const badKey = `has a name that is not allowed; it ${keys.allowed}`;
  const map = z.record(z.string().refine(keys.holds), values, {
    error: ({ code }) => (code === 'invalid_key' ? badKey : 'must be an object'),
  }) as z.ZodType<Record<string, z.output<V>>, Record<string, z.input<V>>>;
  // zod drops an own __proto__ key without a word; here it is an error like any other unknown key.
  return z
    .custom<z.input<typeof map>>((value) => !hasOwnProto(value), { error: 'has the key __proto__, which is refused' })
    .pipe(map)
    .refine((entries) => Object.keys(entries).length <= max, { error: tooMany(max) });
}

const tooMany = (max: number): string => `has too many entries; at most ${max} are allowed`;

const hasOwnProto = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, '__proto__');

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
