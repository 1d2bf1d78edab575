/** Preconditions of RFC 9110: `If-Match` and `If-None-Match` of a request that writes a job, whose ETag is its version. */
import type { FastifyRequest } from 'fastify';
import { BelfryError } from '../core/errors.ts';
import type { ScheduleOptions } from '../client/types.ts';
import type { ApiDeps } from './deps.ts';
import { RequestError } from './problem.ts';

/** What the timer checks when it applies the command, and the header that asks for it. */
export type Condition = { header: Header; options: Pick<ScheduleOptions, 'ifVersion' | 'ifExists'> };
type Header = 'If-Match' | 'If-None-Match';
/** `*`, or the tags of a list; of other servers, and weak ones, too. */
type Tags = '*' | readonly { weak: boolean; text: string }[];

/**
 * What a request makes its write depend on. What can be told from the job as it is now is told at once; what may change until the
 * command is applied, the timer decides: so a request that is sent again after its success is still known as the same.
 * @throws RequestError `version_mismatch` with the header that does not hold, `invalid`
 */
export async function conditionOf(
  { inspect }: Pick<ApiDeps, 'inspect'>,
  request: FastifyRequest,
  jobId: string,
): Promise<Condition | undefined> {
  const [match, none] = [tagsOf(request, 'If-Match'), tagsOf(request, 'If-None-Match')];
  if (match === undefined && none === undefined) return undefined;
  const versions = match === undefined || match === '*' ? [] : versionsOf(match.filter(({ weak }) => !weak));
  if (match === undefined && none === '*') return { header: 'If-None-Match', options: { ifExists: 'reject' } };
  const version = (await inspect.job(request.caller.tenant, jobId))?.version;
  if (none === undefined && versions.length > 0)
    return { header: 'If-Match', options: { ifVersion: versions.find((each) => each === version) ?? versions[0] } };
  if (match !== undefined && !isMatched(match === '*' ? match : versions, version)) throw failed('If-Match', version);
  if (none !== undefined && isMatched(none === '*' ? none : versionsOf(none), version))
    throw failed('If-None-Match', version);
  const header = match === undefined ? 'If-None-Match' : 'If-Match';
  return { header, options: version === undefined ? { ifExists: 'reject' } : { ifVersion: version } };
}

/** What the timer refuses for a condition, the header of that condition refuses. */
export async function asPrecondition<T>(condition: Condition | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (condition === undefined || !(error instanceof BelfryError) || error.code !== 'conflict') throw error;
    throw new RequestError('version_mismatch', error.message, [{ header: condition.header, detail: error.message }]);
  }
}

/** Commands other than schedule know no versions: a condition must not be taken for kept. */
export function refuseConditions({ headers }: FastifyRequest): void {
  for (const header of ['If-Match', 'If-None-Match']) {
    if (headers[header.toLowerCase()] === undefined) continue;
    const detail = 'is taken by PUT alone';
    throw new RequestError('invalid', `${header} ${detail}`, [{ header, detail }]);
  }
}

function isMatched(wanted: '*' | readonly number[], version: number | undefined): boolean {
  return version !== undefined && (wanted === '*' || wanted.includes(version));
}

function failed(header: Header, version: number | undefined): RequestError {
  const detail = version === undefined ? 'there is no such job' : `the job has version ${version}`;
  return new RequestError('version_mismatch', `${header} does not hold: ${detail}`, [{ header, detail }]);
}

/** An entity tag of RFC 9110, with what may stand around it in a list. */
const TAG = /[ \t]*(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*(?:,|$)|[ \t]*,/y;

function tagsOf({ headers }: FastifyRequest, header: Header): Tags | undefined {
  const written = headers[header.toLowerCase()];
  if (written === undefined) return undefined;
  const text = String(written).trim();
  if (text === '*') return '*';
  const tags: { weak: boolean; text: string }[] = [];
  for (TAG.lastIndex = 0; TAG.lastIndex < text.length;) {
    const found = TAG.exec(text);
    if (found === null) break;
    if (found[2] !== undefined) tags.push({ weak: found[1] !== undefined, text: found[2] });
    if (TAG.lastIndex >= text.length && tags.length > 0) return tags;
  }
  const detail = 'must be * or a list of ETags, such as "3" or "3", "4"';
  throw new RequestError('invalid', `${header} ${detail}`, [{ header, detail }]);
}

/** Those that may be a version of ours: others match nothing. */
function versionsOf(tags: readonly { text: string }[]): number[] {
  return tags.flatMap(({ text }) => (/^[1-9]\d{0,8}$/.test(text) ? [Number(text)] : []));
}
