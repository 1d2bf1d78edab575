/** One fuzz: a deployment, requests, records, and what must hold at the end. */
import assert from 'node:assert/strict';
import { fuzzRecords, type RecordFigures } from './records.ts';
import { fuzzRequests, type RequestFigures } from './requests.ts';
import { checkPages } from './pages.ts';
import { World } from './world.ts';

export type FuzzOptions = { seed: number; requests: number; records: number };
export type FuzzFigures = { seed: number; seconds: number } & RequestFigures & RecordFigures;

/** @param say prints a line @throws AssertionError naming what broke a promise */
export async function fuzz(
  { seed, requests, records }: FuzzOptions,
  say: (line: string) => void,
): Promise<FuzzFigures> {
  say(`fuzz: seed ${seed}, ${requests} requests, ${records} records`);
  const began = performance.now();
  const world = await World.create();
  try {
    const overHttp = await fuzzRequests(world, seed, requests);
    say(`requests: ${JSON.stringify(overHttp.byStatus)}`);
    const overKafka = await fuzzRecords(world, seed, records);
    await world.checkVictim();
    await checkPages(world);
    await world.checkServices();
    bothKinds(overHttp.byStatus['2xx'] ?? 0, requests, 'requests were answered 2xx');
    bothKinds(overKafka.refused, records, 'records were refused');
    return { seed, seconds: Math.round((performance.now() - began) / 1_000), ...overHttp, ...overKafka };
  } finally {
    await world.close();
  }
}

/** Neither all nor none: what is valid and what is not must both have been tried. */
function bothKinds(some: number, all: number, what: string): void {
  assert.ok(all < 100 || (some > all / 8 && some < all * 0.975), `${some} of ${all} ${what}: both kinds are needed`);
}
