/**
 * Reads cron expressions. cron-parser is used for its grammar only, one field at a time: its errors then name their
 * field, and expressions without any occurrence (`0 0 30 2 *`) can be told from unreadable ones. Finding times is left
 * to `wall-clock.ts`, which is 50 times as fast and knows daylight saving time.
 */
import { CronExpressionParser, type CronFieldCollection } from 'cron-parser';
import { LRUCache } from 'lru-cache';
import { BelfryError, messageOf } from '../errors.ts';
import { isTimeZone } from './time-zone.ts';

/** A cron expression, read: which wall times match it. The lists ascend and are not empty. */
export type CronFields = {
  seconds: readonly number[];
  minutes: readonly number[];
  hours: readonly number[];
  /** From 1. */
  months: readonly number[];
  days: Pick<CronFieldCollection['dayOfMonth'], 'values' | 'isWildcard'>;
  weekdays: Pick<CronFieldCollection['dayOfWeek'], 'values' | 'isWildcard' | 'nthDay'>;
  /** The hour field is `*`, or a step of it: the expression means slots of real time rather than times of day. */
  isInterval: boolean;
};

const MACROS: Readonly<Record<string, string>> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
};
const FIELD_NAMES = ['second', 'minute', 'hour', 'day-of-month', 'month', 'day-of-week'] as const;
const NAMES = /JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC|SUN|MON|TUE|WED|THU|FRI|SAT/gi;

const parsed = new LRUCache<string, CronFields>({ max: 1_000 });

/**
 * Checks what a user wrote.
 * @param cron 5 fields, 6 with seconds first, or a macro such as `@daily`
 * @param timezone an IANA name
 * @returns what is wrong, for people; undefined when both are right
 */
export function validateCron(cron: string, timezone: string): string | undefined {
  try {
    fieldsOf(cron);
  } catch (error) {
    return messageOf(error);
  }
  return isTimeZone(timezone) ? undefined : `unknown time zone "${timezone}"`;
}

/**
 * Reads a cron expression; the last 1,000 are remembered.
 * @throws BelfryError `invalid` that says which field is wrong and why
 */
export function fieldsOf(cron: string): CronFields {
  let fields = parsed.get(cron);
  if (fields === undefined) parsed.set(cron, (fields = parse(cron)));
  return fields;
}

function parse(cron: string): CronFields {
  const texts = split(cron);
  const [second, minute, hour, day, month, weekday] = FIELD_NAMES.map((_, index) => parseField(texts, index));
  return {
    seconds: second!.second.values,
    minutes: minute!.minute.values,
    hours: hour!.hour.values,
    months: month!.month.values,
    days: day!.dayOfMonth,
    weekdays: weekday!.dayOfWeek,
    isInterval: texts[2]!.startsWith('*') || hour!.hour.values.length === 24,
  };
}

/** The six fields of an expression, seconds first. */
function split(cron: string): string[] {
  const text = cron.trim();
  if (text.startsWith('@') && !Object.hasOwn(MACROS, text)) {
    throw invalid(`unknown macro "${text}": allowed are ${Object.keys(MACROS).join(', ')}`);
  }
  const fields = (MACROS[text] ?? text).split(/\s+/);
  if (fields.length === 5) return ['0', ...fields];
  if (fields.length === 6) return fields;
  const count = text === '' ? 0 : fields.length;
  const hint = count === 7 ? ' (years are not supported)' : '';
  throw invalid(`a cron expression has 5 fields, or 6 with seconds first: "${text}" has ${count}${hint}`);
}

function parseField(texts: readonly string[], index: number): CronFieldCollection {
  const text = texts[index]!;
  const where = `${FIELD_NAMES[index]} field "${text}"`;
  const foreign = text.replace(NAMES, '').match(/[HW?]/i)?.[0]?.toUpperCase();
  if (foreign === '?') throw invalid(`${where}: "?" is not supported, write "*"; weekdays count from 0 or SUN`);
  if (foreign !== undefined) throw invalid(`${where}: "${foreign}" is not supported`);
  try {
    const alone = FIELD_NAMES.map((_, other) => (other === index ? text : '*'));
    return CronExpressionParser.parse(alone.join(' '), { currentDate: 0, tz: 'UTC' }).fields;
  } catch (error) {
    throw invalid(`${where}: ${messageOf(error)}`, error);
  }
}

function invalid(message: string, cause?: unknown): BelfryError {
  return new BelfryError('invalid', message, { cause, field: 'cron' });
}
