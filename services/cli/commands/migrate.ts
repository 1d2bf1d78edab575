import { QUEUE } from '../../core/spec/names.ts';
import type { MigrationReport } from '../../migrate/migrate.ts';
import { requireServers } from '../../runtime/config.ts';
import type { Cli, CliDeps } from '../deps.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import { leaf, named, oneOf, type JsonOption } from '../options.ts';
import { facts, json } from '../output.ts';

type Flags = JsonOption & { encoding?: 'json' | 'avro'; queue?: string[] };

export function addMigrate({ program, deps, action }: Cli): void {
  leaf(program, 'migrate', 'Make or update tables, topics and schemas; safe to run again, and twice at once', [
    'belfry migrate',
    'belfry migrate --queue reports --queue imports',
    'SCHEMA_REGISTRY_URL=http://localhost:8081 belfry migrate --encoding avro',
  ])
    .addOption(
      oneOf('--encoding <encoding>', 'of what Belfry writes; fixed by the first migration (default: json)', [
        'json',
        'avro',
      ]),
    )
    .option('--queue <name>', 'a queue to make topics for, beside default; may be repeated', queueNames)
    .action(action((flags: Flags) => runMigration(deps, flags)));
}

function queueNames(text: string, former: string[] = []): string[] {
  return [...former, named('--queue', QUEUE)(text)];
}

async function runMigration(deps: CliDeps, flags: Flags): Promise<ExitCode> {
  const config = deps.config();
  requireServers(config, { kafka: true, database: true });
  const { encoding, queue: queues } = flags;
  const log = deps.makeLog(config.logLevel === 'info' ? 'error' : config.logLevel, 'migrate');
  const report = await deps.migrate(config, log, { ...(encoding && { encoding }), ...(queues && { queues }) });
  if (flags.json) deps.print(json(report));
  else printReport(deps, report);
  return EXIT.ok;
}

function printReport(deps: CliDeps, report: MigrationReport): void {
  const { topicsCreated, topicsPresent, schemasRegistered, encoding, partitions, schemaVersion, drifts } = report;
  const present = `${topicsPresent.length} there already`;
  deps.print(
    facts([
      ['database', `schema version ${schemaVersion}`],
      [
        'topics',
        topicsCreated.length === 0 ? present : `${topicsCreated.length} made (${topicsCreated.join(', ')}), ${present}`,
      ],
      ['partitions', String(partitions)],
      ['encoding', `${encoding}${schemasRegistered ? ', schemas registered' : ''}`],
    ]),
  );
  for (const { topic, setting, expected, actual } of drifts) {
    deps.warn(`${topic}: ${setting} is ${actual || 'not set'}, a new topic would have ${expected}; left as it is.`);
  }
}
