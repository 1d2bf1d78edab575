/** Lists as commands print them. */
import type { CliDeps } from './deps.ts';
import { EXIT, type ExitCode } from './exit.ts';
import { json, table } from './output.ts';

/** The first of a list. */
type First<T> = { shown: readonly T[]; /** There are others behind these. */ more: boolean };

export type Listing<T> = First<T> & {
  /** What the list is called in JSON, and what each of it is there. */
  name: string;
  toJson: (item: T) => unknown;
  head: readonly string[];
  cells: (item: T, now: number) => readonly string[];
  /** Said where there is nothing to show. */
  none: string;
  /** Said after how many there are more than. */
  others: string;
};

/** @param found one more than `limit`, if there are as many */
export function upTo<T>(limit: number, found: readonly T[]): First<T> {
  return { shown: found.slice(0, limit), more: found.length > limit };
}

/** Prints a list: as JSON, or as a table. */
export function printList<T>(
  deps: Pick<CliDeps, 'print' | 'warn' | 'clock'>,
  asJson: boolean | undefined,
  { shown, more, name, toJson, head, cells, none, others }: Listing<T>,
): ExitCode {
  if (asJson) {
    deps.print(json({ [name]: shown.map(toJson), more }));
    return EXIT.ok;
  }
  if (shown.length === 0) {
    deps.print(none);
    return EXIT.ok;
  }
  const now = deps.clock.now();
  const rows = shown.map((item) => cells(item, now));
  deps.print(table(head, rows));
  if (more) deps.warn(`There are more than ${shown.length}: ${others}.`);
  return EXIT.ok;
}
