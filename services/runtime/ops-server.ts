/** What operators ask a service over HTTP: alive? ready? metrics. */
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { BelfryError } from '../core/errors.ts';

export type Readiness = { ok: boolean; reasons: string[] };
export type OpsServer = { port: number; close(): Promise<void> };

/**
 * Serves `/healthz` (the process answers), `/readyz` (200, or 503 with the reasons) and `/metrics`.
 * @param port 0 takes a free one
 * @param host the address to listen at; undefined: all
 * @param others takes every other request
 * @param grace how long requests under way may go on after `close`; undefined: not at all
 * @throws BelfryError `port_taken`, `port_unusable`
 */
export async function startOpsServer(options: {
  port: number;
  host?: string | undefined;
  registry: Registry;
  ready: () => Readiness;
  others?: RequestListener;
  grace?: (signal: AbortSignal) => Promise<void>;
}): Promise<OpsServer> {
  const others = options.others ?? notFound;
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?')[0];
    if (path === '/healthz') return void response.writeHead(200, { 'content-type': 'text/plain' }).end('ok\n');
    if (path === '/readyz') {
      const readiness = options.ready();
      return void response
        .writeHead(readiness.ok ? 200 : 503, { 'content-type': 'application/json' })
        .end(`${JSON.stringify(readiness)}\n`);
    }
    if (path === '/metrics') {
      options.registry.metrics().then(
        (text) => response.writeHead(200, { 'content-type': options.registry.contentType }).end(text),
        (error: unknown) => response.writeHead(500).end(String(error)),
      );
      return;
    }
    others(request, response);
  });
  await listen(server, options.port, options.host);
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const ended = new AbortController();
      await Promise.race([closed, options.grace?.(ended.signal)]);
      ended.abort();
      server.closeAllConnections();
      await closed;
    },
  };
}

const notFound: RequestListener = (_request, response) => {
  response.writeHead(404, { 'content-type': 'text/plain' }).end('Here are /healthz, /readyz and /metrics.\n');
};

function listen(server: Server, port: number, host: string | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const message =
        cause.code === 'EADDRINUSE'
          ? `Port ${port} is taken. Set PORT to another one, or to 0 for any free one.`
          : cause.message;
      reject(new BelfryError(cause.code === 'EADDRINUSE' ? 'port_taken' : 'port_unusable', message, { cause }));
    });
    server.listen({ port, host }, () => resolve());
  });
}
