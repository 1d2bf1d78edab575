/** Between a command as users write it and the shape that its Avro schema gives it. */

/** Plain objects again; JSON text is parsed where our schema has free JSON (`payload`, `job.payload`). */
export function fromAvro(decoded: unknown): unknown {
  const command = plain(decoded);
  if (!isRecord(command)) return command;
  unpackPayload(command);
  if (isRecord(command.job)) unpackPayload(command.job);
  return command;
}

/** The other way: what users write, with JSON text for free JSON and null for what is absent, as the schema wants it. */
export function toAvro(command: object): object {
  const packed: Record<string, unknown> = { ...command };
  if (packed.payload !== undefined) packed.payload = JSON.stringify(packed.payload);
  if (isRecord(packed.job))
    packed.job = {
      ...packed.job,
      ...(packed.job.payload === undefined ? {} : { payload: JSON.stringify(packed.job.payload) }),
    };
  return packed;
}

function unpackPayload(record: Record<string, unknown>): void {
  if (typeof record.payload === 'string') record.payload = JSON.parse(record.payload) as unknown;
  else if (record.payload === null) delete record.payload;
}

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !Buffer.isBuffer(value);
}
