/** All checks, each by itself: what one cannot reach, it says, and the others go on. */
import { messageOf } from '../../core/errors.ts';
import { queuesOf } from '../../core/topic-specs.ts';
import { topicsOf } from '../../core/topics.ts';
import { requireServers } from '../../runtime/config.ts';
import type { CliDeps } from '../deps.ts';
import { clockFinding, databaseFindings } from './database-checks.ts';
import { ok, problem, warning, type Finding } from './finding.ts';
import { executorLagFindings, timerLagFindings, topicFindings } from './kafka-checks.ts';

const CLOCK_SAMPLES = 5;
const EMBEDDED_KAFKA_JAVA = 17;

export async function examine(deps: CliDeps): Promise<Finding[]> {
  const config = deps.config();
  requireServers(config, { kafka: true, database: true });
  const { topicPrefix, historyMs } = config;
  const topics = topicsOf(topicPrefix);
  const findings: Finding[] = [];
  const check = async <T>(subject: string, advice: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      findings.push(problem(subject, messageOf(error), advice));
      return undefined;
    }
  };

  const brokers = await check('Kafka', 'check KAFKA_BROKERS', () => deps.topicAdmin().brokerCount());
  if (brokers !== undefined) findings.push(ok('Kafka', `${brokers} ${brokers === 1 ? 'broker' : 'brokers'}`));
  const inspect = deps.store();
  const state = await check('database', 'check DATABASE_URL and BELFRY_DB_SCHEMA', async () => {
    const offsetMs = await clockOffset(deps);
    findings.push(clockFinding(offsetMs));
    const system = await inspect.system();
    findings.push(...databaseFindings(system, await deps.shippedSchemaVersion(), deps.machineNow() + offsetMs));
    return system;
  });
  if (brokers !== undefined && state !== undefined) {
    const queues = queuesOf(topics, state.topics);
    const add = (subject: string, work: () => Promise<Finding[]>) =>
      check(subject, 'run belfry migrate', async () => findings.push(...(await work())));
    await add('topics', () => topicFindings(deps.topicAdmin(), topics, state, historyMs));
    await add('lag of the timers', () => timerLagFindings(deps.broker(), topics, state));
    await add('lag of the executors', () => executorLagFindings(deps.broker(), topics, topicPrefix, queues));
  }
  findings.push(javaFinding(await deps.javaVersion()));
  return findings;
}

/** The database's clock − this machine's, ms. Of several samples the largest is the one that travelled the least. */
async function clockOffset(deps: CliDeps): Promise<number> {
  let best = -Infinity;
  for (let sample = 0; sample < CLOCK_SAMPLES; sample += 1) {
    const answer = await deps.store().databaseNow();
    best = Math.max(best, answer - deps.machineNow());
  }
  return best;
}

function javaFinding(version: number | undefined): Finding {
  if (version !== undefined) return ok('Java', `${version}, for belfry dev`);
  return warning(
    'Java',
    `none of version ${EMBEDDED_KAFKA_JAVA} or newer`,
    'only belfry dev without KAFKA_BROKERS needs one',
  );
}
