/** Starts a server that does nothing, prints its pid as one line of JSON, and holds it until it is killed. */
import { createServer } from '../../infra/embedded/server.ts';

const [dir] = process.argv.slice(2) as [string];
const server = createServer({
  name: 'Idle server',
  dir,
  command: [process.execPath, '-e', 'setInterval(() => {}, 1000)'],
  stopSignal: 'SIGTERM',
  stopWithinMs: 1_000,
  readyWithinMs: 1_000,
  isReady: () => Promise.resolve(true),
  log: console.error,
});
await server.start();
console.log(JSON.stringify({ pid: server.pid }));
