/**
 * Filters of events: expressions of CEL (https://cel.dev) on `event`, the payload.
 *
 * A filter belongs to a tenant and is evaluated in the timer, for every event that its job listens to. So what it may cost is
 * bounded, by what it may say (`rules.ts`) and by a meter that runs along (`meter.ts`).
 */
import { Environment, type ASTNode, type ParseResult } from '@marcbachmann/cel-js';
import { LRUCache } from 'lru-cache';
import { evaluate } from './evaluate.ts';
import { forbiddenIn } from './rules.ts';

export const MAX_FILTER_LENGTH = 1_000;
/** A compiled filter takes some 100 bytes for each of its characters. */
const MAX_COMPILED_CHARACTERS = 500_000;

const environment = new Environment({
  homogeneousAggregateLiterals: false,
  limits: { maxAstNodes: 200, maxDepth: 24, maxListElements: 100, maxMapEntries: 20, maxCallArguments: 4 },
}).registerVariable('event', 'dyn');

const compiled = new LRUCache<string, ASTNode>({
  maxSize: MAX_COMPILED_CHARACTERS,
  sizeCalculation: (_ast, filter) => filter.length,
});

/** What is wrong with a filter, as the rest of a sentence that begins with its name; undefined when it is fine. */
export function filterProblem(filter: string): string | undefined {
  if (filter.length > MAX_FILTER_LENGTH) return `is longer than ${MAX_FILTER_LENGTH} characters`;
  try {
    return problemOf(environment.parse(filter));
  } catch (thrown) {
    const { range, summary, message } = thrown as { range?: { start: number }; summary?: string; message: string };
    return positioned(range?.start ?? 0, summary ?? message);
  }
}

function problemOf(program: ParseResult): string | undefined {
  const forbidden = forbiddenIn(program.ast);
  if (forbidden !== undefined) return positioned(forbidden.node.start, forbidden.what);
  const { valid, type, error } = program.check();
  if (!valid) return positioned(error?.range?.start ?? 0, error?.summary ?? 'it cannot be evaluated');
  if (type === 'bool' || type === 'dyn') return undefined;
  return positioned(0, `its value is of type ${type}, not true or false`);
}

/**
 * `error`: the evaluation failed (a field is missing, types do not fit, it costs too much), which is no match.
 * `work`: what it cost, in the time of so many bytes of text compared; at most `MAX_WORK` of `meter.ts`
 */
export type Verdict = { outcome: 'match' | 'other' | 'error'; work: number };

/** Whether an event passes. */
export function matches(filter: string, payload: unknown): Verdict {
  const ast = compile(filter);
  if (ast === undefined) return { outcome: 'error', work: filter.length };
  const { value, failed, work } = evaluate(ast, payload);
  if (failed || typeof value !== 'boolean') return { outcome: 'error', work };
  return { outcome: value ? 'match' : 'other', work };
}

/** Undefined for what a former release accepted and this one cannot read. */
function compile(filter: string): ASTNode | undefined {
  const known = compiled.get(filter);
  if (known !== undefined || filter.length > MAX_FILTER_LENGTH) return known;
  try {
    const { ast } = environment.parse(filter);
    compiled.set(filter, ast);
    return ast;
  } catch {
    return undefined;
  }
}

function positioned(start: number, what: string): string {
  return `is not valid at character ${start + 1}: ${what}`;
}
