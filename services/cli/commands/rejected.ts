import { parseInstant } from '../../core/spec/instant.ts';
import type { Cli, CliDeps } from '../deps.ts';
import { EXIT, notFound, usageError, type ExitCode } from '../exit.ts';
import { printList } from '../list.ts';
import { group, leaf, limited, type JsonOption } from '../options.ts';
import { facts, json, when } from '../output.ts';
import { isPlace } from '../../core/rejected-record.ts';
import { shortened } from '../views.ts';

type ListOptions = JsonOption & { limit: number };

export function addRejected({ program, deps, action }: Cli): void {
  const rejected = group(program, 'rejected', 'Look at commands that were refused', ['belfry rejected list']);
  limited(
    leaf(rejected, 'list', 'List refused commands, the latest first', ['belfry rejected list --limit 5']),
    20,
  ).action(action((options: ListOptions) => listRejected(deps, options)));
  leaf(rejected, 'show', 'Show a refused command as it came', ['belfry rejected show 3-17'])
    .argument('<place>', 'where it came from, as the list shows it', (text: string) => {
      if (isPlace(text)) return text;
      throw usageError(`"${text}" is no place of a record; belfry rejected list shows them, such as 3-17.`);
    })
    .action(action((place: string, options: JsonOption) => showRejected(deps, place, options)));
}

async function listRejected(deps: CliDeps, options: ListOptions): Promise<ExitCode> {
  const { rejected: shown, more } = await deps.rejected().list(options.limit);
  return printList(deps, options.json, {
    shown,
    more,
    name: 'rejected',
    toJson: (command) => command,
    head: ['PLACE', 'REFUSED', 'KEY', 'WHY'],
    cells: ({ place, at, key, error }, now) => [
      ...[place, when(parseInstant(at) ?? null, now), key ?? '-'],
      `${error.code}: ${shortened(error.message, 120)}`,
    ],
    none: 'no command was refused in the last days',
    others: '--limit shows more',
  });
}

async function showRejected(deps: CliDeps, place: string, options: JsonOption): Promise<ExitCode> {
  const found = await deps.rejected().find(place);
  if (found === undefined) throw notFound(`There is no refused command at ${place}: see belfry rejected list.`);
  if (options.json) {
    deps.print(json(found));
    return EXIT.ok;
  }
  const { at, error, headers, key, value, size, truncated } = found;
  deps.print(
    facts([
      ['place', place],
      ['refused', when(parseInstant(at) ?? null, deps.clock.now())],
      ['code', error.code],
      ['why', error.message || '-'],
      [
        'came from',
        `${headers.belfry_origin_topic}, partition ${headers.belfry_origin_partition}, offset ${headers.belfry_origin_offset}`,
      ],
      ['key', key ?? '-'],
      ['value', value ?? '(none: a tombstone)'],
      ...(truncated
        ? [['', `(the beginning of ${size} bytes: Kafka keeps the rest no longer)`] as [string, string]]
        : []),
    ]),
  );
  return EXIT.ok;
}
