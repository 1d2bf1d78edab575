/** Internal commands, as they come from the topic. */
import { z } from 'zod';
import type { InternalCommand } from '../internal-command.ts';
import { webhookOfJob } from '../own-names.ts';
import type { Rejection } from '../records.ts';
import { flag, name, record, whole, word } from './fields.ts';
import { COMMAND_ID, EVENT, EVENT_ID, JOB_ID, TENANT } from './names.ts';
import { checkPayloadLimits } from './payload.ts';
import { rejectionOf } from './problems.ts';

const event = record('an event', { name: name(EVENT), id: name(EVENT_ID), payload: z.unknown() });
const at = whole(0, Number.MAX_SAFE_INTEGER);

const schemas = {
  deliver: record('a delivery', {
    type: word(['deliver']),
    tenant: name(TENANT),
    jobId: name(JOB_ID),
    ...{ event, at },
  }),
  fanOut: record('a part of an emit', {
    type: word(['fanOut']),
    tenant: name(TENANT),
    jobId: name(EVENT),
    ...{ event, at },
    after: z.union([name(JOB_ID), z.literal('')]),
    part: whole(1, Number.MAX_SAFE_INTEGER),
    matched: whole(0, Number.MAX_SAFE_INTEGER),
    commandId: name(COMMAND_ID),
    ack: flag,
  }),
  notify: record('a notice', {
    type: word(['notify']),
    tenant: name(TENANT),
    jobId: name({ ...JOB_ID, holds: (text) => JOB_ID.holds(text) && webhookOfJob(text) !== undefined }),
    commandId: name(COMMAND_ID),
    body: z.unknown(),
    at,
    ack: flag,
  }),
};

function isInternal(type: unknown): type is keyof typeof schemas {
  return typeof type === 'string' && Object.hasOwn(schemas, type);
}

/** @returns undefined: it is none */
export function parseInternal(value: unknown): InternalCommand | { rejection: Rejection } | undefined {
  const type = (value as { type?: unknown } | null)?.type;
  if (!isInternal(type)) return undefined;
  const { data, error } = schemas[type].safeParse(value);
  if (error !== undefined) return { rejection: rejectionOf(error, value, 'a command') };
  // A body is Belfry's own, and as large as the outcome is.
  if (data.type === 'notify') return data;
  const rejection = checkPayloadLimits(data.event.payload, ['event', 'payload']);
  return rejection === undefined ? data : { rejection };
}
