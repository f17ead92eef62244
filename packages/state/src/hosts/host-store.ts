import { type HostReport, hostReport } from '@kiln/contracts';
import type { Redis } from 'ioredis';
import { CacheIndex, type InventoryStamp } from '../caches/cache-index.ts';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';
import type { HostState } from '../types.ts';

/** Another machine's worker holds the host's name. */
export class HostNameTaken extends Error {
  readonly code = 'host_name_taken';
  constructor(name: string) {
    super(
      `another machine's worker is alive under the name ${name}: give this one another KILN_HOST_NAME, or stop that one`,
    );
  }
}

/** A newer worker process took this one's place on its machine. */
export class WorkerReplaced extends Error {
  readonly code = 'worker_replaced';
  constructor(name: string) {
    super(`a newer worker process runs host ${name}`);
  }
}

/** A worker's own identity: `machine` survives a restart (it lies in the data directory), `incarnation` doesn't. */
export interface WorkerIdentity {
  readonly machine: string;
  readonly incarnation: string;
}

/** What a host should be doing, as the answer to its report says. */
export interface DesiredState {
  readonly cordoned: boolean;
  readonly draining: boolean;
  /** Whether the pool has an inventory of it: a host that was forgotten meanwhile must publish again. */
  readonly inventoryKnown: boolean;
  /** Attempts that this incarnation holds; one that it runs and that isn't here is no longer its own. */
  readonly attempts: readonly { readonly buildId: string; readonly attempt: number; readonly cancel: boolean }[];
}

/** The pool's hosts: their reports, leases and taken slots. */
export class HostStore {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #now: () => number;
  readonly #caches: CacheIndex;

  constructor(redis: Redis, keys: Keys, now: () => number = Date.now) {
    this.#redis = redis;
    this.#keys = keys;
    this.#now = now;
    this.#caches = new CacheIndex(redis, keys);
  }

  /**
   * A worker's report; joins the pool or renews the lease for `leaseTtlMs`, and answers what the worker should be doing.
   * @throws HostNameTaken @throws WorkerReplaced
   */
  async sync(report: HostReport, { machine, incarnation }: WorkerIdentity, leaseTtlMs: number): Promise<DesiredState> {
    const { name } = report;
    const answer = await runScript(
      this.#redis,
      'sync-host',
      [this.#keys.host(name), this.#keys.hostLease(name), this.#keys.hostHeld(name), this.#keys.hosts()],
      [
        this.#keys.prefix,
        name,
        incarnation,
        machine,
        JSON.stringify(report),
        this.#now(),
        leaseTtlMs,
        report.accepting ? '1' : '0',
      ],
    );
    if (answer === -1) throw new HostNameTaken(name);
    if (answer === -2) throw new WorkerReplaced(name);
    const [cordoned, draining, inventory, ...held] = answer as string[];
    const attempts = [];
    for (let i = 0; i + 1 < held.length; i += 2) {
      attempts.push({ ...parseHeld(held[i] ?? ''), cancel: held[i + 1] === '1' });
    }
    return { cordoned: cordoned === '1', draining: draining === '1', inventoryKnown: inventory === '1', attempts };
  }

  /** Gives the lease up; a host that holds nothing disappears from the pool. */
  async leave(name: string, incarnation: string): Promise<void> {
    await runScript(
      this.#redis,
      'leave-host',
      [this.#keys.host(name), this.#keys.hostLease(name), this.#keys.hostHeld(name), this.#keys.hosts()],
      [this.#keys.prefix, name, incarnation],
    );
  }

  async list(): Promise<HostState[]> {
    const [names] = await Promise.all([this.#redis.smembers(this.#keys.hosts()), this.#caches.refresh()]);
    const hosts = await Promise.all(names.sort().map((name) => this.#read(name)));
    return hosts.filter((host) => host !== undefined);
  }

  async get(name: string): Promise<HostState | undefined> {
    const [host] = await Promise.all([this.#read(name), this.#caches.refresh()]);
    return host;
  }

  /** Which repos' recent builds used each cache mount, by its id. */
  async mountUsers(): Promise<ReadonlyMap<string, readonly string[]>> {
    await this.#caches.refresh();
    return this.#caches.mountUsers();
  }

  async #read(name: string): Promise<HostState | undefined> {
    const [[, host], [, lease], [, held], [, stamp]] = (await this.#redis
      .multi()
      .hgetall(this.#keys.host(name))
      .get(this.#keys.hostLease(name))
      .hgetall(this.#keys.hostHeld(name))
      .hmget(this.#keys.hostInventory(name), 'digest', 'readAt')
      .exec()) as [
      [unknown, Record<string, string>],
      [unknown, string | null],
      [unknown, Record<string, string>],
      [unknown, InventoryStamp],
    ];
    const report = hostReport.safeParse(JSON.parse(host.report ?? 'null'));
    if (!report.success) {
      this.#caches.forget(name);
      return undefined;
    }
    return {
      report: report.data,
      incarnation: host.incarnation ?? '',
      cordoned: host.cordoned === '1',
      draining: host.draining === '1',
      alive: lease !== null && lease === host.incarnation,
      lastSeenAt: Number(host.lastSeenAt),
      held: Object.entries(held).map(([key, weight]) => ({ ...parseHeld(key), weight: Number(weight) })),
      ...(await this.#caches.read(name, stamp)),
    };
  }

  /** Forgets a host that is gone and holds nothing. */
  async forget(name: string): Promise<void> {
    await this.#redis.srem(this.#keys.hosts(), name);
    await this.#redis.del(this.#keys.host(name), `${this.#keys.host(name)}:past`, this.#keys.hostInventory(name));
    this.#caches.forget(name);
  }
}

function parseHeld(key: string): { buildId: string; attempt: number } {
  const at = key.lastIndexOf(':');
  return { buildId: key.slice(0, at), attempt: Number(key.slice(at + 1)) };
}
