/** Carries out what a plan says goes wrong, and writes down what befell whom, when. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Server } from '../../infra/embedded/server.ts';
import type { Fault } from '../checker/history.ts';
import type { Cluster } from './cluster.ts';
import type { FaultKind, PlannedFault, Seat } from './plan.ts';
import type { SeatOfProcess } from './seats.ts';

/** What was under way may be answered, or take effect, so much later. */
const AFTERMATH_MS = 1_500;

/** What was done; times are ms since the epoch. */
export type Struck = {
  kind: FaultKind;
  /** Of a fault of one process; null: it befell all. */
  node: string | null;
  at: number;
  until: number;
  /** Of a timer: what it owned. */
  partitions: readonly number[];
  /** Of stops in turn: each of them. */
  stops: { node: string; at: number; until: number; partitions: readonly number[]; code: number | null }[];
};

/** Befalls a seat, whoever has it then; null: all seats. */
export type SeatFault = { seat: number | null; kind: Fault['kind']; from: number; until: number };

export class Faults {
  readonly struck: Struck[] = [];
  readonly befell: SeatFault[] = [];
  private readonly cluster: Cluster;
  private readonly log: (line: string) => void;
  private brokersKilled = 0;

  constructor(cluster: Cluster, log: (line: string) => void) {
    this.cluster = cluster;
    this.log = log;
  }

  /** Resolves when it is over. */
  async strike(planned: PlannedFault): Promise<void> {
    const { kind, seat } = planned;
    const target = seat === null ? null : this.cluster.seats[seat]!;
    const node = target?.current?.node ?? null;
    const partitions = target === null ? [] : await this.partitionsOf(target);
    const struck: Struck = { kind, node, at: Date.now(), until: Infinity, partitions, stops: [] };
    this.struck.push(struck);
    this.log(`${kind} ${node ?? ''} ${planned.byMs === 0 ? '' : `by ${planned.byMs} ms `}for ${planned.forMs} ms`);
    if (target === null) await this.strikeAll(planned, struck);
    else await this.strikeOne(planned, target);
    struck.until = Date.now();
  }

  private async strikeAll({ kind, forMs }: PlannedFault, struck: Struck): Promise<void> {
    const { kafka, postgres } = this.cluster;
    const broker = kafka.nodes[this.brokersKilled % kafka.nodes.length]!;
    const away = (server: Server, end: 'kill' | 'stop'): Promise<void> =>
      this.during(null, 'cut', async () => {
        await server[end]();
        await sleep(forMs);
        await server.start();
      });
    if (kind === 'roll-timers') return this.roll('timer', forMs, struck);
    if (kind === 'roll-executors') return this.roll('executor', forMs, struck);
    if (kind === 'roll-apis') return this.roll('api', forMs, struck);
    if (kind === 'migrate') return this.cluster.migrate();
    if (kind === 'database-sessions') return this.during(null, 'cut', () => this.endSessions());
    if (kind === 'database-killed') return away(postgres, 'kill');
    if (kind === 'database-stopped') return away(postgres, 'stop');
    this.brokersKilled++;
    if (kind === 'kafka-killed') return away(broker, 'kill');
    return away(broker, 'stop');
  }

  private async strikeOne({ kind, forMs, byMs, isReset }: PlannedFault, seat: SeatOfProcess): Promise<void> {
    const ways = {
      kafka: seat.kafka,
      database: [seat.database],
      both: [...seat.kafka, seat.database],
    };
    const { index } = seat;
    if (kind.startsWith('kill')) return this.kill(seat, forMs);
    if (kind.startsWith('freeze')) return this.freeze(seat, forMs);
    if (kind === 'clock') return this.shift(seat, byMs, forMs);
    const proxies = kind.includes('kafka') ? ways.kafka : kind.includes('both') ? ways.both : ways.database;
    return this.during(index, kind.startsWith('cut') ? 'cut' : 'slow', async () => {
      for (const proxy of proxies)
        if (kind.startsWith('cut')) proxy.cut();
        else proxy.slow(byMs);
      await sleep(forMs);
      for (const proxy of proxies) proxy.heal(isReset && kind.startsWith('cut'));
    });
  }

  private async kill(seat: SeatOfProcess, forMs: number): Promise<void> {
    const at = Date.now();
    this.befell.push({ seat: seat.index, kind: 'kill', from: at, until: at });
    await seat.kill('SIGKILL');
    await sleep(forMs);
    await seat.start();
  }

  private async freeze({ index, current }: SeatOfProcess, forMs: number): Promise<void> {
    if (current?.service.running !== true) return;
    current.service.freeze();
    await this.during(index, 'freeze', () => sleep(forMs), 0);
    current.service.thaw();
  }

  /** The seat keeps the clock, whoever takes it meanwhile. Nothing is excused by it. */
  private async shift(seat: SeatOfProcess, byMs: number, forMs: number): Promise<void> {
    seat.setClock(byMs);
    await sleep(forMs);
    seat.setClock(0);
  }

  private async roll(kind: Seat['kind'], pauseMs: number, struck: Struck): Promise<void> {
    for (const seat of this.cluster.seats.filter((each) => each.seat.kind === kind)) {
      const node = seat.current!.node;
      const partitions = await this.partitionsOf(seat);
      const at = Date.now();
      let code: number | null = null;
      await this.during(seat.index, 'stop', async () => void (code = await seat.kill('SIGTERM')));
      struck.stops.push({ node, at, until: Date.now(), partitions, code });
      await seat.start();
      await seat.current?.service.ready().catch((error: Error) => this.log(error.message));
      await sleep(pauseMs);
    }
  }

  private async endSessions(): Promise<void> {
    await this.cluster.deployment.pool
      .query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()`,
      )
      .catch((error: Error) => this.log(`sessions were not ended: ${error.message}`));
  }

  private async during(
    seat: number | null,
    kind: Fault['kind'],
    act: () => Promise<void>,
    aftermathMs = AFTERMATH_MS,
  ): Promise<void> {
    const fault: SeatFault = { seat, kind, from: Date.now(), until: Infinity };
    this.befell.push(fault);
    try {
      await act();
    } finally {
      fault.until = Date.now() + aftermathMs;
    }
  }

  /** Of a timer, asked just before something befalls it; none when the database is away. */
  private async partitionsOf({ seat, current }: SeatOfProcess): Promise<number[]> {
    if (seat.kind !== 'timer' || current?.service.running !== true) return [];
    try {
      const rows = await this.cluster.deployment.rows<{ partition: number }>(
        'SELECT partition FROM owners WHERE instance LIKE $1 ORDER BY partition',
        [`%:${current.service.pid}:%`],
      );
      return rows.map(({ partition }) => partition);
    } catch {
      return [];
    }
  }
}
