/**
 * Webhooks of tenants. Times are ms of the store's clock; secrets are sealed (`core/webhook-secret.ts`) before they get here.
 * Implementations: `adapters/postgres`, `adapters/memory`. Errors: BelfryError `store_unavailable` (retryable), `not_migrated`.
 */
import type { TerminalStatus } from '../model.ts';

/** What a webhook hears of. An empty list, and no labels, let everything pass. */
export type WebhookFilter = {
  statuses: readonly TerminalStatus[];
  /** Ids of jobs. */
  jobs: readonly string[];
  handlers: readonly string[];
  /** All of them, on the run. */
  labels: Readonly<Record<string, string>>;
};

export type WebhookFields = WebhookFilter & { url: string; disabled: boolean };
export type Webhook = WebhookFields & { tenant: string; id: string; createdAt: number; updatedAt: number };

/** A webhook that hears of ends of runs. */
export type ListeningWebhook = WebhookFilter & { tenant: string; id: string };

/** Where a delivery goes, and what it is signed with: the present secret first, then a former one as long as it holds. */
export type WebhookTarget = { url: string; disabled: boolean; secrets: readonly string[] };

export interface Webhooks {
  /** By id. */
  list(tenant: string): Promise<Webhook[]>;
  find(tenant: string, id: string): Promise<Webhook | undefined>;
  /** @param most how many the tenant may have @returns undefined when the id is taken, or the tenant has that many */
  create(
    webhook: WebhookFields & { tenant: string; id: string; secret: string },
    most: number,
  ): Promise<Webhook | undefined>;
  /** Sets all fields. @returns undefined when there is no such one */
  replace(tenant: string, id: string, fields: WebhookFields): Promise<Webhook | undefined>;
  /** Another secret; the former one is signed with, too, for `graceMs`. @returns undefined when there is no such one */
  rotate(tenant: string, id: string, secret: string, graceMs: number): Promise<Webhook | undefined>;
  /** @returns whether there was one */
  remove(tenant: string, id: string): Promise<boolean>;
  /** Those of all tenants that are not disabled. */
  listening(): Promise<ListeningWebhook[]>;
  target(tenant: string, id: string): Promise<WebhookTarget | undefined>;
}
