/** Limits in memory: the rules of schemas/sql/011-tenants.sql. Invariant: nothing awaits, so each call is atomic, as under the locks. */
import { isTerminal } from '../../core/model.ts';
import type { Admission, Admitted, Lease } from '../../core/ports/run-store.ts';
import type { MemoryDatabase, ParkedEntry, PlaceEntry } from './database.ts';
import type { MemoryLeases } from './run-leases.ts';

const SECOND_MS = 1_000;
/** One that was woken is waited for so long. */
const WOKEN_MS = 5_000;

export class MemoryLimits {
  private readonly db: MemoryDatabase;
  private readonly leases: MemoryLeases;

  constructor(db: MemoryDatabase, leases: MemoryLeases) {
    this.db = db;
    this.leases = leases;
  }

  admit(lease: Lease, admissions: readonly Admission[]): Admitted[] {
    const oldestFirst = admissions.toSorted((a, b) => (a.due.runId < b.due.runId ? -1 : 1));
    const outcomes = new Map(oldestFirst.map((each) => [each, this.admitOne(lease, each)]));
    return admissions.map((each) => outcomes.get(each)!);
  }

  leave(tickets: readonly string[]): number {
    const gone = [...this.db.places].filter(
      ([, { ticket, expiresAt }]) => expiresAt === null && tickets.includes(ticket),
    );
    for (const [key] of gone) this.db.places.delete(key);
    return this.wakeUnder(gone.map(([, { name }]) => name));
  }

  wakeWaiting(): number {
    return this.wakeUnder(this.waiting().map(({ limitName }) => limitName));
  }

  private admitOne(lease: Lease, admission: Admission): Admitted {
    const { due, ticket, limits, parked } = admission;
    if (this.isKnown(lease, admission)) return 'known';
    if (this.isHeld(lease, admission)) return 'held';
    const full = limits.find(({ name, most }) => {
      const own = this.db.places.get(keyOf(name, due.runId));
      if (own?.ticket === ticket || (own?.executor === lease.executor && own.expiresAt === null)) return false;
      return this.taken(name) + this.before(name, due.runId) >= most;
    });
    if (full !== undefined) {
      this.wait(admission, full);
      return 'waits';
    }
    for (const { name, perSecond = false } of limits) {
      const expiresAt = perSecond ? this.db.now() + SECOND_MS : null;
      const place = { name, runId: due.runId, executor: lease.executor, ticket, expiresAt };
      this.db.places.set(keyOf(name, due.runId), place);
    }
    const row = this.db.parked.get(due.runId);
    if (row?.due.attempt !== due.attempt) return 'placed';
    const { limitName: _, most: __, ...kept } = row;
    const isDetached = parked || row.kind === 'detached';
    const executor = row.kind === 'detached' ? row.executor : isDetached ? lease.executor : null;
    this.db.parked.set(due.runId, { ...kept, kind: isDetached ? 'detached' : 'handed_over', executor });
    return 'placed';
  }

  /** Its row says what to do without starting it. */
  private isKnown({ executor }: Lease, { due, nonce }: Admission): boolean {
    const run = this.db.runs.get(due.runId);
    if (run !== undefined && (isTerminal(run.status) || run.attempt > due.attempt)) return true;
    const mine = run?.executor === executor && run.nonce === nonce;
    return run?.status === 'RUNNING' && this.leases.isAlive(run.executor) && !mine;
  }

  /** Somebody else is about to start it. */
  private isHeld({ executor }: Lease, { due, limits }: Admission): boolean {
    return limits.some(({ name }) => {
      const place = this.db.places.get(keyOf(name, due.runId));
      return place?.expiresAt === null && place.executor !== executor && this.counts(place);
    });
  }

  private wait({ due, handler }: Admission, { name, most }: Admission['limits'][number]): void {
    const present = this.db.parked.get(due.runId);
    if (present !== undefined && present.due.attempt > due.attempt) return;
    const { runId, queue, priority } = due;
    const same = present?.kind === 'waiting' && present.due.attempt === due.attempt;
    const parkedAt = same ? present.parkedAt : this.db.now();
    const row = { runId, queue, priority, due, parkedAt, handler };
    this.db.parked.set(runId, { ...row, kind: 'waiting', executor: null, limitName: name, most });
  }

  private wakeUnder(names: readonly (string | undefined)[]): number {
    let woken = 0;
    for (const name of new Set(names)) {
      if (name === undefined) continue;
      let used = this.taken(name) + this.woken(name).length;
      for (const row of this.waiting().filter(({ limitName }) => limitName === name)) {
        if (used >= row.most!) break;
        this.set(row, { kind: 'handed_over' });
        used++;
        woken++;
      }
    }
    return woken;
  }

  /** Oldest run first. */
  private waiting(): ParkedEntry[] {
    const waiting = [...this.db.parked.values()].filter(({ kind }) => kind === 'waiting');
    return waiting.sort((a, b) => (a.runId < b.runId ? -1 : 1));
  }

  private woken(name: string): ParkedEntry[] {
    const since = this.db.now() - WOKEN_MS;
    return [...this.db.parked.values()].filter(
      ({ limitName, kind, parkedAt }) => limitName === name && kind !== 'waiting' && parkedAt > since,
    );
  }

  private before(name: string, runId: string): number {
    const waiting = this.waiting().filter(({ limitName }) => limitName === name);
    return [...waiting, ...this.woken(name)].filter((row) => row.runId < runId).length;
  }

  private taken(name: string): number {
    for (const [key, place] of this.db.places)
      if (place.name === name && !this.counts(place)) this.db.places.delete(key);
    return [...this.db.places.values()].filter((place) => place.name === name).length;
  }

  private counts({ executor, expiresAt }: PlaceEntry): boolean {
    return expiresAt === null ? !this.leases.isDead(executor) : expiresAt > this.db.now();
  }

  private set(row: ParkedEntry, changes: Partial<ParkedEntry>): void {
    this.db.parked.set(row.runId, { ...row, ...changes, parkedAt: this.db.now() });
  }
}

function keyOf(name: string, runId: string): string {
  return `${name} ${runId}`;
}
