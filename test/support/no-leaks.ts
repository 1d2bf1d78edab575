/**
 * Makes a test file fail that leaves something behind: a server, a client, a timer that keeps its process alive.
 * Loaded before the tests: `node --import ./test/support/no-leaks.ts --test …`.
 */
import { after } from 'node:test';

const SETTLED_WITHIN_MS = 10_000;

// The runner itself has no tests, and loads this, too.
if (process.env.NODE_TEST_CONTEXT !== undefined) after(watch);

/** It does not keep the process alive: so it comes to its time only when something else does. */
function watch(): void {
  setTimeout(() => {
    const left = [...new Set(process.getActiveResourcesInfo())].filter(
      (name) => name !== 'Timeout' && name !== 'PipeWrap',
    );
    console.error(`${process.argv[1]} left something open: ${left.join(', ') || 'a timer'}; close it in an after hook`);
    process.exit(1);
  }, SETTLED_WITHIN_MS).unref();
}
