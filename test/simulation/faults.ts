/** Carries out what a plan says goes wrong, and ends all of it at the time of healing. */
import { PRIORITIES } from '../../services/core/model.ts';
import { topicsOf } from '../../services/core/topics.ts';
import type { Fault } from '../checker/history.ts';
import { SOURCE } from '../support/life-sources.ts';
import type { Node } from './node.ts';
import type { PlannedFault } from './plan.ts';
import type { World } from './world.ts';

const LOSSY = 0.25;
const STALLED = 0.5;
const SLOW_ANSWER_MS = 900;
const BRIEFLY_MS = 100;
/** In which a new owner reads what there is and decides for the first time. */
const MOMENT_MS = 30;

export class Faults {
  private readonly world: World;
  /** How to end what goes on. */
  private readonly ends = new Set<() => void>();
  private visits = 0;

  constructor(world: World) {
    this.world = world;
  }

  strike(planned: PlannedFault): void {
    const node = this.world.nodes[planned.seat]!;
    if (planned.kind !== 'trap')
      this.world.recorder.trace('fault', planned.kind, { node: node.process.name, forMs: planned.forMs });
    switch (planned.kind) {
      case 'kill':
        return this.kill(node, planned.forMs);
      case 'stop':
        return this.stop(node, planned.forMs);
      case 'freeze':
        return void this.freeze(node, planned.forMs);
      case 'cut-store':
        return this.cut(node, 'store', planned.forMs);
      case 'cut-broker':
        return this.cut(node, 'broker', planned.forMs);
      case 'isolate':
        this.cut(node, 'store', planned.forMs);
        return this.cut(node, 'broker', planned.forMs);
      case 'lossy-store':
        return this.worsen(node, 'store', { refuse: LOSSY, loseAnswer: LOSSY }, 'cut', planned.forMs);
      case 'lossy-broker':
        return this.worsen(node, 'broker', { refuse: LOSSY, loseAnswer: LOSSY }, 'cut', planned.forMs);
      case 'slow-store':
        return this.worsen(node, 'store', { delayMs: SLOW_ANSWER_MS }, 'slow', planned.forMs);
      case 'slow-broker':
        return this.worsen(node, 'broker', { delayMs: SLOW_ANSWER_MS }, 'slow', planned.forMs);
      case 'stall-store':
        return this.worsen(node, 'store', { stall: STALLED }, 'cut', planned.forMs);
      case 'trap':
        return this.setTrap(node, planned);
      case 'jump':
        return this.jump(node, planned.forMs);
      case 'starve':
        return this.starve(node, planned.forMs);
      case 'visit':
        return this.visit(node, planned.forMs);
    }
  }

  /** All is well again: everybody lives, and every way is open. */
  heal(): void {
    for (const end of [...this.ends]) end();
    for (const { process } of this.world.nodes) process.traps = [];
  }

  private kill(node: Node, forMs: number): void {
    const { process } = node;
    if (process.state === 'dead') return;
    process.kill();
    this.world.recorder.killed(process.name);
    this.note(node, 'kill');
    this.replaceLater(node, forMs);
  }

  private stop(node: Node, forMs: number): void {
    const { process, service } = node;
    if (process.state !== 'live' || service === undefined) return;
    const { recorder } = this.world;
    const fault = this.note(node, 'stop');
    fault.until = Infinity;
    void service.stop().then(() => {
      recorder.trace(process.name, 'has stopped');
      recorder.killed(process.name);
      process.kill();
    });
    this.replaceLater(node, forMs);
  }

  private replaceLater(node: Node, forMs: number): void {
    const seat = this.world.nodes.indexOf(node);
    this.later(forMs, () => {
      if (this.world.nodes[seat] === node) this.world.start(seat);
    });
  }

  /** @returns ends it */
  private freeze(node: Node, forMs: number): () => void {
    const { process } = node;
    if (process.state !== 'live') return () => undefined;
    process.freeze();
    const fault = this.note(node, 'freeze');
    fault.until = Infinity;
    return this.later(forMs, () => {
      process.thaw();
      fault.until = this.world.sim.now();
      this.world.recorder.trace('fault', 'is over', { node: process.name });
    });
  }

  /** Frozen until a moment after another process has taken a partition of its. */
  private supplant(node: Node, forMs: number): void {
    const { sim, db } = this.world;
    const { name } = node.process;
    const thaw = this.freeze(node, forMs);
    const owned = [...db.owners].filter(([, { instance }]) => instance === name).map(([partition]) => partition);
    const stopWatching = this.world.onTaken((partition) => {
      if (!owned.includes(partition)) return;
      stopWatching();
      sim.after(node.process.random.int(0, MOMENT_MS), thaw);
    });
  }

  private cut(node: Node, server: 'store' | 'broker', forMs: number): void {
    node.process.cut(server);
    this.healLater(node, server, 'cut', forMs);
  }

  private worsen(node: Node, server: 'store' | 'broker', link: object, kind: 'cut' | 'slow', forMs: number): void {
    Object.assign(node.process.links[server], link);
    this.healLater(node, server, kind, forMs);
  }

  private healLater(node: Node, server: 'store' | 'broker', kind: 'cut' | 'slow', forMs: number): void {
    const fault = this.note(node, kind);
    fault.until = Infinity;
    this.later(forMs, () => {
      node.process.heal(server);
      // What was under way may be answered, or take effect, a little later.
      fault.until = this.world.sim.now() + SLOW_ANSWER_MS;
      this.world.recorder.trace('fault', 'is over', { node: node.process.name, server });
    });
  }

  private setTrap(node: Node, { trap, forMs }: PlannedFault): void {
    const { server, call, when, effect } = trap!;
    node.process.traps.push({
      server,
      call,
      when,
      strike: () => {
        this.world.recorder.trace('fault', `trap: ${effect} ${when} ${call ?? 'a request'}`, {
          node: node.process.name,
          server,
          forMs,
        });
        if (effect === 'kill') this.kill(node, forMs);
        else if (effect === 'freeze') this.freeze(node, forMs);
        else if (effect === 'supplant') this.supplant(node, forMs);
        else this.cut(node, server, forMs);
      },
    });
  }

  /** Around two rebalances; the second makes everybody read again from where they should. */
  private jump(node: Node, forMs: number): void {
    const { process } = node;
    this.visit(node, BRIEFLY_MS);
    process.isJumping = true;
    this.later(forMs, () => {
      process.isJumping = false;
      this.visit(node, BRIEFLY_MS);
    });
  }

  private starve(node: Node, forMs: number): void {
    const { refused } = node.process;
    refused.add('renewLease');
    this.visit(node, forMs / 2);
    const fault = this.note(node, 'cut');
    fault.until = Infinity;
    this.later(forMs, () => {
      refused.delete('renewLease');
      fault.until = this.world.sim.now();
    });
  }

  /** A member that comes and goes: everybody rejoins twice. */
  private visit({ seat: { kind } }: Node, forMs: number): void {
    const name = `visitor-${++this.visits}`;
    const client = this.world.broker.client(name);
    const topics = topicsOf('');
    const { commands, retry, completed } = topics;
    const groups =
      kind === 'timer'
        ? [
            { groupId: 'belfry-timer', topics: [commands, retry, completed], copartitioned: true },
            { groupId: 'belfry-events', topics: [SOURCE.topic], copartitioned: false },
          ]
        : PRIORITIES.map((priority) => ({
            groupId: `belfry-executor-default-${priority}`,
            topics: [topics.due('default', priority)],
            copartitioned: false,
          }));
    const nothing = (): void => undefined;
    const listener = { onAssignment: nothing, position: () => 'hold' as const, onBatch: nothing, onFatal: nothing };
    const members = groups.map((group) =>
      client.group({ ...group, memberName: name, isolation: 'read_uncommitted', sessionTimeoutMs: 6_000 }, listener),
    );
    for (const member of members) void member.start();
    this.later(forMs, () => {
      for (const member of members) void member.stop();
    });
  }

  private note(node: Node, kind: Fault['kind']): Fault {
    const at = this.world.sim.now();
    return this.world.recorder.fault({ node: node.process.name, kind, from: at, until: at });
  }

  /** Happens after `forMs`, at healing at the latest. */
  private later(forMs: number, end: () => void): () => void {
    const once = (): void => {
      if (this.ends.delete(once)) end();
    };
    this.ends.add(once);
    this.world.sim.after(forMs, once);
    return once;
  }
}
