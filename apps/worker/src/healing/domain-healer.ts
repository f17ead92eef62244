import {
  type BuilderAction,
  type BuilderFault,
  type BuilderState,
  domainText,
  nextRepair,
  REPAIR_LIMITS,
  type RepairAction,
  type RepairLimits,
} from '@kiln/domain';
import { type Metrics, NO_METRICS } from '@kiln/metrics';
import type { Logger } from '@kiln/runtime';
import type { HealingLedger } from './healing-ledger.ts';

export interface DomainHealerDeps {
  readonly domain: string;
  readonly ledger: HealingLedger;
  /** Repairs that the driver allows. `isUp`: whether the builder answers. */
  possible(isUp: boolean): readonly RepairAction[];
  /** Does one repair, when no build runs on the builder, and checks by a trial build that it helped. Without an action it only checks. */
  repair(action: RepairAction | undefined, fault: BuilderFault): Promise<void>;
  /** Keeps new builds of the domain away from this host, or admits them again; resolves when the pool has accepted it. */
  quarantine(isQuarantined: boolean): Promise<void>;
  /** Called after each incident. */
  onIncident(): Promise<void>;
  readonly limits?: RepairLimits | undefined;
  readonly metrics?: Metrics | undefined;
  readonly log: Logger;
  readonly now: () => number;
}

const ACTIONS: Readonly<Record<RepairAction, string>> = {
  pruned: 'the damaged records were pruned',
  restarted: 'its daemon was restarted',
  new_state: 'it got a new state',
};

/**
 * Quarantines and repairs the builder of one isolation domain: one repair after the other, the mildest first, with growing delays, as many as a
 * day allows. It stays quarantined until a trial build succeeds.
 */
export class DomainHealer {
  readonly #deps: DomainHealerDeps;
  #healing: Promise<void> | undefined;
  #wake: NodeJS.Timeout | undefined;
  #onWake: (() => void) | undefined;
  #closed = false;

  constructor(deps: DomainHealerDeps) {
    this.#deps = deps;
  }

  get isQuarantined(): boolean {
    return this.#healing !== undefined;
  }

  /** Records what was done about a build. */
  async note(fault: BuilderFault, action: Extract<BuilderAction, 'retried' | 'handed_back'>): Promise<void> {
    await this.#happened(fault, action, fault.message);
  }

  /**
   * Begins to heal the builder; resolves when the pool sends it no more builds. Does nothing if that is under way.
   * @param isUp whether the builder answers
   */
  async heal(fault: BuilderFault, isUp: boolean): Promise<void> {
    if (this.#healing || this.#closed) return;
    const { quarantine, log, domain } = this.#deps;
    const quarantined = Promise.withResolvers<void>();
    log.error(
      { domain, state: fault.state, reason: fault.message },
      'builder is damaged; its builds go to other hosts',
    );
    this.#healing = this.#heal(fault, isUp, quarantined.promise).finally(() => {
      this.#healing = undefined;
    });
    await quarantine(true).catch((error: unknown) => log.warn({ err: error }, 'reporting the quarantine failed'));
    quarantined.resolve();
  }

  /** Ends waiting for a repair; none is begun any more. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#wake);
    this.#onWake?.();
  }

  async #heal(first: BuilderFault, wasUp: boolean, quarantined: Promise<void>): Promise<void> {
    const { domain, ledger, possible, now, limits = REPAIR_LIMITS } = this.#deps;
    await quarantined;
    let fault = first;
    let isUp = wasUp;
    if (DIED.has(fault.state) && (await this.#try(undefined, fault)) === undefined) {
      await this.#happened(fault, 'restarted', `${fault.message}; it is up again, and a trial build succeeded`);
      return await this.#admit(fault);
    }
    for (let said = false; !this.#closed; ) {
      const next = nextRepair(ledger.repairsOf(domain), fault.state, possible(isUp), now(), limits);
      if (next.type === 'wait') {
        if (!said)
          await this.#happened(fault, 'quarantined', `${WHY[next.why]}; ${domainText(domain)}: not built here`);
        said = true;
        await this.#sleep(next.untilMs - now());
        // Without a repair, the builder may still have recovered: a restart of the engine, for example.
        if (next.why === 'no_repair' && (await this.#try(undefined, fault)) === undefined) break;
        continue;
      }
      await this.#sleep(next.afterMs);
      if (this.#closed) return;
      await ledger.repaired(domain, { at: now(), state: fault.state, action: next.action });
      const failure = await this.#try(next.action, fault);
      await this.#happened(fault, next.action, failure ?? `${ACTIONS[next.action]}; a trial build succeeded`);
      if (failure === undefined) break;
      // A repair that ran shows that its daemon answers no more than before.
      isUp = next.action === 'pruned' && isUp;
      fault = { state: fault.state, message: fault.message };
    }
    await this.#admit(fault);
  }

  async #admit({ state }: BuilderFault): Promise<void> {
    const { domain, log, quarantine } = this.#deps;
    if (this.#closed) return;
    log.info({ domain, state }, 'builder works again; accepting its builds');
    this.#healing = undefined;
    await quarantine(false).catch((error: unknown) => log.warn({ err: error }, 'reporting the change failed'));
  }

  /** Does a repair, or only a check if there is none. @returns why it didn't help; undefined if it did */
  async #try(action: RepairAction | undefined, fault: BuilderFault): Promise<string | undefined> {
    try {
      await this.#deps.repair(action, fault);
      return undefined;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#deps.log.warn({ err: error, domain: this.#deps.domain, action }, 'repair of the builder failed');
      return `it did not help: ${reason}`;
    }
  }

  async #happened({ state }: BuilderFault, action: BuilderAction, message: string): Promise<void> {
    const { domain, ledger, onIncident, metrics = NO_METRICS, log, now } = this.#deps;
    metrics.count('kiln_builder_incidents_total', 1, { state, action });
    log.warn({ domain, state, action, reason: message }, 'builder incident');
    const incident = { at: now(), domain, state, action, message: message.slice(0, MAX_MESSAGE_CHARS) };
    await ledger.happened(incident).catch((error: unknown) => log.warn({ err: error }, 'saving the incident failed'));
    await onIncident().catch((error: unknown) => log.warn({ err: error }, 'reporting the incident failed'));
  }

  async #sleep(ms: number): Promise<void> {
    if (ms <= 0 || this.#closed) return;
    await new Promise<void>((resolve) => {
      this.#onWake = resolve;
      this.#wake = setTimeout(resolve, Math.min(ms, LONGEST_TIMER_MS));
      this.#wake.unref();
    });
  }
}

/** States after which the engine starts the daemon again by itself. */
const DIED: ReadonlySet<BuilderState> = new Set(['out_of_memory', 'down']);
const MAX_MESSAGE_CHARS = 500;
/** Node's longest. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

const WHY = {
  budget: 'the repairs of the day are used up',
  no_repair: 'Kiln can’t repair this state with the driver of this host',
} as const;
