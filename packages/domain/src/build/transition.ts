import { type Failure, isHandBack, isInfrastructure } from './failure.ts';
import {
  type Attempt,
  type AttemptEnd,
  type BuildRecord,
  type BuildResult,
  currentAttempt,
  type EndedRun,
  type StepCounts,
} from './record.ts';
import type { BuildState, TerminalState } from './state.ts';

/** What a host reports when an attempt's buildx has ended. */
export interface Outcome {
  readonly end: TerminalState;
  readonly failure?: Failure;
  readonly result?: BuildResult;
  readonly steps?: StepCounts;
}

/** The attempt in whose name a host speaks. Without `nonce` its number and incarnation alone tell which. */
interface OfHost {
  readonly attempt: number;
  readonly incarnation: string;
  readonly nonce?: string;
}

export type BuildEvent =
  | { readonly type: 'assign'; readonly host: string; readonly incarnation: string; readonly nonce?: string }
  | ({ readonly type: 'start' } & OfHost)
  | ({ readonly type: 'pin'; readonly commit: string } & OfHost)
  | ({ readonly type: 'finish'; readonly outcome: Outcome } & OfHost)
  | { readonly type: 'lose'; readonly attempt: number; readonly nonce?: string; readonly failure: Failure }
  | { readonly type: 'cancel' }
  /** A newer build of the same concurrency key takes its place. */
  | { readonly type: 'supersede'; readonly by: string }
  /** Its caller cancels it while others share its run. */
  | { readonly type: 'release' }
  /** Its caller cancels it, and the run that it shares goes on for others. */
  | { readonly type: 'leave' }
  /** The run that it shares has ended. */
  | { readonly type: 'share'; readonly run: EndedRun };

export type BuildEventType = BuildEvent['type'];

/** A refused event. `stale` says that it came from an attempt that is no longer the build's live one. */
export interface IllegalTransition {
  readonly illegal: true;
  readonly reason: 'stale' | 'not_allowed';
  readonly state: BuildState;
  readonly event: BuildEventType;
}

/** Which events a state takes at all. The one place where the lifecycle is written down. */
const ALLOWED: Readonly<Record<BuildState, readonly BuildEventType[]>> = {
  queued: ['assign', 'cancel', 'supersede', 'release'],
  assigned: ['start', 'finish', 'lose', 'cancel', 'supersede', 'release'],
  running: ['pin', 'finish', 'lose', 'cancel', 'supersede', 'release'],
  succeeded: [],
  failed: [],
  canceled: [],
};

/** What a queued build takes that shares another's run: to cancel or supersede a run is its owner's event, for the run is. */
const ALLOWED_SHARING: readonly BuildEventType[] = ['leave', 'share'];

/**
 * A build whose hosts die under it, or whose attempts fail without its fault, is not tried for ever. An attempt that a host
 * handed back though nothing went wrong (`host_drained`, `host_taken`) doesn't count: however many hosts are drained, that is no sign of trouble.
 */
export const MAX_ATTEMPTS = 3;

/**
 * Hosts whose workers didn't understand the build (`host_outdated`) count by themselves: nothing was tried, and in the middle of an update
 * there may be many of them. Each is the last resort from then on, so these are as many different hosts where there are so many.
 */
export const MAX_OUTDATED_HOSTS = 10;

/** Attempts that say nothing of the build, nor of its hosts' health. */
function isUncounted(failure: Failure | undefined): boolean {
  return isHandBack(failure) || failure?.code === 'host_outdated';
}

/**
 * The lifecycle of a build: what `event`, at `now` (ms since the epoch), makes of `build`.
 * Never throws; an event that the state doesn't take, or that a stale attempt sends, comes back as `IllegalTransition`.
 */
export function transition(build: BuildRecord, event: BuildEvent, now: number): BuildRecord | IllegalTransition {
  if (!allowed(build).includes(event.type)) return illegal(build, event, 'not_allowed');
  if ('attempt' in event && !isLive(build, event)) return illegal(build, event, 'stale');
  switch (event.type) {
    case 'assign':
      return next(build, {
        state: 'assigned',
        attempts: [
          ...build.attempts,
          {
            number: build.attempts.length + 1,
            host: event.host,
            incarnation: event.incarnation,
            ...(event.nonce !== undefined && { nonce: event.nonce }),
            assignedAt: now,
          },
        ],
      });
    case 'start':
      return next(build, { state: 'running', attempts: amendLast(build, { startedAt: now }) });
    case 'pin':
      return build.commit === event.commit ? build : next(build, { commit: event.commit });
    case 'finish':
      return finish(build, event.outcome, now);
    case 'lose':
      return lose(build, event.failure, now);
    case 'cancel':
      return cancel(build, now, { code: 'canceled', message: 'canceled while queued' });
    case 'supersede':
      return cancel(build, now, superseded(event.by), event.by);
    case 'release':
      return release(build, now);
    case 'leave':
      return leave(build, now);
    case 'share':
      return next(build, { ...event.run, finishedAt: now });
  }
}

export function isIllegal(outcome: BuildRecord | IllegalTransition): outcome is IllegalTransition {
  return 'illegal' in outcome;
}

function allowed({ state, sharedRun }: BuildRecord): readonly BuildEventType[] {
  return state === 'queued' && sharedRun !== undefined ? ALLOWED_SHARING : ALLOWED[state];
}

function finish(build: BuildRecord, outcome: Outcome, now: number): BuildRecord {
  const { end, result, steps } = outcome;
  const failure =
    end === 'canceled' && build.supersededBy !== undefined ? superseded(build.supersededBy) : outcome.failure;
  if (end === 'failed' && failure && isInfrastructure(failure.code)) return lose(build, failure, now);
  return next(build, {
    state: end,
    finishedAt: now,
    attempts: endLast(build, end, failure, now),
    ...(steps && { steps }),
    ...(result && { result }),
    ...(failure && { failure }),
  });
}

/** An attempt that ended without the build's fault: the build goes back to `queued`, unless it was canceled or tried often enough. */
function lose(build: BuildRecord, failure: Failure, now: number): BuildRecord {
  const attempts = endLast(build, 'lost', failure, now);
  if (build.cancelRequestedAt !== undefined) {
    return next(build, {
      state: 'canceled',
      finishedAt: now,
      attempts,
      failure:
        build.supersededBy === undefined
          ? { code: 'canceled', message: 'canceled; the host was lost before it could confirm' }
          : superseded(build.supersededBy),
    });
  }
  const outdated = attempts.filter((attempt) => attempt.failure?.code === 'host_outdated');
  if (failure.code === 'host_outdated' && outdated.length >= MAX_OUTDATED_HOSTS) {
    return next(build, { state: 'failed', finishedAt: now, attempts, failure: exhausted(outdated, failure) });
  }
  const counted = attempts.filter((attempt) => !isUncounted(attempt.failure));
  if (!isUncounted(failure) && counted.length >= MAX_ATTEMPTS) {
    return next(build, { state: 'failed', finishedAt: now, attempts, failure: exhausted(counted, failure) });
  }
  return next(build, { state: 'queued', queuedAt: now, attempts });
}

/** `poisoned` is kept for builds that took a host's worker down each time; anything else keeps the last attempt's own words. */
function exhausted(attempts: readonly Attempt[], last: Failure): Failure {
  const poisoned = attempts.every((attempt) => attempt.failure?.code === 'host_lost');
  return poisoned
    ? { code: 'poisoned', message: `${attempts.length} hosts in a row were lost while they ran this build` }
    : { ...last, message: `${last.message} (gave up after ${attempts.length} attempts)` };
}

/**
 * A queued build ends here, with `failure`; one that a host holds is marked, and ends when the host confirms, or is lost.
 * The first who asks for it is the reason that the build keeps.
 */
function cancel(build: BuildRecord, now: number, failure: Failure, supersededBy?: string): BuildRecord {
  if (build.cancelRequestedAt !== undefined) return build;
  const why = { cancelRequestedAt: now, ...(supersededBy !== undefined && { supersededBy }) };
  return next(build, build.state === 'queued' ? { ...why, state: 'canceled', finishedAt: now, failure } : why);
}

function superseded(by: string): Failure {
  return { code: 'superseded', message: `superseded by build ${by}, which has the same concurrency key` };
}

function release(build: BuildRecord, now: number): BuildRecord {
  const isMarked = build.releasedAt !== undefined || build.cancelRequestedAt !== undefined;
  return isMarked ? build : next(build, { releasedAt: now });
}

/** From here on it is a build that was canceled while it waited, and nothing of the run is its own. */
function leave({ sharedRun, ...build }: BuildRecord, now: number): BuildRecord {
  const message = `canceled; the run of build ${sharedRun} goes on for others that share it`;
  return next(build, {
    state: 'canceled',
    cancelRequestedAt: now,
    finishedAt: now,
    failure: { code: 'canceled', message },
  });
}

function isLive(build: BuildRecord, event: { attempt: number; incarnation?: string; nonce?: string }): boolean {
  const live = currentAttempt(build);
  if (!live || live.number !== event.attempt) return false;
  if (event.nonce !== undefined && event.nonce !== live.nonce) return false;
  return event.incarnation === undefined || event.incarnation === live.incarnation;
}

function endLast(build: BuildRecord, end: AttemptEnd, failure: Failure | undefined, now: number): readonly Attempt[] {
  return amendLast(build, { endedAt: now, end, ...(failure && { failure }) });
}

function amendLast(build: BuildRecord, change: Partial<Attempt>): readonly Attempt[] {
  return build.attempts.map((attempt, i) => (i === build.attempts.length - 1 ? { ...attempt, ...change } : attempt));
}

function next(build: BuildRecord, change: Partial<BuildRecord>): BuildRecord {
  return { ...build, ...change, revision: build.revision + 1 };
}

function illegal(build: BuildRecord, event: BuildEvent, reason: IllegalTransition['reason']): IllegalTransition {
  return { illegal: true, reason, state: build.state, event: event.type };
}
