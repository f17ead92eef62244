import type { Redis } from 'ioredis';
import { keyDigest } from '../redis/key-schema.ts';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';

/** A status line at a commit, as the forge shows it. */
export interface ReportTarget {
  readonly connection: string;
  readonly repository: string;
  readonly commit: string;
  /** `kiln/<image>`, or `kiln` for the configuration itself. */
  readonly context: string;
  /** Branch or tag. */
  readonly ref?: string | undefined;
}

/** A report without a build: an invalid configuration. */
export interface FixedReport {
  readonly state: 'error';
  readonly description: string;
  /** Path below the API's address. */
  readonly path: string;
  /** Identifies the report. */
  readonly id: string;
}

export interface StoredReport extends ReportTarget {
  /** The newest build of the target; older ones are no longer reported. */
  readonly build?: string;
  readonly fixed?: FixedReport;
  /** The state that the forge accepted last, and its build. */
  readonly sent?: { readonly id: string; readonly state: string };
  /** The forge's own id for the report, and its build. */
  readonly remote?: { readonly id: string; readonly remoteId: string };
  readonly why?: string;
  readonly gaveUp: boolean;
}

const KEPT_MS = 30 * 24 * 3_600_000;

/** Targets of status reports, and what was reported to them. */
export class ReportStore {
  readonly #redis: Redis;
  readonly #keys: Keys;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  static idOf({ connection, repository, commit, context }: ReportTarget): string {
    return keyDigest(JSON.stringify([connection, repository, commit, context]));
  }

  /** Makes a build the one that is reported to the target, unless a newer one is. Returns the target's id. */
  async track(target: ReportTarget, build: string): Promise<string> {
    const id = ReportStore.idOf(target);
    await runScript(
      this.#redis,
      'track-report',
      [this.#keys.report(id), this.#keys.reportsOpen(), this.#keys.reportOf(build)],
      [id, build, JSON.stringify(target), KEPT_MS],
    );
    return id;
  }

  /** Returns the target to which a build is reported, or was in the last 30 days. */
  async targetOfAny(build: string): Promise<ReportTarget | undefined> {
    const id = await this.#redis.get(this.#keys.reportOf(build));
    const found = id === null ? undefined : await this.get(id);
    if (!found) return undefined;
    const { connection, repository, commit, context, ref } = found;
    return { connection, repository, commit, context, ...(ref !== undefined && { ref }) };
  }

  /** Sets a report without a build. Returns the target's id. */
  async fix(target: ReportTarget, fixed: FixedReport): Promise<string> {
    const id = ReportStore.idOf(target);
    const key = this.#keys.report(id);
    await this.#redis
      .multi()
      .hset(key, { doc: JSON.stringify(target), fixed: JSON.stringify(fixed) })
      .hdel(key, 'why', 'gaveUp')
      .pexpire(key, KEPT_MS)
      .exec();
    return id;
  }

  async get(id: string): Promise<StoredReport | undefined> {
    const { doc, build, fixed, sent, remote, why, gaveUp } = await this.#redis.hgetall(this.#keys.report(id));
    if (doc === undefined) return undefined;
    return {
      ...(JSON.parse(doc) as ReportTarget),
      ...(build !== undefined && { build }),
      ...(fixed !== undefined && { fixed: JSON.parse(fixed) as FixedReport }),
      ...(sent !== undefined && { sent: JSON.parse(sent) as { id: string; state: string } }),
      ...(remote !== undefined && { remote: JSON.parse(remote) as { id: string; remoteId: string } }),
      ...(why !== undefined && { why }),
      gaveUp: gaveUp === '1',
    };
  }

  /** Returns the target of a build whose end hasn't been reported yet. */
  async targetOf(build: string): Promise<string | undefined> {
    return (await this.#redis.hget(this.#keys.reportsOpen(), build)) ?? undefined;
  }

  /** Returns every target with a build whose end hasn't been reported yet. */
  async openTargets(): Promise<string[]> {
    return [...new Set(Object.values(await this.#redis.hgetall(this.#keys.reportsOpen())))];
  }

  async noteSent(id: string, sent: { id: string; state: string }, remoteId: string | undefined): Promise<void> {
    const key = this.#keys.report(id);
    const writing = this.#redis.multi().hset(key, 'sent', JSON.stringify(sent)).hdel(key, 'why', 'gaveUp');
    if (remoteId !== undefined) writing.hset(key, 'remote', JSON.stringify({ id: sent.id, remoteId }));
    await writing.exec();
  }

  async noteFailure(id: string, why: string, gaveUp: boolean): Promise<void> {
    await this.#redis.hset(this.#keys.report(id), { why, gaveUp: gaveUp ? '1' : '0' });
  }

  /** Marks these builds as completely reported. */
  async close(...builds: readonly string[]): Promise<void> {
    if (builds.length > 0) await this.#redis.hdel(this.#keys.reportsOpen(), ...builds);
  }
}
