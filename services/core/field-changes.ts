/** How two JSON values differ. */
import { isDeepStrictEqual } from 'node:util';

/** One field; undefined where one side has none. */
export type FieldChange = { field: string; from: unknown; to: unknown };

/** Field by field, down to where one side is no object. */
export function fieldChanges(from: unknown, to: unknown, path = ''): FieldChange[] {
  if (isDeepStrictEqual(from, to)) return [];
  if (!isObject(from) || !isObject(to)) return [{ field: path, from, to }];
  return [...new Set([...Object.keys(from), ...Object.keys(to)])].flatMap((key) =>
    fieldChanges(from[key], to[key], path === '' ? key : `${path}.${key}`),
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
