import { LATENESS_BUCKETS, type Metrics } from '../runtime/metrics.ts';
import type { ApiDeps } from './deps.ts';

/** The API's figures as Prometheus has them. */
export function apiMetrics(metrics: Metrics): NonNullable<ApiDeps['answered']> {
  const requests = metrics.histogram('api_request_duration_seconds', 'Requests answered.', LATENESS_BUCKETS, [
    'route',
    'method',
    'status',
  ]);
  return (route, method, status, durationMs) =>
    requests.observe({ route, method, status: String(status) }, durationMs / 1_000);
}
