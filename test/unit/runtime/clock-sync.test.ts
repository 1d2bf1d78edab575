import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Log } from '../../../services/core/ports/log.ts';
import { ClockSync, type CorrectableClock } from '../../../services/runtime/clock-sync.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const START = Date.UTC(2026, 0, 1);

/** A machine whose own time is off by some milliseconds, whole or not, and cut to whole ones, as the database's answers are. */
class Machine extends VirtualClock implements CorrectableClock {
  /** The database's time, ms, uncut. */
  real = START;
  /** How long questions take to get there, and their answers to come back, ms, in turn. */
  latencies: { there: number; back: number }[] = [{ there: 0, back: 0 }];
  readonly warnings: object[] = [];
  /** Whoever sets the machine's clock changes this. */
  offBy: number;
  failures = 0;
  private readonly steadyBy: number;
  private correction = 0;
  private asked = 0;

  constructor(offBy: number) {
    super(START);
    this.offBy = offBy;
    this.steadyBy = offBy;
  }

  override now(): number {
    return this.steady() + this.correction;
  }

  steady(): number {
    return Math.floor(this.real + this.steadyBy);
  }

  machine(): number {
    return Math.floor(this.real + this.offBy);
  }

  correct(offsetMs: number): void {
    this.correction = offsetMs;
  }

  sync(): ClockSync {
    const nothing = (): void => undefined;
    const warn = (fields: object): void => void this.warnings.push(fields);
    const log: Log = { debug: nothing, info: nothing, warn, error: nothing, child: () => log };
    return new ClockSync(this, () => this.ask(), log);
  }

  private async ask(): Promise<number> {
    const latency = this.latencies[this.asked++ % this.latencies.length]!;
    this.real += latency.there;
    const answer = Math.floor(this.real);
    if (this.failures > 0) {
      this.failures -= 1;
      throw new Error('the database is away');
    }
    this.real += latency.back;
    return answer;
  }
}

describe("the clock that follows the database's", () => {
  it('is never ahead of it, whatever the fractions of milliseconds, and behind by little more than an answer takes', async () => {
    const ms = (max: number): fc.Arbitrary<number> => fc.integer({ min: 0, max: max * 1_000 }).map((us) => us / 1_000);
    const offBy = fc.oneof(ms(2), ms(1e6)).chain((size) => fc.constantFrom(size, -size));
    const travel = fc.oneof(fc.constant(0), ms(0.5), ms(30));
    const latencies = fc.array(fc.record({ there: travel, back: travel }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(offBy, ms(1), latencies, fc.array(ms(2), { maxLength: 20 }), async (by, phase, ways, steps) => {
        const machine = new Machine(by);
        machine.real += phase;
        machine.latencies = ways;
        const sync = machine.sync();
        await sync.start();
        const quickest = Math.min(...ways.map(({ back }) => back));
        for (const step of [0, ...steps]) {
          machine.real += step;
          assert.ok(machine.now() <= machine.real, `ahead by ${machine.now() - machine.real} ms`);
          assert.ok(machine.now() > machine.real - quickest - 4, `behind by ${machine.real - machine.now()} ms`);
        }
        await sync.stop();
      }),
      { numRuns: 500 },
    );
  });

  it('waits for a database that is away before anybody reads it', async () => {
    const machine = new Machine(5_000);
    machine.failures = 2;
    const sync = machine.sync();
    let started = false;
    void sync.start().then(() => (started = true));
    await machine.advance(1_999);
    assert.equal(started, false);
    await machine.advance(1);
    assert.equal(started, true);
    assert.ok(machine.now() <= machine.real);
    await sync.stop();
  });

  it('measures again every 10 s, keeps what it knows when that fails, and warns of large differences', async () => {
    const machine = new Machine(0);
    const sync = machine.sync();
    await sync.start();
    assert.equal(machine.warnings.length, 0);
    machine.offBy = 60_000; // its clock jumps ahead
    machine.failures = 1;
    await machine.advance(10_000);
    assert.equal(sync.offsetMs, -1);
    await machine.advance(10_000);
    assert.equal(sync.offsetMs, -60_001);
    assert.equal(machine.warnings.length, 2, 'of the failure and of the difference');
    await sync.stop();
  });

  it('goes on as before when the machine is set to another time, forward or back', async () => {
    for (const stepMs of [90_000, -90_000]) {
      const machine = new Machine(0);
      const sync = machine.sync();
      await sync.start();
      machine.offBy = stepMs;
      machine.real += 1_000;
      assert.equal(machine.now(), machine.real - 1);
      await sync.stop();
    }
  });

  it('warns of more than 500 ms', async () => {
    const machine = new Machine(-700);
    const sync = machine.sync();
    await sync.start();
    assert.deepEqual(machine.warnings, [{ offsetMs: 699 }]);
    assert.equal(sync.offsetMs, 699);
    await sync.stop();
  });

  it('stops though the database never came', async () => {
    const machine = new Machine(0);
    machine.failures = Infinity;
    const sync = machine.sync();
    const started = sync.start();
    await machine.advance(5_000);
    await Promise.all([sync.stop(), started]);
  });
});
