/** What stands in a step, by the names of its inputs. */
import { INTAKES, type Intake } from '../core/topics.ts';
import type { Gathered } from './gathered.ts';
import { inputNames } from './input-names.ts';
import type { OwnedPartition } from './owned.ts';

/** In the order in which they are decided. */
export function namesOf({ items, waited, enqueued, due, news, quarantined = [] }: Gathered): string[] {
  return [
    ...news.publishedRuns.map(inputNames.published),
    ...news.refusedRuns.map(({ run }) => inputNames.refused(run)),
    ...news.swept.map(inputNames.swept),
    ...waited.map(({ waiting }) => inputNames.waiting(waiting.seq)),
    ...INTAKES.flatMap((intake) =>
      items[intake].flatMap(({ record }) => (record === null ? [] : inputNames.record(intake, record.offset))),
    ),
    ...enqueued.map(({ id }) => inputNames.enqueued(id)),
    ...due.map(inputNames.timer),
    ...quarantined.flatMap(({ name, timer }) => (timer === null ? [] : name)),
  ];
}

/** The same step with these inputs alone. Records and commands go in their order: each kind ends before the first that is not among them. */
export function restrictedTo(gathered: Gathered, names: readonly string[]): Gathered {
  const chosen = new Set(names);
  const { items, waited, enqueued, due, quarantined = [] } = gathered;
  const upTo = <T>(all: readonly T[], name: (each: T) => string): readonly T[] => {
    const end = all.findIndex((each) => !chosen.has(name(each)));
    return end < 0 ? all : all.slice(0, end);
  };
  const first = (intake: Intake): Gathered['items'][Intake] => {
    const end = items[intake].findIndex(
      ({ record }) => record !== null && !chosen.has(inputNames.record(intake, record.offset)),
    );
    return end < 0 ? items[intake] : items[intake].slice(0, end);
  };
  return {
    ...gathered,
    items: { completed: first('completed'), retry: first('retry'), commands: first('commands') },
    waited: upTo(waited, ({ waiting }) => inputNames.waiting(waiting.seq)),
    enqueued: upTo(enqueued, ({ id }) => inputNames.enqueued(id)),
    due: due.filter((timer) => chosen.has(inputNames.timer(timer))),
    news: newsAmong(gathered, chosen),
    quarantined: quarantined.filter(({ name }) => chosen.has(name)),
  };
}

/** An outbox row stays as long as ends of its runs are not written down: nothing else tells of them. */
function newsAmong({ news }: Gathered, chosen: ReadonlySet<string>): Gathered['news'] {
  const publishedRuns = news.publishedRuns.filter((run) => chosen.has(inputNames.published(run)));
  const refusedRuns = news.refusedRuns.filter(({ run }) => chosen.has(inputNames.refused(run)));
  const isAll = publishedRuns.length === news.publishedRuns.length && refusedRuns.length === news.refusedRuns.length;
  return {
    ...{ publishedRuns, refusedRuns },
    swept: news.swept.filter((completion) => chosen.has(inputNames.swept(completion))),
    producedSeqs: isAll ? news.producedSeqs : [],
  };
}

/** Whether the input named so is a record that the partition has not read yet: it comes, where others are there or gone. */
export function isAwaited({ queues }: OwnedPartition, name: string): boolean {
  const intake = INTAKES.find((each) => name.startsWith(`${each} `));
  return intake !== undefined && queues[intake].mayHold(BigInt(name.slice(intake.length + 1)));
}
