/**
 * The header of a command whose sender may run jobs but not change them. The API sets it, and the timer that applies the command obeys
 * it: only there is it known what kind of job it meets. Whoever may write job.commands leaves it out.
 */
const SCOPE_HEADER = 'belfry_scope';
const RUN = 'run';

export function scopeHeader(isRunOnly: boolean): Record<string, string> {
  return isRunOnly ? { [SCOPE_HEADER]: RUN } : {};
}

export function isRunOnly(headers: Readonly<Record<string, string>>): boolean {
  return headers[SCOPE_HEADER] === RUN;
}
