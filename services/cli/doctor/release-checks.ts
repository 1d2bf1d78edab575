/** Which releases of Belfry work on a deployment: a rolling upgrade, seen from outside. Pure: from the state to findings. */
import type { ServiceState, SystemState } from '../../core/ports/inspect.ts';
import { ok, problem, warning, type Finding } from './finding.ts';

/** Services say that they live every 10 s. */
const LIVE_MS = 30_000;

export function schemaFinding(state: SystemState, shipped: number): Finding {
  const { schemaVersion, oldestServices, encoding, partitions } = state;
  const text = `version ${schemaVersion}, ${partitions} partitions, ${encoding}`;
  if (schemaVersion === shipped) return ok('schema', text);
  if (schemaVersion < shipped) return problem('schema', `${text}; this Belfry brings ${shipped}`, 'run belfry migrate');
  if (shipped >= oldestServices) return ok('schema', `${text}; this Belfry brings ${shipped}, which it serves`);
  const both = `${text}, for services from version ${oldestServices} on; this Belfry brings ${shipped}`;
  return problem('schema', both, 'start services of a newer release');
}

/** More than one is fine while an upgrade goes on, and not for good. */
export function releaseFinding(state: SystemState): Finding {
  const live = state.services.filter(({ ageMs }) => ageMs < LIVE_MS);
  const releases = Map.groupBy(live, ({ release, schemaVersion }) => `${release} (schema ${schemaVersion})`);
  const told = [...releases].map(([release, services]) => `${release}: ${kindsOf(services)}`);
  const silent = silentOf(state, live);
  if (silent.length > 0) told.push(`a release that does not say which, or ended: ${silent.join(', ')}`);
  if (told.length === 0) return ok('releases', 'no service runs');
  if (told.length === 1 && silent.length === 0) return ok('releases', told[0]!);
  return warning('releases', told.join('; '), 'finish the upgrade: replace the services of the older release');
}

function kindsOf(services: readonly ServiceState[]): string {
  const kinds = Map.groupBy(services, ({ kind }) => kind);
  return [...kinds].map(([kind, same]) => `${same.length} ${kind}`).join(', ');
}

/** Executors that live, and timers that own partitions, of which none says that it lives. */
function silentOf({ leases, owners }: SystemState, live: readonly ServiceState[]): string[] {
  const names = new Set(live.map(({ name }) => name));
  const executors = leases.filter(({ alive }) => alive).map(({ worker }) => worker);
  const timers = owners.map(({ instance }) => processOf(instance)).filter((name) => name !== '');
  const silent = (kind: string, of: readonly string[]): string[] =>
    [...new Set(of)].filter((name) => !names.has(name)).map((name) => `${kind} ${name}`);
  return [...silent('executor', executors), ...silent('timer', timers)];
}

/** An owner's instance is `host:pid:` and something of its own. */
function processOf(instance: string): string {
  return instance.split(':').slice(0, 2).join(':');
}
