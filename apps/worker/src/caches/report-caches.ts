import { cacheNamespace } from '@kiln/buildkit';
import type { Executor } from '../engine/executor.ts';
import type { AttemptReading } from './attempt-reading.ts';
import type { CacheReporter } from './cache-reporter.ts';

/** Decorates an executor so that `reporter` is told of each attempt that has ended. The attempt doesn't wait for the report. */
export function reportingCaches(
  executor: Executor,
  reporter: Partial<Pick<CacheReporter, 'last'>> & Pick<CacheReporter, 'isWarm' | 'attemptEnded'>,
  now: () => number,
): Executor {
  return {
    info: executor.info,
    extendFence: (untilMs) => executor.extendFence(untilMs),
    close: () => executor.close(),
    async run(request, signal) {
      const { repo, spec, trust, domain, caches } = request;
      // A builder of its own has nothing before the attempt, and is gone after it.
      if ((spec.cache?.mode ?? 'warm') !== 'warm') return await executor.run(request, signal);
      caches?.before(reporter.last?.mounts, domain);
      const startedAt = now();
      const namespace = cacheNamespace({ repo, team: spec.team, scope: spec.cacheScope, trust });
      const isWarm = reporter.isWarm(repo, spec.cacheScope === 'repo' ? namespace : undefined);
      try {
        return await executor.run({ ...request, isWarm }, signal);
      } finally {
        const onRead = caches && { onRead: (reading: AttemptReading) => caches.after(reading) };
        reporter.attemptEnded({ repo, namespace, startedAt, endedAt: now(), ...onRead });
      }
    },
  };
}
