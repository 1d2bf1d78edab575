/**
 * From what zod finds to one pleasant sentence: the field's path, what came, what is allowed.
 *
 * Messages of the schemas are the rest of a sentence that begins with the path. One that begins with "must" is
 * completed with what came; the others stand as they are (values that may hold a secret are never shown).
 */
import type { z } from 'zod';
import type { Rejection } from '../records.ts';

export type Path = readonly PropertyKey[];

/** Keys, and how many of them there are, are the user's: a place is told as far as people read it. */
const MAX_FIELD_CHARS = 300;
/** Nobody reads further, and what is told must not outgrow what was sent. */
export const MAX_FINDINGS = 100;

/** `job.schedule.exclude[2]`. */
export function fieldOf(path: Path): string {
  let text = '';
  for (const key of path) {
    text += typeof key === 'number' ? `[${key}]` : text === '' ? String(key) : `.${String(key)}`;
    if (text.length > MAX_FIELD_CHARS) return `${text.slice(0, MAX_FIELD_CHARS)}…`;
  }
  return text;
}

/** One thing that is wrong: where, and the rest of a sentence that begins with the path. */
export type Finding = { path: Path; message: string };

/**
 * What zod found, at most the first MAX_FINDINGS, the one that matters most first: an unknown field is usually the cause of the others.
 * @param input what was validated, for showing what came.
 */
export function findingsOf(error: z.core.$ZodError, input: unknown): Finding[] {
  const unknownFirst = error.issues.toSorted((a, b) => Number(isUnknownField(b)) - Number(isUnknownField(a)));
  return unknownFirst.slice(0, MAX_FINDINGS).map((issue) => {
    const path = isUnknownField(issue) ? [...issue.path, ...issue.keys.slice(0, 1)] : issue.path;
    const message = issue.message.startsWith('must') ? withWhatCame(issue.message, at(input, path)) : issue.message;
    return { path, message };
  });
}

/**
 * The rejection for the finding that matters most.
 * @param input what was validated, for showing what came.
 * @param subject what the message is about when the whole input is wrong: `a command`, `a job`.
 * @param prefix where the input stands in what the user wrote.
 */
export function rejectionOf(error: z.core.$ZodError, input: unknown, subject: string, prefix: Path = []): Rejection {
  const [finding = { path: [], message: 'is invalid' }] = findingsOf(error, input);
  return invalid([...prefix, ...finding.path], finding.message, subject);
}

/** A rejection of one field. */
export function invalid(path: Path, message: string, subject = 'a command'): Rejection {
  const field = fieldOf(path);
  return field === ''
    ? { code: 'invalid', message: `${subject} ${message}` }
    : { code: 'invalid', message: `${field} ${message}`, field };
}

/** The message for a field that nobody knows, with the name that was meant if there is a near one. */
export function unknownField(key: string, owner: string, known: readonly string[]): string {
  const near = nearest(key, known);
  return `is not a field of ${owner}` + (near === undefined ? '' : `; did you mean ${near}?`);
}

/** `one`, `one or two`, `one, two or three`. */
export function listed(words: readonly string[], last = 'or'): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} ${last} ${words.at(-1)}`;
}

function isUnknownField(issue: z.core.$ZodIssue): issue is z.core.$ZodIssueUnrecognizedKeys {
  return issue.code === 'unrecognized_keys';
}

function withWhatCame(message: string, value: unknown): string {
  return value === undefined ? `is missing; it ${message}` : `${message}, not ${shown(value)}`;
}

function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

function at(input: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, key) => {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    return (value as Record<PropertyKey, unknown>)[key];
  }, input);
}

function nearest(key: string, known: readonly string[]): string | undefined {
  const [best] = known
    .map((name) => ({ name, far: distance(key.slice(0, 40).toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.far - b.far);
  return best !== undefined && best.far <= 2 && best.far < best.name.length / 2 ? best.name : undefined;
}

/** Levenshtein's edit distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
