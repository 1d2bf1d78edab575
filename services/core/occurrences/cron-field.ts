/**
 * Reads one field of a cron expression: a list of values, ranges and steps, entry by entry. Each is checked first, so that every
 * refusal names what was written and what to write instead; cron-parser then says which values it means. Entry by entry, since it
 * takes no list whose entries share a value.
 */
import { CronExpressionParser } from 'cron-parser';
import { BelfryError } from '../errors.ts';

/** A field of a cron expression: what it is called, here and by cron-parser, and what it counts. */
export type FieldRule = {
  name: string;
  key: (typeof KEYS)[number];
  min: number;
  max: number;
  /** Names of its values, the first one of `min`. */
  words: readonly string[];
  /** Steps beyond `size` never come: the unit of the interval that was meant, null where there is no such duration. */
  unit: 's' | 'm' | 'h' | 'd' | null;
  size: number;
  /** What `size` counts: `minutes of an hour`. */
  whole: string;
};

/** In their order, seconds first. */
const KEYS = ['second', 'minute', 'hour', 'dayOfMonth', 'month', 'dayOfWeek'] as const;
const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const WEEKDAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];

/** The six fields in their order, seconds first. */
export const FIELD_RULES: readonly FieldRule[] = [
  { name: 'second', key: 'second', min: 0, max: 59, words: [], unit: 's', size: 60, whole: 'seconds of a minute' },
  { name: 'minute', key: 'minute', min: 0, max: 59, words: [], unit: 'm', size: 60, whole: 'minutes of an hour' },
  { name: 'hour', key: 'hour', min: 0, max: 23, words: [], unit: 'h', size: 24, whole: 'hours of a day' },
  {
    name: 'day-of-month',
    key: 'dayOfMonth',
    min: 1,
    max: 31,
    words: [],
    unit: 'd',
    size: 31,
    whole: 'days of a month',
  },
  { name: 'month', key: 'month', min: 1, max: 12, words: MONTHS, unit: null, size: 12, whole: 'months of a year' },
  {
    name: 'day-of-week',
    key: 'dayOfWeek',
    min: 0,
    max: 7,
    words: WEEKDAYS,
    unit: 'd',
    size: 7,
    whole: 'days of a week',
  },
];

/** One entry of a list: values, of weekdays also which of the month, of days of the month also the last one. */
export type FieldItem = { values: readonly number[]; nth: number | 'last' | null };

/**
 * Reads a field.
 * @returns its entries, in the order in which they were written
 * @throws BelfryError `invalid` that names the field, the text and the fix
 */
export function readField(rule: FieldRule, text: string): FieldItem[] {
  return text.split(',').map((item) => readItem(rule, text, item.toUpperCase()));
}

/**
 * Why a step has no meaning, undefined when all have one: after a step larger than the field, cron begins anew with each
 * hour, day or month, which nobody who writes it expects. Kept apart from reading, since jobs with such steps may be stored.
 */
export function stepProblem(rule: FieldRule, text: string): string | undefined {
  const step = text
    .split(',')
    .map((item) => Number(item.split('/')[1] ?? 1))
    .find((each) => each > rule.size);
  if (step === undefined) return undefined;
  const fix =
    rule.unit === null ? 'name the months instead, such as 1,7' : `write { "every": "${step}${rule.unit}" } instead`;
  return `${rule.name} field "${text}": the step ${step} is larger than the ${rule.size} ${rule.whole}; ${fix}`;
}

function readItem(rule: FieldRule, field: string, item: string): FieldItem {
  const { name } = rule;
  const refuse = (problem: string): never => {
    throw new BelfryError('invalid', `${name} field "${shown(field)}": ${problem}`, { field: 'cron' });
  };
  if (item === '')
    return refuse('an entry of the list is empty; write values with one comma between them, such as 1,2');
  if (item.includes('?')) return refuse('"?" is not supported, write "*"; weekdays count from 0 or SUN');
  if (name === 'day-of-month' && item === 'L') return { values: [], nth: 'last' };
  if (name === 'day-of-week' && /[L#]/.test(item)) return readNth(rule, item, refuse);
  const foreign = /^\d*([HLW])[\d()/-]*$/.exec(item)?.[1];
  if (foreign !== undefined) return refuse(`"${foreign}" is not supported here; ${allowed(rule)}`);
  const [range = '', stepText, ...more] = item.split('/');
  if (more.length > 0) return refuse(`"${shown(item)}" has more than one step; write one, such as 0-30/5`);
  const step = stepText === undefined ? 1 : wholeNumber(stepText);
  if (step === undefined || step < 1)
    return refuse(`the step "${shown(stepText ?? '')}" must be a whole number from 1 up, such as */5`);
  checkOrder(rule, readRange(rule, range, stepText !== undefined, refuse), step, refuse);
  return { values: valuesOf(rule, item), nth: null };
}

type Refuse = (problem: string) => never;
type Range = { from: number; to: number };

/** `*`, `5`, `10-20`; a single value with a step goes on to the end of the field. */
function readRange(rule: FieldRule, text: string, hasStep: boolean, refuse: Refuse): Range {
  const { min, max, name } = rule;
  if (text === '*') return { from: min, to: name === 'day-of-week' ? 6 : max };
  const [first = '', last, ...more] = text.split('-');
  if (more.length > 0) return refuse(`"${shown(text)}" is no range; write one such as ${min}-${max}`);
  if (first === '' && last !== undefined) {
    const meant = wholeNumber(last) ?? max;
    return refuse(`"${shown(text)}" has no beginning; write ${meant}, or ${min}-${meant}`);
  }
  const from = readValue(rule, first, refuse);
  if (last === '') return refuse(`"${shown(text)}" has no end; write ${from}, or ${from}-${max}`);
  if (last !== undefined) return { from, to: readValue(rule, last, refuse) };
  return { from, to: hasStep ? max : from };
}

function checkOrder(rule: FieldRule, { from, to }: Range, step: number, refuse: Refuse): void {
  if (from <= to) return;
  const range = rule.name === 'day-of-week' && to === 0 ? `${from}-7` : aroundTheEnd(rule, from, to);
  refuse(`the range ${from}-${to} ends before it begins; write ${step === 1 ? range : `a list, or ${range}`}`);
}

/** What an entry means that was found to be right. Sunday is 0 alone. */
function valuesOf({ key }: FieldRule, item: string): number[] {
  const alone = KEYS.map((each) => (each === key ? item : '*')).join(' ');
  const values = CronExpressionParser.parse(alone, { currentDate: 0, tz: 'UTC' }).fields[key].values.map(Number);
  return key === 'dayOfWeek' ? [...new Set(values.map((value) => value % 7))] : values;
}

/** `22-2` of hours as `22-23,0-2`. */
function aroundTheEnd({ name, min, max }: FieldRule, from: number, to: number): string {
  const span = (a: number, b: number): string => (a === b ? String(a) : `${a}-${b}`);
  return `${span(from, name === 'day-of-week' ? Math.max(from, 6) : max)},${span(min, to)}`;
}

/** `5L`, the last Friday; `5#3`, the third one. */
function readNth(rule: FieldRule, item: string, refuse: Refuse): FieldItem {
  const [, day = '', mark = '', nth = ''] = /^([^L#]*)([L#])(.*)$/.exec(item) ?? [];
  if (day === '' || (mark === 'L' && nth !== ''))
    return refuse(`"${shown(item)}" is not supported; the last Friday is written 5L, the third one 5#3`);
  const { from, to } = readRange(rule, day, false, refuse);
  if (from !== to && day !== '*')
    return refuse(`"${shown(item)}": ${mark} takes one weekday, such as 5${mark === 'L' ? 'L' : '#3'}`);
  const values = valuesOf(rule, day);
  if (mark === 'L') return { values, nth: 'last' };
  const count = wholeNumber(nth);
  if (count === undefined || count < 1 || count > 5)
    return refuse(`"${shown(item)}": behind # stands which one of the month, 1 to 5, such as 5#3`);
  return { values, nth: count };
}

function readValue(rule: FieldRule, text: string, refuse: Refuse): number {
  const { min, max, words } = rule;
  const number = wholeNumber(text);
  if (number !== undefined && number >= min && number <= max) return number;
  const index = words.indexOf(text);
  if (index >= 0) return min + index;
  const meant = words.find((word) => /^[A-Z]+$/.test(text) && text.startsWith(word));
  if (meant !== undefined) return refuse(`"${shown(text)}" is written ${meant}`);
  return refuse(`"${shown(text)}" is not allowed; ${allowed(rule)}`);
}

function allowed({ name, min, max, words }: FieldRule): string {
  const named = words.length === 0 ? '' : ` or ${words[0]}-${words.at(-1)}`;
  const note = name === 'day-of-week' ? ' (0 and 7 are Sunday)' : name === 'day-of-month' ? ' and L, the last day' : '';
  return `write ${min}-${max}${named}${note}, "*", or lists and steps of them`;
}

/** Not what `Number` takes for one, such as an empty text or `1e1`. */
function wholeNumber(text: string): number | undefined {
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

function shown(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
