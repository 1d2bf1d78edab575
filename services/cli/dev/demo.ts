/** What `belfry dev --demo` shows: a job that runs once, one that recurs, one that gives up. */
import type { BelfryClient } from '../../client/client.ts';
import type { JobInput } from '../../core/spec/input.ts';
import { defineHandlers, type Handlers } from '../../executor/handlers/define.ts';

export type DemoJob = { jobId: string; job: JobInput; story: string };

const DEMO_JOBS: readonly DemoJob[] = [
  {
    jobId: 'greeting',
    job: { type: 'CUSTOM', handler: 'greet', payload: { name: 'newcomer' }, schedule: { in: '3s' } },
    story: 'once, in 3 s',
  },
  {
    jobId: 'heartbeat',
    job: { type: 'CUSTOM', handler: 'heartbeat', schedule: { every: '5s' } },
    story: 'every 5 s',
  },
  {
    jobId: 'flaky',
    job: {
      type: 'CUSTOM',
      handler: 'flaky',
      schedule: { in: '4s' },
      retry: { maxRetries: 2, initialDelay: '1s', factor: 2 },
    },
    story: 'once, in 4 s: fails, is retried after 1 s and 2 s, gives up, lands on the dead-letter topic',
  },
];

/** @param say prints a line */
export function demoHandlers(say: (line: string) => void): Handlers {
  return defineHandlers({
    greet: ({ payload }: { payload: { name: string } }) => ({ greeting: `Hello, ${payload.name}!` }),
    heartbeat: () => ({ beats: 'steady' }),
    flaky: ({ attempt, maxAttempts }: { attempt: number; maxAttempts: number }) => {
      say(`attempt ${attempt} of ${maxAttempts} of flaky fails on purpose`);
      throw new Error('this handler always fails');
    },
  });
}

/** Sends the jobs through the commands topic, like any other client; a restart replaces those of the last time. */
export async function scheduleDemo(client: BelfryClient, say: (line: string) => void): Promise<void> {
  for (const { jobId, job, story } of DEMO_JOBS) {
    const { state } = await client.schedule(jobId, job, { ifExists: 'replace', timeoutMs: 30_000 });
    // It stays so when it is scheduled again.
    if (state === 'PAUSED') say(`${jobId} is still paused: belfry jobs resume ${jobId}`);
    else say(`scheduled ${jobId}: ${story}`);
  }
}
