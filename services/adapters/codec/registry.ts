/** The schema registry (Confluent's API): one place that talks to it. */
import { SchemaRegistry, SchemaType, COMPATIBILITY } from '@kafkajs/confluent-schema-registry';
import { readFileSync } from 'node:fs';
import { BelfryError, messageOf } from '../../core/errors.ts';
import type { Topics } from '../../core/topics.ts';
import { packageFile } from '../package-file.ts';

export type RegistrySettings = { url: string; username?: string | undefined; password?: string | undefined };

/** What avsc makes of a schema. */
export type AvroType = { toBuffer(value: object): Buffer; fromBuffer(bytes: Buffer): unknown };

/** Public subjects and the schema of each: readers and writers of every version must understand each other. */
export function subjectsOf(topics: Topics): Record<'command' | 'run-outcome' | 'dead-run' | 'command-ack', string> {
  return {
    command: `${topics.commands}-value`,
    'run-outcome': `${topics.completed}-value`,
    'dead-run': `${topics.dlq}-value`,
    'command-ack': `${topics.acks}-value`,
  };
}

export function schemaText(name: string): string {
  return readFileSync(packageFile(`schemas/${name}.avsc`), 'utf8');
}

export class Registry {
  private readonly client: SchemaRegistry;
  private readonly settings: RegistrySettings;

  constructor(settings: RegistrySettings) {
    this.settings = settings;
    const auth =
      settings.username === undefined
        ? {}
        : { auth: { username: settings.username, password: settings.password ?? '' } };
    this.client = new SchemaRegistry({
      host: settings.url,
      ...auth,
      retry: { retries: 3, initialRetryTimeInSecs: 0.2, maxRetryTimeInSecs: 1 },
    });
  }

  /**
   * Registers the public schemas with FULL_TRANSITIVE compatibility. Called by migrations alone, one at a time: two first
   * registrations of a subject at once refuse each other. The client cannot set a compatibility later, so that goes by hand.
   */
  async register(topics: Topics): Promise<void> {
    for (const [name, subject] of Object.entries(subjectsOf(topics))) {
      await this.guard(`registering ${subject}`, async () => {
        await this.configure(subject);
        await this.client.register(
          { type: SchemaType.AVRO, schema: schemaText(name) },
          { subject, compatibility: COMPATIBILITY.FULL_TRANSITIVE, updateConfig: false },
        );
      });
    }
  }

  /** The registered id and type of one of our own schemas. @throws BelfryError `registry_unavailable`, `schema_missing` */
  async own(name: string, subject: string): Promise<{ id: number; type: AvroType }> {
    const id = await this.guard(`looking up ${subject}`, () =>
      this.client.getRegistryIdBySchema(subject, { type: SchemaType.AVRO, schema: schemaText(name) }),
    );
    return { id, type: (await this.byId(id)) as AvroType };
  }

  /** The type a writer used. Cached by id for ever: ids never change their meaning. */
  async byId(id: number): Promise<AvroType> {
    return this.guard(`reading schema ${id}`, async () => (await this.client.getSchema(id)) as AvroType);
  }

  private async configure(subject: string): Promise<void> {
    const { url, username, password } = this.settings;
    const headers: Record<string, string> = { 'content-type': 'application/vnd.schemaregistry.v1+json' };
    if (username !== undefined)
      headers.authorization = `Basic ${Buffer.from(`${username}:${password ?? ''}`).toString('base64')}`;
    const response = await fetch(`${url.replace(/\/$/, '')}/config/${encodeURIComponent(subject)}`, {
      method: 'PUT',
      headers,
      body: JSON.stringify({ compatibility: 'FULL_TRANSITIVE' }),
      signal: AbortSignal.timeout(10_000),
    });
    // A registry that keeps rules by subject knows none before its first version: registering then sets it.
    if (!response.ok && response.status !== 404)
      throw new BelfryError(
        'registry_refused',
        `The schema registry answered ${response.status} to the compatibility of ${subject}.`,
      );
  }

  private async guard<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      if (cause instanceof BelfryError) throw cause;
      const status = (cause as { status?: number }).status;
      if (status === 404)
        throw new BelfryError(
          'schema_missing',
          `The schema registry does not know this (${doing}): run "belfry migrate".`,
          { cause },
        );
      if (status !== undefined && status < 500)
        throw new BelfryError('registry_refused', `The schema registry refused (${doing}): ${messageOf(cause)}`, {
          cause,
        });
      throw new BelfryError(
        'registry_unavailable',
        `The schema registry cannot be reached (${doing}): ${messageOf(cause)}`,
        { retryable: true, cause },
      );
    }
  }
}
