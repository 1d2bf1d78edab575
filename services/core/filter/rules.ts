/**
 * What a filter may say: no loops over the payload (`all`, `exists`, `map`, …), no regular expressions, no searching for what is not a literal.
 * The cost of one evaluation is then at most its number of nodes times the size of the payload.
 */
import type { ASTNode } from '@marcbachmann/cel-js';
import { FUNCTIONS, METHODS } from './functions.ts';

export type Forbidden = { node: ASTNode; what: string };

/** `has` is read by the evaluator itself: its argument may be missing. */
const CALLABLE = ['has', ...Object.keys(FUNCTIONS)];
const CALLABLE_METHODS = Object.keys(METHODS);
/** The library keeps the type of each literal for good, and there are more of them with each level. */
const MAX_LITERAL_DEPTH = 2;

/** The first node that is not allowed. */
export function forbiddenIn(node: ASTNode, literalDepth = 0): Forbidden | undefined {
  const depth = node.op === 'list' || node.op === 'map' ? literalDepth + 1 : literalDepth;
  const what = problemOf(node, depth);
  if (what !== undefined) return { node, what };
  for (const child of childrenOf(node.args)) {
    const found = forbiddenIn(child, depth);
    if (found !== undefined) return found;
  }
  return undefined;
}

function problemOf(node: ASTNode, literalDepth: number): string | undefined {
  if (literalDepth > MAX_LITERAL_DEPTH)
    return `lists and maps stand at most ${MAX_LITERAL_DEPTH} deep in each other here`;
  if (node.op === 'call' && !CALLABLE.includes(node.args[0]))
    return `there is no function ${node.args[0]} here; there are ${CALLABLE.join(', ')}`;
  if (node.op !== 'rcall') return undefined;
  const [name, , [argument]] = node.args;
  if (!CALLABLE_METHODS.includes(name))
    return `there is no method ${name} here; there are ${CALLABLE_METHODS.join(', ')}`;
  return name === 'contains' && argument?.op !== 'value' ? 'contains takes a literal text' : undefined;
}

/** Operands stand in (nested) lists, beside names and literals. */
function childrenOf(args: unknown): ASTNode[] {
  if (Array.isArray(args)) return args.flatMap(childrenOf);
  return typeof args === 'object' && args !== null && 'op' in args ? [args as ASTNode] : [];
}
