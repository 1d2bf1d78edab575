import type { ConsumedRecord } from '../../core/records.ts';
import { topicsOf } from '../../core/topics.ts';
import type { Cli, CliDeps } from '../deps.ts';
import { EXIT, noAnswer, notFound, usageError, type ExitCode } from '../exit.ts';
import { group, leaf, limited, type JsonOption } from '../options.ts';
import { facts, iso, json, table, when } from '../output.ts';
import { requireTopic } from '../require-topic.ts';
import { shortened } from '../views.ts';

const READ_WITHIN_MS = 60_000;
/** Where a rejected command stands on its topic: `3-17`. */
const PLACE = /^(\d+)-(\d+)$/;

type ListOptions = JsonOption & { limit: number };

export function addRejected({ program, deps, action }: Cli): void {
  const rejected = group(program, 'rejected', 'Look at commands that were refused', ['belfry rejected list']);
  limited(
    leaf(rejected, 'list', 'List refused commands, the latest first', ['belfry rejected list --limit 5']),
    20,
  ).action(action((options: ListOptions) => listRejected(deps, options)));
  leaf(rejected, 'show', 'Show a refused command as it came', ['belfry rejected show 3-17'])
    .argument('<place>', 'its place on the topic, as the list shows it', (text: string) => {
      if (PLACE.test(text)) return text;
      throw usageError(`"${text}" is no place on the topic; belfry rejected list shows them, such as 3-17.`);
    })
    .action(action((place: string, options: JsonOption) => showRejected(deps, place, options)));
}

async function listRejected(deps: CliDeps, options: ListOptions): Promise<ExitCode> {
  const all = (await readRejected(deps)).sort((a, b) => b.timestampMs - a.timestampMs);
  const shown = all.slice(0, options.limit);
  if (options.json) {
    deps.print(json({ rejected: shown.map(recordJson), more: all.length > shown.length }));
    return EXIT.ok;
  }
  if (shown.length === 0) {
    deps.print('no command was refused in the last days');
    return EXIT.ok;
  }
  const now = deps.clock.now();
  const rows = shown.map((record) => [
    placeOf(record),
    when(record.timestampMs, now),
    record.key?.toString() ?? '-',
    `${record.headers.belfry_error_code ?? '-'}: ${shortened(record.headers.belfry_error_message ?? '', 120)}`,
  ]);
  deps.print(table(['PLACE', 'REFUSED', 'KEY', 'WHY'], rows));
  if (all.length > shown.length) deps.warn(`There are ${all.length}: --limit shows more.`);
  return EXIT.ok;
}

async function showRejected(deps: CliDeps, place: string, options: JsonOption): Promise<ExitCode> {
  const record = (await readRejected(deps)).find((candidate) => placeOf(candidate) === place);
  if (record === undefined) throw notFound(`There is no refused command at ${place}: see belfry rejected list.`);
  if (options.json) {
    deps.print(json(recordJson(record)));
    return EXIT.ok;
  }
  const { headers } = record;
  deps.print(
    facts([
      ['place', place],
      ['refused', when(record.timestampMs, deps.clock.now())],
      ['code', headers.belfry_error_code ?? '-'],
      ['why', headers.belfry_error_message ?? '-'],
      [
        'came from',
        `${headers.belfry_origin_topic}, partition ${headers.belfry_origin_partition}, offset ${headers.belfry_origin_offset}`,
      ],
      ['key', record.key?.toString() ?? '-'],
      ['value', record.value?.toString() ?? '(none: a tombstone)'],
    ]),
  );
  return EXIT.ok;
}

/** All that is kept of the topic. */
async function readRejected(deps: CliDeps): Promise<ConsumedRecord[]> {
  const topic = topicsOf(deps.config().topicPrefix).rejected;
  await requireTopic(deps, topic);
  const records: ConsumedRecord[] = [];
  let caughtUp: () => void = () => undefined;
  const done = new Promise<void>((resolve, reject) => {
    const cancel = deps.clock.after(READ_WITHIN_MS, () =>
      reject(noAnswer(`Kafka did not answer in time for ${topic}.`)),
    );
    caughtUp = () => {
      cancel();
      resolve();
    };
  });
  const tail = await deps.broker().tail({
    topics: [topic],
    from: 'beginning',
    isolation: 'read_uncommitted',
    onRecord: (record) => void records.push(record),
    onCaughtUp: () => caughtUp(),
  });
  await done;
  await tail.close();
  return records;
}

function placeOf({ partition, offset }: ConsumedRecord): string {
  return `${partition}-${offset}`;
}

function recordJson(record: ConsumedRecord): object {
  const { belfry_error_code: code, belfry_error_message: message, ...headers } = record.headers;
  return {
    place: placeOf(record),
    at: iso(record.timestampMs),
    error: { code, message },
    key: record.key?.toString() ?? null,
    // The bytes as they came may be Avro, or no text at all.
    value: record.value?.toString() ?? null,
    valueBase64: record.value?.toString('base64') ?? null,
    headers,
  };
}
