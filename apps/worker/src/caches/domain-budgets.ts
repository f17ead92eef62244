import { type BudgetShares, type DomainWorth, readDomain, shareBudget, type Trust, worthOf } from '@kiln/domain';
import type { ExecutorSource } from '../engine/executor.ts';
import type { DomainLedger } from './domain-ledger.ts';

/** Divides a host's cache budget among the isolation domains on it. */
export class DomainBudgets {
  readonly #info: ExecutorSource['info'];
  readonly #ledger: DomainLedger;
  readonly #isBusy: (domain: string) => boolean;
  readonly #now: () => number;

  constructor(
    info: ExecutorSource['info'],
    ledger: DomainLedger,
    isBusy: (domain: string) => boolean,
    now: () => number,
  ) {
    this.#info = info;
    this.#ledger = ledger;
    this.#isBusy = isBusy;
    this.#now = now;
  }

  /** Returns each domain's share; undefined if Kiln doesn't limit the caches. @param coming a domain that is about to be started */
  shares(coming?: string): BudgetShares | undefined {
    const { cacheBudgets } = this.#info;
    if (!cacheBudgets) return undefined;
    const domains = this.#domains(coming);
    const shares = new Map<string, number>();
    const discarded: string[] = [];
    // Each class has its own budget, so that untrusted builds can't take from trusted ones, however many there are.
    for (const trust of this.#info.trust) {
      const ofClass = domains.filter(({ domain }) => readDomain(domain)?.trust === trust);
      const shared = shareBudget(cacheBudgets[trust] ?? 0, ofClass);
      for (const [domain, bytes] of shared.shares) shares.set(domain, bytes);
      discarded.push(...shared.discarded);
    }
    return { shares, discarded };
  }

  #domains(coming: string | undefined): DomainWorth[] {
    const now = this.#now();
    // With isolation `pool` each class has exactly one domain, which gets the whole budget even before its first build.
    const always: readonly Trust[] = this.#info.isolation === 'pool' ? this.#info.trust : [];
    const names = new Set([...this.#ledger.all.keys(), ...always, ...(coming === undefined ? [] : [coming])]);
    return [...names].map((domain) => {
      const { worth, lastUsedAt = now } = this.#ledger.all.get(domain) ?? {};
      const isNeeded = domain === coming || this.#isBusy(domain);
      return { domain, worth: worthOf(worth, now), lastUsedAt, isNeeded };
    });
  }
}
