/** Names of jobs and events that are Belfry's own: nobody else makes jobs, or emits events, under them. */
export const OWN = 'belfry.';
const WEBHOOK = `${OWN}webhook.`;

/** The event whose runs are deliveries of webhooks. */
export const OUTCOME_EVENT = `${OWN}outcome`;

export function isOwnName(name: string): boolean {
  return name.startsWith(OWN);
}

/** The job whose runs are the deliveries of a webhook. */
export function webhookJobId(id: string): string {
  return `${WEBHOOK}${id}`;
}

/** The webhook that a job delivers for; undefined: it is no such job. */
export function webhookOfJob(jobId: string): string | undefined {
  return jobId.startsWith(WEBHOOK) ? jobId.slice(WEBHOOK.length) : undefined;
}
