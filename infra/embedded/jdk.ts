import { execFile } from 'node:child_process';
import { readdir, readFile, realpath } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';

import { BelfryError } from '../../services/core/errors.ts';

const run = promisify(execFile);

/** A Java installation: its `java` program and its major version. */
export interface Jdk {
  readonly javaBin: string;
  readonly version: number;
}

/**
 * Finds a Java installation of at least `minVersion`: JAVA_HOME first, then the `java` on PATH, then the lowest version that
 * satisfies in the usual folders (the lowest, because the servers were tested with it the longest).
 */
export async function findJdk(minVersion: number, env: NodeJS.ProcessEnv): Promise<Jdk | undefined> {
  const satisfies = (jdk: Jdk | undefined): jdk is Jdk => jdk !== undefined && jdk.version >= minVersion;

  const javaHome = env['JAVA_HOME'];
  const named = [
    ...(javaHome ? [join(javaHome, 'bin', 'java')] : []),
    ...(env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'java')),
  ];
  for (const javaBin of named) {
    const jdk = await inspect(javaBin);
    if (satisfies(jdk)) return jdk;
  }

  const installed = await Promise.all((await usualPlaces(env)).map(inspect));
  return installed.filter(satisfies).sort((a, b) => a.version - b.version)[0];
}

/**
 * As findJdk, but a missing one is an error that says what to do.
 *
 * @param purpose - what needs it, as the first words of the message
 */
export async function requireJdk(minVersion: number, purpose: string, env: NodeJS.ProcessEnv): Promise<Jdk> {
  const jdk = await findJdk(minVersion, env);
  if (jdk) return jdk;
  throw new BelfryError(
    'jdk_missing',
    `${purpose} needs Java ${minVersion} or newer, and none was found in JAVA_HOME, on PATH or in the usual folders. ` +
      `Install a JDK (for instance Eclipse Temurin ${Math.max(minVersion, 21)}) or set JAVA_HOME to one.`,
  );
}

async function usualPlaces(env: NodeJS.ProcessEnv): Promise<string[]> {
  const home = env['HOME'] || homedir();
  const places = await Promise.all([
    installationsIn('/usr/lib/jvm', 'bin/java'),
    installationsIn('/Library/Java/JavaVirtualMachines', 'Contents/Home/bin/java'),
    installationsIn(join(home, '.sdkman/candidates/java'), 'bin/java'),
    installationsIn(join(home, '.jdks'), 'bin/java'),
  ]);
  return places.flat();
}

async function installationsIn(folder: string, java: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort().map((name) => join(folder, name, java));
  } catch {
    return []; // a usual folder that this machine does not have, or that we may not read, holds no JDK for us
  }
}

/** The installation behind a path to `java`; undefined where there is none that works. */
async function inspect(javaPath: string): Promise<Jdk | undefined> {
  try {
    const javaBin = await realpath(javaPath);
    const version = (await versionInReleaseFile(javaBin)) ?? (await versionThatItTells(javaBin));
    return version === undefined ? undefined : { javaBin, version };
  } catch {
    return undefined; // no such file, or a stub that only offers to install Java
  }
}

async function versionInReleaseFile(javaBin: string): Promise<number | undefined> {
  const release = await readFile(join(dirname(javaBin), '..', 'release'), 'utf8').catch(() => '');
  return majorVersion(/^JAVA_VERSION="([^"]+)"/m.exec(release)?.[1]);
}

async function versionThatItTells(javaBin: string): Promise<number | undefined> {
  const { stderr } = await run(javaBin, ['-version'], { timeout: 10_000 });
  return majorVersion(/version "([^"]+)"/.exec(stderr)?.[1]);
}

/** 17 of "17.0.15", 8 of "1.8.0_392". */
function majorVersion(version: string | undefined): number | undefined {
  const major = /^(?:1\.)?(\d+)/.exec(version ?? '')?.[1];
  return major === undefined ? undefined : Number(major);
}
