/**
 * Evaluates a filter on a payload.
 *
 * The library that reads and checks filters could do it, too, but neither in bounded time nor in bounded memory: its `duration()` is cubic
 * in the length of a text, joined lists are copied again and again, and it keeps the inferred type of every payload
 * for good. This walks the same tree, node by node, and charges for each (`meter.ts`); a test holds the two together.
 */
import type { ASTNode } from '@marcbachmann/cel-js';
import { FUNCTIONS, METHODS } from './functions.ts';
import { EvaluationFailed, fail, Meter } from './meter.ts';
import { ARITHMETIC, isIn, keyOf, ORDER, ordered } from './operators.ts';
import { CONSTANTS, fieldOf, isEqual, typeOf, type CelMap } from './values.ts';

/** @returns the value of the expression and what it cost, in the units of `meter.ts`; `failed` when it has no value */
export function evaluate(ast: ASTNode, payload: unknown): { value: unknown; failed: boolean; work: number } {
  const evaluation = new Evaluation(payload);
  try {
    return { value: evaluation.run(ast), failed: false, work: evaluation.meter.work };
  } catch (thrown) {
    // A stack that overflows on a deep payload is such a failure.
    if (!(thrown instanceof EvaluationFailed || thrown instanceof RangeError)) throw thrown;
    return { value: undefined, failed: true, work: evaluation.meter.work };
  }
}

class Evaluation {
  readonly meter = new Meter();
  private readonly payload: unknown;

  constructor(payload: unknown) {
    this.payload = payload;
  }

  run(node: ASTNode): unknown {
    this.meter.node();
    switch (node.op) {
      case 'value':
        return literal(node.args);
      case 'id':
        return node.args === 'event' ? this.payload : (CONSTANTS.get(node.args) ?? fail());
      case '.':
        return fieldAt(this.run(node.args[0]), node.args[1]);
      case '[]':
        return elementAt(this.run(node.args[0]), this.run(node.args[1]));
      case 'call':
        return this.call(node.args[0], node.args[1]);
      case 'rcall':
        return this.method(...node.args);
      case 'list':
        return node.args.map((element) => this.run(element));
      case 'map':
        return this.map(node.args);
      case '?:':
        return this.run(node.args[truth(this.run(node.args[0])) ? 1 : 2]);
      case '&&':
        return this.logical(node.args, false);
      case '||':
        return this.logical(node.args, true);
      case '!_':
        return !truth(this.run(node.args));
      case '-_':
        return negated(this.run(node.args));
      case '==':
        return isEqual(this.run(node.args[0]), this.run(node.args[1]), this.meter);
      case '!=':
        return !isEqual(this.run(node.args[0]), this.run(node.args[1]), this.meter);
      case 'in':
        return isIn(this.run(node.args[0]), this.run(node.args[1]), this.meter);
      case '<':
      case '<=':
      case '>':
      case '>=':
        return ORDER[node.op]!(...ordered(this.run(node.args[0]), this.run(node.args[1]), this.meter));
      case '+':
      case '-':
      case '*':
      case '/':
      case '%':
        return ARITHMETIC[node.op]!(this.run(node.args[0]), this.run(node.args[1]), this.meter);
      case '.?':
      case '[?]':
        return fail(); // optional values are not enabled
    }
  }

  private call(name: string, args: readonly ASTNode[]): unknown {
    const [argument] = args;
    if (argument === undefined || args.length > 1) return fail();
    if (name === 'has') return this.has(argument);
    return Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name]!(this.run(argument), this.meter) : fail();
  }

  private method(name: string, receiver: ASTNode, args: readonly ASTNode[]): unknown {
    const method = Object.hasOwn(METHODS, name) ? METHODS[name]! : fail();
    if (!method.args.includes(args.length)) fail();
    return method.call(
      this.run(receiver),
      args.map((argument) => this.run(argument)),
      this.meter,
    );
  }

  /** Whether the last field is there; those before it must be. */
  private has(node: ASTNode): boolean {
    if (node.op !== '.') return fail();
    const container = this.run(node.args[0]);
    return typeOf(container) === 'map' && fieldOf(container as CelMap, node.args[1]) !== undefined;
  }

  private map(entries: readonly (readonly [ASTNode, ASTNode])[]): CelMap {
    const map = Object.create(null) as Record<string, unknown>;
    for (const [key, value] of entries) map[keyOf(this.run(key))] = this.run(value);
    return map;
  }

  /** One side that decides is enough, even if the other has no value. */
  private logical([left, right]: readonly [ASTNode, ASTNode], deciding: boolean): boolean {
    const first = this.attempt(left);
    if (first === deciding) return deciding;
    const second = truth(this.run(right));
    return second === deciding || typeof first === 'boolean' ? second : fail();
  }

  /** What is too dear fails the whole: its other side is not asked, either. */
  private attempt(node: ASTNode): unknown {
    try {
      return this.run(node);
    } catch (thrown) {
      if (thrown instanceof EvaluationFailed) return undefined;
      throw thrown;
    }
  }
}

/** The library's own class of unsigned literals (`1u`) is not told from others by its type. */
function literal(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  const number = value.valueOf();
  return typeof number === 'bigint' ? number : fail();
}

function truth(value: unknown): boolean {
  return typeof value === 'boolean' ? value : fail();
}

function negated(value: unknown): number | bigint {
  return typeof value === 'number' || typeof value === 'bigint' ? -value : fail();
}

function fieldAt(container: unknown, name: string): unknown {
  if (typeOf(container) !== 'map') return fail();
  const value = fieldOf(container as CelMap, name);
  return value === undefined ? fail() : value;
}

function elementAt(container: unknown, key: unknown): unknown {
  if (!Array.isArray(container)) return fieldAt(container, keyOf(key));
  const value: unknown = typeof key === 'bigint' || typeof key === 'number' ? container[Number(key)] : undefined;
  return value === undefined ? fail() : value;
}
