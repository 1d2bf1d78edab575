/** Starts a stack on the given folder, prints what it started as one line of JSON, and holds it until it is killed. */
import { startStack } from '../../infra/embedded/stack.ts';

const [dataDir] = process.argv.slice(2) as [string];
const { kafkaBrokers, databaseUrl, embedded } = await startStack({ dataDir });
console.log(
  JSON.stringify({ kafkaBrokers, databaseUrl, pids: [...(embedded.kafka?.pids ?? []), embedded.postgres?.pid] }),
);
