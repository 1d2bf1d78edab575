/** Where a reader of outcomes is: the next offset of each partition; as text it is the id of an event. */
export type Position = ReadonlyMap<number, bigint>;

const BASE = 36;
const PATTERN = /^\d{1,4}-[0-9a-z]{1,12}(?:\.\d{1,4}-[0-9a-z]{1,12})*$/;

export function positionText(position: Position): string {
  return [...position].map(([partition, offset]) => `${partition}-${offset.toString(BASE)}`).join('.');
}

/** Undefined when the text is no position. */
export function readPosition(text: string): Map<number, bigint> | undefined {
  if (!PATTERN.test(text)) return undefined;
  const parts = text.split('.').map((part) => part.split('-') as [string, string]);
  return new Map(parts.map(([partition, offset]) => [Number(partition), BigInt(Number.parseInt(offset, BASE))]));
}

/** Whether `position` has come as far as `other`, in every partition of that. */
export function reaches(position: Position, other: Position): boolean {
  return [...other].every(([partition, offset]) => (position.get(partition) ?? 0n) >= offset);
}

/** Moves `position` on to where `other` is further. */
export function advance(position: Map<number, bigint>, other: Position): void {
  for (const [partition, offset] of other) {
    if (offset > (position.get(partition) ?? 0n)) position.set(partition, offset);
  }
}
