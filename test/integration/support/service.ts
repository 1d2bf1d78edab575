/** A real process of the product, which tests start, kill and freeze. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

export type ServiceOptions = {
  env?: Record<string, string>;
  /** Default: true. */ waitReady?: boolean;
  /** Instead of the CLI from the sources. */ script?: string;
  /** Standard output and error must be pipes. */ stdio?: readonly ('ignore' | 'pipe')[];
  /** Its errors are not shown as they come: they are expected, and in `lines`. */ isQuiet?: boolean;
};

const CLI = new URL('../../../services/cli/main.ts', import.meta.url).pathname;
const READY_TIMEOUT_MS = 20_000;

export class Service {
  readonly child: ChildProcess;
  readonly name: string;
  /** Its log lines. */
  readonly lines: string[] = [];
  readonly port: Promise<number>;

  constructor(args: readonly string[], options: ServiceOptions & { env: Record<string, string> }) {
    this.name = args.join(' ');
    const script = options.script ?? CLI;
    this.child = spawn(process.execPath, [...(process.env.TEST_NODE_FLAGS?.split(' ') ?? []), script, ...args], {
      env: { ...options.env, LOG_LEVEL: 'info' },
      stdio: [...(options.stdio ?? (['ignore', 'pipe', 'pipe'] as const))],
    });
    this.port = new Promise((resolve, reject) => {
      const read = (chunk: Buffer): void => {
        for (const line of chunk.toString().split('\n')) {
          if (line === '') continue;
          this.lines.push(line);
          if (
            options.isQuiet !== true &&
            /"level":(40|50|60)/.test(line) &&
            (options.env.LOG_LEVEL === 'debug' || /"level":(50|60)/.test(line))
          )
            console.error(`[${this.name} ${this.child.pid}] ${line}`);
          const port = /"port":(\d+)/.exec(line)?.[1];
          if (port !== undefined) resolve(Number(port));
        }
      };
      this.child.stderr?.on('data', read);
      this.child.stdout?.on('data', read);
      this.child.once('exit', (code, signal) =>
        reject(new Error(`${this.name} ended (${code ?? signal}): ${this.lines.slice(-5).join('\n')}`)),
      );
    });
    this.port.catch(() => undefined); // asked by ready()
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error(`${this.name} did not start`);
    return this.child.pid;
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Resolves when /readyz says so. */
  async ready(timeoutMs = READY_TIMEOUT_MS): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    const port = await this.port;
    for (let last = ''; ;) {
      try {
        const response = await fetch(`http://127.0.0.1:${port}/readyz`);
        last = await response.text();
        if (response.ok) return;
      } catch (error) {
        last = String(error);
      }
      if (Date.now() > deadline || !this.running)
        throw new Error(`${this.name} is not ready: ${last}\n${this.lines.slice(-20).join('\n')}`);
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  }

  async metrics(): Promise<string> {
    return (await fetch(`http://127.0.0.1:${await this.port}/metrics`)).text();
  }

  freeze(): void {
    process.kill(this.pid, 'SIGSTOP');
  }

  thaw(): void {
    if (this.running) process.kill(this.pid, 'SIGCONT');
  }

  /** Sends the signal and waits for the end. Answers the exit code, or null after a signal. */
  async kill(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (!this.running) return this.child.exitCode;
    const exit = once(this.child, 'exit') as Promise<[number | null]>;
    process.kill(this.pid, signal);
    return (await exit)[0];
  }

  /** Resolves when it has ended by itself. */
  async ended(): Promise<void> {
    if (this.running) await once(this.child, 'exit');
  }
}
