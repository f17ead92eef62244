import type { Principal, PrincipalKind, Trust } from '../access/principal.ts';
import type { Granted } from '../access/untrusted.ts';
import type { CacheMode } from '../caches/cache-mode.ts';
import type { BuildTrace } from '../trace/trace-context.ts';
import type { Failure } from './failure.ts';
import type { BuildState, TerminalState } from './state.ts';

/** The image of one target. */
export interface ImageResult {
  /** Manifest digest of the image, if one was built. */
  readonly digest?: string;
  readonly configDigest?: string;
  /** Of the manifest, or of the index of several, which `digest` names. */
  readonly manifest?: { readonly mediaType: string; readonly sizeBytes: number };
  /** Size of an image that was pushed: its configuration and its compressed layers, of all platforms. */
  readonly imageBytes?: number;
  /** References that were pushed. A canceled build may have some, if their push had finished before the cancel. */
  readonly pushed?: readonly string[];
  /** References loaded into the host's engine. */
  readonly loaded?: readonly string[];
}

/** The result of a finished attempt, besides its log: the image, and of several targets all references. Sizes in bytes. */
export interface BuildResult extends ImageResult {
  /** By target, if the build has several. */
  readonly targets?: Readonly<Record<string, ImageResult>>;
  /** References that a build which failed or was canceled had not pushed. Absent if it had pushed none. */
  readonly notPushed?: readonly string[];
  readonly artifact?: { readonly digest: string; readonly sizeBytes: number };
}

export interface StepCounts {
  readonly total: number;
  readonly cached: number;
}

/** What kinds of senders a build's `createdBy` tells apart. */
export const CREATOR_KINDS = ['credential', 'person', 'webhook', 'schedule'] as const;

/** Who asked for a build: the credential (a token or a CI's identity), the person, the connection whose webhook came, or the schedule. */
export interface Creator {
  readonly kind: (typeof CREATOR_KINDS)[number];
  /** The principal's id, as in the audit log. */
  readonly id: string;
  /** The principal's name at that time. */
  readonly name: string;
}

/** Returns what a build remembers of the principal that submitted it. */
export function creatorOf({ kind, id, name }: Pick<Principal, 'kind' | 'id' | 'name'>): Creator {
  const kinds: Partial<Record<PrincipalKind, Creator['kind']>> = {
    session: 'person',
    connection: 'webhook',
    schedule: 'schedule',
  };
  return { kind: kinds[kind] ?? 'credential', id, name };
}

/** How an attempt ended: with the end of its build, or `lost`, with which the build goes back to `queued`. */
export type AttemptEnd = TerminalState | 'lost';

/** One run of a build on one host. Times in ms since the epoch. */
export interface Attempt {
  readonly number: number;
  readonly host: string;
  /** Id of the worker process: a restarted worker is another incarnation, and inherits nothing. */
  readonly incarnation: string;
  /**
   * Random, created with the assignment. Distinguishes this attempt from another one of the same number: after a failover of Redis, or from
   * a restored backup, an assignment may be lost and its number used again. Absent if an older version assigned it.
   */
  readonly nonce?: string;
  readonly assignedAt: number;
  readonly startedAt?: number;
  readonly endedAt?: number;
  readonly end?: AttemptEnd;
  readonly failure?: Failure;
}

/**
 * The state of a build, without its request. Times in ms since the epoch.
 * `revision` grows by one with every change, and every write names the revision that it has read.
 */
export interface BuildRecord {
  readonly id: string;
  readonly revision: number;
  readonly state: BuildState;
  readonly repo: string;
  readonly team: string;
  /** Trust class of its submitter. Absent: trusted. */
  readonly trust?: Trust;
  /** Absent: an older version accepted it. */
  readonly createdBy?: Creator;
  /** Id of the principal that submitted it, if that has its own limits. */
  readonly submitter?: string;
  /** Limit of an attempt's log. Absent: unlimited. */
  readonly maxLogBytes?: number;
  /** Limit of its artifact. Absent: unlimited. */
  readonly maxArtifactBytes?: number;
  /** Limit of all that its team has stored, checked when its artifact is stored. Absent: unlimited. */
  readonly maxStoredBytes?: number;
  /** How long it may wait for a host, ms, as `queueDeadline` counts it. Absent: without limit. */
  readonly queueTimeoutMs?: number;
  /**
   * Platforms for which it runs programs, by its Dockerfile: those that its host must run, natively or by emulation. Absent: unknown, as for a git source.
   */
  readonly runPlatforms?: readonly string[];
  /** What it may have beyond its trust class. */
  readonly granted?: Granted;
  /** Absent: `warm`. */
  readonly cacheMode?: CacheMode;
  /** Whether it only evaluates the Dockerfile, so that its duration says nothing about builds of the repo. */
  readonly isCall?: true;
  readonly createdAt: number;
  /** When it was queued last: at its acceptance, or at the loss of its last attempt. */
  readonly queuedAt: number;
  readonly finishedAt?: number;
  readonly cancelRequestedAt?: number;
  /** The newer build of the same concurrency key that canceled this one, or tried to and was too late. */
  readonly supersededBy?: string;
  /** The build whose run this one shares. It then has no attempts of its own, and ends as that one does. */
  readonly sharedRun?: string;
  /** When its own caller canceled it while others shared its run, which continues for them. */
  readonly releasedAt?: number;
  /** The commit to which the source was pinned; every later attempt builds the same one. */
  readonly commit?: string;
  readonly retryOf?: string;
  /** The trace that it is part of. Absent: it isn't traced. */
  readonly trace?: BuildTrace;
  /** Id of the pull request whose webhook it is from, or the build that it retries. It is canceled when that is closed. */
  readonly pullRequest?: string;
  /** The connection to a forge, and the repository there, whose credentials its source is cloned with. */
  readonly clonesWith?: { readonly connection: string; readonly repository: string };
  readonly attempts: readonly Attempt[];
  readonly steps?: StepCounts;
  readonly result?: BuildResult;
  readonly failure?: Failure;
}

/** What a build takes over from the run that it shared, after that has ended. */
export interface EndedRun {
  readonly state: TerminalState;
  readonly cancelRequestedAt?: number;
  readonly supersededBy?: string;
  readonly commit?: string;
  readonly steps?: StepCounts;
  readonly result?: BuildResult;
  readonly failure?: Failure;
}

/** Returns whether a build waits for a host. A build that shares another's run is `queued` too, but waits for that run. */
export function waitsForHost({ state, sharedRun }: Pick<BuildRecord, 'state' | 'sharedRun'>): boolean {
  return state === 'queued' && sharedRun === undefined;
}

/** Returns the current or last attempt; undefined before the first assignment. */
export function currentAttempt(build: BuildRecord): Attempt | undefined {
  return build.attempts.at(-1);
}
