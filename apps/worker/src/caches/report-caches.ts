import { cacheNamespace } from '@kiln/buildkit';
import type { Executor } from '../engine/executor.ts';
import type { EndedAttempt } from './cache-reporter.ts';

/** Decorates an executor so that `reporter` is told of each attempt that has ended. The attempt doesn't wait for the report. */
export function reportingCaches(
  executor: Executor,
  reporter: { attemptEnded(attempt: EndedAttempt): void },
  now: () => number,
): Executor {
  return {
    info: executor.info,
    extendFence: (untilMs) => executor.extendFence(untilMs),
    close: () => executor.close(),
    async run(request, signal) {
      const { repo, spec, trust } = request;
      const startedAt = now();
      try {
        return await executor.run(request, signal);
      } finally {
        // A builder of its own is gone by now, with all that the attempt left there.
        const isWarm = (spec.cache?.mode ?? 'warm') === 'warm';
        const namespace = cacheNamespace({ repo, team: spec.team, scope: spec.cacheScope, trust });
        if (isWarm) reporter.attemptEnded({ repo, namespace, startedAt, endedAt: now() });
      }
    },
  };
}
