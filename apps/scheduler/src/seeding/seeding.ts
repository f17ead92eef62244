import {
  domainOfKey,
  type Isolation,
  type SeedConditions,
  type SeedWish,
  speedOf,
  type TransferSpeed,
} from '@kiln/domain';
import { type Metrics, NO_METRICS } from '@kiln/metrics';
import type { Logger } from '@kiln/runtime';
import { type HostState, type HostTasks, TooManyTasks } from '@kiln/state';
import type { PoolView } from '../pool-view.ts';
import {
  endOf,
  isSaveForSeed,
  measuredOf,
  type SaveForSeed,
  type SeedTransfer,
  type Stage,
  stageOf,
  transferId,
} from './transfer.ts';

export interface SeedingDeps {
  readonly tasks: Pick<HostTasks, 'createAsLeader' | 'get' | 'list'>;
  readonly log: Logger;
  readonly metrics?: Metrics | undefined;
}

/** How often seeds are looked for that no build waits for, ms. */
const AHEAD_EVERY_MS = 5_000;
/** How many of those begin at a time. */
const AHEAD_AT_ONCE = 4;
/** How long the same host isn't filled with the same repo again, ms: after a transfer, and after one that failed. */
const AGAIN_AFTER_MS = { arrived: 10 * 60_000, failed: 30 * 60_000 };

/**
 * Has hosts filled with caches of others, on behalf of the leader. Everything follows from the tasks in Redis: a task that saves caches says
 * which seed is to follow, so a leader that takes over continues where the last one stopped, and orders nothing twice.
 */
export class Seeding {
  readonly #view: PoolView;
  readonly #deps: SeedingDeps;
  readonly #transfers = new Map<string, SeedTransfer>();
  /** Transfers of which placement was told that they are under way. */
  readonly #told = new Set<string>();
  #changed = true;
  /** Ids of tasks that have changed since the last look. */
  readonly #noted = new Set<string>();
  #aheadAt = 0;
  /** What seeds ahead depend on most: which hosts are drained, and how far transfers are. */
  #situation = '';

  constructor(view: PoolView, deps: SeedingDeps) {
    this.#view = view;
    this.#deps = deps;
  }

  /** How many transfers are under way. */
  get underWay(): number {
    return [...this.#transfers.values()].filter((one) => isOpen(stageOf(one, this.#view.now))).length;
  }

  /** Reads all tasks again. `isNew`: placement knows of no transfer yet. */
  async refresh(isNew: boolean): Promise<void> {
    if (isNew) this.#told.clear();
    this.#noted.clear();
    const tasks = new Map((await this.#deps.tasks.list()).map((task) => [task.id, task]));
    this.#transfers.clear();
    for (const save of tasks.values()) {
      if (!isSaveForSeed(save)) continue;
      this.#transfers.set(save.id, { save, seed: tasks.get(save.order.seedAfter.task) });
    }
    this.#changed = true;
  }

  /** Notes that tasks may have changed. @param id of the one that has, if that is known: it may be new */
  note(id?: string): void {
    this.#changed = true;
    if (id !== undefined) this.#noted.add(id);
  }

  /** Reads the tasks of transfers under way if they may have changed, orders the seeds that are due, and tells placement. @throws NotLeader */
  async advance(fencingToken: string): Promise<void> {
    const { now } = this.#view;
    if (this.#changed) {
      this.#changed = false;
      const open = [...this.#transfers.values()].filter((one) => isOpen(stageOf(one, now)));
      // A leader that was replaced in the middle of its work may have ordered one that this one doesn't know.
      const unknown = [...this.#noted].filter((id) => !this.#transfers.has(id));
      this.#noted.clear();
      await Promise.all([...open.map(({ save }) => save.id), ...unknown].map((id) => this.#read(id)));
    }
    for (const transfer of this.#transfers.values()) {
      const stage = stageOf(transfer, now);
      if (stage === 'saved') await this.#seed(transfer.save, fencingToken);
      this.#tell(transfer, stage);
    }
  }

  /** Orders seeds that no build waits for, if it is time to look for them. @throws NotLeader */
  async ahead(fencingToken: string): Promise<void> {
    const { now, pool, hosts } = this.#view;
    const drained = [...hosts.values()].filter(({ draining }) => draining).map(({ report }) => report.name);
    const transfers = [...this.#transfers].map(([id, one]) => [id, stageOf(one, now)]);
    const situation = JSON.stringify([drained, transfers]);
    // A drained host waits only briefly for an order to move its caches.
    if (situation === this.#situation && now < this.#aheadAt + AHEAD_EVERY_MS) return;
    this.#situation = situation;
    this.#aheadAt = now;
    for (const wish of pool.seedsAhead(now, this.#conditions(), AHEAD_AT_ONCE)) await this.#begin(wish, fencingToken);
  }

  /** Returns the hosts whose caches are being copied to others, or have yet to be, although no build waits for them. */
  owing(): Set<string> {
    const { now, pool } = this.#view;
    const isIdle = (name: string) => isAble(this.#view.hosts.get(name));
    const owing = pool.hostsOwingSeeds(now, { ...this.#conditions(), isIdle });
    for (const transfer of this.#transfers.values()) if (isOpen(stageOf(transfer, now))) owing.add(transfer.save.host);
    return owing;
  }

  /**
   * Considers a seed for a build that is about to start cold on the host. Returns whether one was ordered and the build should wait for it.
   * If the build ends sooner without, none is ordered: it leaves a cache itself.
   * @throws NotLeader
   */
  async instead(build: string, host: string, fencingToken: string): Promise<boolean> {
    const { now, pool } = this.#view;
    const wish = pool.seedFor(build, host, now, this.#conditions());
    return wish?.sooner === true && (await this.#begin(wish, fencingToken));
  }

  #conditions(): SeedConditions {
    const { now } = this.#view;
    const busy = new Set<string>();
    const heldBack = new Map<string, number>();
    for (const transfer of this.#transfers.values()) {
      const { host: from, order } = transfer.save;
      const { host, repo } = order.seedAfter;
      const stage = stageOf(transfer, now);
      if (isOpen(stage)) busy.add(host);
      if (stage === 'saving') busy.add(from);
      if (stage !== 'arrived' && stage !== 'failed') continue;
      const until = endOf(transfer) + AGAIN_AFTER_MS[stage];
      heldBack.set(`${host} ${repo}`, Math.max(until, heldBack.get(`${host} ${repo}`) ?? 0));
    }
    return {
      speed: this.#speed(),
      isIdle: (name) => !busy.has(name) && isAble(this.#view.hosts.get(name)),
      isHeldBack: (repo, name) => (heldBack.get(`${name} ${repo}`) ?? 0) > now,
    };
  }

  #speed(): TransferSpeed {
    return speedOf([...this.#transfers.values()].flatMap(measuredOf));
  }

  /** Orders the first part of a transfer. Returns whether it did. */
  async #begin(wish: SeedWish, fencingToken: string): Promise<boolean> {
    const { repo, host, from, cause, transferMs: expectedMs, savesMs } = wish;
    const { now } = this.#view;
    const parts = [from.key, from.host, repo, host];
    const seedAfter = {
      ...{ task: transferId('seed', parts, now), host, repo, domain: domainOfKey(repo, this.#isolation(host)) },
      ...{ bytes: from.bytes, expectedMs, warmth: from.warmth },
    };
    const order = {
      ...{ type: 'save' as const, repo: from.key, domain: domainOfKey(from.key, from.isolation) },
      ...{ snapshot: transferId('snapshot', parts, now), seedAfter },
    };
    const id = transferId('save', parts, now);
    if ((await this.#create(from.host, order, id, fencingToken)) === undefined) return false;
    const save = await this.#deps.tasks.get(id);
    if (!save || !isSaveForSeed(save)) return false;
    this.#deps.log.info({ repo, from: from.host, host, cause, expectedMs, savesMs }, 'seed ordered');
    this.#metrics.count('kiln_seeds_ordered_total', 1, { cause });
    const transfer = { save, seed: await this.#deps.tasks.get(seedAfter.task) };
    this.#transfers.set(id, transfer);
    const stage = stageOf(transfer, now);
    this.#tell(transfer, stage);
    return isOpen(stage);
  }

  /** Orders the second part, unless the host takes no builds any more. */
  async #seed(save: SaveForSeed, fencingToken: string): Promise<void> {
    const { task, host, repo, domain } = save.order.seedAfter;
    const state = this.#view.hosts.get(host);
    if (!isAble(state) || state?.cordoned || state?.draining) return;
    const order = { type: 'seed' as const, repo, domain, snapshot: save.order.snapshot };
    const seed = await this.#create(host, order, task, fencingToken);
    if (seed) this.#transfers.set(save.id, { save, seed: (await this.#deps.tasks.get(task)) ?? seed });
  }

  async #create(...[host, ...what]: Parameters<HostTasks['createAsLeader']>) {
    try {
      return await this.#deps.tasks.createAsLeader(host, ...what);
    } catch (error) {
      if (!(error instanceof TooManyTasks)) throw error;
      this.#deps.log.warn({ host }, 'seed not ordered: the host has too many tasks');
      return undefined;
    }
  }

  async #read(id: string): Promise<void> {
    const save = await this.#deps.tasks.get(id);
    if (!save || !isSaveForSeed(save)) return;
    this.#transfers.set(id, { save, seed: await this.#deps.tasks.get(save.order.seedAfter.task) });
  }

  /** Tells placement what has begun and what has ended. */
  #tell({ save }: SeedTransfer, stage: Stage): void {
    const { now, pool } = this.#view;
    const { host, repo, bytes, expectedMs, warmth } = save.order.seedAfter;
    if (isOpen(stage)) {
      if (pool.isSeeding(repo, host)) return;
      pool.seedStarted({ repo, host, from: save.host, startedAt: save.createdAt, expectedMs, warmth, bytes }, now);
      this.#told.add(save.id);
    } else if (this.#told.delete(save.id)) {
      const result = stage === 'arrived' ? 'arrived' : 'failed';
      this.#metrics.count('kiln_seeds_ended_total', 1, { result });
      pool.seedEnded(repo, host, result === 'arrived', now);
    }
  }

  get #metrics(): Metrics {
    return this.#deps.metrics ?? NO_METRICS;
  }

  #isolation(host: string): Isolation {
    return this.#view.hosts.get(host)?.report.isolation ?? 'pool';
  }
}

function isOpen(stage: Stage): boolean {
  return stage === 'saving' || stage === 'saved' || stage === 'seeding';
}

/** Whether the host is there and its version can save and seed. */
function isAble(host: HostState | undefined): boolean {
  const types = host?.alive ? (host.report.tasks ?? []) : [];
  return types.includes('save') && types.includes('seed');
}
