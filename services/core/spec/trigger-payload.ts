/**
 * What a trigger may bring to a job whose payload says where something is sent. Pure.
 *
 * Invariant: who may only run jobs decides what is sent, never where, with which headers, or with which secrets. A job type that
 * is not in the table takes nothing from them.
 */
import type { JobType } from '../model.ts';

/** The fields of a payload that are its content; `all`: nothing in it says where it goes. */
const CONTENT: Partial<Record<JobType, readonly string[] | 'all'>> = {
  CUSTOM: 'all',
  HTTP_REQUEST: ['body'],
  KAFKA_MESSAGE: ['value', 'valueBase64'],
};

/** Whether the payload of a trigger is content and nothing else. */
export function isContent(type: JobType, payload: unknown): boolean {
  const fields = CONTENT[type] ?? [];
  return fields === 'all' || (isObject(payload) && Object.keys(payload).every((key) => fields.includes(key)));
}

/** The fields that are content, for messages. */
export function contentOf(type: JobType): readonly string[] {
  const fields = CONTENT[type] ?? [];
  return fields === 'all' ? [] : fields;
}

/** The payload of a triggered run: content alone goes into the job's own payload, anything else replaces it. */
export function triggeredPayload(
  { type, payload: own }: { type: JobType; payload: unknown },
  payload: unknown,
): unknown {
  const fields = contentOf(type);
  if (fields.length === 0 || !isContent(type, payload) || !isObject(own)) return payload;
  const kept = Object.entries(own).filter(([key]) => !fields.includes(key));
  return { ...Object.fromEntries(kept), ...(payload as object) };
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
