/**
 * What the values of Belfry's own records must keep to, so that no later stage can stumble over them: columns of PostgreSQL,
 * `Date`, headers of Kafka. Each check is a plain predicate: due records come by tens of thousands a second.
 */
import { MAX_DURATION_MS } from '../spec/duration.ts';

/** The largest `integer` of PostgreSQL. */
export const MAX_INT4 = 2 ** 31 - 1;
/** What `timestamptz` begins with, and what `Date` ends with: times between can be stored, shown and computed with. */
const FIRST_TIME_MS = -210_866_803_200_000;
const LAST_TIME_MS = 8_640_000_000_000_000;
/** Levels of what a handler returned. */
export const MAX_RESULT_DEPTH = 1_000;
/** Room for a result, and the levels of the record around it; deeper JSON exhausts the stack of whoever writes it again. */
export const MAX_RECORD_DEPTH = MAX_RESULT_DEPTH + 100;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** A word of a closed set, be it one that this release does not know. */
const WORD = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

export type Check = (value: unknown) => boolean;
export type Rule = { readonly allowed: string; readonly holds: Check };

export const isUuid: Check = (value) => typeof value === 'string' && UUID.test(value);

/** Text that every store can keep: no U+0000, no halves of surrogate pairs. */
export function isStorable(text: string, maxChars: number): boolean {
  return text.length <= maxChars && !text.includes('\0') && text.isWellFormed();
}

/** A time in whole milliseconds that `Date` and `timestamptz` hold. */
export const isTime: Check = (value) =>
  Number.isSafeInteger(value) && (value as number) >= FIRST_TIME_MS && (value as number) <= LAST_TIME_MS;

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether a value has more levels than JSON of Belfry's own may have. */
export function isDeeperThan(levels: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((item) => isDeeperThan(levels - 1, item));
}

export const uuid: Rule = { allowed: 'must be a UUID in lower case', holds: isUuid };
export const time: Rule = { allowed: 'must be a time in whole milliseconds that a calendar has', holds: isTime };
export const word: Rule = {
  allowed: 'must be a word',
  holds: (value) => typeof value === 'string' && WORD.test(value),
};
export const duration = range(0, MAX_DURATION_MS);

export function text(maxChars: number): Rule {
  return {
    allowed: `must be text of at most ${maxChars} characters without U+0000`,
    holds: (value) => typeof value === 'string' && isStorable(value, maxChars),
  };
}

/** A whole number, both ends included. */
export function range(min: number, max: number): Rule {
  return {
    allowed: `must be a whole number from ${min} to ${max}`,
    holds: (value) => Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max,
  };
}

/** A number, both ends included. */
export function amount(min: number, max: number): Rule {
  return {
    allowed: `must be a number from ${min} to ${max}`,
    holds: (value) => typeof value === 'number' && value >= min && value <= max,
  };
}

export function orNull(rule: Rule): Rule {
  return { allowed: `${rule.allowed}, or null`, holds: (value) => value === null || rule.holds(value) };
}

/** Absent is null, too. */
export function optional(rule: Rule): Rule {
  return { ...rule, holds: (value) => value === undefined || value === null || rule.holds(value) };
}

/** An object with at least these fields; others are carried along, whatever they are. */
export function objectOf(rules: Readonly<Record<string, Rule>>): Rule {
  const entries = Object.entries(rules);
  return {
    allowed: `must be an object with ${Object.keys(rules).join(', ')}`,
    holds: (value) => isRecord(value) && entries.every(([name, rule]) => rule.holds(value[name])),
  };
}

export function listOf(rule: Rule): Rule {
  return {
    allowed: `must be a list; each entry ${rule.allowed}`,
    holds: (value) => Array.isArray(value) && value.every(rule.holds),
  };
}

export function mapOf(rule: Rule): Rule {
  return {
    allowed: `must be an object; each value ${rule.allowed}`,
    holds: (value) => isRecord(value) && Object.keys(value).every((key) => rule.holds(key) && rule.holds(value[key])),
  };
}

/** What is wrong with the first field that breaks its rule, as a sentence; undefined: nothing. */
export function firstProblem(
  record: Readonly<Record<string, unknown>>,
  rules: readonly (readonly [string, Rule])[],
): string | undefined {
  const broken = rules.find(([name, rule]) => !rule.holds(record[name]));
  return broken && `${broken[0]} ${broken[1].allowed}`;
}
