import { makeWorkerUtils, run, type WorkerUtils } from 'graphile-worker';
import pg from 'pg';
import { servePeer, type Environment, type Peer } from './serve-peer.ts';

/** As its preset has them; -1 switches batching off. */
type Settings = { concurrentJobs: number; pollInterval: number; localQueueSize: number; completeJobBatchDelay: number };

const TASK = 'noop';

class GraphileWorker implements Peer {
  readonly slice = 5_000;
  private readonly url: string;
  private readonly settings: Settings;
  private readonly pool: pg.Pool;
  private utils!: WorkerUtils;

  constructor({ url, settings }: Environment<Settings>) {
    this.url = url;
    this.settings = settings;
    this.pool = new pg.Pool({ connectionString: url, max: 10 });
    this.pool.on('error', (error) => console.error(error));
    this.pool.on('connect', (client) => client.on('error', (error) => console.error(error)));
  }

  async open(): Promise<void> {
    this.utils = await makeWorkerUtils({ pgPool: this.pool });
    await this.utils.migrate();
  }

  insert(dueAt: readonly number[]): Promise<unknown> {
    const [first] = dueAt;
    if (dueAt.length === 1 && first !== undefined)
      return this.utils.addJob(TASK, { at: first }, { runAt: new Date(first) });
    return this.utils.addJobs(dueAt.map((at) => ({ identifier: TASK, payload: { at }, runAt: new Date(at) })));
  }

  async unfinished(): Promise<number> {
    const { rows } = await this.pool.query<{ n: number }>(
      'SELECT count(*)::int AS n FROM graphile_worker._private_jobs',
    );
    return rows[0]?.n ?? 0;
  }

  async work(started: (dueAt: number) => void): Promise<void> {
    const { concurrentJobs, pollInterval, localQueueSize, completeJobBatchDelay } = this.settings;
    await run({
      taskList: { [TASK]: (payload) => started((payload as { at: number }).at) },
      preset: {
        worker: {
          connectionString: this.url,
          concurrentJobs,
          pollInterval,
          maxPoolSize: Math.max(10, concurrentJobs + 2), // as its documentation recommends
          localQueue: { size: localQueueSize },
          completeJobBatchDelay,
          failJobBatchDelay: completeJobBatchDelay,
        },
      },
    });
  }
}

servePeer<Settings>((environment) => new GraphileWorker(environment));
