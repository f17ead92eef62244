import type { RepairAction, RepairLimits } from '@kiln/domain';
import { type Metrics, NO_METRICS } from '@kiln/metrics';
import type { Logger } from '@kiln/runtime';
import type { ExecutorSource } from '../engine/executor.ts';
import { HealingLedger } from './healing-ledger.ts';

/** How long a builder's broken state is kept, ms. */
export const DEFAULT_KEEP_BROKEN_MS = 7 * 24 * 3_600_000;
const SWEEP_EVERY_MS = 600_000;
const UNANSWERING_MS = 60_000;

export interface HostHealingDeps {
  readonly source: Pick<ExecutorSource, 'info' | 'whyDown' | 'renew' | 'removeBroken'>;
  /** File of the ledger; undefined: it is lost with the process. */
  readonly ledgerFile: string | undefined;
  /** How long a broken state is kept, ms; 0: not at all. */
  readonly keepBrokenMs: number;
  readonly limits?: RepairLimits | undefined;
  /** How long a builder doesn't answer before it is repaired, ms. Default: a minute. */
  readonly unansweringMs?: number | undefined;
  readonly metrics?: Metrics | undefined;
  readonly log: Logger;
  readonly now: () => number;
}

/** What healing needs of a host: its ledger, its builders' states, and the removal of old ones. */
export class HostHealing {
  readonly ledger: HealingLedger;
  readonly #deps: HostHealingDeps;
  readonly #timer: NodeJS.Timeout;

  private constructor(deps: HostHealingDeps, ledger: HealingLedger) {
    this.#deps = deps;
    this.ledger = ledger;
    this.#timer = setInterval(() => void this.sweep(), SWEEP_EVERY_MS);
    this.#timer.unref();
    void this.sweep();
  }

  static async open(deps: HostHealingDeps): Promise<HostHealing> {
    return new HostHealing(deps, await HealingLedger.open(deps.ledgerFile));
  }

  get unansweringMs(): number {
    return this.#deps.unansweringMs ?? UNANSWERING_MS;
  }

  get metrics(): Metrics {
    return this.#deps.metrics ?? NO_METRICS;
  }

  get limits(): RepairLimits | undefined {
    return this.#deps.limits;
  }

  /** Returns the repairs that the driver allows. With `docker` the builder is the engine's, which Kiln neither restarts nor empties. */
  possible(isUp: boolean): readonly RepairAction[] {
    const { info, renew } = this.#deps.source;
    return [
      ...(isUp ? (['pruned'] as const) : []),
      ...(info.driver === 'docker-container' && renew ? (['restarted', 'new_state'] as const) : []),
    ];
  }

  /** Gives a domain's builder a new state, and remembers until when the old one is kept. The builder must not be running. */
  async renew(domain: string): Promise<void> {
    const { source, keepBrokenMs, now } = this.#deps;
    if (keepBrokenMs === 0) return await source.renew?.(domain, undefined);
    const at = now();
    const name = String(at);
    // Noted first: what isn't there is removed without an error, but what isn't noted would never be removed.
    await this.ledger.kept({ domain, name, untilMs: at + keepBrokenMs });
    await source.renew?.(domain, name);
  }

  /** Removes the broken states whose time is over. */
  async sweep(): Promise<void> {
    const { source, now, log } = this.#deps;
    for (const broken of this.ledger.broken.filter(({ untilMs }) => untilMs <= now())) {
      try {
        await source.removeBroken?.(broken.domain, broken.name);
        await this.ledger.removed(broken);
        log.info({ domain: broken.domain, name: broken.name }, 'broken state of a builder removed');
      } catch (error) {
        log.warn({ err: error, domain: broken.domain }, 'removing the broken state of a builder failed');
      }
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
