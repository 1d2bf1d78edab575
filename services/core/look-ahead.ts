/**
 * The next wake-up times of one partition: a bounded, sorted copy of the first rows of its `timers`.
 *
 * Invariants: every stored row up to the horizon is here, and nothing else is; rows ascend by (fireAt, runId). So what
 * `due` answers for a tenant is the true beginning of what is stored of it up to there, and a million sleeping jobs cost disk, not memory. Only the
 * owner of the partition changes its timers: it adds and removes here what its accepted steps added and removed there.
 */
import type { TimerKey, TimerRow } from './ports/timer-store.ts';
import { Turns } from './turns.ts';

type Place = Pick<TimerRow, 'fireAt' | 'runId'>;

const NOWHERE: Place = { fireAt: -Infinity, runId: '' };

export class LookAhead {
  readonly capacity: number;
  private rows: TimerRow[] = [];
  /** Run ids of rows that wait for their very time, though they might go early. */
  private readonly held = new Set<string>();
  /** The last place that is surely known; null: all rows are here. */
  private horizon: Place | null = NOWHERE;

  /** @param capacity most rows kept */
  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get size(): number {
    return this.rows.length;
  }

  /** Whether the store must be read before the partition can rely on this copy for long. */
  needsRefill(): boolean {
    return this.horizon !== null && this.rows.length < this.capacity / 4;
  }

  /**
   * Takes over the first stored rows, in their order.
   * @param limit how many were asked for at the most; fewer rows mean that there are no others
   */
  refill(rows: readonly TimerRow[], limit: number): void {
    this.rows = [...rows];
    this.horizon = rows.length < limit ? null : rows.at(-1)!;
    this.trim();
  }

  /** Notes a row that was stored. One beyond the horizon is left to the refill. */
  add(row: TimerRow): void {
    if (this.horizon !== null && compare(row, this.horizon) > 0) return;
    const index = this.indexOf(row);
    const known = this.rows[index];
    const replaced = known !== undefined && compare(known, row) === 0 ? 1 : 0;
    this.rows.splice(index, replaced, row);
    this.trim();
  }

  /** Notes that a stored row is gone. */
  remove(key: TimerKey): void {
    this.held.delete(key.runId);
    const isFirst = this.rows[0]?.runId === key.runId && this.rows[0].fireAt === key.fireAt;
    const index = isFirst ? 0 : this.indexOf(key);
    const known = this.rows[index];
    if (known !== undefined && compare(known, key) === 0) this.rows.splice(index, 1);
  }

  /**
   * The rows whose time has come, earliest first; they stay until they are removed. Where there are more than may be answered,
   * tenants take turns, so that a flood of one does not stand before the others.
   * @param limit most rows
   * @param maxBytes most bytes of due records, except that one row is always answered
   * @param aheadMs how long before its time a row is answered that may be handed over early
   */
  due(now: number, limit: number, maxBytes: number, aheadMs = 0): TimerRow[] {
    const rows = this.rows.slice(0, this.firstAfter(now + aheadMs));
    const due = aheadMs === 0 ? rows : rows.filter((row) => row.fireAt <= now || this.mayGoEarly(row));
    const first = fitting(due, limit, maxBytes);
    return first.length === due.length || isOfOneTenant(due) ? first : fitting(inTurns(due), limit, maxBytes);
  }

  /**
   * When the partition has something to do next (ms): -Infinity when that must be asked of the store, null for never.
   * @param leadMs how long before their time rows are to be decided that may be handed over early
   */
  nextWakeAt(leadMs = 0): number | null {
    const [first] = this.rows;
    if (first === undefined) return this.horizon === null ? null : -Infinity;
    let wakeAt = Infinity;
    for (const row of this.rows) {
      if (row.fireAt - leadMs >= wakeAt) break;
      wakeAt = Math.min(wakeAt, this.mayGoEarly(row) ? row.fireAt - leadMs : row.fireAt);
    }
    return wakeAt;
  }

  /** The row is answered at its time, not before. */
  hold({ runId }: TimerRow): void {
    this.held.add(runId);
  }

  /** Executors wait for the time of what comes early; what does not go to them happens when it is decided. */
  private mayGoEarly({ topic, runId }: TimerRow): boolean {
    return topic !== '' && !this.held.has(runId);
  }

  private trim(): void {
    if (this.rows.length <= this.capacity) return;
    this.rows.length = this.capacity;
    this.horizon = this.rows.at(-1)!;
  }

  /** Index of the first row whose time has not come. */
  private firstAfter(now: number): number {
    const index = this.rows.findIndex(({ fireAt }) => fireAt > now);
    return index === -1 ? this.rows.length : index;
  }

  /** Index of the first row that is not before `place`. */
  private indexOf(place: Place): number {
    let [low, high] = [0, this.rows.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compare(this.rows[middle]!, place) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function isOfOneTenant(rows: readonly TimerRow[]): boolean {
  return rows.every(({ tenant }) => tenant === rows[0]?.tenant);
}

/** As many of the rows as may be answered. */
function fitting(rows: Iterable<TimerRow>, limit: number, maxBytes: number): TimerRow[] {
  const fitting: TimerRow[] = [];
  let bytes = 0;
  for (const row of rows) {
    bytes += row.due.length;
    if (fitting.length >= limit || (fitting.length > 0 && bytes > maxBytes)) break;
    fitting.push(row);
  }
  return fitting;
}

/** The rows, a row of each tenant in turn. */
function* inTurns(rows: readonly TimerRow[]): Generator<TimerRow> {
  const turns = new Turns<TimerRow>(({ tenant }) => tenant);
  for (const row of rows) turns.push(row);
  const pass = turns.pass(() => true);
  for (let row = pass.next(); row !== undefined; row = pass.next()) yield row;
}

function compare(a: Place, b: Place): number {
  if (a.fireAt !== b.fireAt) return a.fireAt - b.fireAt;
  return a.runId < b.runId ? -1 : a.runId > b.runId ? 1 : 0;
}
