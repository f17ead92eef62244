/** An isolation domain whose caches are on a host. */
export interface DomainWorth {
  readonly domain: string;
  /** What its caches are expected to save, in any unit: `worthOf`. */
  readonly worth: number;
  /** ms since the epoch. */
  readonly lastUsedAt: number;
  /** Whether a build of it runs or comes: it can't be given up now. */
  readonly isNeeded: boolean;
}

export interface BudgetShares {
  /** Bytes by domain; together at most the budget. */
  readonly shares: ReadonlyMap<string, number>;
  /** Domains that there is no part for: their caches have to go. */
  readonly givenUp: readonly string[];
}

/** More domains than this leave each too little to be of use: those whose caches are worth the least are given up. */
export const MAX_DOMAINS = 32;
/** After so long a build counts for 1/e of what it did, ms. */
const WORTH_MEMORY_MS = 3 * 24 * 3_600_000;

/**
 * Divides a cache budget among isolation domains by what their caches are worth, so that together they never take more. Each gets at least a part of
 * 1/MAX_DOMAINS, and where more than that are needed at once, as much as there is for each.
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
    givenUp: byWorth.slice(kept.length).map(({ domain }) => domain),
  };
}

/** Sum of what a domain's builds saved by its caches, fading with time. */
export interface FadingWorth {
  readonly value: number;
  /** When `value` held, ms since the epoch. */
  readonly at: number;
}

export function worthOf(worth: FadingWorth | undefined, now: number): number {
  if (!worth) return 0;
  return worth.value * Math.exp(-Math.max(0, now - worth.at) / WORTH_MEMORY_MS);
}

/** The worth after one more build, which caches saved `savedMs`. */
export function addWorth(worth: FadingWorth | undefined, savedMs: number, now: number): FadingWorth {
  return { value: worthOf(worth, now) + Math.max(0, savedMs), at: now };
}
