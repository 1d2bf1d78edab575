/** The bench's end of the link to a worker process (worker/serve.ts says what travels on it). */
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

type Waiting = { resolve: (value: unknown) => void; reject: (error: Error) => void };

/** How to spawn a process that can be linked. */
export const LINKED_STDIO = ['pipe', 'pipe', 'pipe', 'pipe'] as const;

export class WorkerLink {
  private readonly waiting: Waiting[] = [];
  private readonly child: ChildProcess;

  /** @param child spawned with LINKED_STDIO */
  constructor(child: ChildProcess, name: string) {
    this.child = child;
    child.stdin?.on('error', () => undefined); // its end is told by `exit`
    createInterface({ input: child.stdio[3] as Readable }).on('line', (line) => {
      const { value, error } = JSON.parse(line) as { value?: unknown; error?: string };
      const first = this.waiting.shift();
      if (error === undefined) first?.resolve(value);
      else first?.reject(new Error(`${name}: ${error}`));
    });
    child.once('exit', (code, signal) => {
      for (const { reject } of this.waiting.splice(0)) reject(new Error(`${name} ended (${code ?? signal})`));
    });
  }

  /** Asks and waits for the answer; requests are answered in their order. @throws Error what the worker says, or that it ended */
  call<T>(name: string, ...words: (string | number)[]): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.waiting.push({ resolve: resolve as (value: unknown) => void, reject });
      this.child.stdin?.write(`${[name, ...words].join(' ')}\n`);
    });
  }
}
