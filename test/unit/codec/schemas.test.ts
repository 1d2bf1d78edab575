/** schemas/*.avsc, the validator and the records' types say the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { asText, ackToWire, deadRunToWire, outcomeToWire } from '../../../services/adapters/codec/wire.ts';
import { commandSchemas } from '../../../services/core/spec/parse-command.ts';
import {
  bareAck,
  bareDeadRun,
  bareOutcome,
  fullAck,
  fullDeadRun,
  fullOutcome,
  schemaOf,
  type AvroRecord,
} from './fixtures.ts';

/** `path: kind`, sorted: a shape that two descriptions of the same records can be compared in. */
type Shape = Record<string, string>;
type JsonSchema = {
  type?: string;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  anyOf?: JsonSchema[];
  additionalProperties?: unknown;
};

function shapeOfAvro(record: AvroRecord, path = ''): Shape {
  return Object.assign(
    {},
    ...record.fields.map(({ name, type }) => {
      const [inner, optional] = Array.isArray(type) ? [(type as unknown[])[1], '?'] : [type, ''];
      const at = `${path}${name}`;
      const kind = typeof inner === 'string' ? inner : (inner as { type: string }).type;
      const below = kind === 'record' ? shapeOfAvro(inner as AvroRecord, `${at}.`) : {};
      return { [`${at}${optional}`]: kindOf(kind), ...below };
    }),
  ) as Shape;
}

function shapeOfValidator(schema: JsonSchema, path = ''): Shape {
  return Object.assign(
    {},
    ...Object.entries(schema.properties ?? {}).map(([name, written]) => {
      // JSON may be shorter than Avro: of two forms the long one counts.
      const property = written.anyOf?.find(({ properties }) => properties !== undefined) ?? written;
      const at = `${path}${name}`;
      const optional = schema.required?.includes(name) ? '' : '?';
      const kind = property.properties
        ? 'record'
        : property.type === 'object'
          ? 'map'
          : (property.type ?? FREE[name] ?? 'unknown');
      return { [`${at}${optional}`]: kindOf(kind), ...shapeOfValidator(property, `${at}.`) };
    }),
  ) as Shape;
}

/** What zod describes no further: free JSON, which is text in Avro, and the map with names of its own rules. */
const FREE: Shape = { payload: 'string', labels: 'map' };

/** Numbers compare as numbers. */
function kindOf(kind: string): string {
  return ['int', 'long', 'double', 'integer'].includes(kind) ? 'number' : kind;
}

/** All commands in one: what not all of them require is optional. */
function commandShape(): Shape {
  const shapes = Object.values(commandSchemas).map((schema) =>
    shapeOfValidator(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema),
  );
  // An emit may leave it out, in Avro it is in every command.
  for (const shape of shapes) {
    delete shape['jobId?'];
    shape.jobId = 'string';
  }
  const all = Object.assign({}, ...shapes) as Shape;
  const everywhere = (name: string) => shapes.every((shape) => name in shape);
  const topLevel = (name: string) => !name.includes('.') && !name.endsWith('?') && !everywhere(name);
  return Object.fromEntries(Object.entries(all).map(([name, kind]) => [topLevel(name) ? `${name}?` : name, kind]));
}

void test('every field that a command may have is in command.avsc, with the same kind, and the other way round', () => {
  const avro = shapeOfAvro(schemaOf('command'));
  assert.deepEqual(sorted(avro), sorted(commandShape()));
  assert.equal(avro['job.schedule.dst.gap?'], 'string');
});

/** The names in a record as written, of everything that it may have; arrays and maps are not entered. */
function shapeOfWire(full: object, bare: object): Shape {
  const shape: Shape = {};
  for (const [name, value] of Object.entries(full) as [string, unknown][]) {
    const optional = name in bare ? '' : '?';
    const kind = Array.isArray(value) ? 'array' : typeof value === 'object' ? 'record' : typeof value;
    shape[`${name}${optional}`] = name === 'labels' ? 'map' : kind;
    if (kind !== 'record' || name === 'labels') continue;
    const below = (bare as Record<string, unknown>)[name] ?? value;
    for (const [inner, what] of Object.entries(shapeOfWire(value as object, below as object)))
      shape[`${name}.${inner}`] = what;
  }
  return shape;
}

void test('run-outcome.avsc is the outcome as it is written', () => {
  const written = shapeOfWire(outcomeToWire(fullOutcome, asText), outcomeToWire(bareOutcome, asText));
  assert.deepEqual(sorted(shapeOfAvro(schemaOf('run-outcome'))), sorted(written));
});

void test('dead-run.avsc is the dead run as it is written', () => {
  const [full, bare] = [deadRunToWire(fullDeadRun, asText), deadRunToWire(bareDeadRun, asText)];
  assert.deepEqual(sorted(shapeOfAvro(schemaOf('dead-run'))), sorted(shapeOfWire(full, bare)));
  const failures = schemaOf('dead-run').fields.find(({ name }) => name === 'failures')?.type as { items: AvroRecord };
  const [started, lost] = full.failures as [object, object];
  // Their error is a reference to the record that the field `error` defines.
  const { error: _error, ...fields } = shapeOfWire(started, lost);
  const plain = Object.fromEntries(Object.entries(fields).filter(([name]) => !name.startsWith('error.')));
  const { error: _reference, ...described } = Object.fromEntries(
    Object.entries(shapeOfAvro(failures.items)).filter(([name]) => !name.startsWith('error.')),
  );
  assert.deepEqual(sorted(described), sorted(plain));
});

void test('command-ack.avsc is the answer as it is written', () => {
  const nulls = {
    ...fullAck,
    error: { code: 'invalid', message: '' } as const,
    job: { state: '', version: 1, nextFireAt: null },
  };
  const [full, sparse, bare] = [fullAck, nulls, bareAck].map((ack) => ackToWire(ack)) as [object, object, object];
  const below = shapeOfWire(full, sparse);
  const shape = Object.fromEntries(
    Object.entries(below).map(([name, kind]) => [name in bare || name.includes('.') ? name : `${name}?`, kind]),
  );
  assert.deepEqual(sorted(shapeOfAvro(schemaOf('command-ack'))), sorted(shape));
});

void test('all schemas can grow: every union is null first, with null as its default', () => {
  const check = (record: AvroRecord): void => {
    for (const { name, type, default: fallback } of record.fields) {
      if (Array.isArray(type)) assert.deepEqual([type.length, type[0], fallback], [2, 'null', null], name);
      const inner = (Array.isArray(type) ? (type as unknown[])[1] : type) as AvroRecord & { items?: AvroRecord };
      if (inner.type === 'record') check(inner);
      if (typeof inner.items === 'object') check(inner.items);
    }
  };
  for (const name of ['command', 'run-outcome', 'dead-run', 'command-ack']) check(schemaOf(name));
});

function sorted(shape: Shape): [string, string][] {
  return Object.entries(shape).sort(([a], [b]) => (a < b ? -1 : 1));
}
