/**
 * YAML as far as JSON goes: what the two do not share would be changed on its way to a job, or never settle there. Each refusal names
 * its line and column.
 */
import { isScalar, LineCounter, parseDocument, visit, type Document, type Node, type Scalar, type YAMLMap } from 'yaml';
import { messageOf } from '../core/errors.ts';
import { usageError } from './exit.ts';

type Place = readonly [from: number, ...rest: number[]] | null | undefined;
/** What is wrong, and where. */
type Problem = { at: Place; message: string };

const SAID: Readonly<Record<string, string>> = {
  MULTIPLE_DOCS: 'a second document begins here: write one file for each, or all jobs into one list',
  DUPLICATE_KEY: 'this key stands here a second time',
};

/**
 * Reads one document; JSON is YAML, too. Minus zero is read as zero, which is what JSON makes of it.
 * @param file how it is called in messages
 * @throws BelfryError `usage`: what is no YAML, or what JSON has not, with its line and column
 */
export function parseYaml(file: string, text: string): unknown {
  const lines = new LineCounter();
  const options = { version: '1.2', schema: 'core', resolveKnownTags: false, prettyErrors: false } as const;
  try {
    const document = parseDocument(text, { ...options, lineCounter: lines });
    const problem = syntaxProblem(document) ?? problemIn(document);
    if (problem !== undefined) throw usageError(`${file}${placeText(lines, problem.at)}: ${problem.message}.`);
    return document.toJS() as unknown;
  } catch (error) {
    // Aliases that multiply, and nesting without end, are found only now.
    if (error instanceof ReferenceError || error instanceof RangeError)
      throw usageError(`${file} cannot be read: ${messageOf(error)}.`);
    throw error;
  }
}

function placeText(lines: LineCounter, at: Place): string {
  if (!at) return '';
  const { line, col } = lines.linePos(at[0]);
  return `:${line}:${col}`;
}

/** An unknown tag is no mistake for the parser, which would take the text behind it. */
function syntaxProblem({ errors, warnings }: Document): Problem | undefined {
  const [problem] = [...errors, ...warnings];
  if (problem === undefined) return undefined;
  const { code, pos: at, message } = problem;
  if (code !== 'TAG_RESOLVE_FAILED') return { at, message: SAID[code] ?? `this is neither YAML nor JSON: ${message}` };
  const tag = message.replace(/^.*: /, '').replace('tag:yaml.org,2002:', '!!');
  return { at, message: `${tag} is a type that JSON has not: leave it out, and write text where it is text` };
}

function problemIn(document: Document): Problem | undefined {
  let found: Problem | undefined;
  const check = (problem: Problem | undefined): symbol | undefined => {
    found = problem;
    return problem && visit.BREAK;
  };
  visit(document, {
    Alias: (_key, alias, path) => check(circularProblem(alias, alias.resolve(document), path)),
    Map: (_key, map) => check(keysProblem(map)),
    Scalar: (key, scalar) => (key === 'key' ? undefined : check(numberProblem(scalar))),
  });
  return found;
}

function circularProblem({ range }: Node, target: Node | undefined, path: readonly unknown[]): Problem | undefined {
  if (target === undefined || !path.includes(target)) return undefined;
  return { at: range, message: 'this alias stands within what it stands for, which has no end' };
}

/** Keys are text in JSON. One that is written as its own text is taken for it. */
function keysProblem({ items }: YAMLMap<unknown, unknown>): Problem | undefined {
  const seen = new Set<string>();
  for (const { key } of items) {
    const at = (key as Node | null)?.range;
    const text = isScalar(key) && isOwnText(key) ? (key.source ?? '') : undefined;
    if (text === undefined) return { at, message: `this key is no text: put it in quotes` };
    if (seen.has(text)) return { at, message: SAID.DUPLICATE_KEY! };
    seen.add(text);
  }
  return undefined;
}

function isOwnText({ value, source }: Scalar): boolean {
  return (
    typeof value === 'string' || ((typeof value === 'number' || typeof value === 'boolean') && String(value) === source)
  );
}

/** Makes minus zero a zero. */
function numberProblem(scalar: Scalar): Problem | undefined {
  const { value, source = '', range: at } = scalar;
  if (typeof value !== 'number') return undefined;
  if (value === 0) {
    scalar.value = 0;
    return undefined;
  }
  if (!Number.isFinite(value))
    return { at, message: `${source} is a number that JSON has not: write it as text, in quotes` };
  const isExact = !/^[-+]?\d+$/.test(source) || [BigInt(value), value].some((kept) => sameDigits(source, kept));
  return isExact
    ? undefined
    : { at, message: `${source} has more digits than a number keeps: write it as text, in quotes` };
}

const sameDigits = (source: string, kept: bigint | number): boolean =>
  source.replace(/^([-+]?)0+(?=\d)/, '$1').replace('+', '') === String(kept);
