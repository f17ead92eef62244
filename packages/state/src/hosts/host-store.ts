import { type AttemptCall, type HostReport, hostDisk, hostLoad, hostReport, type NewHostReport } from '@kiln/contracts';
import type { Redis } from 'ioredis';
import { NotLeader } from '../builds/errors.ts';
import { CacheIndex, type InventoryStamp } from '../caches/cache-index.ts';
import type { Keys } from '../redis/keys.ts';
import { hashOf, readTogether } from '../redis/read-together.ts';
import { MASTER_ONLY, type Replication } from '../redis/replication.ts';
import { runScript } from '../redis/scripts.ts';
import type { HostState } from '../types.ts';
import { type CacheMoves, type Drain, effective, parseOrders } from './desired.ts';
import { HostNameTaken, HostRemoved, WorkerReplaced } from './errors.ts';

/** How long a lost host stays on the list, so that operators see it, ms. */
const LOST_RETENTION_MS = 24 * 3_600_000;
const NOT_LEADER = -4;

/** A worker's identity. `machine` survives a restart, because it is stored in the data directory; `incarnation` doesn't. */
export interface WorkerIdentity {
  readonly machine: string;
  readonly incarnation: string;
  /** From `nextEpoch`, acquired before the process ends what its predecessor left running. Without one, the rules of older versions apply. */
  readonly epoch?: string;
}

/** What a host should do; the answer to its report. */
export interface DesiredState {
  /** Whether no builds are assigned to it. */
  readonly cordoned: boolean;
  /**
   * Set while it should only finish its builds. Those that still run `handBackInMs` after the answer are handed back to the pool. `caches`: as
   * in `Drain`.
   */
  readonly drain?: { readonly handBackInMs?: number; readonly caches?: CacheMoves };
  /** The effective slots and labels: the worker's own, or an operator's. */
  readonly slots: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Whether the pool has an inventory of it; a host that was purged meanwhile must publish it again. */
  readonly inventoryKnown: boolean;
  /** How many tasks of it haven't ended, with those that it runs. */
  readonly tasks: number;
  /** Attempts that this incarnation holds. Any other one that it runs is no longer its own. */
  readonly attempts: readonly HeldAttempt[];
}

/** An attempt that a host holds according to the pool. */
export interface HeldAttempt extends AttemptCall {
  readonly cancel: boolean;
  /** Whether the host has started it; if not, its job may still be on its way. */
  readonly begun: boolean;
}

/** The pool's hosts: their reports, leases and taken slots. */
export class HostStore {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #now: () => number;
  readonly #caches: CacheIndex;
  readonly #replication: Pick<Replication, 'after'>;

  /** @param replication what a report waits for. Default: only for the master */
  constructor(
    redis: Redis,
    keys: Keys,
    now: () => number = Date.now,
    replication: Pick<Replication, 'after'> = MASTER_ONLY,
  ) {
    this.#redis = redis;
    this.#keys = keys;
    this.#now = now;
    this.#replication = replication;
    this.#caches = new CacheIndex(redis, keys);
  }

  /**
   * Returns an epoch for a worker process, higher than all before it. Of two processes of a host, the one with the higher epoch is the
   * newer one, however long the other was frozen.
   */
  async nextEpoch(): Promise<string> {
    return String(await runScript(this.#redis, 'next-epoch', [this.#keys.hostEpoch()], []));
  }

  /**
   * Takes a worker's report: joins the pool or renews the lease for `leaseTtlMs`, and returns what the worker should do.
   * When this returns, enough replicas have the lease, so it survives a failover.
   * @param runs the attempts that the worker runs. For held attempts that it doesn't run, the pool records since when. Default: unknown
   * @throws HostNameTaken @throws WorkerReplaced @throws HostRemoved @throws NotReplicated
   */
  async sync(
    report: NewHostReport,
    { machine, incarnation, epoch = '' }: WorkerIdentity,
    leaseTtlMs: number,
    runs?: readonly AttemptCall[],
  ): Promise<DesiredState> {
    const { disk, load, ...lasting } = report;
    const { name } = report;
    const answer = await this.#replication.after(() =>
      runScript(
        this.#redis,
        'sync-host',
        [...this.#ownKeys(name), this.#keys.hosts(), this.#keys.hostDesired(name), this.#keys.hostIdle(name)],
        [
          this.#keys.prefix,
          name,
          incarnation,
          machine,
          JSON.stringify(lasting),
          this.#now(),
          leaseTtlMs,
          report.accepting ? '1' : '0',
          report.slots,
          disk ? JSON.stringify(disk) : '',
          (report.trust ?? ['trusted']).join(),
          epoch,
          report.isolation ?? 'pool',
          report.oneDomain ? '1' : '0',
          report.domain ?? '',
          runs?.map(({ buildId, attempt }) => `${buildId}:${attempt}`).join(' ') ?? '-',
          load ? JSON.stringify(load) : '',
        ],
      ),
    );
    if (answer === -1) throw new HostNameTaken(name);
    if (answer === -2) throw new WorkerReplaced(name);
    if (answer === -3) throw new HostRemoved(name);
    return desiredState(report, answer as SyncAnswer);
  }

  /**
   * Releases the lease. A host without attempts and without an operator's settings disappears from the pool.
   * @param drained whether the worker leaves because it was drained; its successor then gets builds again
   */
  async leave(name: string, incarnation: string, drained = false): Promise<void> {
    await runScript(
      this.#redis,
      'leave-host',
      [...this.#ownKeys(name), this.#keys.hostDesired(name)],
      [this.#keys.prefix, name, incarnation, drained ? '1' : '0'],
    );
  }

  /** Returns attempts that the host holds but, by its own reports, hasn't run for at least `idleMs`. */
  async idle(name: string, idleMs: number): Promise<{ buildId: string; attempt: number }[]> {
    const [idle, [seconds]] = await Promise.all([this.#redis.hgetall(this.#keys.hostIdle(name)), this.#redis.time()]);
    const idleBefore = Number(seconds) * 1000 - idleMs;
    return Object.entries(idle).flatMap(([key, since]) => (Number(since) <= idleBefore ? [parseHeld(key)] : []));
  }

  async list(): Promise<HostState[]> {
    const [names] = await Promise.all([this.#redis.smembers(this.#keys.hosts()), this.#caches.refresh()]);
    const hosts = await Promise.all(names.sort().map((name) => this.#read(name)));
    return hosts.filter((host) => host !== undefined);
  }

  /** Reads the last reports of hosts whose workers left in order within the last hour and that haven't come back. `leftAt`: ms since the epoch. */
  async departed(): Promise<{ readonly report: HostReport; readonly leftAt: number }[]> {
    const entries = Object.values(await this.#redis.hgetall(this.#keys.hostsDeparted()));
    return entries.flatMap((entry) => {
      const at = entry.indexOf(' ');
      const parsed = hostReport.strip().safeParse(JSON.parse(entry.slice(at + 1)));
      return parsed.success ? [{ report: parsed.data, leftAt: Number(entry.slice(0, at)) }] : [];
    });
  }

  async get(name: string): Promise<HostState | undefined> {
    const [host] = await Promise.all([this.#read(name), this.#caches.refresh()]);
    return host;
  }

  /** Returns the repos whose recent builds used each cache mount, by mount id. */
  async mountUsers(): Promise<ReadonlyMap<string, readonly string[]>> {
    await this.#caches.refresh();
    return this.#caches.mountUsers();
  }

  async #read(name: string): Promise<HostState | undefined> {
    const [fields, lease, heldFields, desired, stamp] = await readTogether<
      [string[], string | null, string[], string[], InventoryStamp]
    >(
      this.#redis,
      ['HGETALL', this.#keys.host(name)],
      ['GET', this.#keys.hostLease(name)],
      ['HGETALL', this.#keys.hostHeld(name)],
      ['HGETALL', this.#keys.hostDesired(name)],
      ['HMGET', this.#keys.hostInventory(name), 'digest', 'readAt'],
    );
    const host = hashOf(fields);
    const held = hashOf(heldFields);
    // A report of a newer version may have more fields.
    const parsed = hostReport.strip().safeParse(JSON.parse(host.report ?? 'null'));
    if (!parsed.success) {
      this.#caches.forget(name);
      return undefined;
    }
    const caches = await this.#caches.read(name, stamp);
    const orders = parseOrders(hashOf(desired), { moves: host.moves, inventoryDigest: caches.inventoryDigest });
    const disk = hostDisk.safeParse(JSON.parse(host.disk || 'null'));
    const load = hostLoad.safeParse(JSON.parse(host.load || 'null'));
    const { slots, labels, oneDomain, domain } = parsed.data;
    const serves = domain ?? (oneDomain && Object.keys(held).length > 0 ? host.claiming : undefined);
    return {
      report: {
        ...parsed.data,
        ...effective(parsed.data, orders),
        ...(disk.success && { disk: disk.data }),
        ...(load.success && { load: load.data }),
      },
      reported: { slots, labels },
      orders,
      machine: host.machine ?? '',
      incarnation: host.incarnation ?? '',
      cordoned: orders.cordoned,
      draining: orders.drain !== undefined,
      alive: lease !== null && lease === host.incarnation,
      ...(serves !== undefined && { serves }),
      left: host.left === '1',
      lastSeenAt: Number(host.lastSeenAt),
      ...(host.run !== undefined && { serverRun: host.run }),
      ...(host.stale && { stale: host.stale.split(' ') }),
      ...(host.leaseTtl !== undefined && { leaseTtlMs: Number(host.leaseTtl) }),
      held: Object.entries(held).map(([key, weight]) => ({ ...parseHeld(key), weight: Number(weight) })),
      ...caches,
    };
  }

  /**
   * Records on behalf of the leader how far the caches of a drained host have moved. Nothing is recorded if the drain is another one by now,
   * or if caches count as moved of a host that still holds attempts.
   * @param inventoryDigest of the inventory that was judged
   * @throws NotLeader
   */
  async markMoves(
    name: string,
    { since }: Pick<Drain, 'since'>,
    caches: CacheMoves,
    inventoryDigest: string | undefined,
    fencingToken: string,
  ): Promise<void> {
    const code = await runScript(
      this.#redis,
      'mark-moves',
      [this.#keys.host(name), this.#keys.hostDesired(name), this.#keys.hostHeld(name), this.#keys.leaderToken()],
      [this.#keys.prefix, name, fencingToken, since, caches, inventoryDigest ?? ''],
    );
    if (code === NOT_LEADER) throw new NotLeader();
  }

  /**
   * Completes the removal of a host without a lease, or purges one that was lost a day ago. A host that still holds attempts or has an
   * operator's settings is kept.
   */
  async purgeLost(name: string): Promise<void> {
    await runScript(
      this.#redis,
      'purge-host',
      [...this.#ownKeys(name), this.#keys.hostDesired(name)],
      [this.#keys.prefix, name, this.#now() - LOST_RETENTION_MS],
    );
    if ((await this.#redis.sismember(this.#keys.hosts(), name)) === 0) this.#caches.forget(name);
  }

  #ownKeys(name: string): string[] {
    return [this.#keys.host(name), this.#keys.hostLease(name), this.#keys.hostHeld(name)];
  }
}

type SyncAnswer = [
  settings: string[],
  held: string[],
  serverNow: string,
  inventoryKnown: number,
  tasks: number,
  moves: string,
  inventoryDigest: string,
];

function desiredState(
  report: Pick<HostReport, 'slots' | 'labels'>,
  [settings, held, serverNow, inventoryKnown, tasks, moves, inventoryDigest]: SyncAnswer,
): DesiredState {
  const orders = parseOrders(hashOf(settings), { moves, inventoryDigest });
  const { drain } = orders;
  const handBackInMs = drain?.deadline === undefined ? undefined : Math.max(0, drain.deadline - Number(serverNow));
  return {
    cordoned: orders.cordoned,
    ...(drain && {
      drain: { ...(handBackInMs !== undefined && { handBackInMs }), ...(drain.caches && { caches: drain.caches }) },
    }),
    ...effective(report, orders),
    inventoryKnown: inventoryKnown === 1,
    tasks,
    attempts: heldAttempts(held),
  };
}

function heldAttempts(flat: readonly string[]): DesiredState['attempts'] {
  return Array.from({ length: flat.length / 4 }, (_, i) => {
    const [key = '', cancel, nonce = '', begun] = flat.slice(4 * i, 4 * i + 4);
    return { ...parseHeld(key), ...(nonce !== '' && { nonce }), cancel: cancel === '1', begun: begun === '1' };
  });
}

function parseHeld(key: string): { buildId: string; attempt: number } {
  const at = key.lastIndexOf(':');
  return { buildId: key.slice(0, at), attempt: Number(key.slice(at + 1)) };
}
