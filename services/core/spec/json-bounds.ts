/**
 * What a JSON text will cost, told before it is parsed: how deeply it is nested, and how many values it has. Both count where
 * bytes do not: 16 MB of `[` or of `{},` are some hundred MB once they are objects.
 *
 * It is one pass over the bytes without any allocation, and reads invalid JSON as if it were valid: the parser says what is wrong.
 */

/** Levels of nesting, and values of every kind, that a text may have. */
export type JsonBounds = { levels: number; values: number };

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
/** `[` and `{`, `]` and `}` differ in this bit alone. */
const BRACE_BIT = 0x20;
const OPENING = 0x7b;
const CLOSING = 0x7d;

/** @returns the bound that the text goes beyond; undefined: none */
export function exceededBound(bytes: Uint8Array, { levels, values }: JsonBounds): keyof JsonBounds | undefined {
  let depth = 0;
  let count = 1;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at]!;
    const folded = byte | BRACE_BIT;
    if (byte === QUOTE) at = endOfText(bytes, at);
    else if (byte === COMMA) count += 1;
    else if (folded === OPENING) {
      depth += 1;
      count += 1;
    } else if (folded === CLOSING) depth -= 1;
    if (depth > levels) return 'levels';
    if (count > values) return 'values';
  }
  return undefined;
}

/** The index of the quote that ends the text which begins at `start`; the last byte when none does. */
function endOfText(bytes: Uint8Array, start: number): number {
  for (let at = start + 1; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH) at += 1;
  }
  return bytes.length;
}
