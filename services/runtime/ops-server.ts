/** What operators ask a service over HTTP: alive? ready? metrics. */
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { BelfryError } from '../core/errors.ts';

export type Readiness = { ok: boolean; reasons: string[] };
export type OpsServer = { port: number; close(): Promise<void> };

export type HttpServerOptions = {
  /** 0 takes a free one. */
  port: number;
  /** The address to listen at; undefined: all. */
  host?: string | undefined;
  /** How long requests under way may go on after `close`; undefined: not at all. */
  grace?: (signal: AbortSignal) => Promise<void>;
  /** The variable that sets the port. */
  variable?: string;
};
export type OpsOptions = {
  registry: Registry;
  ready: () => Readiness;
  /** Takes every other request. */
  others?: RequestListener;
};

/**
 * Serves `/healthz` (the process answers), `/readyz` (200, or 503 with the reasons) and `/metrics`.
 * @throws BelfryError `port_taken`, `port_unusable`
 */
export function startOpsServer(options: HttpServerOptions & OpsOptions): Promise<OpsServer> {
  return startHttpServer(options, opsListener(options));
}

/**
 * Whoever sends slowly holds a connection, and what the API keeps for its body: no longer than an honest client needs. One that nobody uses stays
 * longer than balancers and clients keep it (usually a minute): else these send a request into a connection that is being closed
 * here, and it is lost.
 */
const LIMITS = {
  headersTimeout: 10_000,
  requestTimeout: 60_000,
  connectionsCheckingInterval: 5_000,
  keepAliveTimeout: 75_000,
};
/** Beyond, connections are closed at once: each costs a file of the process. */
const MAX_CONNECTIONS = 10_000;

/** @throws BelfryError `port_taken`, `port_unusable` */
export async function startHttpServer(options: HttpServerOptions, listener: RequestListener): Promise<OpsServer> {
  const server = createServer(LIMITS, listener);
  server.maxConnections = MAX_CONNECTIONS;
  await listen(server, options);
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

function opsListener({ registry, ready, others = notFound }: OpsOptions): RequestListener {
  return (request, response) => {
    const path = (request.url ?? '/').split('?')[0];
    if (path === '/healthz') return void response.writeHead(200, { 'content-type': 'text/plain' }).end('ok\n');
    if (path === '/readyz') {
      const readiness = ready();
      return void response
        .writeHead(readiness.ok ? 200 : 503, { 'content-type': 'application/json' })
        .end(`${JSON.stringify(readiness)}\n`);
    }
    if (path === '/metrics') {
      registry.metrics().then(
        (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
        (error: unknown) => response.writeHead(500).end(String(error)),
      );
      return;
    }
    others(request, response);
  };
}

const notFound: RequestListener = (_request, response) => {
  response.writeHead(404, { 'content-type': 'text/plain' }).end('Here are /healthz, /readyz and /metrics.\n');
};

function listen(server: Server, { port, host, variable = 'PORT' }: HttpServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const message =
        cause.code === 'EADDRINUSE'
          ? `Port ${port} is taken. Set ${variable} to another one, or to 0 for any free one.`
          : cause.message;
      reject(new BelfryError(cause.code === 'EADDRINUSE' ? 'port_taken' : 'port_unusable', message, { cause }));
    });
    server.listen({ port, host }, () => resolve());
  });
}
