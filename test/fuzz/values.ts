/**
 * Values made from JSON schemas: mostly what a schema allows, so that they get far; and at every place, now and then, what
 * somebody hostile would put there.
 */
import fc from 'fast-check';

export type JsonSchema = {
  $ref?: string;
  type?: string | string[];
  const?: unknown;
  enum?: unknown[];
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  allOf?: JsonSchema[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: boolean | JsonSchema;
  propertyNames?: JsonSchema;
  items?: JsonSchema;
  minimum?: number;
  maximum?: number;
  minItems?: number;
};
type Value = fc.Arbitrary<unknown>;

/** One in so many values is not what its schema says. */
const HOSTILE_EVERY = 40;
const DEEPEST = 6;
const MOST_ITEMS = 4;

/** What breaks SQL, logs, headers, pages, paths, terminals, JSON or JavaScript where it is not taken as mere text. */
export const INJECTIONS = [
  `'; DROP TABLE jobs; --`,
  `' OR '1'='1`,
  `$1`,
  `\\'; SELECT pg_sleep(10); --`,
  'a\r\nX-Injected: yes',
  'line\n{"level":60,"msg":"forged"}',
  '\u001b[2J\u001b[31mred',
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  '../../../etc/passwd',
  '%00',
  '%2e%2e%2f',
  '\u0000',
  '\ud800',
  '\u202e\u2028',
  '__proto__',
  'constructor',
  'toString',
  '${7*7}{{7*7}}',
  '%s%n%d',
  '🧨'.repeat(300),
  '١٢٣',
  'a'.repeat(5_000),
] as const;

const hostileText = fc.oneof(
  fc.constantFrom(...INJECTIONS),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ maxLength: 300 }),
  fc.constant(''),
);

const hostile: Value = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: 'small' },
    hostileText,
    fc.constantFrom(null, true, false, 0, -1, 1.5, 1e308, -0, Number.MAX_SAFE_INTEGER, 2 ** 63, '', [], {}),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.array(tie('any'), { maxLength: MOST_ITEMS }),
    fc.dictionary(
      fc.oneof(fc.constantFrom('type', 'tenant', '__proto__', 'constructor', 'toJSON'), hostileText),
      tie('any'),
      {
        maxKeys: MOST_ITEMS,
      },
    ),
  ),
})).any;

/** null, but for one in sixty. */
export function rarely<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> {
  return fc.oneof({ weight: 59, arbitrary: fc.constant(null) }, { weight: 1, arbitrary });
}

/** Well-known texts, by the name of the field that takes them. */
const TEXTS: Readonly<Record<string, readonly string[]>> = {
  ...{ in: ['0s', '1s', '5m', '30d'], every: ['1s', '5m', '1h30m'], fixedDelay: ['1s', '5m'] },
  ...{ cron: ['* * * * *', '0 9 * * MON-FRI', '0 0 30 2 *', '@daily', '*/5 * * * * *'] },
  ...{ timezone: ['UTC', 'Europe/Paris', 'Australia/Lord_Howe', 'Mars/Olympus'] },
  ...{ at: ['2020-01-01T00:00:00Z', '2030-06-01T12:00:00+02:00'], startAt: ['2030-01-01T00:00:00Z'] },
  ...{ endAt: ['2031-01-01T00:00:00Z', '2020-01-01T00:00:00Z'], jitter: ['0s', '10s'], timeout: ['1s', '30s'] },
  ...{ since: ['2020-01-01T00:00:00Z'], until: ['2040-01-01T00:00:00Z'], from: ['2026-12-01T00:00:00Z'] },
  ...{
    to: ['2026-12-05T00:00:00Z'],
    window: ['1h', '7d'],
    wait: ['0s', '2s'],
    expiresIn: ['1s', '1d'],
    grace: ['0s', '1d'],
  },
  ...{ initialDelay: ['1s'], maxDelay: ['1h'], threshold: ['1m'], handler: ['noop', 'fails'], queue: ['default'] },
  ...{ limit: ['1', '10', '200'], url: ['http://127.0.0.1:9/x', 'https://example.com'], topic: ['elsewhere'] },
  ...{ method: ['GET', 'POST'], note: ['paid by hand'], name: ['ci'] },
};

/** Names of things that there are. */
export type Known = Readonly<Record<string, readonly string[]>>;

/** Values for a schema. @param root what `$ref` points into */
export class Values {
  private readonly root: object;
  private readonly known: Known;

  constructor(root: object, known: Known) {
    this.root = root;
    this.known = known;
  }

  of(schema: JsonSchema, field = '', depth = 0): Value {
    const plain = this.plain(schema, field, depth);
    return fc.oneof({ weight: HOSTILE_EVERY - 1, arbitrary: plain }, { weight: 1, arbitrary: hostile });
  }

  /** A text for a place that is always text: in a path, a query, a header. */
  text(field: string): fc.Arbitrary<string> {
    const known = [...(this.known[field] ?? []), ...(TEXTS[field] ?? [])];
    const some = known.length === 0 ? fc.string({ minLength: 1, maxLength: 20 }) : fc.constantFrom(...known);
    return fc.oneof({ weight: 30, arbitrary: some }, { weight: 1, arbitrary: hostileText });
  }

  private plain(schema: JsonSchema, field: string, depth: number): Value {
    const { $ref, anyOf, oneOf, allOf } = schema;
    if (depth > DEEPEST) return fc.constant(null);
    if ($ref !== undefined) return this.plain(this.resolve($ref), field, depth);
    if ('const' in schema) return fc.constant(schema.const);
    if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
    const choices = anyOf ?? oneOf;
    if (choices !== undefined) return fc.oneof(...choices.map((each) => this.plain(each, field, depth + 1)));
    if (allOf !== undefined) return this.plain(Object.assign({}, ...allOf) as JsonSchema, field, depth);
    const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
    switch (type ?? 'any') {
      case 'string':
        return this.text(field);
      case 'integer':
      case 'number':
        return fc.integer({ min: Math.max(schema.minimum ?? 0, -10), max: Math.min(schema.maximum ?? 50, 50) });
      case 'boolean':
        return fc.boolean();
      case 'null':
        return fc.constant(null);
      case 'array':
        return fc.array(this.of(schema.items ?? {}, field, depth + 1), {
          minLength: schema.minItems ?? 0,
          maxLength: Math.max(schema.minItems ?? 0, MOST_ITEMS),
        });
      case 'object':
        return this.object(schema, field, depth);
      default:
        return field === 'payload' ? this.payload() : hostile;
    }
  }

  private object(schema: JsonSchema, field: string, depth: number): Value {
    const { properties = {}, required = [], additionalProperties } = schema;
    const names = Object.keys(properties);
    if (names.includes('schedule') && names.includes('priority') && depth < DEEPEST)
      return fc.oneof(
        { weight: 1, arbitrary: this.fields(properties, required, depth) },
        { weight: 4, arbitrary: this.job(properties, depth) },
      );
    if (names.length === 0) {
      const values =
        typeof additionalProperties === 'object' ? this.of(additionalProperties, field, depth + 1) : hostile;
      return fc.dictionary(fc.oneof(fc.constantFrom('team', 'a.b/c'), hostileText), values, { maxKeys: 3 });
    }
    return this.fields(properties, required, depth);
  }

  /** A job that a timer takes, but for what is hostile in it: fields that only stand together by chance nearly never do. */
  private job(properties: Record<string, JsonSchema>, depth: number): Value {
    const { jobId, priority, labels, timeout, delivery } = properties;
    const given = Object.entries({ priority, labels, timeout }).filter(
      (entry): entry is [string, JsonSchema] => entry[1] !== undefined,
    );
    const kind = fc.constantFrom('in', 'at', 'cron', 'every', 'fixedDelay');
    return fc
      .record({
        type: fc.constant('CUSTOM'),
        handler: fc.oneof({ weight: 9, arbitrary: this.text('handler') }, { weight: 1, arbitrary: hostile }),
        schedule: kind.chain((name) => fc.record({ [name]: this.text(name) })),
        payload: hostile,
        ...(delivery !== undefined && { delivery: fc.constant('at_least_once') }),
        ...(jobId !== undefined && { jobId: this.of(jobId, 'jobId', depth + 1) }),
        some: fc
          .subarray(given, { maxLength: Math.min(2, given.length) })
          .chain((chosen) =>
            fc.record(Object.fromEntries(chosen.map(([name, schema]) => [name, this.of(schema, name, depth + 1)]))),
          ),
      })
      .map(({ some, ...rest }) => ({ ...rest, ...(some as object) }));
  }

  /** Optional fields are few: two kinds of schedule together are always wrong. */
  private fields(properties: Record<string, JsonSchema>, required: readonly string[], depth: number): Value {
    const names = Object.keys(properties);
    const optional = names.filter((name) => !required.includes(name));
    return fc
      .record({
        always: fc.record(
          Object.fromEntries(
            required.filter((name) => name in properties).map((name) => [name, this.field(properties, name, depth)]),
          ),
        ),
        some: fc
          .subarray(optional, { maxLength: Math.min(2, optional.length) })
          .chain((chosen) =>
            fc.record(Object.fromEntries(chosen.map((name) => [name, this.field(properties, name, depth)]))),
          ),
        strange: rarely(fc.dictionary(hostileText, hostile, { minKeys: 1, maxKeys: 1 })),
      })
      .map(({ always, some, strange }) => ({ ...always, ...some, ...strange }));
  }

  private field(properties: Record<string, JsonSchema>, name: string, depth: number): Value {
    return this.of(properties[name]!, name, depth + 1);
  }

  private payload(): Value {
    return fc.oneof(
      hostile,
      fc.record({ method: fc.constantFrom('GET', 'POST'), url: this.text('url') }),
      fc.record({ topic: this.text('topic') }),
    );
  }

  private resolve(ref: string): JsonSchema {
    const path = ref
      .replace(/^#\//, '')
      .split('/')
      .filter((part) => part !== '' && part !== '#');
    return path.reduce((node, part) => (node as Record<string, object>)[part]!, this.root);
  }
}
