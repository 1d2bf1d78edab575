/** The inputs of a step by name: what they are called stays the same when their partition is taken again and they are read once more. */
import type { TimerKey } from '../core/ports/timer-store.ts';
import type { Intake } from '../core/topics.ts';
import { placeOf } from './plan.ts';

type Run = { outcome: { runId: string } };

export const inputNames = {
  record: (intake: Intake, offset: bigint): string => `${intake} ${offset}`,
  enqueued: (id: number): string => `enqueued ${id}`,
  waiting: (seq: number): string => `waiting ${seq}`,
  timer: (timer: TimerKey): string => `timer ${placeOf(timer)}`,
  published: ({ outcome }: Run): string => `published ${outcome.runId}`,
  refused: ({ run }: { run: Run }): string => `refused ${run.outcome.runId}`,
  swept: ({ runId }: { runId: string }): string => `swept ${runId}`,
};
