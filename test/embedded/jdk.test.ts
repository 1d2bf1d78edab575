import assert from 'node:assert/strict';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { findJdk, requireJdk } from '../../infra/embedded/jdk.ts';
import { temporaryFolder } from './fixtures.ts';

async function fakeJdk(home: string, version: string): Promise<string> {
  await mkdir(join(home, 'bin'), { recursive: true });
  await writeFile(join(home, 'release'), `IMPLEMENTOR="Test"\nJAVA_VERSION="${version}"\n`);
  await writeFile(join(home, 'bin', 'java'), '');
  await chmod(join(home, 'bin', 'java'), 0o755);
  return join(home, 'bin', 'java');
}

void test('JAVA_HOME is taken before PATH when it is new enough, and passed over when it is not', async () => {
  await using folder = await temporaryFolder();
  const old = join(folder.path, 'old');
  const recent = join(folder.path, 'recent');
  const oldJava = await fakeJdk(old, '1.8.0_392');
  const recentJava = await fakeJdk(recent, '90.0.1');
  const env = { HOME: folder.path, JAVA_HOME: old, PATH: join(recent, 'bin') };

  assert.deepEqual(await findJdk(8, env), { javaBin: oldJava, version: 8 });
  assert.deepEqual(await findJdk(90, env), { javaBin: recentJava, version: 90 });
});

void test('a JDK in a usual folder is found without JAVA_HOME and PATH, the lowest one that satisfies', async () => {
  await using folder = await temporaryFolder();
  await fakeJdk(join(folder.path, '.jdks', 'a'), '93');
  const java = await fakeJdk(join(folder.path, '.jdks', 'b'), '91.0.2');
  await fakeJdk(join(folder.path, '.sdkman/candidates/java', 'c'), '92');

  assert.deepEqual(await findJdk(90, { HOME: folder.path, PATH: '' }), { javaBin: java, version: 91 });
});

void test('where no JDK is new enough, the error says which version is needed, by what, and what to do', async () => {
  await using folder = await temporaryFolder();
  const env = { HOME: folder.path, PATH: '' };

  assert.equal(await findJdk(99, env), undefined);
  await assert.rejects(requireJdk(99, 'The embedded Kafka', env), {
    name: 'BelfryError',
    code: 'jdk_missing',
    message: /^The embedded Kafka needs Java 99 or newer.*Install a JDK.*JAVA_HOME/,
  });
});
