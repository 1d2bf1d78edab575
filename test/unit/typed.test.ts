import { z } from 'zod';
import { defineHandlers } from '../../services/executor/handlers/define.ts';
import type { TypedJob } from '../../services/client/types.ts';
const handlers = defineHandlers({
  'send-invoice': { payload: z.object({ invoice: z.number() }), concurrency: 3, run(ctx) { const n: number = ctx.payload.invoice; return n; } },
  plain: (ctx) => ctx.runId,
});
type J = TypedJob<typeof handlers>;
const ok: J = { type: 'CUSTOM', handler: 'send-invoice', payload: { invoice: 3 }, schedule: { in: '3s' } };
// @ts-expect-error wrong payload
const bad: J = { type: 'CUSTOM', handler: 'send-invoice', payload: { invoice: 'x' }, schedule: { in: '3s' } };
// @ts-expect-error unknown handler
const bad2: J = { type: 'CUSTOM', handler: 'nope', payload: {}, schedule: { in: '3s' } };
export { ok, bad, bad2 };
