import type { Cli } from '../deps.ts';
import { examine } from '../doctor/examine.ts';
import { EXIT } from '../exit.ts';
import { leaf, type JsonOption } from '../options.ts';
import { json, table } from '../output.ts';

export function addDoctor({ program, deps, action }: Cli): void {
  leaf(program, 'doctor', 'Check servers, topics, clocks and services; exit with 1 if there is a problem', [
    'belfry doctor',
    `belfry doctor --json | jq '.findings[] | select(.status != "ok")'`,
  ]).action(
    action(async (options: JsonOption) => {
      const findings = await examine(deps);
      const healthy = findings.every(({ status }) => status !== 'problem');
      if (options.json) deps.print(json({ healthy, findings }));
      else {
        const rows = findings.map(({ subject, status, detail, advice }) => {
          return [status, subject, advice === undefined ? detail : `${detail}: ${advice}`];
        });
        deps.print(table(['', 'WHAT', 'FOUND'], rows));
      }
      return healthy ? EXIT.ok : EXIT.failed;
    }),
  );
}
