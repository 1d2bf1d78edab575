/** Values as every store can keep them. */

/** Text without what PostgreSQL and UTF-8 cannot hold: NUL and halves of surrogate pairs become U+FFFD. */
export function storedText(text: string): string {
  return text.replaceAll('\0', '\uFFFD').toWellFormed();
}

/** JSON text of a value (which escapes NUL and halves of surrogate pairs); null for null and for what JSON cannot say. */
export function storedJson(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  return JSON.stringify(value) ?? null;
}
