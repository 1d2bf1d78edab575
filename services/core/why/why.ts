/** Why did it run, or not? Facts in, story out: the API and the command line tell the same. */
import type { Facts, Story } from './facts.ts';
import { tellAbsence } from './tell-absence.ts';
import { tellRun } from './tell-run.ts';

/** The story of one occurrence: of the time `facts.at`, or of what comes next. */
export function tell(facts: Facts): Story {
  const { run, group } = facts;
  if (run !== undefined) return tellRun(facts, run);
  if (group === undefined) return tellAbsence(facts);
  const more = { idempotencyKey: group.runId, result: null, resultTruncated: false, progress: null, due: null };
  return { ...tellRun(facts, { ...group, ...more, replays: [], discarded: null }), at: facts.at };
}

/** Whether a command that was refused may be what the asker looks for. */
export function mayBeRefused({ verdict }: Story): boolean {
  return ['never', 'unknown_job', 'before_schedule', 'over'].includes(verdict);
}
