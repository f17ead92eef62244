import { type Failure, type KnownHost, noFittingHost, type PendingBuild } from '@kiln/domain';
import type { Logger } from '@kiln/runtime';
import { type HostStore, NotLeader, type PendingStore } from '@kiln/state';
import { viewOf } from './known-hosts.ts';
import type { PoolView } from './pool-view.ts';

/** A machine restarts in less time, and updates of a host take no longer. */
export const DEFAULT_HOST_GRACE_MS = 10 * 60_000;
/** How long a leader waits for the hosts of a pool that has just started, ms: live hosts report more often. */
const SETTLING_MS = 15_000;

export interface AbandonerDeps {
  readonly hosts: Pick<HostStore, 'departed'>;
  readonly pending: Pick<PendingStore, 'abandon'>;
  readonly log: Logger;
}

/** Ends builds that wait in vain on behalf of the leader: no host could ever take them, or they have waited for as long as they may. */
export class Abandoner {
  readonly #view: PoolView;
  readonly #deps: AbandonerDeps;
  readonly #graceMs: number;

  /** @param graceMs how long a host counts after it last reported */
  constructor(view: PoolView, deps: AbandonerDeps, graceMs: number = DEFAULT_HOST_GRACE_MS) {
    this.#view = view;
    this.#deps = deps;
    this.#graceMs = graceMs;
  }

  /** @param since when this leader began to lead, ms since the epoch @throws NotLeader */
  async abandon(since: number, fencingToken: string): Promise<void> {
    const failures = new Map([...(await this.#unplaceable(since)), ...this.#expired()]);
    await Promise.all([...failures].map(([id, failure]) => this.#end(id, failure, fencingToken)));
  }

  *#expired(): Iterable<[string, Failure]> {
    const { now, pending } = this.#view;
    for (const [id, { build, queueTimeoutMs = 0 }] of pending) {
      if (build.queueDeadline === undefined || now < build.queueDeadline) continue;
      const message = `no host took the build within its queue timeout of ${queueTimeoutMs / 1000} s`;
      yield [id, { code: 'queue_timeout', message }];
    }
  }

  async #unplaceable(since: number): Promise<[string, Failure][]> {
    const { now, pool } = this.#view;
    const waiting = pool
      .unplaceable()
      .filter((build) => build.waitForHost !== true && !this.#view.isStopping(build.id));
    if (waiting.length === 0 || now - since < Math.min(SETTLING_MS, this.#graceMs)) return [];
    const hosts = [...this.#present(), ...(await this.#departed())];
    const conditions = { now, since, graceMs: this.#graceMs };
    const reasons = new Map<string, string | undefined>();
    const reasonFor = (build: PendingBuild) => {
      const key = needsKey(build);
      if (!reasons.has(key)) reasons.set(key, noFittingHost(build, hosts, conditions));
      return reasons.get(key);
    };
    return waiting.flatMap((build): [string, Failure][] => {
      const message = reasonFor(build);
      if (message === undefined) return [];
      // Nothing shows before it runs whether it runs anything for a platform that no host has; most builds that cross-compile don't.
      if (build.platformsUnsure && reasonFor({ ...build, platforms: [] }) === undefined) {
        this.#view.tryAnywhere(build.id);
        return [];
      }
      return [[build.id, { code: 'no_fitting_host', message }]];
    });
  }

  #present(): KnownHost[] {
    return [...this.#view.hosts.values()].map((host) => {
      // The domain of the builds that are assigned to a host is its own only once it has reported it.
      const view = { ...viewOf(host), domain: host.report.domain };
      return { view, alive: host.alive, lastSeenAt: host.lastSeenAt };
    });
  }

  async #departed(): Promise<KnownHost[]> {
    const departed = await this.#deps.hosts.departed();
    return departed.map(({ report, leftAt }) => {
      const view = viewOf({ report, cordoned: false, draining: false });
      return { view, alive: false, lastSeenAt: leftAt };
    });
  }

  async #end(id: string, failure: Failure, fencingToken: string): Promise<void> {
    const outcome = await this.#deps.pending.abandon(id, failure, fencingToken);
    if (outcome === 'not_leader') throw new NotLeader();
    this.#view.left(id);
    if (outcome === 'abandoned') this.#deps.log.info({ buildId: id, code: failure.code }, 'build abandoned');
  }
}

/** The same for builds that fit the same hosts, wherever they ran before. */
function needsKey({ repo, weight, platforms, hostLabels, trust, cacheMode }: PendingBuild): string {
  return JSON.stringify([repo, weight, platforms, hostLabels, trust, cacheMode]);
}
