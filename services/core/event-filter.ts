/**
 * Filters of events: expressions of CEL (https://cel.dev) on `event`, the payload.
 *
 * A filter belongs to a tenant and is evaluated in the timer, for every event that its job listens to. So what it may cost is
 * bounded by its text: no loops over the payload (`all`, `exists`, `map`, …), no regular expressions, no searching for what is
 * not a literal. The cost of one evaluation is then at most its number of nodes times the size of the payload.
 */
import { Environment, type ASTNode, type ParseResult } from '@marcbachmann/cel-js';
import { LRUCache } from 'lru-cache';

export const MAX_FILTER_LENGTH = 1_000;
const MAX_COMPILED = 20_000;

const METHODS = new Set(
  ['contains', 'startsWith', 'endsWith', 'size', 'lowerAscii', 'upperAscii', 'trim'].concat(
    ['getFullYear', 'getMonth', 'getDate', 'getDayOfMonth', 'getDayOfWeek', 'getDayOfYear'],
    ['getHours', 'getMinutes', 'getSeconds', 'getMilliseconds'],
  ),
);
const FUNCTIONS = new Set(['has', 'size', 'type', 'dyn', 'bool', 'int', 'double', 'string', 'timestamp', 'duration']);

const environment = new Environment({
  homogeneousAggregateLiterals: false,
  limits: { maxAstNodes: 200, maxDepth: 24, maxListElements: 100, maxMapEntries: 20, maxCallArguments: 4 },
}).registerVariable('event', 'dyn');

const compiled = new LRUCache<string, ParseResult>({ max: MAX_COMPILED });

/** What is wrong with a filter, as the rest of a sentence that begins with its name; undefined when it is fine. */
export function filterProblem(filter: string): string | undefined {
  if (filter.length > MAX_FILTER_LENGTH) return `is longer than ${MAX_FILTER_LENGTH} characters`;
  try {
    const program = environment.parse(filter);
    const forbidden = forbiddenIn(program.ast);
    if (forbidden !== undefined) return positioned(forbidden.node.start, forbidden.what);
    const { valid, type, error } = program.check();
    if (!valid) return positioned(error?.range?.start ?? 0, error?.summary ?? 'it cannot be evaluated');
    if (type === 'bool' || type === 'dyn') return undefined;
    return positioned(0, `its value is of type ${type}, not true or false`);
  } catch (thrown) {
    const { range, summary, message } = thrown as { range?: { start: number }; summary?: string; message: string };
    return positioned(range?.start ?? 0, summary ?? message);
  }
}

/** Whether an event passes. An evaluation that fails (a field is missing, types do not fit) is `error`: no match. */
export function matches(filter: string, payload: unknown): 'match' | 'other' | 'error' {
  try {
    let program = compiled.get(filter);
    if (program === undefined) compiled.set(filter, (program = environment.parse(filter)));
    const value: unknown = program({ event: payload });
    return value === true ? 'match' : value === false ? 'other' : 'error';
  } catch {
    return 'error';
  }
}

function positioned(start: number, what: string): string {
  return `is not valid at character ${start + 1}: ${what}`;
}

type Forbidden = { node: ASTNode; what: string };

function forbiddenIn(node: ASTNode): Forbidden | undefined {
  if (node.op === 'call' && !FUNCTIONS.has(node.args[0])) {
    return { node, what: `there is no function ${node.args[0]} here; there are ${[...FUNCTIONS].join(', ')}` };
  }
  if (node.op === 'rcall') {
    const [name, , [argument]] = node.args;
    if (!METHODS.has(name))
      return { node, what: `there is no method ${name} here; there are ${[...METHODS].join(', ')}` };
    if (name === 'contains' && argument?.op !== 'value') return { node, what: 'contains takes a literal text' };
  }
  for (const child of childrenOf(node.args)) {
    const found = forbiddenIn(child);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Operands stand in (nested) lists, beside names and literals. */
function childrenOf(args: unknown): ASTNode[] {
  if (Array.isArray(args)) return args.flatMap(childrenOf);
  return typeof args === 'object' && args !== null && 'op' in args ? [args as ASTNode] : [];
}
