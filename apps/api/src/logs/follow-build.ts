import type { LogPosition } from '@kiln/contracts';
import { isTerminal } from '@kiln/domain';
import type { StoredBuild } from '@kiln/state';
import type { BuildWatch } from '../builds/build-watch.ts';
import { endOfAttempt } from './attempt-log.ts';
import { LogChunk } from './log-chunk.ts';
import type { LogHub } from './log-hub.ts';

export interface FollowRequest {
  readonly buildId: string;
  /** The last record that the watcher has; seq 0 is before the first one. */
  readonly from: LogPosition;
  /** Only this attempt. */
  readonly only: number | undefined;
  /** Whether to wait for more; false: only what is there now. */
  readonly follow: boolean;
  readonly signal: AbortSignal;
}

/**
 * Follows a build's log from a position on, across all its attempts, waiting while the build is queued. Ends after the final `end`, or at
 * once when `signal` aborts. For a build that ended while it was queued, which no host logged, an `end` record is made.
 * @throws LogGap; the stores' errors
 */
export async function* followBuild(
  hub: LogHub,
  watch: BuildWatch,
  { buildId, from, only, follow, signal }: FollowRequest,
): AsyncGenerator<LogChunk> {
  let { attempt, seq } = from;
  while (!signal.aborted) {
    const build = await watch.until(
      buildId,
      (now) => !follow || isTerminal(now.record.state) || now.record.attempts.length >= attempt,
      signal,
    );
    if (!build) return;
    if (attempt > build.record.attempts.length) {
      if (isTerminal(build.record.state) && only === undefined && seq === 0) yield closingOf(build, attempt, 1);
      return;
    }
    using hold = hub.hold({ buildId, attempt });
    hold.log.note(build);
    for (;;) {
      const chunk = await hold.log.after(seq, follow, signal);
      if (!chunk) break;
      yield chunk;
      seq = chunk.lastSeq;
      if (chunk.end) break;
    }
    if (only !== undefined || signal.aborted) return;
    // A log that is no longer kept has no end, and the build may have changed since it was read.
    const now = hold.log.end ? build : await watch.until(buildId, () => true, signal);
    if (!now || isFinal(hold.log.end, now, attempt)) return;
    attempt += 1;
    seq = 0;
  }
}

/** Whether this attempt is the last one: by the `end` of its log, or by the build's record if the log is no longer kept. */
function isFinal(end: { state: string } | undefined, { record }: StoredBuild, attempt: number): boolean {
  if (end) return end.state !== 'queued';
  return record.attempts.length <= attempt && record.attempts[attempt - 1]?.end !== 'lost';
}

/** Makes the `end` of a build that has none in a host's log, as record `seq` of `attempt`. */
export function closingOf(build: StoredBuild, attempt: number, seq: number): LogChunk {
  return new LogChunk(attempt, seq, [JSON.stringify(endOfAttempt(build, attempt))]);
}
