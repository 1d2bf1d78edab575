import { pino } from 'pino';
import type { Log } from '../core/ports/log.ts';

/**
 * The log of a service: JSON lines on standard error, so that standard output stays free for answers.
 * @param level a pino level
 */
export function makeLog(level: string, service: string): Log {
  return pino(
    {
      level,
      base: { service },
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: pino.stdSerializers.err },
    },
    pino.destination(2),
  );
}
