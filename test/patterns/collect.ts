/** Regular expressions as they stand in source files. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/** `source` is null where the expression is put together at run time. */
export type Pattern = { source: string | null; flags: string; file: string };

const CODE = /\.[cm]?[jt]s$/;
/** Types; what never runs here. */
const LEFT_OUT =
  /\.d\.[cm]?ts$|\.min\.js$|\/(?:test|tests|benchmarks?|docs|examples?|scripts|browser|amd|global|v3|src|node_modules)\//;

/** All below the folder, each once, with the first file that has it. */
export function patternsIn(folder: string): Pattern[] {
  const found = new Map<string, Pattern>();
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!CODE.test(name) || LEFT_OUT.test(`/${name}`)) continue;
    for (const pattern of patternsOf(join(folder, name), name)) {
      const key = `${pattern.source ?? name}/${pattern.flags}`;
      if (!found.has(key)) found.set(key, pattern);
    }
  }
  return [...found.values()];
}

function patternsOf(path: string, file: string): Pattern[] {
  const found: Pattern[] = [];
  const visit = (node: ts.Node): void => {
    if (node.kind === ts.SyntaxKind.RegularExpressionLiteral) {
      const { text } = node as ts.RegularExpressionLiteral;
      const end = text.lastIndexOf('/');
      found.push({ source: text.slice(1, end), flags: text.slice(end + 1), file });
    } else if (ts.isNewExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === 'RegExp') {
      const [source, flags] = (node.arguments ?? []).map((each) => (ts.isStringLiteralLike(each) ? each.text : null));
      found.push({ source: source ?? null, flags: flags ?? '', file });
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest));
  return found;
}
