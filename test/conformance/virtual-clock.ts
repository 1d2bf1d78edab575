import type { Clock } from '../../services/core/ports/clock.ts';

type Timer = { at: number; order: number; fn: () => void };

/**
 * A clock that jumps from timer to timer as soon as everything else has settled, so hours pass in milliseconds and in the
 * same order every time. Runs from `start` until `stop`.
 */
export class VirtualClock implements Clock {
  private time: number;
  private order = 0;
  private timers: Timer[] = [];
  private running = false;

  constructor(startAt = Date.UTC(2026, 0, 1)) {
    this.time = startAt;
  }

  now(): number {
    return this.time;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const cancel = this.after(ms, resolve);
      signal?.addEventListener('abort', () => (cancel(), resolve()), { once: true });
    });
  }

  after(ms: number, fn: () => void): () => void {
    this.order += 1;
    const timer = { at: this.time + Math.max(0, ms), order: this.order, fn };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  start(): void {
    this.running = true;
    const step = (): void => {
      if (!this.running) return;
      this.fireNext();
      setImmediate(step);
    };
    setImmediate(step);
  }

  stop(): void {
    this.running = false;
  }

  private fireNext(): void {
    const [first, ...others] = this.timers;
    if (!first) return;
    const earlier = (a: Timer, b: Timer): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);
    const next = others.reduce((best, timer) => (earlier(timer, best) ? timer : best), first);
    this.timers = this.timers.filter((timer) => timer !== next);
    this.time = Math.max(this.time, next.at);
    next.fn();
  }
}
