import type { BuildRecord } from '@kiln/domain';
import { countAccepted, countChange } from './build-changes.ts';
import { type Metrics, observeMs } from './metrics.ts';

/** What `openState` tells of the builds that it writes, and of Redis. */
export interface CountedState {
  accepted(record: BuildRecord): void;
  changed(before: BuildRecord, after: BuildRecord): void;
  /** @param ms until Redis has answered @param error if it refused the command */
  answered(ms: number, error: Error | undefined): void;
}

/** Counts what happens in the pool's state. */
export function countState(metrics: Metrics): CountedState {
  return {
    accepted: (record) => countAccepted(metrics, record),
    changed: (before, after) => countChange(metrics, before, after),
    answered: (ms, error) => {
      observeMs(metrics, 'kiln_redis_command_duration_seconds', ms);
      // A script that Redis doesn't have yet is sent to it next.
      if (error && !error.message.startsWith('NOSCRIPT'))
        metrics.count('kiln_redis_errors_total', 1, { code: codeOf(error) });
    },
  };
}

/** The word in capitals with which Redis begins an error. */
function codeOf({ message }: Error): string {
  return message.slice(0, Math.max(0, message.indexOf(' ')));
}
