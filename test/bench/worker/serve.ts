/**
 * The worker's end of the link to the bench: a line on standard input is a request (a name and words), a line of JSON on file
 * descriptor 3 its answer. Standard output stays free for what the systems print, and a worker in Java can speak it as well.
 */
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';

export type Answers = Readonly<Record<string, (...words: string[]) => unknown>>;

const ANSWER_FD = 3;

/** Answers requests one after the other. The end of standard input is the end of the bench, and so of the worker. */
export function serve(answers: Answers): void {
  const out = new Socket({ fd: ANSWER_FD });
  out.unref();
  let last: Promise<void> = Promise.resolve();
  createInterface({ input: process.stdin })
    .on('line', (line) => {
      last = last.then(async () => void out.write(`${JSON.stringify(await answer(answers, line))}\n`));
    })
    .on('close', () => process.exit());
}

async function answer(answers: Answers, line: string): Promise<object> {
  const [name = '', ...words] = line.split(' ');
  try {
    const work = answers[name];
    if (work === undefined) throw new Error(`a worker does not know the request ${name}`);
    return { value: (await work(...words)) ?? null };
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}
