import { type Attempt, currentAttempt } from '@kiln/domain';
import { type Metrics, NO_METRICS } from '@kiln/metrics';
import type { Logger } from '@kiln/runtime';
import {
  type AttemptQueues,
  type AttemptStore,
  assignmentOf,
  type BuildStore,
  type FollowUps,
  type HistoryStore,
  type HostState,
  type HostStore,
  NotLeader,
  type PendingStore,
} from '@kiln/state';
import type { PoolView } from './pool-view.ts';
import type { Settling } from './settling.ts';

export interface HousekeeperDeps {
  readonly builds: Pick<BuildStore, 'record'>;
  readonly attempts: Pick<AttemptStore, 'reclaim'>;
  readonly hosts: Pick<HostStore, 'idle' | 'purgeLost'>;
  readonly pending: Pick<PendingStore, 'assignedIds'>;
  readonly followUps: Pick<FollowUps, 'run'>;
  readonly history: Pick<HistoryStore, 'purge'>;
  readonly queues: Pick<AttemptQueues, 'enqueue'>;
  readonly log: Logger;
  readonly metrics?: Metrics | undefined;
}

/** How many builds one call purges. */
const PURGE_BATCH = 1_000;

/** The leader's periodic work beside placement: reclaims attempts from lost hosts, restores missing jobs, runs follow-ups and purges expired builds. */
export class Housekeeper {
  readonly #deps: HousekeeperDeps;

  constructor(deps: HousekeeperDeps) {
    this.#deps = deps;
  }

  /**
   * Reclaims the attempts of lost hosts: those without a lease, or whose worker is another incarnation than the attempt's. Skips hosts
   * that may not have reported to a new Redis server yet.
   * @throws NotLeader
   */
  async reclaimLost(view: PoolView, settling: Settling, fencingToken: string): Promise<void> {
    await view.readHosts();
    await all([...view.hosts.values()], async (host) => {
      if (!settling.isSettled(host, view.now)) return;
      await all(host.held, (held) => this.#check(host, held, fencingToken));
      if (!host.alive && host.held.length === 0) await this.#deps.hosts.purgeLost(host.report.name);
    });
  }

  /**
   * Reclaims attempts that live hosts hold but, by their own reports, haven't run for `idleMs`. Workers normally end such attempts
   * themselves; this covers a worker that doesn't.
   * @throws NotLeader
   */
  async reclaimIdle(view: PoolView, idleMs: number, fencingToken: string): Promise<void> {
    const { attempts, builds, hosts, log, metrics = NO_METRICS } = this.#deps;
    const busy = [...view.hosts.values()].filter(({ alive, held }) => alive && held.length > 0);
    await all(busy, async ({ report: { name } }) => {
      for (const { buildId, attempt } of await hosts.idle(name, idleMs)) {
        const record = await builds.record(buildId);
        const live = record && currentAttempt(record);
        if (live?.number !== attempt || live.host !== name || live.end !== undefined) continue;
        const message = `host ${name} was assigned the build but did not run it`;
        const ref = { buildId, attempt, host: name, incarnation: live.incarnation, ...identity(live) };
        const { outcome } = await attempts.reclaim(ref, { code: 'infrastructure', message }, fencingToken, idleMs);
        if (outcome === 'not_leader') throw new NotLeader();
        if (outcome !== 'reclaimed') continue;
        metrics.count('kiln_attempts_reclaimed_total', 1, { cause: 'idle' });
        log.warn({ buildId, attempt, host: name }, 'idle attempt reclaimed');
      }
    });
  }

  /** Reclaims an attempt that the host's current incarnation doesn't own. */
  async #check(
    host: HostState,
    { buildId, attempt }: { buildId: string; attempt: number },
    token: string,
  ): Promise<void> {
    const { attempts, builds, log, metrics = NO_METRICS } = this.#deps;
    const record = await builds.record(buildId);
    const live = record && currentAttempt(record);
    const isLive = live?.number === attempt && live.end === undefined;
    if (isLive && host.alive && live.incarnation === host.incarnation) return;
    const { outcome } = await attempts.reclaim(
      { buildId, attempt, host: host.report.name, incarnation: live?.incarnation ?? '', ...(isLive && identity(live)) },
      { code: 'host_lost', message: `host ${host.report.name} was lost` },
      token,
    );
    if (outcome === 'not_leader') throw new NotLeader();
    if (outcome !== 'reclaimed') return;
    metrics.count('kiln_attempts_reclaimed_total', 1, { cause: 'host_lost' });
    log.warn({ buildId, attempt, host: host.report.name }, 'attempt reclaimed');
  }

  /** Adds the jobs of assigned builds again: a leader that died between assignment and job left a build without one. */
  async restoreJobs(): Promise<void> {
    const { builds, pending, queues } = this.#deps;
    await all(await pending.assignedIds(), async (id) => {
      const record = await builds.record(id);
      const assignment = record && assignmentOf(record);
      if (assignment) await queues.enqueue(assignment.host, assignment.call);
    });
  }

  /**
   * Ends builds whose end another build decided: superseded ones, and those that shared a run. Needs no fencing, because repeats change
   * nothing. A failure doesn't stop placement; the next pass tries again.
   */
  async followUp(): Promise<void> {
    const { followUps, log } = this.#deps;
    await followUps.run().catch((error: unknown) => log.error({ err: error }, 'follow-ups failed'));
  }

  /**
   * Purges all builds that ended by `endedBy`, ms since the epoch. Needs no fencing. Takes long if there are many, so call it beside
   * placement, one call at a time.
   */
  async purgeExpired(endedBy: number, signal: AbortSignal): Promise<void> {
    const { history, log } = this.#deps;
    let purged = 0;
    try {
      for (let more = true; more && !signal.aborted; ) {
        const count = await history.purge(endedBy, PURGE_BATCH);
        purged += count;
        more = count === PURGE_BATCH;
      }
    } catch (error) {
      if (!signal.aborted) log.error({ err: error }, 'purging expired builds failed');
    }
    if (purged > 0) log.info({ purged }, 'expired builds purged');
  }
}

/** Runs `work` for every item, even if some fail, then throws the first failure; `NotLeader` takes precedence. */
async function all<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const done = await Promise.allSettled(items.map(work));
  const errors = done.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
  if (errors.length > 0) throw errors.find((error) => error instanceof NotLeader) ?? errors[0];
}

function identity({ nonce }: Attempt): { nonce?: string } {
  return nonce === undefined ? {} : { nonce };
}
