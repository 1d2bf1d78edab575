import assert from 'node:assert/strict';
import { chmod, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { resolveKafkaJars } from '../../infra/embedded/maven.ts';
import { temporaryFolder } from './fixtures.ts';

const quiet = () => undefined;

/** An `mvn` that puts one jar into the output directory, slowly enough for a second call to overlap, or fails halfway. */
async function fakeMaven(folder: string, ending: 'exit 0' | 'exit 1'): Promise<NodeJS.ProcessEnv> {
  const script = `#!/bin/sh
for argument; do case $argument in -DoutputDirectory=*) directory=\${argument#*=} ;; esac; done
echo call >>'${folder}/calls'
/bin/sleep 0.3
echo jar >"$directory/kafka.jar"
echo 'no such artifact'
${ending}
`;
  await writeFile(join(folder, 'mvn'), script);
  await chmod(join(folder, 'mvn'), 0o755);
  return { ...process.env, PATH: folder };
}

void test('two first starts at once both get the complete jars, and a later start needs no Maven', async () => {
  await using folder = await temporaryFolder();
  const cache = join(folder.path, 'cache');
  const env = await fakeMaven(folder.path, 'exit 0');

  const [one, other] = await Promise.all([resolveKafkaJars(cache, env, quiet), resolveKafkaJars(cache, env, quiet)]);
  assert.equal(one, other);
  assert.deepEqual(await readdir(one), ['kafka.jar']);
  assert.deepEqual(await readdir(cache), [one.slice(cache.length + 1)], 'nothing unfinished is left');

  assert.equal(await resolveKafkaJars(cache, { ...env, PATH: '' }, quiet), one);
});

void test('a download that fails halfway is reported with what Maven said and never used', async () => {
  await using folder = await temporaryFolder();
  const cache = join(folder.path, 'cache');
  const env = await fakeMaven(folder.path, 'exit 1');

  await assert.rejects(resolveKafkaJars(cache, env, quiet), { code: 'download_failed', message: /no such artifact/ });
  assert.deepEqual(await readdir(cache), []);
});

void test('without Maven the first start says what to install and what to set instead', async () => {
  await using folder = await temporaryFolder();
  const env = { ...process.env, PATH: folder.path };

  await assert.rejects(resolveKafkaJars(join(folder.path, 'cache'), env, quiet), {
    code: 'maven_missing',
    message: /Install Maven.*KAFKA_BROKERS/,
  });
});
