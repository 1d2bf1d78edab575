/** Internal commands, as they come from the topic. */
import { z } from 'zod';
import type { InternalCommand } from '../internal-command.ts';
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
};

/** @returns undefined: it is none */
export function parseInternal(value: unknown): InternalCommand | { rejection: Rejection } | undefined {
  const type = (value as { type?: unknown } | null)?.type;
  if (type !== 'deliver' && type !== 'fanOut') return undefined;
  const { data, error } = schemas[type].safeParse(value);
  if (error !== undefined) return { rejection: rejectionOf(error, value, 'a command') };
  const rejection = checkPayloadLimits(data.event.payload, ['event', 'payload']);
  return rejection === undefined ? data : { rejection };
}
