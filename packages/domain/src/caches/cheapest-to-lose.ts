import { Demand } from '../placement/estimates/demand.ts';
import { expectedRuns, FIRST_GUESS, runAt } from '../placement/estimates/estimates.ts';
import type { LearnedPool, LearnedRepo } from '../placement/estimates/learned.ts';
import { DEFAULT_PLACEMENT } from '../placement/model/settings.ts';

/** A host and what it holds, by cache key. */
export interface HostCopies {
  readonly host: string;
  /** Whether it is alive and takes builds. The caches of others help no build. */
  readonly open: boolean;
  readonly caches: ReadonlyMap<string, { readonly warmth: number; readonly bytes: number }>;
}

/** What the loss of one repo's cache on a host would cost. */
export interface CacheLoss {
  /** Cache key. */
  readonly repo: string;
  /** How much longer the repo's builds of an hour would run in sum, ms. */
  readonly msPerHour: number;
  /** Whether no other open host holds anything of it. */
  readonly onlyCopy: boolean;
  readonly bytes: number;
}

/** What the loss of a host would cost the pool's builds. */
export interface HostLoss {
  readonly host: string;
  /** Sum over its caches, ms per hour. */
  readonly msPerHour: number;
  /** Those whose loss costs anything, dearest first. */
  readonly caches: readonly CacheLoss[];
}

/** What placement has learned, as it is stored. */
export interface LearnedFacts {
  readonly pool: LearnedPool | undefined;
  readonly repos: ReadonlyMap<string, LearnedRepo>;
}

const HOUR_MS = 3_600_000;
/** Least time over which demand is taken to have been counted, ms. */
const LEAST_WATCHED_MS = 600_000;

/**
 * Returns what the loss of each open host would cost, least first: for each repo cached there, its builds per hour times how much longer a
 * run takes on the warmest other open host than there. A cache that another host has as well costs nothing.
 */
export function cheapestToLose(hosts: Iterable<HostCopies>, learned: LearnedFacts, now: number): HostLoss[] {
  const open = [...hosts].filter((host) => host.open);
  const best = new Map<string, Best>();
  for (const { host, caches } of open) {
    for (const [repo, { warmth }] of caches) best.set(repo, withCopy(best.get(repo), host, warmth));
  }
  const losses = open.map(({ host, caches }): HostLoss => {
    const costly = [...caches].flatMap(([repo, { warmth, bytes }]): CacheLoss[] => {
      const { first, second = 0, host: warmest } = best.get(repo) ?? { first: warmth, host };
      const elsewhere = warmest === host ? second : first;
      const msPerHour = buildsPerHour(learned, repo, now) * longer(learned, repo, elsewhere, warmth);
      return msPerHour > 0 ? [{ repo, msPerHour, onlyCopy: elsewhere === 0, bytes }] : [];
    });
    costly.sort((a, b) => b.msPerHour - a.msPerHour || (a.repo < b.repo ? -1 : 1));
    return { host, msPerHour: costly.reduce((sum, cache) => sum + cache.msPerHour, 0), caches: costly };
  });
  return losses.sort((a, b) => a.msPerHour - b.msPerHour || (a.host < b.host ? -1 : 1));
}

/** The two warmest copies of a repo's cache. */
interface Best {
  readonly host: string;
  readonly first: number;
  readonly second?: number;
}

function withCopy(best: Best | undefined, host: string, warmth: number): Best {
  if (!best) return { host, first: warmth };
  if (warmth > best.first) return { host, first: warmth, second: best.first };
  return { ...best, second: Math.max(best.second ?? 0, warmth) };
}

function buildsPerHour({ pool, repos }: LearnedFacts, repo: string, now: number): number {
  const known = repos.get(repo);
  if (!known || !pool) return 0;
  const demand = new Demand();
  demand.restore(known.demand);
  const { horizonMs, watchedSince } = pool;
  const memoryMs = DEFAULT_PLACEMENT.demandHorizons * horizonMs;
  const watchedMs = Math.max(LEAST_WATCHED_MS, now - watchedSince);
  return (demand.expected({ now, horizonMs, memoryMs, watchedMs }) * HOUR_MS) / horizonMs;
}

/** Returns how much longer a run takes with the one warmth than with the other, ms. */
function longer({ pool, repos }: LearnedFacts, repo: string, without: number, having: number): number {
  const runs = expectedRuns(repos.get(repo)?.estimate ?? {}, pool?.estimate ?? FIRST_GUESS);
  return Math.max(0, runAt(runs, without) - runAt(runs, having));
}
