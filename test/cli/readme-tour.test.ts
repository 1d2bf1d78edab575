/** The README's tour, as it stands there: every block runs against a real deployment and prints what the README says. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { requireJdk } from '../../infra/embedded/jdk.ts';
import { defaultCacheDir, resolveKafkaJars } from '../../infra/embedded/maven.ts';
import { TestDeployment } from '../integration/support/deployment.ts';

const root = join(import.meta.dirname, '../..');
const HANDLERS = 'export const handlers = { greet: ({ payload }) => ({ greeting: `Hello, ${payload.name}!` }) };\n';
const TOOLS = {
  'kafka-console-producer.sh': 'org.apache.kafka.tools.ConsoleProducer',
  'kafka-console-consumer.sh': 'org.apache.kafka.tools.consumer.ConsoleConsumer',
};

type Step = { language: 'sh' | 'ts'; code: string; prints: string };

const steps = stepsOf(readFileSync(join(root, 'README.md'), 'utf8'));

describe("the README's tour", { timeout: 180_000 }, () => {
  let belfry: TestDeployment;
  let folder: string;
  let env: Record<string, string>;
  let adapted: (code: string) => string;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'belfry-tour-'));
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
    writeFileSync(join(folder, 'handlers.mjs'), HANDLERS);
    belfry = await TestDeployment.create();
    const KEY = await belfry.key(['admin']);
    const [api] = await Promise.all([
      belfry.api(),
      belfry.timer(),
      belfry.start(['executor', '--handlers', join(folder, 'handlers.mjs')], {}),
    ]);
    await installTools(folder);
    env = { PATH: `${folder}:${process.env.PATH ?? ''}`, KEY };
    const { KAFKA_BROKERS: brokers = '', BELFRY_TOPIC_PREFIX: prefix = '' } = belfry.env;
    const port = await api.port;
    // The tour is of a deployment at the usual places; this one is elsewhere.
    adapted = (code) =>
      code
        .replaceAll('localhost:9092', brokers)
        .replaceAll('http://127.0.0.1:8080', `http://127.0.0.1:${port}`)
        .replaceAll(/\bjob\.(?=commands|completed)/g, `${prefix}job.`)
        .replaceAll("groupId: 'tour'", `groupId: '${prefix}tour'`)
        .replaceAll("brokers: ['", `topicPrefix: '${prefix}', brokers: ['`)
        .replaceAll("from 'belfry'", `from '${join(root, 'services/client/main.ts')}'`);
  });
  after(async () => {
    await belfry.destroy();
    rmSync(folder, { recursive: true, force: true });
  });

  it('shows all three ways', () => {
    const ways = ['kafka-console-producer.sh', "from 'kafkajs'", 'curl ', "from 'belfry'"];
    assert.deepEqual(
      ways.map((way) => steps.filter(({ code }) => code.includes(way)).length),
      [1, 1, 2, 1],
    );
  });

  for (const { language, code, prints } of steps) {
    it(`${code.split('\n')[0]?.slice(0, 60)} … prints what stands there`, async () => {
      writeFileSync(join(folder, `step.${language}`), adapted(code));
      const program = language === 'sh' ? ['bash', '-eu', 'step.sh'] : [process.execPath, 'step.ts'];
      const child = spawn(program[0]!, program.slice(1), { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
      const late = setTimeout(() => child.kill('SIGKILL'), 60_000);
      const [stdout, stderr, [exitCode]] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        once(child, 'close') as Promise<[number | null]>,
      ]);
      clearTimeout(late);
      assert.equal(stdout, prints, stderr);
      assert.equal(exitCode, 0, stderr);
    });
  }
});

/** Every block of code of the section with the block behind it, which says what it prints. */
function stepsOf(readme: string): Step[] {
  const section = readme.split('\n## One job, three ways\n')[1]?.split('\n## ')[0] ?? '';
  const blocks = [...section.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language, code]) => ({
    language,
    code: code!,
  }));
  return blocks.flatMap(({ language, code }, index) => {
    if (language === '') return [];
    const next = blocks[index + 1];
    assert.ok(language === 'sh' || language === 'ts', `a block of the tour is ${language}: who runs it?`);
    assert.equal(next?.language, '', `what this prints must stand behind it:\n${code}`);
    return [{ language, code, prints: next.code }];
  });
}

/** Kafka's own programs under their own names. */
async function installTools(folder: string): Promise<void> {
  const jars = await resolveKafkaJars(defaultCacheDir(process.env), process.env, () => undefined);
  const { javaBin } = await requireJdk(17, 'the console tools', process.env);
  const classPath = readdirSync(jars).map((jar) => join(jars, jar));
  for (const [name, main] of Object.entries(TOOLS)) {
    const program = `#!/bin/sh\nexec '${javaBin}' -Xmx256m -XX:TieredStopAtLevel=1 -cp '${classPath.join(':')}' ${main} "$@"\n`;
    writeFileSync(join(folder, name), program);
    chmodSync(join(folder, name), 0o755);
  }
}
