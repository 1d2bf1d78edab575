/** Commands as requests, each by the route that people use for it. */
import type { Action } from '../support/life.ts';
import type { Asked, HttpAnswer } from './http-door.ts';

const STEERING = {
  trigger: ['POST', '/trigger'],
  pause: ['POST', '/pause'],
  resume: ['POST', '/resume'],
  cancel: ['DELETE', ''],
} as const;

/** @param command as it would stand on the topic */
export function requestOf({ type, jobId, fields }: Action, commandId: string, command: object): Asked {
  const headers = { 'idempotency-key': commandId };
  const path = `/api/jobs/${jobId}`;
  if (type === 'schedule') return { method: 'PUT', path, headers, body: fields.job };
  if (type in STEERING) {
    const [method, rest] = STEERING[type as keyof typeof STEERING];
    return { method, path: path + rest, headers, ...(type === 'trigger' && { body: fields }) };
  }
  const { tenant: _ofKey, ...own } = command as { tenant: string };
  return { method: 'POST', path: '/api/commands', body: { commands: [own] } };
}

/** Whether the command stands on job.commands, as far as the answer says. @throws Error when it is to be sent again */
export function isDurable({ commandId, body }: HttpAnswer): boolean {
  const [result] = (body as { results?: { outcome: string }[] }).results ?? [];
  if (result?.outcome === 'failed') throw new Error('the API could not send it');
  return result === undefined ? commandId !== null : result.outcome !== 'rejected';
}
