/**
 * The broker port for one simulated process.
 *
 * A request that was sent takes effect whatever becomes of its sender. Killed, the process hears nothing any more and
 * leaves no group: others wait for its session to end. Frozen, it hears everything when it thaws.
 */
import type {
  Broker,
  GroupConsumer,
  GroupListener,
  GroupOptions,
  Producer,
  Tail,
  TailOptions,
  TopicPartition,
  TransactionalProducer,
} from '../../core/ports/broker.ts';
import { missing, type BrokerRequest, type MemoryCluster } from './broker-cluster.ts';
import { MemoryMember } from './broker-member.ts';
import { MemoryReader } from './broker-reader.ts';
import type { ReaderOptions } from './broker-reader.ts';
import { openMemoryTail } from './broker-tail.ts';
import { MemoryTransactionalProducer } from './broker-transactional.ts';

/** How soon a fetch that a fault held up is tried again. */
const FETCH_AGAIN_MS = 10;

export class MemoryBrokerClient implements Broker {
  readonly name: string;
  private readonly broker: MemoryCluster;
  private state: 'live' | 'frozen' | 'dead' = 'live';
  /** What a frozen process will hear, in order. */
  private deferred: (() => void)[] = [];
  private readonly opened = new Set<{ stop(): Promise<void> }>();

  constructor(broker: MemoryCluster, name: string) {
    this.broker = broker;
    this.name = name;
  }

  /** The process dies. */
  kill(): void {
    this.state = 'dead';
    this.deferred = [];
    for (const reader of this.readers) this.broker.readers.delete(reader);
  }

  freeze(): void {
    if (this.state === 'live') this.state = 'frozen';
  }

  thaw(): void {
    if (this.state !== 'frozen') return;
    this.state = 'live';
    for (const work of this.deferred.splice(0)) this.schedule(0, work);
  }

  async producer(): Promise<Producer> {
    const send: Producer['send'] = (records) =>
      this.request('send', () => {
        this.broker.append(records, null);
      });
    return { send, close: () => Promise.resolve() };
  }

  async transactional(transactionalId: string): Promise<TransactionalProducer> {
    return new MemoryTransactionalProducer(this.broker, transactionalId, (kind, work) => this.request(kind, work));
  }

  async fence(transactionalId: string): Promise<void> {
    await this.request('init', () => this.broker.transactions.init(transactionalId));
  }

  group(options: GroupOptions, listener: GroupListener): GroupConsumer {
    const member = new MemoryMember(options, listener, {
      group: this.broker.group(options.groupId),
      schedule: (ms, work) => this.schedule(ms, work),
      reader: (isolation, onBatch) => this.reader({ isolation, onBatch }),
      subscribe: (reader) => this.subscribe(reader),
      offsetOf: (tp) => this.broker.offsetOf(options.groupId, tp) ?? 0n,
    });
    this.opened.add(member);
    return member;
  }

  tail(options: TailOptions): Promise<Tail> {
    return this.request('ask', () => {
      const tail = openMemoryTail(this.broker, options, {
        reader: (parts) => this.reader(parts),
        subscribe: (reader) => this.subscribe(reader),
        schedule: (work) => this.schedule(0, work),
      });
      this.opened.add({ stop: () => tail.close() });
      return tail;
    });
  }

  partitions(topic: string): Promise<number | undefined> {
    return this.request('ask', () => {
      this.broker.requireAllowed(topic);
      return this.broker.partitionLogs(topic)?.length;
    });
  }

  committed(groupId: string, tp: TopicPartition): Promise<bigint | undefined> {
    return this.request('ask', () => this.broker.offsetOf(groupId, tp));
  }

  logRange(topic: string): Promise<ReadonlyMap<number, { first: bigint; end: bigint }>> {
    return this.request('ask', () => {
      const logs = this.broker.partitionLogs(topic);
      if (!logs) throw missing(`There is no topic ${topic}.`, { topic });
      return new Map(logs.map(({ partition, end }) => [partition, { first: 0n, end }]));
    });
  }

  async close(): Promise<void> {
    await Promise.all([...this.opened].map((part) => part.stop()));
    this.kill();
  }

  /** There and back: applied after one latency, answered after another. */
  private request<T>(kind: BrokerRequest, apply: () => T): Promise<T> {
    const { clock, faults, latencyMs } = this.broker;
    if (this.state === 'dead') return new Promise<T>(() => undefined);
    return new Promise<T>((resolve, reject) => {
      const work = async (): Promise<T> => {
        await faults.before?.(this.name, kind);
        const answer = apply();
        await faults.after?.(this.name, kind);
        return answer;
      };
      clock.after(latencyMs, () => {
        work().then(
          (answer) => this.schedule(0, () => resolve(answer)),
          (error: Error) => this.schedule(0, () => reject(error)),
        );
      });
    });
  }

  /** Runs it one latency and `ms` later, when the process can hear it. */
  private schedule(ms: number, work: () => void): void {
    this.broker.clock.after(this.broker.latencyMs + ms, () => {
      if (this.state === 'live') work();
      else if (this.state === 'frozen') this.deferred.push(work);
    });
  }

  private readonly readers = new Set<MemoryReader>();

  private reader(parts: Pick<ReaderOptions, 'isolation' | 'onBatch' | 'onSkip'>): MemoryReader {
    let heldUp = false;
    return new MemoryReader({
      ...parts,
      logOf: (tp) => this.broker.logOf(tp),
      schedule: (poll) => this.schedule(heldUp ? FETCH_AGAIN_MS : 0, poll),
      mayFetch: (tp) => {
        heldUp = this.broker.faults.mayFetch?.(this.name, tp) === false;
        return !heldUp;
      },
    });
  }

  private subscribe(reader: MemoryReader): () => void {
    this.readers.add(reader);
    this.broker.readers.add(reader);
    return () => {
      this.readers.delete(reader);
      this.broker.readers.delete(reader);
    };
  }
}
