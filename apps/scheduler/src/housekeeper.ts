import { type Attempt, currentAttempt } from '@kiln/domain';
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
  readonly builds: BuildStore;
  readonly attempts: AttemptStore;
  readonly hosts: HostStore;
  readonly pending: PendingStore;
  readonly followUps: FollowUps;
  readonly history: HistoryStore;
  readonly queues: AttemptQueues;
  readonly log: Logger;
}

/** Ended builds that are purged before others have a turn. */
const PURGE_BATCH = 1_000;

/** The leader's care for what nobody else would notice: dead hosts, lost jobs, what is due of others' decisions, builds past their retention. */
export class Housekeeper {
  readonly #deps: HousekeeperDeps;

  constructor(deps: HousekeeperDeps) {
    this.#deps = deps;
  }

  /**
   * Takes back what hosts hold that are gone: no lease, or another incarnation than the attempt's. Not from hosts that may not know of
   * a new Redis server yet.
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
   * Takes back what hosts that live hold and, by their own reports, haven't run for `idleMs`: workers see to such attempts themselves, so this
   * is for one that doesn't.
   * @throws NotLeader
   */
  async reclaimIdle(view: PoolView, idleMs: number, fencingToken: string): Promise<void> {
    const { attempts, builds, hosts, log } = this.#deps;
    const busy = [...view.hosts.values()].filter(({ alive, held }) => alive && held.length > 0);
    await all(busy, async ({ report: { name } }) => {
      for (const { buildId, attempt } of await hosts.idle(name, idleMs)) {
        const record = await builds.record(buildId);
        const live = record && currentAttempt(record);
        if (live?.number !== attempt || live.host !== name || live.end !== undefined) continue;
        const message = `host ${name} had the build and did not run it`;
        const ref = { buildId, attempt, host: name, incarnation: live.incarnation, ...identity(live) };
        const { outcome } = await attempts.reclaim(ref, { code: 'infrastructure', message }, fencingToken, idleMs);
        if (outcome === 'not_leader') throw new NotLeader();
        if (outcome === 'reclaimed') log.warn({ buildId, attempt, host: name }, 'idle attempt reclaimed');
      }
    });
  }

  async #check(
    host: HostState,
    { buildId, attempt }: { buildId: string; attempt: number },
    token: string,
  ): Promise<void> {
    const { attempts, builds, log } = this.#deps;
    const record = await builds.record(buildId);
    const live = record && currentAttempt(record);
    const mine = live?.number === attempt && live.end === undefined;
    if (mine && host.alive && live.incarnation === host.incarnation) return;
    const { outcome } = await attempts.reclaim(
      { buildId, attempt, host: host.report.name, incarnation: live?.incarnation ?? '', ...(mine && identity(live)) },
      { code: 'host_lost', message: `host ${host.report.name} was lost` },
      token,
    );
    if (outcome === 'not_leader') throw new NotLeader();
    if (outcome === 'reclaimed') log.warn({ buildId, attempt, host: host.report.name }, 'attempt reclaimed');
  }

  /** A leader that died between assignment and job leaves a build without one: puts the job there again. */
  async restoreJobs(): Promise<void> {
    const { builds, pending, queues } = this.#deps;
    await all(await pending.assignedIds(), async (id) => {
      const record = await builds.record(id);
      const assignment = record && assignmentOf(record);
      if (assignment) await queues.enqueue(assignment.host, assignment.call);
    });
  }

  /**
   * Ends what others have decided the end of: builds that newer ones supersede, and those that shared a run. Both need no fencing:
   * whoever is late changes nothing. What fails holds no placement up, and is due at the next pass again.
   */
  async followUp(): Promise<void> {
    const { followUps, log } = this.#deps;
    await followUps.run().catch((error: unknown) => log.error({ err: error }, 'follow-ups failed'));
  }

  /**
   * Forgets all builds that ended by `endedBy`, ms since the epoch. Needs no fencing, and nothing waits for it: call it beside
   * placement, once at a time.
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

/** Does it for each, so that what fails for one keeps none of the others from it; then throws the first failure, `NotLeader` before others. */
async function all<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const done = await Promise.allSettled(items.map(work));
  const errors = done.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
  if (errors.length > 0) throw errors.find((error) => error instanceof NotLeader) ?? errors[0];
}

function identity({ nonce }: Attempt): { nonce?: string } {
  return nonce === undefined ? {} : { nonce };
}
