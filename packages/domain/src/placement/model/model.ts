import type { Trust } from '../../access/principal.ts';
import type { CacheMode } from '../../caches/cache-mode.ts';
import type { Isolation } from '../../isolation/isolation-domain.ts';

export const PRIORITIES = ['interactive', 'normal', 'batch'] as const;
export type Priority = (typeof PRIORITIES)[number];

/** A build that waits for a host. Times in ms since the epoch. */
export interface PendingBuild {
  readonly id: string;
  /** Key of its repo and cache mode (`placementKey`), from which its isolation domain follows. */
  readonly repo: string;
  readonly team: string;
  readonly priority: Priority;
  readonly queuedAt: number;
  readonly createdAt: number;
  /** Slots that the build takes. */
  readonly weight: number;
  /** Platforms that its host must run, natively or by emulation. */
  readonly platforms: readonly string[];
  /** Whether it may run nothing for those platforms, so that any host may do if none has them. Default: false. */
  readonly platformsUnsure?: boolean | undefined;
  /** Labels that a host must have to take the build. */
  readonly hostLabels: Readonly<Record<string, string>>;
  readonly trust: Trust;
  /** Default: `warm`. */
  readonly cacheMode?: CacheMode | undefined;
  /** Hosts that already lost an attempt of this build; used again only if no other host fits. */
  readonly lostOn: readonly string[];
  /** Whether it waits even if no host of the pool could ever take it. Default: false. */
  readonly waitForHost?: boolean | undefined;
  /** Until when it may wait, ms since the epoch; absent: without limit. */
  readonly queueDeadline?: number | undefined;
  /** Version of the repo's dependency set, if known: a cache of another version is only partly useful. */
  readonly cacheVersion?: string | undefined;
}

/** A host as placement sees it. What runs there and what it has cached arrives in separate events. */
export interface HostView {
  readonly name: string;
  readonly slots: number;
  /** Those whose programs it runs. */
  readonly platforms: readonly string[];
  /** Those of them that it only emulates, which is much slower. Default: none. */
  readonly emulated?: readonly string[] | undefined;
  readonly labels: Readonly<Record<string, string>>;
  /** Trust classes it has builders for: builds of different trust never share one. */
  readonly trust: readonly Trust[];
  /** Cache modes that it can build with. Default: `OLDEST_MODES`. */
  readonly cacheModes?: readonly CacheMode[] | undefined;
  readonly cordoned: boolean;
  readonly draining: boolean;
  /** Whether its disk is nearly full, so that it takes no builds until it has made room. Default: false. */
  readonly lowDisk?: boolean | undefined;
  /** Bytes its caches may take. If unknown, no eviction is predicted. */
  readonly cacheBudgetBytes?: number | undefined;
  /** Bytes reserved for single isolation domains, by domain key. */
  readonly cacheBudgets?: Readonly<Record<string, number>> | undefined;
  /** Which builds share a builder there. Default: the whole pool. */
  readonly isolation?: Isolation | undefined;
  /** The only isolation domain it will ever serve; absent: any domain of the classes in `trust`. */
  readonly domain?: string | undefined;
  /** Domains whose builders don't answer at present. */
  readonly domainsAway?: readonly string[] | undefined;
}

/** What a host holds of one repo. */
export interface HeldCache {
  /** 0 to 1: how much of what the repo's last builds used is there. */
  readonly warmth: number;
  readonly bytes: number;
  /** ms since the epoch. */
  readonly lastUsedAt: number;
  /** Version of the dependency set that the cache was built from, if known. */
  readonly version?: string | undefined;
  /** What a snapshot of it contains; absent if nothing can be saved. */
  readonly seedable?: Seedable | undefined;
}

/** The part of a repo's caches on a host that can be copied to another one: its cache mounts. */
export interface Seedable {
  /** 0 to 1: how warm a host is that has only this part. */
  readonly warmth: number;
  readonly bytes: number;
}

/** A copy of a repo's caches on its way to a host. */
export interface ComingSeed {
  /** `cacheKey` of the builds that will use it. */
  readonly repo: string;
  readonly host: string;
  /** The host that it comes from. */
  readonly from: string;
  /** ms since the epoch. */
  readonly startedAt: number;
  /** How long the whole transfer was expected to take, ms. */
  readonly expectedMs: number;
  readonly warmth: number;
  readonly bytes: number;
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
  /** Warmth of the host for it at that time, if known; default: what the pool believes. */
  readonly warmth?: number | undefined;
  readonly cacheVersion?: string | undefined;
}

/** How an attempt left its host. */
export interface AttemptOutcome {
  /** How long it ran, ms. Absent if that is not typical of the repo: the attempt was lost, canceled or failed early. */
  readonly runMs?: number | undefined;
  /** Whether the host holds the repo's cache now, by its last inventory or by what the attempt did. */
  readonly keepsCache: boolean;
  /** Size of that cache, if known. */
  readonly bytes?: number | undefined;
}
