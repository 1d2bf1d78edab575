/** Events: outcomes as they come, and those that users emit. */
import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import { TERMINAL_STATUSES } from '../../core/model.ts';
import { outcomeJson } from '../../core/resources.ts';
import { isUsable } from '../../core/api-key.ts';
import { BelfryError, messageOf } from '../../core/errors.ts';
import { name, record, word } from '../../core/spec/fields.ts';
import { EVENT, EVENT_ID, JOB_ID } from '../../core/spec/names.ts';
import { checkPayloadLimits } from '../../core/spec/payload.ts';
import type { Outcome } from '../../core/records.ts';
import { ANSWER_MS, answeredInTime, commandIdOf } from '../command.ts';
import type { Api, ApiDeps, Caller } from '../deps.ts';
import { OutcomeFeed } from '../outcome-feed.ts';
import { StreamPlaces } from '../stream-places.ts';
import { positionText, readPosition, type Position } from '../position.ts';
import { RequestError } from '../problem.ts';
import { answers, emitted } from '../resources.ts';
import { refuse } from './jobs.ts';

const tags = ['events'];
const MOST_STREAMS = 200;
/** A stream ends after an hour, and its client comes back: so no connection outlives what its server knows for long. */
const USUAL = { keepAliveMs: 15_000, maxAgeMs: 3_600_000 };
/** A listener that reads so much too slowly is let go; it comes back with Last-Event-ID. */
const MOST_UNREAD_BYTES = 4 * 1024 * 1024;
/** Headers of a stream. */
const HEAD = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  'x-accel-buffering': 'no',
  'x-content-type-options': 'nosniff',
};

const streamQuery = record('the query', {
  jobId: name(JOB_ID).optional(),
  status: word(TERMINAL_STATUSES).optional(),
});

export function addEvents(api: Api, deps: ApiDeps): void {
  const feed = new OutcomeFeed(deps);
  const streams = new Set<ServerResponse>();
  const places = new StreamPlaces(MOST_STREAMS);
  api.addHook('onClose', async () => {
    for (const stream of streams) stream.end();
    await feed.close();
  });

  api.get(
    '/api/events/stream',
    {
      config: { scope: 'read', isStream: true },
      schema: {
        ...{ tags, operationId: 'streamOutcomes', summary: 'Terminal outcomes as they come, as server-sent events' },
        description:
          'Events are named `outcome`; data is an Outcome; a first one, `position`, has only an id. With the `Last-Event-ID` of a former stream it goes on behind that event; repeats are possible and have the same eventId.',
        querystring: streamQuery,
        response: answers({ 200: z.string().meta({ description: 'text/event-stream' }) }),
      },
    },
    async (request, reply) => {
      const after = lastEventOf(request.headers['last-event-id']);
      if (request.method === 'HEAD') return reply.headers(HEAD).send();
      const { tenant } = request.caller;
      const { jobId, status } = request.query;
      const wanted = (outcome: Outcome): boolean =>
        outcome.tenant === tenant &&
        (jobId === undefined || outcome.jobId === jobId) &&
        (status === undefined || outcome.status === status);
      await feed.start(); // what cannot be had is said before the stream begins
      const from = after ?? feed.position();
      const gone = new AbortController();
      const { raw } = reply;
      const write = (text: string): void => {
        raw.write(text);
        if (raw.writableLength > MOST_UNREAD_BYTES) raw.destroy();
      };
      const release = places.take(tenant, () => raw.end());
      if (release === undefined) {
        const message = `There are ${streams.size} streams already, and this tenant has its share.`;
        throw new BelfryError('overloaded', message, { retryable: true });
      }
      streams.add(raw);
      const leave = (): void => {
        streams.delete(raw);
        release();
        gone.abort();
      };
      raw.once('close', leave);
      // Whoever left before is not told of any more.
      if (raw.closed) leave();
      const hear = (outcome: Outcome, id: string): void => {
        if (wanted(outcome)) write(`id: ${id}\nevent: outcome\ndata: ${JSON.stringify(outcomeJson(outcome))}\n\n`);
      };
      reply.hijack();
      // Whoever loses the stream before the first outcome has a place to come back to.
      raw.writeHead(200, HEAD).write(`retry: 2000\nid: ${positionText(from)}\nevent: position\ndata: {}\n\n`);
      const keepAlive = async (): Promise<void> => {
        const { keepAliveMs, maxAgeMs } = deps.streams ?? USUAL;
        const endsAt = deps.clock.now() + maxAgeMs;
        for (;;) {
          await deps.clock.sleep(keepAliveMs, gone.signal);
          if (gone.signal.aborted) return;
          if (deps.clock.now() >= endsAt || !(await mayListen(deps, request.caller))) return void raw.end();
          write(': still here\n\n');
        }
      };
      void keepAlive();
      feed.listen({ tenant, after: from }, hear, gone.signal).catch((error: unknown) => {
        deps.log.warn({ err: error }, 'a stream of outcomes ends');
        raw.destroy();
      });
    },
  );

  api.post(
    '/api/events/:name',
    {
      config: { scope: 'run' },
      schema: {
        ...{ tags, operationId: 'emitEvent', summary: 'Emit an event: every job that listens to it runs' },
        description:
          'The same `eventId` twice is one event, for a day at least; without one, the `Idempotency-Key` is it. `matched` tells how many jobs listen to it and let it pass. `GET /api/runs?cause=EVENT_ID` finds their runs.',
        params: record('the path', { name: name(EVENT) }),
        body: record('an event', { eventId: name(EVENT_ID).optional(), payload: z.unknown().optional() }),
        response: answers({ 200: emitted, 202: emitted }),
      },
    },
    async (request, reply) => {
      const { tenant } = request.caller;
      const { name: event } = request.params;
      const { payload = null, eventId = commandIdOf(deps, request) } = request.body;
      refuse(checkPayloadLimits(payload, ['payload']));
      const result = await answeredInTime(deps.client.emit(event, payload, { tenant, eventId, timeoutMs: ANSWER_MS }));
      if (result !== undefined) return { eventId, event, outcome: result.outcome, matched: result.matched };
      reply.code(202);
      return { eventId, event, outcome: 'accepted', matched: null };
    },
  );
}

/** Whether the key works on; where that cannot be asked, its stream goes on until it can. */
async function mayListen({ keys, clock, log }: ApiDeps, { actor }: Caller): Promise<boolean> {
  if (keys === null || actor.id === null) return true;
  try {
    const key = await keys.find(actor.id);
    return key !== undefined && isUsable(key, clock.now());
  } catch (error) {
    log.warn({ reason: messageOf(error) }, 'the key of a stream cannot be looked up');
    return true;
  }
}

function lastEventOf(header: string | string[] | undefined): Position | undefined {
  if (header === undefined || header === '') return undefined;
  const position = readPosition(String(header));
  if (position !== undefined) return position;
  const detail = 'must be the id of an event of this stream';
  throw new RequestError('invalid', `Last-Event-ID ${detail}`, [{ header: 'Last-Event-ID', detail }]);
}
