/**
 * Reads cron expressions, field by field: errors name their field, and expressions without any occurrence (`0 0 30 2 *`)
 * can be told from unreadable ones. `wall-clock.ts` finds the times.
 */
import { LRUCache } from 'lru-cache';
import { BelfryError, messageOf } from '../errors.ts';
import { FIELD_RULES, readField, stepProblem, type FieldItem } from './cron-field.ts';
import { isTimeZone } from './time-zone.ts';

/** A weekday (Sunday 0), alone, the n-th of its month, or the last. */
export type WeekdayRule = { weekday: number; nth: number | 'last' | null };

/** A cron expression, read: which wall times match it. The lists ascend; those of times are not empty. */
export type CronFields = {
  seconds: readonly number[];
  minutes: readonly number[];
  hours: readonly number[];
  /** From 1. */
  months: readonly number[];
  /** `isAny`: the field is `*`, and leaves the choice of days to the other one. */
  days: { isAny: boolean; values: readonly number[]; hasLast: boolean };
  weekdays: { isAny: boolean; rules: readonly WeekdayRule[] };
  /** The hour field is `*`, or a step of it: the expression means slots of real time rather than times of day. */
  isInterval: boolean;
};

/** A map: users may write names that every object inherits. */
const MACROS = new Map([
  ['@hourly', '0 * * * *'],
  ['@daily', '0 0 * * *'],
  ['@midnight', '0 0 * * *'],
  ['@weekly', '0 0 * * 0'],
  ['@monthly', '0 0 1 * *'],
  ['@yearly', '0 0 1 1 *'],
  ['@annually', '0 0 1 1 *'],
]);

const MAX_SHOWN = 60;

const parsed = new LRUCache<string, CronFields>({ max: 1_000 });

/**
 * Checks what a user wrote.
 * @param cron 5 fields, 6 with seconds first, or a macro such as `@daily`
 * @param timezone an IANA name
 * @returns what is wrong, for people; undefined when both are right
 */
export function validateCron(cron: string, timezone: string): string | undefined {
  const unreadable = unreadableCron(cron);
  if (unreadable !== undefined) return unreadable;
  const texts = split(cron);
  for (const [index, rule] of FIELD_RULES.entries()) {
    const problem = stepProblem(rule, texts[index]!);
    if (problem !== undefined) return problem;
  }
  return isTimeZone(timezone) ? undefined : `unknown time zone "${timezone}"`;
}

/** Why `fieldsOf` cannot read an expression; undefined: it can. */
export function unreadableCron(cron: string): string | undefined {
  try {
    fieldsOf(cron);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/**
 * Reads a cron expression; the last 1,000 are remembered. Takes what is stored, too: larger steps than `validateCron` does.
 * @throws BelfryError `invalid` that says which field is wrong and what to write
 */
export function fieldsOf(cron: string): CronFields {
  let fields = parsed.get(cron);
  if (fields === undefined) parsed.set(cron, (fields = parse(cron)));
  return fields;
}

function parse(cron: string): CronFields {
  const texts = split(cron);
  const [seconds, minutes, hours, days, months, weekdays] = FIELD_RULES.map((rule, index) =>
    readField(rule, texts[index]!),
  ) as [FieldItem[], FieldItem[], FieldItem[], FieldItem[], FieldItem[], FieldItem[]];
  const hourValues = ascending(hours);
  return {
    seconds: ascending(seconds),
    minutes: ascending(minutes),
    hours: hourValues,
    months: ascending(months),
    days: { isAny: texts[3] === '*', values: ascending(days), hasLast: days.some(({ nth }) => nth === 'last') },
    weekdays: {
      isAny: texts[5] === '*',
      rules: weekdays.flatMap(({ values, nth }) => values.map((value) => ({ weekday: value % 7, nth }))),
    },
    isInterval: (texts[2]!.startsWith('*') && hourValues.length > 1) || hourValues.length === 24,
  };
}

/** What stands in a list twice counts once. */
function ascending(items: readonly FieldItem[]): number[] {
  return [...new Set(items.flatMap(({ values }) => values))].sort((a, b) => a - b);
}

/** The six fields of an expression, seconds first. */
function split(cron: string): string[] {
  const text = cron.trim();
  if (text.startsWith('@') && !MACROS.has(text)) {
    throw invalid(`unknown macro "${shown(text)}": allowed are ${[...MACROS.keys()].join(', ')}`);
  }
  const fields = (MACROS.get(text) ?? text).split(/\s+/);
  if (fields.length === 5) return ['0', ...fields];
  if (fields.length === 6) return fields;
  const count = text === '' ? 0 : fields.length;
  const hint = count === 7 ? ' (years are not supported)' : '';
  throw invalid(`a cron expression has 5 fields, or 6 with seconds first: "${shown(text)}" has ${count}${hint}`);
}

function shown(text: string): string {
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

function invalid(message: string): BelfryError {
  return new BelfryError('invalid', message, { field: 'cron' });
}
