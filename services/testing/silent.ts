import type { Log } from '../core/ports/log.ts';

const nothing = (): void => undefined;

/** Says nothing. */
export const SILENT: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing, child: () => SILENT };
