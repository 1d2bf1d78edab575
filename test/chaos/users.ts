/** Those who use Belfry over HTTP in a chaos run: they send requests, list jobs, listen to outcomes, and receive webhooks. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { History, KnownWebhook } from '../checker/history.ts';
import type { Action } from '../support/life.ts';
import { LIMITED_TENANT, TENANTS, tenantOf } from '../support/lives.ts';
import { Random } from '../support/random.ts';
import type { Cluster } from './cluster.ts';
import { isDurable, requestOf } from './http-commands.ts';
import { HttpDoor, type Asked, type HttpAnswer } from './http-door.ts';
import { Listener } from './listener.ts';
import { Receiver } from './receiver.ts';

const LIST_EVERY_MS = 4_000;
const AGAIN_AFTER_MS = 400;
const PAGE = 100;
/** What they hear of: of one tenant what goes wrong, of the other all of some jobs. */
const WEBHOOKS = [
  { tenant: 'acme', id: 'trouble', statuses: ['FAILED', 'CANCELLED'], jobs: [] },
  { tenant: 'globex', id: 'work', statuses: ['COMPLETED', 'FAILED', 'CANCELLED', 'SKIPPED'], jobs: ['work-2'] },
] as const;

type Seen = Required<Pick<History, 'requests' | 'listings' | 'streams' | 'received' | 'webhooks'>>;

export class Users {
  readonly listeners: readonly Listener[];
  private readonly door: HttpDoor;
  private readonly receiver: Receiver;
  private readonly requests: { commandId: string; status: number }[] = [];
  private readonly listings: NonNullable<History['listings']>[number][] = [];
  private readonly webhooks: KnownWebhook[] = [];
  private readonly ending = new AbortController();
  private closed: Promise<void> | undefined;
  private listing: Promise<unknown> = Promise.resolve();

  private constructor(door: HttpDoor, receiver: Receiver) {
    this.door = door;
    this.receiver = receiver;
    this.listeners = [...TENANTS, LIMITED_TENANT].map((tenant) => new Listener(door, tenant));
  }

  /** Listeners have begun, and webhooks are there. */
  static async open({ seats, keys }: Cluster, seed: number): Promise<Users> {
    const fronts = seats.filter(({ seat }) => seat.kind === 'api').map(({ front }) => front);
    const door = new HttpDoor(fronts, keys, new Random(`users ${seed}`));
    await using opened = new AsyncDisposableStack();
    const users = new Users(door, await Receiver.open(seed));
    opened.defer(() => users.close());
    await Promise.all([...users.listeners.map(({ begun }) => begun), ...WEBHOOKS.map((each) => users.hook(each))]);
    users.listing = Promise.all([...TENANTS, LIMITED_TENANT].map((tenant) => users.keepListing(tenant)));
    opened.move();
    return users;
  }

  /** @returns whether the command is durable @throws Error when it is to be sent again */
  async request(action: Action, commandId: string, command: object): Promise<boolean> {
    const answer = await this.door.ask(tenantOf(action.jobId), requestOf(action, commandId, command));
    if (answer.commandId !== null) this.requests.push({ commandId, status: answer.status });
    return isDurable(answer);
  }

  get seen(): Seen {
    const { requests, listings, webhooks } = this;
    const streams = this.listeners.map(({ tenant, events }) => ({ tenant, events: [...events] }));
    return { requests, listings, webhooks, streams, received: this.receiver.received };
  }

  /** May be called again. */
  close(): Promise<void> {
    return (this.closed ??= this.end());
  }

  private async end(): Promise<void> {
    this.ending.abort();
    await Promise.all([this.listing, ...this.listeners.map((listener) => listener.close())]);
    await this.receiver.close();
  }

  private async hook({ tenant, id, statuses, jobs }: (typeof WEBHOOKS)[number]): Promise<void> {
    const body = { id, url: this.receiver.urlOf(id), statuses, jobs };
    const { status, body: made } = await this.until(tenant, { method: 'POST', path: '/api/webhooks', body });
    if (status !== 201) throw new Error(`the webhook ${id} was refused: ${JSON.stringify(made)}`);
    this.receiver.secrets.set(id, (made as { secret: string }).secret);
    this.webhooks.push({ tenant, id, statuses, jobs, from: Date.now(), until: null });
  }

  private async keepListing(tenant: string): Promise<void> {
    const { signal } = this.ending;
    while (!signal.aborted) {
      await sleep(LIST_EVERY_MS, undefined, { signal }).catch(() => undefined);
      const at = Date.now();
      const jobs = await this.list(tenant).catch(() => undefined); // an API was away meanwhile
      if (jobs !== undefined) this.listings.push({ tenant, at, jobs });
    }
  }

  private async list(tenant: string): Promise<string[]> {
    const jobs: string[] = [];
    for (let cursor = ''; ;) {
      const { status, body } = await this.door.ask(tenant, { method: 'GET', path: `/api/jobs?limit=${PAGE}${cursor}` });
      if (status !== 200) throw new Error(`the list of jobs: ${status}`);
      const page = body as { jobs: { jobId: string }[]; nextCursor: string | null };
      jobs.push(...page.jobs.map(({ jobId }) => jobId));
      if (page.nextCursor === null) return jobs;
      cursor = `&cursor=${page.nextCursor}`;
    }
  }

  private async until(tenant: string, asked: Asked): Promise<HttpAnswer> {
    for (;;) {
      try {
        return await this.door.ask(tenant, asked);
      } catch (error) {
        if (this.ending.signal.aborted) throw error;
        await sleep(AGAIN_AFTER_MS);
      }
    }
  }
}
