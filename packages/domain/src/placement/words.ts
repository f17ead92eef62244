import type { Trust } from '../access/principal.ts';
import type { Isolation } from '../isolation/isolation-domain.ts';

export const PRIORITIES = ['interactive', 'normal', 'batch'] as const;
export type Priority = (typeof PRIORITIES)[number];

/** A build that waits for a host. Times in ms since the epoch. */
export interface PendingBuild {
  readonly id: string;
  /** Of its repo's caches (`cacheKey`): it tells the isolation domain that they are of. */
  readonly repo: string;
  readonly team: string;
  readonly priority: Priority;
  readonly queuedAt: number;
  readonly createdAt: number;
  /** Slots that the build takes. */
  readonly weight: number;
  readonly platforms: readonly string[];
  /** Labels that a host must have to take the build. */
  readonly hostLabels: Readonly<Record<string, string>>;
  readonly trust: Trust;
  /** Hosts that already lost an attempt of this build: taken again only when nothing else fits. */
  readonly lostOn: readonly string[];
  /** Version of the repo's dependency set, where it is known: a cache of another version is only partly useful. */
  readonly cacheVersion?: string | undefined;
}

/** A host as placement sees it. What runs there and what it has cached is told by events of their own. */
export interface HostView {
  readonly name: string;
  readonly slots: number;
  readonly platforms: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** Classes that it has builders for: builds of different trust never share one. */
  readonly trust: readonly Trust[];
  readonly cordoned: boolean;
  readonly draining: boolean;
  /** What its caches may take; unknown where it is missing, and then nothing is expected to be evicted. */
  readonly cacheBudgetBytes?: number | undefined;
  /** Where isolation domains have a part of it each, by their keys. */
  readonly cacheBudgets?: Readonly<Record<string, number>> | undefined;
  /** Who shares a builder there. Default: the pool. */
  readonly isolation?: Isolation | undefined;
  /** The only isolation domain that it serves, for good; absent: any of the classes in `trust`. */
  readonly domain?: string | undefined;
  /** Domains whose builders are away at present. */
  readonly domainsAway?: readonly string[] | undefined;
}

/** What a host holds of one repo. */
export interface HeldCache {
  /** 0 to 1: how much of what the repo's last builds used is there. */
  readonly warmth: number;
  readonly bytes: number;
  /** ms since the epoch. */
  readonly lastUsedAt: number;
  /** Version of the dependency set that it was left by, where that is known. */
  readonly version?: string | undefined;
}

/** An attempt that takes slots of a host, from its assignment on. */
export interface HostAttempt {
  readonly build: string;
  readonly host: string;
  readonly repo: string;
  readonly team: string;
  readonly weight: number;
  /** When it was given its slots, ms since the epoch. */
  readonly startedAt: number;
  /** Warmth of the host for it at that time, where it is known; what the pool believes otherwise. */
  readonly warmth?: number | undefined;
  readonly cacheVersion?: string | undefined;
}

/** How an attempt left its host. */
export interface AttemptOutcome {
  /** How long it ran, ms; teaches the estimates. Missing where it says nothing of the repo: lost, canceled, failed early. */
  readonly runMs?: number | undefined;
  /** Whether the repo's cache is on the host now, as of its last inventory or of what the attempt did. */
  readonly keepsCache: boolean;
  /** Size of that cache, where it is known. */
  readonly bytes?: number | undefined;
}
