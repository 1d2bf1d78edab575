/** Kafka's own command-line programs, as people run them: what a reader or writer without kafkajs sees. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { requireJdk } from '../../../infra/embedded/jdk.ts';
import { defaultCacheDir, resolveKafkaJars } from '../../../infra/embedded/maven.ts';

const MIN_JAVA = 17;

/** @param mainClass such as `org.apache.kafka.tools.ConsoleProducer` */
export async function consoleTool(mainClass: string, args: readonly string[]): Promise<ChildProcessWithoutNullStreams> {
  const jars = await resolveKafkaJars(defaultCacheDir(process.env), process.env, () => undefined);
  const { javaBin } = await requireJdk(MIN_JAVA, mainClass, process.env);
  const classPath = readdirSync(jars)
    .map((jar) => join(jars, jar))
    .join(':');
  const child = spawn(javaBin, ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-cp', classPath, mainClass, ...args]);
  child.stderr.pipe(process.stderr);
  return child;
}
