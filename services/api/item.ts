/** What every item of a batch keeps to, before anything looks into it: no item costs more than a command by itself may. */
import { isDeeperThan } from '../core/internal/values.ts';
import type { Rejection } from '../core/records.ts';
import { MAX_COMMAND_BYTES } from '../core/spec/decode-command.ts';
import { MAX_PAYLOAD_DEPTH } from '../core/spec/payload.ts';

/** A payload stands two levels deep in a command. */
const MAX_LEVELS = MAX_PAYLOAD_DEPTH + 10;

/** @returns why the item is refused; undefined: it may be looked at */
export function itemProblem(item: unknown): Rejection | undefined {
  // First: what is written as JSON is written by recursion.
  if (isDeeperThan(MAX_LEVELS, item)) {
    return {
      code: 'invalid',
      message: `the item is nested too deeply; at most ${MAX_PAYLOAD_DEPTH} levels are allowed`,
    };
  }
  const bytes = Buffer.byteLength(JSON.stringify(item) ?? '');
  if (bytes <= MAX_COMMAND_BYTES) return undefined;
  return {
    code: 'too_large',
    message: `the item has ${bytes} bytes as JSON; at most ${MAX_COMMAND_BYTES} are allowed`,
  };
}
