/** Webhooks as people write them. */
import type { z } from 'zod';
import { TERMINAL_STATUSES } from '../model.ts';
import { secretBytesOf } from '../webhook-secret.ts';
import { duration, flag, listOf, mapOf, name, record, text, word } from './fields.ts';
import { HANDLER, JOB_ID, LABEL_KEY, LABEL_VALUE, WEBHOOK_ID } from './names.ts';
import { httpUrl } from './payload-http.ts';

const MOST_NAMED = 100;
const DAY_MS = 86_400_000;

const SECRET = 'must be whsec_ and 24 to 64 bytes in base64';
/** What came is not shown: it may be a secret with a mistake. */
const secret = text(SECRET, { tooLong: `is no secret; it ${SECRET}` }).refine((it) => secretBytesOf(it) !== undefined, {
  error: `is no secret; it ${SECRET}`,
});

function namesOf(rule: Parameters<typeof name>[0]) {
  return listOf(name(rule), 'names', { max: MOST_NAMED }).default([]);
}

const fields = {
  url: httpUrl,
  statuses: listOf(word(TERMINAL_STATUSES), 'statuses', {
    ...{ min: 1, max: MOST_NAMED, tooFew: 'is empty: nothing would be sent' },
  })
    .transform((statuses) => [...new Set(statuses)])
    .default(['FAILED']),
  jobs: namesOf(JOB_ID),
  handlers: namesOf(HANDLER),
  labels: mapOf(LABEL_KEY, name(LABEL_VALUE), 32).default({}),
  disabled: flag.default(false),
};

export const webhookSchema = record('a webhook', fields);
export const newWebhookSchema = record('a webhook', {
  id: name(WEBHOOK_ID).optional(),
  secret: secret.optional(),
  ...fields,
});
export const webhookRotationSchema = record('a rotation', {
  secret: secret.optional(),
  grace: duration().default(DAY_MS).meta({ description: 'How long the former secret is signed with, too.' }),
});

/** Everything that has a default may be left out. */
export type WebhookInput = z.input<typeof webhookSchema>;
export type NewWebhookInput = z.input<typeof newWebhookSchema>;
export type WebhookRotation = z.output<typeof webhookRotationSchema>;
