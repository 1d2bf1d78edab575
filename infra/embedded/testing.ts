import { BelfryError } from '../../services/core/errors.ts';

/** The servers that all test files of one run share. */
export interface TestStack {
  readonly kafkaBrokers: string[];
  readonly databaseUrl: string;
  /** Only under `run-with-stack.ts --registry`, and where there is a Java for it. */
  readonly registryUrl: string | undefined;
}

/**
 * The servers that run-with-stack.ts started before the test runner, or those that the environment names. The files share them,
 * so each keeps to topics and a database schema of its own.
 *
 * @throws BelfryError `no_test_stack` outside of run-with-stack.ts
 */
export function sharedTestStack(env: NodeJS.ProcessEnv = process.env): TestStack {
  const { KAFKA_BROKERS: kafkaBrokers, DATABASE_URL: databaseUrl, SCHEMA_REGISTRY_URL: registryUrl } = env;
  if (!kafkaBrokers || !databaseUrl) {
    throw new BelfryError(
      'no_test_stack',
      'This test needs Kafka and PostgreSQL. Run it as: node infra/embedded/run-with-stack.ts -- node --test <files>, ' +
        'or set KAFKA_BROKERS and DATABASE_URL.',
    );
  }
  return { kafkaBrokers: kafkaBrokers.split(','), databaseUrl, registryUrl: registryUrl || undefined };
}
