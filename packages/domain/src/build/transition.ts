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

/** How an attempt ended, as its host reports it. */
export interface Outcome {
  readonly end: TerminalState;
  readonly failure?: Failure;
  readonly result?: BuildResult;
  readonly steps?: StepCounts;
}

/** The attempt for which a host sends an event. Without `nonce`, only number and incarnation identify it. */
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
  /** A newer build of the same concurrency key replaces it. */
  | { readonly type: 'supersede'; readonly by: string }
  /** Its caller cancels it while other builds share its run. */
  | { readonly type: 'release' }
  /** Its caller cancels it, and the run that it shares continues for others. */
  | { readonly type: 'leave' }
  /** The leader gives up placing it. */
  | { readonly type: 'abandon'; readonly failure: Failure }
  /** The run that it shares has ended. */
  | { readonly type: 'share'; readonly run: EndedRun };

export type BuildEventType = BuildEvent['type'];

/** A refused event. `stale`: it came from an attempt that is no longer the build's live one. */
export interface IllegalTransition {
  readonly illegal: true;
  readonly reason: 'stale' | 'not_allowed';
  readonly state: BuildState;
  readonly event: BuildEventType;
}

/** The events that each state accepts. This table is the only definition of the lifecycle. */
const ALLOWED: Readonly<Record<BuildState, readonly BuildEventType[]>> = {
  queued: ['assign', 'cancel', 'supersede', 'release', 'abandon'],
  assigned: ['start', 'finish', 'lose', 'cancel', 'supersede', 'release'],
  running: ['pin', 'finish', 'lose', 'cancel', 'supersede', 'release'],
  succeeded: [],
  failed: [],
  canceled: [],
};

/** The events that a queued build accepts while it shares another's run. That run is canceled or superseded by events of its own build. */
const ALLOWED_SHARING: readonly BuildEventType[] = ['leave', 'share'];

/**
 * How many attempts a build gets whose hosts are lost or whose attempts fail without its fault. Attempts that a host handed back without an
 * error (`host_drained`, `host_taken`) don't count, however many there are.
 */
export const MAX_ATTEMPTS = 3;

/**
 * How many hosts may fail to understand a build (`host_outdated`). They are counted separately, because nothing was tried on them, and during
 * an update there may be many. Placement prefers all other hosts from then on, so these are different hosts if there are enough.
 */
export const MAX_OUTDATED_HOSTS = 10;

/** Returns whether an attempt says nothing about the build or the health of its host. */
function isUncounted(failure: Failure | undefined): boolean {
  return isHandBack(failure) || failure?.code === 'host_outdated';
}

/**
 * Applies an event to a build. Never throws; an event that the state doesn't accept, or that a stale attempt sends, returns an
 * `IllegalTransition`.
 * @param now ms since the epoch
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
    case 'abandon':
      return next(build, { state: 'failed', finishedAt: now, failure: event.failure });
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

/** Ends an attempt without the build's fault: the build goes back to `queued`, unless it was canceled or has no attempts left. */
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

/** `poisoned` is for builds during which a host was lost each time. Otherwise the last attempt's failure is kept. */
function exhausted(attempts: readonly Attempt[], last: Failure): Failure {
  const poisoned = attempts.every((attempt) => attempt.failure?.code === 'host_lost');
  return poisoned
    ? { code: 'poisoned', message: `${attempts.length} hosts in a row were lost while they ran this build` }
    : { ...last, message: `${last.message} (gave up after ${attempts.length} attempts)` };
}

/**
 * Ends a queued build with `failure`. A build that a host has is only marked, and ends when the host confirms or is lost.
 * If this happens more than once, the first reason is kept.
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

/** Separates a build from the run that it shares, as canceled while it waited. */
function leave({ sharedRun, ...build }: BuildRecord, now: number): BuildRecord {
  const message = `canceled; the run of build ${sharedRun} continues for others that share it`;
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
