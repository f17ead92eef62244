import type { Trust } from '../access/principal.ts';
import type { Granted } from '../access/untrusted.ts';
import type { Failure } from './failure.ts';
import type { BuildState, TerminalState } from './state.ts';

/** What a finished attempt leaves behind, beside its log. Sizes in bytes. */
export interface BuildResult {
  /** Manifest digest of the image, where an image was made. */
  readonly digest?: string;
  readonly configDigest?: string;
  /** References that were pushed; a canceled build may have some, if its push had finished before the cancel came. */
  readonly pushed?: readonly string[];
  /** References loaded into the host's engine. */
  readonly loaded?: readonly string[];
  readonly artifact?: { readonly digest: string; readonly sizeBytes: number };
}

export interface StepCounts {
  readonly total: number;
  readonly cached: number;
}

/** How one attempt ended: with the build's end, or with the build going back to `queued`. */
export type AttemptEnd = TerminalState | 'lost';

/** One run of a build on one host. Times in ms since the epoch. */
export interface Attempt {
  readonly number: number;
  readonly host: string;
  /** The worker process's own id: a restarted worker is another incarnation, and inherits nothing. */
  readonly incarnation: string;
  /**
   * Random, made with the assignment. Tells this attempt from another of the same number: a failover of Redis, or a restored
   * backup, may lose an assignment, and its number is given again. Absent where an older version assigned it.
   */
  readonly nonce?: string;
  readonly assignedAt: number;
  readonly startedAt?: number;
  readonly endedAt?: number;
  readonly end?: AttemptEnd;
  readonly failure?: Failure;
}

/**
 * The life of a build, without its request. Times in ms since the epoch.
 * `revision` grows by one with every change; every write names the revision that it read.
 */
export interface BuildRecord {
  readonly id: string;
  readonly revision: number;
  readonly state: BuildState;
  readonly repo: string;
  readonly team: string;
  /** Of who submitted it; absent: trusted. */
  readonly trust?: Trust;
  /** Principal that submitted it, where that has limits of its own. */
  readonly submitter?: string;
  /** Most bytes of an attempt's log; absent: without end. */
  readonly maxLogBytes?: number;
  /** Most bytes of its artifact; absent: without end. */
  readonly maxArtifactBytes?: number;
  /** Most bytes that its team may have stored when its artifact is; absent: without end. */
  readonly maxStoredBytes?: number;
  /** Beyond what its class may have. */
  readonly granted?: Granted;
  readonly createdAt: number;
  /** Start of the present wait: acceptance, or the loss of the last attempt. */
  readonly queuedAt: number;
  readonly finishedAt?: number;
  readonly cancelRequestedAt?: number;
  /** The newer build of the same concurrency key that canceled this one, or came too late to. */
  readonly supersededBy?: string;
  /** The build whose run this one shares: it has no attempts of its own, and ends as that one does. */
  readonly sharedRun?: string;
  /** When its own caller canceled it, but others shared its run: it goes on for them. */
  readonly releasedAt?: number;
  /** Commit that the source was pinned to; every later attempt builds the same one. */
  readonly commit?: string;
  readonly retryOf?: string;
  readonly attempts: readonly Attempt[];
  readonly steps?: StepCounts;
  readonly result?: BuildResult;
  readonly failure?: Failure;
}

/** What a build that shares another's run takes over from it when that has ended. */
export interface EndedRun {
  readonly state: TerminalState;
  readonly cancelRequestedAt?: number;
  readonly supersededBy?: string;
  readonly commit?: string;
  readonly steps?: StepCounts;
  readonly result?: BuildResult;
  readonly failure?: Failure;
}

/** Whether the build waits for a host; one that shares another's run is `queued`, too, but waits for that. */
export function waitsForHost({ state, sharedRun }: Pick<BuildRecord, 'state' | 'sharedRun'>): boolean {
  return state === 'queued' && sharedRun === undefined;
}

/** The attempt under way, or the last one; undefined before the first assignment. */
export function currentAttempt(build: BuildRecord): Attempt | undefined {
  return build.attempts.at(-1);
}
