import type { Evaluation } from '../../shared/evaluation.ts';
import type { UsagePoint } from '../../shared/usage.ts';

const hourMs = 3_600_000;

/** Counts evaluations by flag, hour and variant. In memory only: a restart starts over. */
export class UsageCounter {
  /** flag → hour (ms since the epoch) → variant → count */
  readonly #counts = new Map<string, Map<number, Map<string, number>>>();
  readonly #now: () => Date;
  readonly #keptHours: number;

  constructor(now: () => Date, keptHours = 48) {
    this.#now = now;
    this.#keptHours = keptHours;
  }

  count(evaluation: Evaluation): void {
    const hour = this.#currentHour();
    const hours = entry(this.#counts, evaluation.flag, () => new Map<number, Map<string, number>>());
    const variants = entry(hours, hour, () => new Map<string, number>());
    variants.set(evaluation.variant, (variants.get(evaluation.variant) ?? 0) + 1);
    for (const old of hours.keys()) {
      if (old <= hour - this.#keptHours * hourMs) hours.delete(old);
    }
  }

  /** Oldest hour first. */
  usageOf(flag: string): UsagePoint[] {
    const hours = [...(this.#counts.get(flag) ?? [])].sort(([a], [b]) => a - b);
    return hours.flatMap(([hour, variants]) =>
      [...variants].map(([variant, count]) => ({ hour: new Date(hour).toISOString(), variant, count })),
    );
  }

  #currentHour(): number {
    const now = this.#now().getTime();
    return now - (now % hourMs);
  }
}

function entry<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = create();
    map.set(key, value);
  }
  return value;
}
