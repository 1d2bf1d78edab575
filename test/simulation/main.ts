import { simulate } from './simulate.ts';
const [from, to, trace] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4] === 'trace'];
const begun = performance.now();
let bad = 0, happened = 0, virtual = 0;
for (let seed = from; seed <= to; seed++) {
  const result = await simulate(seed, { isTraced: trace });
  happened += result.happened; virtual += result.virtualMs;
  if (trace) console.log(result.trace.join('\n'), JSON.stringify(result.plan.faults));
  if (result.violations.length > 0) { bad++; console.log(seed, result.violations.slice(0, 4).map(v => `${v.invariant} ${v.about}: ${v.message.slice(0, 600)}`)); }
}
const ms = performance.now() - begun;
console.log({ bad, of: to - from + 1, perMinute: Math.round((to - from + 1) / ms * 60000), happened: happened / (to - from + 1), virtual: virtual / (to - from + 1) });
