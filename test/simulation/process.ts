/**
 * One simulated process: all that can reach its code.
 *
 * Invariant: code of the process runs only in `hear` (timers, answers, records): frozen, it hears everything when it
 * thaws, in order; dead, nothing any more. So it may stop at any await.
 */
import type { MemoryBrokerClient } from '../../services/adapters/memory/broker-client.ts';
import type { CorrectableClock } from '../../services/runtime/clock-sync.ts';
import type { VirtualTime } from '../../services/adapters/virtual-time.ts';
import type { Random } from '../support/random.ts';

/** How the way to a server is at present; rates are of requests. */
export type Link = {
  /** Share of requests that never arrive. */
  refuse: number;
  /** Share of requests that take effect and whose answer is lost. */
  loseAnswer: number;
  /** Share of statements that take too long. */
  stall: number;
  /** Nothing gets through. */
  isCut: boolean;
  /** The most that an answer takes longer, ms. */
  delayMs: number;
};
const FINE: Link = { refuse: 0, loseAnswer: 0, stall: 0, isCut: false, delayMs: 0 };

/** Strikes once, at a request: so that a process stops between a write and its answer, where timers seldom stop it. */
export type Trap = { server: 'store' | 'broker'; call: string | null; when: 'before' | 'after'; strike: () => void };

export class Process {
  readonly name: string;
  readonly clock: CorrectableClock;
  readonly random: Random;
  client: MemoryBrokerClient | undefined;
  state: 'live' | 'frozen' | 'dead' = 'live';
  readonly links: { store: Link; broker: Link } = { store: { ...FINE }, broker: { ...FINE } };
  traps: Trap[] = [];
  /** Calls of the store that never arrive. */
  readonly refused = new Set<string>();
  /** Its consumers fetch from positions of their own. */
  isJumping = false;
  private readonly sim: VirtualTime;
  private deferred: (() => void)[] = [];
  private readonly healed: Record<'store' | 'broker', (() => void)[]> = { store: [], broker: [] };

  /** @param skewMs by how much the machine's own clock is ahead of the true one */
  constructor(name: string, sim: VirtualTime, skewMs: number, random: Random) {
    this.name = name;
    this.sim = sim;
    this.random = random;
    this.clock = new ProcessClock(this, sim, skewMs);
  }

  /** Something reaches the process. */
  hear(fn: () => void): void {
    if (this.state === 'live') fn();
    else if (this.state === 'frozen') this.deferred.push(fn);
  }

  kill(): void {
    this.state = 'dead';
    this.deferred = [];
    this.client?.kill();
  }

  freeze(): void {
    if (this.state !== 'live') return;
    this.state = 'frozen';
    this.client?.freeze();
  }

  thaw(): void {
    if (this.state !== 'frozen') return;
    this.state = 'live';
    this.client?.thaw();
    for (const fn of this.deferred.splice(0)) this.sim.after(0, () => this.hear(fn));
  }

  heal(server: 'store' | 'broker'): void {
    Object.assign(this.links[server], FINE);
    if (server === 'broker' && this.state === 'live') this.client?.thaw();
    for (const resolve of this.healed[server].splice(0)) resolve();
  }

  /** Resolves when this link is healed. */
  untilHealed(server: 'store' | 'broker'): Promise<void> {
    return new Promise((resolve) => this.healed[server].push(resolve));
  }

  cut(server: 'store' | 'broker'): void {
    this.links[server].isCut = true;
    if (server === 'broker') this.client?.freeze();
  }

  /** A trap that waits for this request strikes. */
  spring(server: Trap['server'], call: string, when: Trap['when']): void {
    const trap = this.traps.find(
      (each) => each.server === server && each.when === when && (each.call === null || each.call === call),
    );
    if (trap === undefined) return;
    this.traps = this.traps.filter((each) => each !== trap);
    trap.strike();
  }
}

/** The machine's clock is off by `skewMs`; the services correct it by the database's, as in production. */
class ProcessClock implements CorrectableClock {
  private readonly process: Process;
  private readonly sim: VirtualTime;
  private readonly skewMs: number;
  private offsetMs = 0;

  constructor(process: Process, sim: VirtualTime, skewMs: number) {
    this.process = process;
    this.sim = sim;
    this.skewMs = skewMs;
  }

  steady(): number {
    return this.sim.now() + this.skewMs;
  }

  machine(): number {
    return this.steady();
  }

  now(): number {
    return this.steady() + this.offsetMs;
  }

  correct(offsetMs: number): void {
    this.offsetMs = offsetMs;
  }

  after(ms: number, fn: () => void): () => void {
    let isCancelled = false;
    const cancel = this.sim.after(ms, () =>
      this.process.hear(() => {
        if (!isCancelled) fn();
      }),
    );
    return () => {
      isCancelled = true;
      cancel();
    };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      const done = (): void => {
        cancel();
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const cancel = this.after(ms, done);
      signal?.addEventListener('abort', done);
    });
  }
}
