import { accept } from './accept.ts';
import { burst } from './burst.ts';
import { cost } from './cost.ts';
import { drain } from './drain.ts';
import { failover } from './failover.ts';
import { idle } from './idle.ts';
import { lateness } from './lateness.ts';
import { long } from './long.ts';
import { oldSnapshot } from './old-snapshot.ts';
import { pooler } from './pooler.ts';
import { scale } from './scale.ts';

/** In the order of the report. */
export const WORKLOADS = [
  drain,
  lateness,
  accept,
  cost,
  idle,
  oldSnapshot,
  scale,
  long,
  failover,
  burst,
  pooler,
] as const;
