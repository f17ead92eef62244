/** An isolation domain whose caches are on a host. */
export interface DomainWorth {
  readonly domain: string;
  /** What its caches are expected to save (`worthOf`), in any unit. */
  readonly worth: number;
  /** ms since the epoch. */
  readonly lastUsedAt: number;
  /** Whether one of its builds runs or is about to: then its caches can't be discarded now. */
  readonly isNeeded: boolean;
}

export interface BudgetShares {
  /** Bytes by domain; their sum is at most the budget. */
  readonly shares: ReadonlyMap<string, number>;
  /** Domains without a share, whose caches have to be discarded. */
  readonly discarded: readonly string[];
}

/** With more domains, each would get too little to be useful, so the caches that are worth the least are discarded. */
export const MAX_DOMAINS = 32;
/** After this time a build counts for 1/e of what it did, ms. */
const WORTH_MEMORY_MS = 3 * 24 * 3_600_000;

/**
 * Divides a cache budget among isolation domains by the worth of their caches. Each gets at least 1/MAX_DOMAINS of it, or an equal part if
 * more than that are needed at the same time. The sum never exceeds the budget.
 */
export function shareBudget(budgetBytes: number, domains: readonly DomainWorth[]): BudgetShares {
  const byWorth = [...domains].sort(
    (a, b) =>
      Number(b.isNeeded) - Number(a.isNeeded) ||
      b.worth - a.worth ||
      b.lastUsedAt - a.lastUsedAt ||
      (a.domain < b.domain ? -1 : 1),
  );
  const needed = byWorth.filter(({ isNeeded }) => isNeeded).length;
  const kept = byWorth.slice(0, Math.max(MAX_DOMAINS, needed));
  const floor = Math.floor(budgetBytes / Math.max(MAX_DOMAINS, kept.length));
  const rest = budgetBytes - floor * kept.length;
  const total = kept.reduce((sum, { worth }) => sum + worth, 0);
  const part = ({ worth }: DomainWorth) => (total > 0 ? worth / total : 1 / kept.length);
  return {
    shares: new Map(kept.map((one) => [one.domain, floor + Math.floor(rest * part(one))])),
    discarded: byWorth.slice(kept.length).map(({ domain }) => domain),
  };
}

/** The sum of what a domain's builds have saved by its caches, decaying with time. */
export interface FadingWorth {
  readonly value: number;
  /** The time of `value`, ms since the epoch. */
  readonly at: number;
}

/** Returns the worth at `now`; 0 if there is none. */
export function worthOf(worth: FadingWorth | undefined, now: number): number {
  if (!worth) return 0;
  return worth.value * Math.exp(-Math.max(0, now - worth.at) / WORTH_MEMORY_MS);
}

/** Returns the worth after one more build, for which the caches saved `savedMs`. */
export function addWorth(worth: FadingWorth | undefined, savedMs: number, now: number): FadingWorth {
  return { value: worthOf(worth, now) + Math.max(0, savedMs), at: now };
}
