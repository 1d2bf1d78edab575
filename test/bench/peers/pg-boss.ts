import { PgBoss } from 'pg-boss';
import pg from 'pg';
import { servePeer, type Environment, type Peer } from './serve-peer.ts';

type Settings = { batchSize: number; pollingIntervalSeconds: number; burstWhenBatchFull: boolean };

const QUEUE = 'bench';

class Boss implements Peer {
  readonly slice = 5_000;
  private readonly boss: PgBoss;
  private readonly pool: pg.Pool;
  private readonly settings: Settings;

  constructor({ url, settings }: Environment<Settings>) {
    this.boss = new PgBoss(url);
    this.boss.on('error', (error) => console.error(error));
    this.pool = new pg.Pool({ connectionString: url, max: 1 });
    this.settings = settings;
  }

  async open(): Promise<void> {
    await this.boss.start();
    await this.boss.createQueue(QUEUE);
  }

  insert(dueAt: readonly number[]): Promise<unknown> {
    const [first] = dueAt;
    if (dueAt.length === 1 && first !== undefined)
      return this.boss.send(QUEUE, { at: first }, { startAfter: new Date(first) });
    return this.boss.insert(
      QUEUE,
      dueAt.map((at) => ({ data: { at }, startAfter: new Date(at) })),
    );
  }

  async unfinished(): Promise<number> {
    const { rows } = await this.pool.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM pgboss.job WHERE name = $1 AND state < 'completed'`,
      [QUEUE],
    );
    return rows[0]?.n ?? 0;
  }

  async work(started: (dueAt: number) => void): Promise<void> {
    await this.boss.work<{ at: number }>(QUEUE, this.settings, async (jobs) => {
      for (const { data } of jobs) started(data.at);
    });
  }
}

servePeer<Settings>((environment) => new Boss(environment));
