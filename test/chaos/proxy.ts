/**
 * The network between one process and one server: a TCP proxy on loopback that can be cut and slowed down.
 *
 * A cut loses nothing by itself, as in a real network: what was sent into it waits, and arrives when the way is open again
 * (so a statement may take effect long after its sender gave up), unless the connections are reset at its end.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

export class Proxy {
  /** What clients connect to, on 127.0.0.1. */
  readonly port: number;
  /** Port of the server behind it, on 127.0.0.1; unknown while it is not chosen. */
  targetPort: number | undefined;
  private readonly server: Server;
  private readonly pairs = new Set<Socket>();
  private opened: PromiseWithResolvers<void> | undefined;
  private delayMs = 0;

  private constructor(server: Server) {
    this.server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (client) => void this.join(client));
  }

  static async open(): Promise<Proxy> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Proxy(server);
  }

  /** Nothing passes, in either direction. */
  cut(): void {
    this.opened ??= Promise.withResolvers();
  }

  /** Whatever passes takes so much longer, piece by piece. */
  slow(delayMs: number): void {
    this.delayMs = delayMs;
  }

  /** @param isReset connections that were there are lost, with all that was on its way */
  heal(isReset = false): void {
    this.delayMs = 0;
    if (isReset) for (const socket of this.pairs) socket.destroy();
    this.opened?.resolve();
    this.opened = undefined;
  }

  async close(): Promise<void> {
    this.heal(true);
    this.server.close();
    await once(this.server, 'close');
  }

  private async join(client: Socket): Promise<void> {
    this.keep(client);
    await this.passage();
    if (client.destroyed || this.targetPort === undefined) return void client.destroy();
    const server = connect({ host: '127.0.0.1', port: this.targetPort, allowHalfOpen: true, noDelay: true });
    this.keep(server);
    this.pass(client, server);
    this.pass(server, client);
  }

  private keep(socket: Socket): void {
    this.pairs.add(socket);
    socket.on('error', () => undefined); // its close says the same
    socket.on('close', () => this.pairs.delete(socket));
  }

  /** What one side sends, and that it is gone, reaches the other when the way is open. */
  private pass(from: Socket, to: Socket): void {
    const way = new Transform({
      transform: (chunk: Buffer, _encoding, done) => this.whenOpen(() => done(null, chunk)),
      flush: (done) => this.whenOpen(() => done()),
    });
    from.pipe(way).pipe(to);
    from.on('close', () => way.end());
    to.on('close', () => way.destroy());
    way.on('finish', () => from.destroyed && this.whenOpen(() => to.destroySoon()));
  }

  private whenOpen(then: () => void): void {
    if (this.opened === undefined && this.delayMs === 0) then();
    else void this.passage().then(then);
  }

  private async passage(): Promise<void> {
    if (this.delayMs > 0) await sleep(this.delayMs);
    while (this.opened !== undefined) await this.opened.promise;
  }
}
