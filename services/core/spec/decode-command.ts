/** From the bytes of a JSON command to the value that `parseCommand` takes. */
import type { Rejection } from '../records.ts';
import { readJsonBytes } from './json.ts';
import { invalid } from './problems.ts';

/** The largest command: what is longer is refused unread. */
export const MAX_COMMAND_BYTES = 512 * 1024;

/**
 * Reads a JSON command.
 * @param bytes the value of the record; null and no bytes are a tombstone, which is no command.
 * @returns the value, still to be validated, or the rejection: `too_large`, `unreadable`, or `invalid` for a number
 *   that would be another one afterwards.
 */
export function decodeJsonCommand(bytes: Buffer | null): { value: unknown } | { rejection: Rejection } {
  if (bytes === null || bytes.length === 0) return unreadable('the record is empty; a command is a JSON object');
  if (bytes.length > MAX_COMMAND_BYTES) {
    const message = `a command has at most ${MAX_COMMAND_BYTES} bytes; this one has ${bytes.length}`;
    return { rejection: { code: 'too_large', message } };
  }
  const read = readJsonBytes(bytes);
  if (!('fault' in read)) return read;
  const { code, path, message } = read.fault;
  if (code === 'unreadable') return unreadable(`the record ${message}; a command is a JSON object`);
  return { rejection: invalid(path, message) };
}

const unreadable = (message: string): { rejection: Rejection } => ({ rejection: { code: 'unreadable', message } });
