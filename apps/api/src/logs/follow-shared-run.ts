import type { StoredBuild } from '@kiln/state';
import type { BuildWatch } from '../builds/build-watch.ts';
import { closingOf, type FollowRequest, followBuild } from './follow-build.ts';
import type { LogChunk } from './log-chunk.ts';
import type { LogHub } from './log-hub.ts';

/**
 * Follows the log of a build that shares the run of build `run`: the run's own log, with the same records and ids. If the build leaves the
 * run, its log ends there.
 * @throws LogGap; the stores' errors
 */
export async function* followSharedRun(
  hub: LogHub,
  watch: BuildWatch,
  request: FollowRequest,
  run: string,
): AsyncGenerator<LogChunk> {
  const { buildId, only, signal } = request;
  const over = new AbortController();
  const leaving = new AbortController();
  let left: StoredBuild | undefined;
  void watch
    .until(buildId, ({ record }) => record.sharedRun === undefined, AbortSignal.any([signal, over.signal]))
    .then((build) => {
      left = build;
      if (build) leaving.abort();
    });
  try {
    let { attempt, seq } = request.from;
    let isWhole = false;
    const both = AbortSignal.any([signal, leaving.signal]);
    for await (const chunk of followBuild(hub, watch, { ...request, buildId: run, signal: both })) {
      yield chunk;
      attempt = chunk.attempt;
      seq = chunk.lastSeq;
      isWhole = chunk.end !== undefined && chunk.end.state !== 'queued';
    }
    if (left && !isWhole && only === undefined && !signal.aborted) yield closingOf(left, attempt, seq + 1);
  } finally {
    over.abort();
  }
}
