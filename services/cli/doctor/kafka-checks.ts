/** What Kafka tells of a deployment's health. */
import type { Broker } from '../../core/ports/broker.ts';
import type { SystemState } from '../../core/ports/inspect.ts';
import type { TopicAdmin } from '../../core/ports/topic-admin.ts';
import { PRIORITIES } from '../../core/model.ts';
import { driftOf, migratedSettings, queuesOf, topicSpecs } from '../../core/topic-specs.ts';
import { INTAKES, type Topics } from '../../core/topics.ts';
import { ok, problem, warning, type Finding } from './finding.ts';

const LARGE_LAG = 10_000n;

/** Topics as a migration would make them. */
export async function topicFindings(
  admin: TopicAdmin,
  topics: Topics,
  state: SystemState,
  historyMs: number,
): Promise<Finding[]> {
  const brokers = await admin.brokerCount();
  const { partitions } = state;
  const specs = topicSpecs({ topics, partitions, queues: queuesOf(topics, state.topics), brokers, historyMs });
  const found = new Map(
    (await admin.describeTopics(specs.map(({ topic }) => topic))).map((each) => [each.topic, each]),
  );
  const findings = specs.flatMap((spec): Finding[] => {
    const actual = found.get(spec.topic);
    if (actual === undefined) return [problem('topic', `${spec.topic} is missing`, 'run belfry migrate')];
    const differences = driftOf(spec, actual);
    const migrated = migratedSettings(differences);
    const drifts = differences.map(({ setting, expected, actual: value }) => {
      const text = `${spec.topic}: ${setting} is ${value || 'not set'}, expected ${expected}`;
      if (setting === 'partitions')
        return problem('topic', text, 'the topic was made by something else: see belfry migrate');
      if (Object.hasOwn(migrated, setting)) return warning('topic', text, 'run belfry migrate');
      return warning('topic', text, 'set it with kafka-configs.sh, unless it is meant so');
    });
    const isFixed =
      !state.topics.includes(spec.topic) ||
      spec.topic.startsWith(topics.due('default', 'high').slice(0, -'high'.length));
    if (actual.partitions > spec.partitions && !isFixed) {
      const text = `${spec.topic} has ${actual.partitions} partitions, more than the ${partitions} of this deployment`;
      drifts.push(
        warning('topic', text, 'records beyond are forwarded, which costs time; senders should use murmur2(key)'),
      );
    }
    return drifts;
  });
  return findings.length > 0 ? findings : [ok('topics', `${specs.length}, as a migration makes them`)];
}

/** How far the timers are behind, and whether what they stored still stands on the log. */
export async function timerLagFindings(broker: Broker, topics: Topics, state: SystemState): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const intake of INTAKES) {
    const range = await broker.logRange(topics[intake]);
    let lag = 0n;
    const outside: number[] = [];
    for (const { partition, offsets } of state.owners) {
      const log = range.get(partition);
      if (log === undefined) continue;
      if (offsets[intake] > log.end || offsets[intake] < log.first) outside.push(partition);
      else lag += log.end - offsets[intake];
    }
    const subject = `lag of ${topics[intake]}`;
    if (outside.length > 0) {
      const text = `the stored position of partitions ${outside.join(', ')} is outside the log`;
      findings.push(
        problem(subject, text, 'records were lost, or the topic was made anew: /readyz of the timer says what to do'),
      );
    } else findings.push(lagFinding(subject, lag, 'start more timer services'));
  }
  return findings;
}

/** How many due records no executor has taken or finished. */
export async function executorLagFindings(
  broker: Broker,
  topics: Topics,
  prefix: string,
  queues: readonly string[],
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const queue of ['default', ...queues]) {
    for (const priority of PRIORITIES) {
      const topic = topics.due(queue, priority);
      const groupId = `${prefix}belfry-executor-${queue}-${priority}`;
      let lag = 0n;
      for (const [partition, log] of await broker.logRange(topic)) {
        lag += log.end - ((await broker.committed(groupId, { topic, partition })) ?? log.first);
      }
      findings.push(lagFinding(`lag of ${topic}`, lag, `start more executors of the queue ${queue}`));
    }
  }
  return findings;
}

function lagFinding(subject: string, lag: bigint, advice: string): Finding {
  return lag < LARGE_LAG ? ok(subject, String(lag)) : warning(subject, String(lag), advice);
}
