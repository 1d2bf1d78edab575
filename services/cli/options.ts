/** Commands with examples and `--json`, and values that options take. */
import { Option, type Command } from 'commander';
import type { Clock } from '../core/ports/clock.ts';
import { parseDuration } from '../core/spec/duration.ts';
import { explainInstant, parseInstant } from '../core/spec/instant.ts';
import { EVENT, JOB_ID, RUN_ID, TENANT, type NameRule } from '../core/spec/names.ts';
import { usageError } from './exit.ts';
import { parseJson } from './json-text.ts';

export type JsonOption = { json?: true };
export type TenantOption = { tenant: string };

/** A command that answers: it takes `--json`. */
export function leaf(parent: Command, name: string, summary: string, examples: readonly string[]): Command {
  return group(parent, name, summary, examples).option('--json', 'print JSON, for programs');
}

/** A command that groups others, or that runs until it is stopped. */
export function group(parent: Command, name: string, summary: string, examples: readonly string[]): Command {
  return parent.command(name).description(summary).addHelpText('after', examplesText(examples));
}

export function examplesText(examples: readonly string[]): string {
  return `\nExamples:\n${examples.map((example) => `  $ ${example}`).join('\n')}`;
}

/** The tenant of one job. */
export function ofTenant(command: Command): Command {
  return command.addOption(
    new Option('--tenant <name>', 'the tenant').default('default').argParser(named('--tenant', TENANT)),
  );
}

/** Narrows a list to a tenant. */
export function byTenant(command: Command): Command {
  return command.option('--tenant <name>', 'only of this tenant', named('--tenant', TENANT));
}

export function limited(command: Command, standard: number): Command {
  return command.option('--limit <n>', 'how many at the most', whole('--limit', 1, 100_000), standard);
}

/** Narrows a list to a time: an ISO time, or so long ago. */
export function byTime(command: Command, clock: Clock, what: string): Command {
  return command
    .option(
      '--since <time>',
      `${what} from this time on: 2026-12-01T09:00:00Z, or 24h for a day ago`,
      moment('--since', clock),
    )
    .option('--until <time>', `${what} before this time`, moment('--until', clock));
}

export const jobIdArgument = named('the job id', JOB_ID);
export const eventArgument = named("the event's name", EVENT);
export const runIdArgument = (text: string): string => named('the run id', RUN_ID)(text.toLowerCase());

export function oneOf<T extends string>(flags: string, description: string, choices: readonly T[]): Option {
  return new Option(flags, description).choices(choices);
}

export function whole(name: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw usageError(`${name} takes a whole number from ${min} to ${max}, not "${text}".`);
  };
}

/** Milliseconds. */
export function duration(name: string): (text: string) => number {
  return (text) => {
    const ms = parseDuration(text);
    if (ms === undefined) throw usageError(`${name} takes a duration such as 30s, 5m or 2d, not "${text}".`);
    return ms;
  };
}

/** Milliseconds since the epoch. */
export function moment(name: string, clock: Clock): (text: string) => number {
  return (text) => {
    const ago = parseDuration(text);
    const at = ago === undefined ? parseInstant(text) : clock.now() - ago;
    if (at === undefined) throw usageError(`${name} ${explainInstant(text)}, or be a duration such as 24h.`);
    return at;
  };
}

/** Milliseconds between two: `10/s`, `30/m`, or a plain number a second. */
export function rate(name: string): (text: string) => number {
  return (text) => {
    const match = /^(\d+(?:\.\d+)?)(?:\/(s|m))?$/.exec(text);
    const count = Number(match?.[1] ?? 0);
    if (count <= 0) throw usageError(`${name} takes a rate such as 10/s or 30/m, not "${text}".`);
    return (match?.[2] === 'm' ? 60_000 : 1_000) / count;
  };
}

export function jsonValue(name: string): (text: string) => { value: unknown } {
  return (text) => ({ value: parseJson(name, text, `takes JSON, such as '{"a":1}'`) });
}

/** Collects `k=v` of a repeated option, each name once. */
export function pair(name: string): (text: string, former?: Record<string, string>) => Record<string, string> {
  return (text, former = {}) => {
    const at = text.indexOf('=');
    if (at < 1) throw usageError(`${name} takes name=value, not "${text}".`);
    const [key, value] = [text.slice(0, at), text.slice(at + 1)];
    const known = Object.hasOwn(former, key) ? former[key] : value;
    if (known !== value) throw usageError(`${name} gives ${key} twice, as "${known}" and as "${value}": give it once.`);
    return { ...former, [key]: value };
  };
}

export function named(what: string, rule: NameRule): (text: string) => string {
  return (text) => {
    if (rule.holds(text)) return text;
    throw usageError(`${what} ${rule.allowed}, not "${text}".`);
  };
}
