/** Which invariant notices which mutation, and after how many seeds. What else noticed it by then stands beside it. */
import type { Mutation } from './mutation.ts';
import { MUTATIONS } from './mutations.ts';
import { simulate } from './simulate.ts';

/** @returns whether every mutation (or the one asked for) was found within `count` seeds from `from` on */
export async function mutationTable(from: number, count: number, only?: string): Promise<boolean> {
  const chosen = MUTATIONS.filter(({ name }) => only === undefined || name === only);
  console.log('| mutation | what is switched off | found by | seeds needed | again with |\n|---|---|---|---|---|');
  let isFine = chosen.length > 0;
  for (const mutation of chosen) {
    const found = await find(mutation, from, count);
    isFine &&= found !== undefined;
    const cells =
      found === undefined
        ? [`nothing`, `more than ${count}`, '']
        : [
            found.invariants.join(', '),
            found.seeds,
            `\`--seed ${from + found.seeds - 1} --mutation ${mutation.name}\``,
          ];
    console.log(`| ${[mutation.name, mutation.what, ...cells].join(' | ')} |`);
  }
  return isFine;
}

async function find(
  mutation: Mutation,
  from: number,
  count: number,
): Promise<{ invariants: string[]; seeds: number } | undefined> {
  for (let seeds = 1; seeds <= count; seeds++) {
    const { violations } = await simulate(from + seeds - 1, { mutation });
    if (!violations.some(({ invariant }) => invariant === mutation.breaks)) continue;
    return { invariants: [...new Set(violations.map(({ invariant }) => invariant))].sort(), seeds };
  }
  return undefined;
}
