import { Queue, Worker } from 'bullmq';
import { servePeer, type Environment, type Peer } from './serve-peer.ts';

type Settings = { concurrency: number };

const QUEUE = 'bench';

class BullMq implements Peer {
  readonly slice = 1_000;
  private readonly connection: { host: string; port: number; maxRetriesPerRequest: null };
  private readonly settings: Settings;
  private queue!: Queue;

  constructor({ url, settings }: Environment<Settings>) {
    const { hostname: host, port } = new URL(url);
    this.connection = { host, port: Number(port), maxRetriesPerRequest: null };
    this.settings = settings;
  }

  async open(): Promise<void> {
    this.queue = new Queue(QUEUE, { connection: this.connection });
    await this.queue.waitUntilReady();
  }

  insert(dueAt: readonly number[]): Promise<unknown> {
    const timestamp = Date.now();
    const jobs = dueAt.map((at) => ({
      name: 'noop',
      data: { at },
      opts: { timestamp, delay: Math.max(0, at - timestamp), removeOnComplete: true, removeOnFail: true },
    }));
    const [first] = jobs;
    if (jobs.length === 1 && first !== undefined) return this.queue.add(first.name, first.data, first.opts);
    return this.queue.addBulk(jobs);
  }

  async unfinished(): Promise<number> {
    const counts = await this.queue.getJobCounts('wait', 'active', 'delayed', 'prioritized');
    return Object.values(counts).reduce((sum, count) => sum + count, 0);
  }

  async work(started: (dueAt: number) => void): Promise<void> {
    const { concurrency } = this.settings;
    const worker = new Worker<{ at: number }>(QUEUE, async ({ data }) => started(data.at), {
      connection: this.connection,
      concurrency,
    });
    await worker.waitUntilReady();
  }
}

servePeer<Settings>((environment) => new BullMq(environment));
