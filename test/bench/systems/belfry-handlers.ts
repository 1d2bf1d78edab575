/** The executor's handlers: they do nothing but tell the bench when they started. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { defineHandlers } from '../../../services/executor/handlers/define.ts';
import type { HandlerContext } from '../../../services/executor/handlers/handler.ts';
import { Recorder } from '../worker/recorder.ts';
import { serve } from '../worker/serve.ts';

const RESOLUTION_MS = 1;

const recorders = { noop: new Recorder(), urgent: new Recorder(), wait: new Recorder() };
const loop = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
const recorder = (name: string): Recorder => recorders[name as keyof typeof recorders];

serve({
  until: (name: string, count: string, timeoutMs: string) => recorder(name).until(Number(count), Number(timeoutMs)),
  lateness: (name: string) => recorder(name).take(),
  'watch-loop': () => void (loop.reset(), loop.enable()),
  /** How late the event loop was since `watch-loop`: p99 and longest, in ms. */
  'loop-lag': () => [loop.percentile(99), loop.max].map((ns) => Math.max(0, ns / 1e6 - RESOLUTION_MS)),
});

export const handlers = defineHandlers({
  noop: (ctx: HandlerContext) => recorders.noop.started(ctx.scheduledFor.getTime()),
  urgent: (ctx: HandlerContext) => recorders.urgent.started(ctx.scheduledFor.getTime()),
  wait: async (ctx: HandlerContext<{ ms: number }>) => {
    recorders.wait.started(ctx.scheduledFor.getTime());
    await new Promise((resolve) => setTimeout(resolve, ctx.payload.ms));
  },
});
