/**
 * Internal commands, as they come from the topic: the one validator of them. Fields that this release does not know are
 * carried along, since a newer one wrote them.
 */
import { z } from 'zod';
import { MAX_INT4, MAX_RECORD_DEPTH, isDeeperThan } from '../internal/values.ts';
import type { InternalCommand } from '../internal-command.ts';
import { webhookOfJob } from '../own-names.ts';
import type { Rejection } from '../records.ts';
import { flag, name, whole, word } from './fields.ts';
import { MAX_INSTANT_MS } from './instant.ts';
import { COMMAND_ID, EVENT, EVENT_ID, JOB_ID, TENANT } from './names.ts';
import { checkPayloadLimits } from './payload.ts';
import { invalid, rejectionOf } from './problems.ts';

const object = <S extends z.core.$ZodLooseShape>(shape: S) => z.looseObject(shape, { error: 'must be an object' });

const event = object({ name: name(EVENT), id: name(EVENT_ID), payload: z.unknown() });
const at = whole(0, MAX_INSTANT_MS);

const schemas = {
  deliver: object({
    type: word(['deliver']),
    tenant: name(TENANT),
    jobId: name(JOB_ID),
    ...{ event, at },
  }),
  fanOut: object({
    type: word(['fanOut']),
    tenant: name(TENANT),
    jobId: name(EVENT),
    ...{ event, at },
    after: z.union([name(JOB_ID), z.literal('')]),
    part: whole(1, MAX_INT4),
    matched: whole(0, MAX_INT4),
    commandId: name(COMMAND_ID),
    ack: flag,
  }),
  notify: object({
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
  const rejection =
    data.type === 'notify' ? bodyRejection(data.body) : checkPayloadLimits(data.event.payload, ['event', 'payload']);
  return rejection === undefined ? data : { rejection };
}

/** A body is Belfry's own, and as large as the outcome is. */
function bodyRejection(body: unknown): Rejection | undefined {
  return isDeeperThan(MAX_RECORD_DEPTH, body)
    ? invalid(['body'], `is nested too deeply; at most ${MAX_RECORD_DEPTH} levels are allowed`)
    : undefined;
}
