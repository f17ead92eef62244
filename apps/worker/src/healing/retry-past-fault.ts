import type { RunOutcome } from '@kiln/buildkit';
import { type LogRecord, onAllTargets } from '@kiln/contracts';
import type { BuilderFault, BuilderState } from '@kiln/domain';
import type { DomainRequest } from '../engine/executor.ts';

/** States that concern some of a builder's records, so that a build can succeed on it without them. */
const CURABLE: ReadonlySet<BuilderState> = new Set([
  'snapshot_missing',
  'content_missing',
  'record_corrupt',
  'disk_full',
]);

export interface RetryDeps {
  run(request: DomainRequest, signal: AbortSignal): Promise<RunOutcome>;
  /** Removes the damaged records; returns how many. */
  forget(fault: BuilderFault): Promise<number>;
  /** Ms since the epoch. */
  now(): number;
}

/** How a build ended, and what was wrong with its builder if it succeeded only in the second try. */
export interface Retried {
  readonly outcome: RunOutcome;
  readonly cured?: BuilderFault;
}

/**
 * Runs a build. If it fails because the builder's own store is damaged, removes what is damaged and runs it a second time, never more often.
 * Failures of the build itself are returned as they are.
 */
export async function retryPastFault(deps: RetryDeps, request: DomainRequest, signal: AbortSignal): Promise<Retried> {
  let steps = 0;
  const sink = (record: LogRecord) => {
    if ('step' in record && record.step !== undefined) steps = Math.max(steps, record.step);
    return request.sink(record);
  };
  const first = await deps.run({ ...request, sink }, signal);
  const { fault } = first;
  if (!fault || !CURABLE.has(fault.state) || signal.aborted) return { outcome: first };
  const removed = await deps.forget(fault).catch(() => 0);
  if (signal.aborted) return { outcome: first };
  const how = removed > 0 ? `after removing ${removed} of its records` : 'without its cache';
  await request.sink({
    t: deps.now(),
    type: 'note',
    message: `the builder's store is damaged (${fault.state}): ${fault.message}; running the build again ${how}`,
  });
  const offset = steps;
  const again: DomainRequest = {
    ...request,
    spec: removed > 0 ? request.spec : onAllTargets(request.spec, { noCache: true }),
    // The second run numbers its steps from 1 again.
    sink: (record) =>
      request.sink('step' in record && record.step !== undefined ? { ...record, step: record.step + offset } : record),
  };
  const second = await deps.run(again, signal);
  // What isn't cured without the cache wasn't the cache's fault.
  if (fault.isSuspected && second.fault?.isSuspected) return { outcome: withoutFault(second) };
  return second.fault ? { outcome: second } : { outcome: second, cured: fault };
}

/** Returns the outcome as the pool stores it. */
export function withoutFault({ fault: _, ...outcome }: RunOutcome): RunOutcome {
  return outcome;
}
