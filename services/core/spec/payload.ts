/** The rules that every payload keeps, and the way to those of its job's type. */
import { isDeeperThan } from '../internal/values.ts';
import type { JobType } from '../model.ts';
import type { Rejection } from '../records.ts';
import type { SpecOptions } from './options.ts';
import { parseHttpPayload, repeatedHeader } from './payload-http.ts';
import { parseKafkaPayload } from './payload-kafka.ts';
import { invalid, type Path } from './problems.ts';

export const MAX_PAYLOAD_BYTES = 256 * 1024;
/** Deeper ones exhaust the stack of whoever reads them. */
export const MAX_PAYLOAD_DEPTH = 100;

/**
 * Checks the payload of a job or of a trigger.
 * @param path where it stands in what the user wrote.
 * @returns the rejection, or undefined when all is well.
 */
export function checkPayload(type: JobType, payload: unknown, options: SpecOptions, path: Path): Rejection | undefined {
  const limited = checkPayloadLimits(payload, path);
  if (limited !== undefined || type === 'CUSTOM' || type === 'WEBHOOK') return limited;
  if (type === 'KAFKA_MESSAGE') {
    const message = parseKafkaPayload(payload, options, path);
    return 'rejection' in message ? message.rejection : undefined;
  }
  const request = parseHttpPayload(payload, options, path);
  return 'rejection' in request ? request.rejection : repeatedHeader(request, path);
}

/** The limits on size and depth alone, for when the job's type is not known yet. */
export function checkPayloadLimits(payload: unknown, path: Path): Rejection | undefined {
  if (isDeeperThan(MAX_PAYLOAD_DEPTH, payload)) {
    return invalid(path, `is nested too deeply; at most ${MAX_PAYLOAD_DEPTH} levels are allowed`);
  }
  const bytes = jsonBytes(payload);
  if (bytes === undefined) return invalid(path, 'must be JSON');
  if (bytes <= MAX_PAYLOAD_BYTES) return undefined;
  return {
    ...invalid(path, `has ${bytes} bytes as JSON; at most ${MAX_PAYLOAD_BYTES} are allowed`),
    code: 'too_large',
  };
}

function jsonBytes(value: unknown): number | undefined {
  try {
    const text = JSON.stringify(value);
    return text === undefined ? undefined : Buffer.byteLength(text);
  } catch {
    // A BigInt, or a toJSON that throws: no JSON.
    return undefined;
  }
}
