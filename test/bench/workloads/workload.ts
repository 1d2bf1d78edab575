/** What a workload is: it measures one system once. Repeats, medians and tables are the bench's. */
import type { System } from '../systems/system.ts';

/** By the key of a column; absent: not measured there. */
export type Figures = Readonly<Record<string, number>>;
/** One line of a table: "1,000/s" and what was measured. */
export type Row = { case: string; figures: Figures };

export type Column = {
  key: string;
  title: string;
  /** What the number is in, in the table's head: "ms", "jobs/s". */
  unit: string;
  /** Which way is better; undefined: it only explains. */
  better?: 'more' | 'less';
};

export type Options = { quick: boolean; say: (line: string) => void };

export type Workload<Subject extends System = System> = {
  name: string;
  /** One sentence for the reader of the table. */
  title: string;
  /** Which systems: every one, those on PostgreSQL, or Belfry. */
  systems: 'all' | 'postgres' | 'belfry';
  columns: readonly Column[];
  /** Of Belfry's services, where the workload needs others than the defaults. */
  env?: Readonly<Record<string, string>>;
  /** @param system fresh and started */
  run(system: Subject, options: Options): Promise<Row[]>;
};
