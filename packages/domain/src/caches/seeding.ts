import type { Trust } from '../access/principal.ts';
import { finerIsolation, type Isolation } from '../isolation/isolation-domain.ts';
import { readCacheKey } from '../warmth/cache-owner.ts';

/** A builder as far as it matters who may fill it: whose caches are meant, and with whom the host's builders share. */
export interface SeedEnd {
  /** `cacheKey` of the builds. */
  readonly key: string;
  /** Isolation of the host. */
  readonly isolation: Isolation;
}

/** A copy of a repo's caches on a live host. */
export interface SeedSource extends SeedEnd {
  readonly host: string;
  /** 0 to 1: how warm a builder is that was filled from it. */
  readonly warmth: number;
  /** Bytes to transfer. */
  readonly bytes: number;
  /** ms since the epoch. */
  readonly lastUsedAt: number;
}

export interface SeedTarget extends SeedEnd {
  readonly host: string;
  /** 0 to 1: what the host holds already. */
  readonly warmth: number;
  readonly slots: number;
}

/** What is expected of the repo's builds on the target. Times in ms. */
export interface SeedForecast {
  /** Returns the expected run at a warmth. */
  readonly runAt: (warmth: number) => number;
  /** Builds that are about to go there. */
  readonly waiting: number;
  /** Further builds expected there within `horizonMs`, which is how long an unused cache is kept. */
  readonly builds: number;
  readonly horizonMs: number;
  /** What the pool loses by the caches that the target would evict for it. */
  readonly evictionLossMs: number;
}

/** How long transfers take. */
export interface TransferSpeed {
  /** Of a cache out of a builder into the store, and out of the store into another builder. */
  readonly saveBytesPerSecond: number;
  readonly seedBytesPerSecond: number;
  /** How often a host looks for tasks, and what starting one costs, ms. */
  readonly overheadMs: number;
}

/** The speed before any transfer was measured. */
export const FIRST_SPEED: TransferSpeed = {
  saveBytesPerSecond: 100_000_000,
  seedBytesPerSecond: 100_000_000,
  overheadMs: 2_000,
};

/** Why a host is not seeded. */
export type SeedRefusal =
  /** It holds as much as the best source could give it. */
  | 'warm_already'
  /** No other live host holds caches that it may get. */
  | 'no_source'
  /** Builds are expected to gain less than the transfer takes. */
  | 'not_worth_it';

/** Whether a host is seeded, with the figures behind it. Times in ms. */
export type SeedVerdict =
  | { readonly seed: false; readonly reason: SeedRefusal; readonly savesMs?: number; readonly costsMs?: number }
  | ({ readonly seed: true } & SeedPlan);

export interface SeedPlan {
  readonly from: SeedSource;
  /** Builds on the target that would otherwise be expected to find it cold. */
  readonly builds: number;
  /** What these gain in sum. */
  readonly savesMs: number;
  /** How long the transfer is expected to take. */
  readonly transferMs: number;
}

/** Least gain in warmth for which a host is seeded. */
const LEAST_GAIN = 0.1;

/** Whose builds write into caches, or use them. */
interface CacheParty {
  readonly team: string;
  readonly trust: Trust;
}

/** Returns whether content that builds of one party wrote may fill caches of the other: within a team, and never from untrusted to trusted builds. */
export function mayFill(from: CacheParty, to: CacheParty): boolean {
  return from.team === to.team && (from.trust === 'trusted' || to.trust === 'untrusted');
}

/**
 * Returns whether caches may be copied from the builder of one isolation domain into that of another: only within a team and repo, from
 * trusted to untrusted builds but never back, and never from a builder that more may write to than to the one that is filled.
 */
export function maySeed(source: SeedEnd, target: SeedEnd): boolean {
  const from = readCacheKey(source.key);
  const to = readCacheKey(target.key);
  if (from.repo !== to.repo || !mayFill(from, to)) return false;
  return finerIsolation(source.isolation, target.isolation) === source.isolation;
}

/** Returns how long saving and seeding `bytes` takes, ms. */
export function transferMs(bytes: number, speed: TransferSpeed): number {
  const seconds = bytes / speed.saveBytesPerSecond + bytes / speed.seedBytesPerSecond;
  return Math.round(seconds * 1_000 + 2 * speed.overheadMs);
}

/**
 * Decides whether a host is filled with a repo's caches from another one: from the warmest, if builds there are expected to gain more than
 * the transfer and what the target evicts for it cost.
 */
export function decideSeed(
  target: SeedTarget,
  sources: Iterable<SeedSource>,
  forecast: SeedForecast,
  speed: TransferSpeed = FIRST_SPEED,
): SeedVerdict {
  const allowed = [...sources].filter(
    (source) => source.host !== target.host && source.bytes > 0 && source.warmth > 0 && maySeed(source, target),
  );
  const [from] = allowed.sort(warmestFirst);
  if (!from) return { seed: false, reason: 'no_source' };
  if (from.warmth < target.warmth + LEAST_GAIN) return { seed: false, reason: 'warm_already' };
  const builds = coldBuilds(target, forecast);
  const savesMs = Math.round(builds * Math.max(0, forecast.runAt(target.warmth) - forecast.runAt(from.warmth)));
  const takesMs = transferMs(from.bytes, speed);
  const costsMs = Math.round(takesMs + forecast.evictionLossMs);
  if (savesMs <= costsMs) return { seed: false, reason: 'not_worth_it', savesMs, costsMs };
  return { seed: true, from, builds, savesMs, transferMs: takesMs };
}

/** Returns whether a build that waits for the seed is expected to end before one that starts at once. */
export function isSooner({ from, transferMs: takesMs }: SeedPlan, { warmth }: SeedTarget, { runAt }: SeedForecast) {
  return takesMs + runAt(from.warmth) < runAt(warmth);
}

/**
 * Returns how many builds on the target are expected to find it cold. The first one to end leaves a cache of its own, so without a seed
 * only that one is cold, and those that start before its end on the other slots.
 */
function coldBuilds({ slots, warmth }: SeedTarget, { waiting, builds, horizonMs, runAt }: SeedForecast): number {
  const first = waiting >= 1 ? 1 : 1 - Math.exp(-builds);
  const meanwhile = Math.max(0, waiting - 1) + (builds * runAt(warmth)) / Math.max(1, horizonMs);
  return first * (1 + Math.min(Math.max(0, slots - 1), meanwhile));
}

function warmestFirst(a: SeedSource, b: SeedSource): number {
  return b.warmth - a.warmth || a.bytes - b.bytes || b.lastUsedAt - a.lastUsedAt || (a.host < b.host ? -1 : 1);
}

/** A transfer that ended well. */
export interface Transfer {
  readonly kind: 'save' | 'seed';
  readonly bytes: number;
  readonly ms: number;
}

/** Bytes and time by which the first guess counts beside measured transfers. */
const PRIOR_BYTES = 100_000_000;

/** Returns the speed by measured transfers: their bytes over their time without overheads, with the first guess among them. */
export function speedOf(transfers: Iterable<Transfer>, first: TransferSpeed = FIRST_SPEED): TransferSpeed {
  const sums = {
    save: { bytes: PRIOR_BYTES, ms: (PRIOR_BYTES / first.saveBytesPerSecond) * 1_000 },
    seed: { bytes: PRIOR_BYTES, ms: (PRIOR_BYTES / first.seedBytesPerSecond) * 1_000 },
  };
  for (const { kind, bytes, ms } of transfers) {
    // A transfer so small that it is all overhead says nothing about the speed.
    if (bytes <= 0 || ms <= 0) continue;
    sums[kind].bytes += bytes;
    sums[kind].ms += Math.max(1, ms - first.overheadMs);
  }
  const rate = ({ bytes, ms }: { bytes: number; ms: number }) => (bytes / ms) * 1_000;
  return { ...first, saveBytesPerSecond: rate(sums.save), seedBytesPerSecond: rate(sums.seed) };
}
