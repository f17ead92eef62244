import type { Logger, Shutdown } from '@kiln/runtime';
import type { Part } from './definition.ts';
import { NO_METRICS } from './metrics.ts';
import { type OpenMetrics, openMetrics } from './open-metrics.ts';
import { type ListenAddress, serveMetrics } from './serve-metrics.ts';
import { type CountedState, countState } from './state-metrics.ts';
import type { Traces } from './traces/open-traces.ts';

/**
 * Opens the metrics of a process and serves them at `listen`, until the process stops. Undefined if nothing would serve them: without
 * `listen`, and unless the process has an API. @throws the error of listening, as for an address in use
 */
export async function startMetrics(
  parts: readonly Part[],
  listen: ListenAddress | undefined,
  { log, shutdown }: { readonly log: Logger; readonly shutdown: Shutdown },
): Promise<OpenMetrics | undefined> {
  if (!listen && !parts.includes('api')) return undefined;
  const metrics = await openMetrics(parts);
  shutdown.add('metrics', () => metrics.close());
  if (!listen) return metrics;
  const server = await serveMetrics(listen, metrics);
  shutdown.add('metrics listener', () => server[Symbol.asyncDispose]());
  log.info({ host: listen.host, port: server.port }, 'serving metrics');
  return metrics;
}

/** The options of `openState` with which what happens to builds and Redis is counted and traced, and errors of connections are logged. */
export function countedState(
  metrics: OpenMetrics | undefined,
  log: Logger,
  traces?: Traces | undefined,
): { observer?: CountedState; onError(error: Error): void } {
  return {
    ...((metrics || traces) && { observer: observerOf(metrics, traces) }),
    onError(error) {
      metrics?.count('kiln_redis_connection_errors_total', 1);
      log.warn({ err: error }, 'redis connection error');
    },
  };
}

function observerOf(metrics: OpenMetrics | undefined, traces: Traces | undefined): CountedState {
  const counted = countState(metrics ?? NO_METRICS);
  if (!traces) return counted;
  return {
    ...counted,
    changed(before, after) {
      counted.changed(before, after);
      traces.changed(before, after);
    },
  };
}
