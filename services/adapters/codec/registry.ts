/** The schema registry (Confluent's API): one place that talks to it. */
import type { COMPATIBILITY, SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import { readFileSync } from 'node:fs';
import { BelfryError, messageOf } from '../../core/errors.ts';
import { OpenOnce } from '../../core/open-once.ts';
import type { Topics } from '../../core/topics.ts';
import { packageFile } from '../package-file.ts';

export type RegistrySettings = { url: string; username?: string | undefined; password?: string | undefined };

/** What avsc makes of a schema. */
export type AvroType = {
  toBuffer(value: object): Buffer;
  fromBuffer(bytes: Buffer): unknown;
  isValid(value: object, options: { noUndeclaredFields: boolean; errorHook: AvroErrorHook }): boolean;
};
type AvroErrorHook = (path: string[], part: unknown, type: { fields?: { name: string }[] }) => void;

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

const ANSWER_TIMEOUT_MS = 5_000;
/** Answers about the schema itself; all others are about the connection, and may be better next time. */
const DEFINITE = new Set([404, 409, 422]);

type Access = { client: SchemaRegistry; SchemaType: typeof SchemaType; COMPATIBILITY: typeof COMPATIBILITY };

/** Its library is loaded at the first use: it is a fifth of what a process loads to start, and most deployments have no registry. */
export class Registry {
  private readonly settings: RegistrySettings;
  private readonly access = new OpenOnce(() => this.open());

  constructor(settings: RegistrySettings) {
    this.settings = settings;
  }

  /**
   * Registers the public schemas with FULL_TRANSITIVE compatibility. Called by migrations alone, one at a time: two first
   * registrations of a subject at once refuse each other. The client cannot set a compatibility later, so that goes by hand.
   * @throws BelfryError `registry_unavailable`, `registry_refused` (a schema there is incompatible with ours)
   */
  async register(topics: Topics): Promise<void> {
    for (const [name, subject] of Object.entries(subjectsOf(topics))) {
      await this.guard(`registering ${subject}`, async ({ client, SchemaType, COMPATIBILITY }) => {
        await this.configure(subject, COMPATIBILITY.FULL_TRANSITIVE);
        await client.register(
          { type: SchemaType.AVRO, schema: schemaText(name) },
          { subject, compatibility: COMPATIBILITY.FULL_TRANSITIVE, updateConfig: false },
        );
      });
    }
  }

  /** The registered id and type of one of our own schemas. @throws BelfryError `registry_unavailable`, `schema_missing` */
  async own(name: string, subject: string): Promise<{ id: number; type: AvroType }> {
    const id = await this.guard(`looking up ${subject}`, ({ client, SchemaType }) =>
      client.getRegistryIdBySchema(subject, { type: SchemaType.AVRO, schema: schemaText(name) }),
    );
    return { id, type: await this.byId(id) };
  }

  /** The type a writer used. Cached by id for ever: ids never change their meaning. */
  async byId(id: number): Promise<AvroType> {
    return this.guard(`reading schema ${id}`, async ({ client }) => await client.getSchema(id));
  }

  private async configure(subject: string, compatibility: string): Promise<void> {
    const { url, username, password } = this.settings;
    const headers: Record<string, string> = { 'content-type': 'application/vnd.schemaregistry.v1+json' };
    if (username !== undefined)
      headers.authorization = `Basic ${Buffer.from(`${username}:${password ?? ''}`).toString('base64')}`;
    const { status } = await fetch(`${url.replace(/\/$/, '')}/config/${encodeURIComponent(subject)}`, {
      method: 'PUT',
      headers,
      body: JSON.stringify({ compatibility }),
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
    if (status >= 400) throw Object.assign(new Error(`status ${status} to its compatibility`), { status });
  }

  private async open(): Promise<Access> {
    const { SchemaRegistry: Client, SchemaType, COMPATIBILITY } = await import('@kafkajs/confluent-schema-registry');
    const { url: host, username, password } = this.settings;
    const client = new Client({
      host,
      ...(username !== undefined && { auth: { username, password: password ?? '' } }),
      retry: { retries: 3, initialRetryTimeInSecs: 0.2, maxRetryTimeInSecs: 1 },
      // It has no timeout of its own.
      middlewares: [() => ({ prepareRequest: async (next) => (await next()).enhance({ timeout: ANSWER_TIMEOUT_MS }) })],
    });
    return { client, SchemaType, COMPATIBILITY };
  }

  private async guard<T>(doing: string, work: (access: Access) => Promise<T>): Promise<T> {
    try {
      return await work(await this.access.get());
    } catch (cause) {
      throw classified(doing, cause);
    }
  }
}

/**
 * The client reports a connection that failed as status 400, and the 404 of a look-up as an error without a status; other
 * errors without one are about a schema that it cannot read.
 */
function classified(doing: string, cause: unknown): BelfryError {
  const { status, name } = cause as { status?: number; name?: string };
  const told = `${doing}: ${messageOf(cause)}`;
  if (status === 404 || name === 'ConfluentSchemaRegistryError')
    return new BelfryError(
      'schema_missing',
      `The schema registry does not know this (${doing}): run "belfry migrate".`,
      { cause },
    );
  const ours = cause instanceof TypeError || name === 'TimeoutError'; // of fetch, in configure()
  if (ours || (status !== undefined && !DEFINITE.has(status)))
    return new BelfryError('registry_unavailable', `The schema registry cannot be reached (${told})`, {
      retryable: true,
      cause,
    });
  return new BelfryError('registry_refused', `The schema registry refused (${told})`, { cause });
}
