/** From the bytes of a JSON command to the value that `parseCommand` takes. */
import type { Rejection } from '../records.ts';
import { messageOf } from '../errors.ts';

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** The largest command: what is longer is refused unread. */
export const MAX_COMMAND_BYTES = 512 * 1024;

/**
 * Reads a JSON command.
 * @param bytes the value of the record; null and no bytes are a tombstone, which is no command.
 * @returns the value, still to be validated, or the rejection: `too_large` or `unreadable`.
 */
export function decodeJsonCommand(bytes: Buffer | null): { value: unknown } | { rejection: Rejection } {
  if (bytes === null || bytes.length === 0) return unreadable('the record is empty; a command is a JSON object');
  if (bytes.length > MAX_COMMAND_BYTES) {
    const message = `a command has at most ${MAX_COMMAND_BYTES} bytes; this one has ${bytes.length}`;
    return { rejection: { code: 'too_large', message } };
  }
  let text: string;
  try {
    text = UTF8.decode(bytes);
  } catch {
    // The TypeError says no more than this.
    return unreadable('the record is not UTF-8 text; a command is a JSON object');
  }
  try {
    return { value: JSON.parse(text) };
  } catch (thrown) {
    return unreadable(`the record is not JSON: ${messageOf(thrown).slice(0, 200)}`);
  }
}

const unreadable = (message: string): { rejection: Rejection } => ({ rejection: { code: 'unreadable', message } });
