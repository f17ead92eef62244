import type { Redis } from 'ioredis';
import { keyDigest } from '../redis/key-schema.ts';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';

/** What is reported on: one line at one commit, as the forge shows it. */
export interface ReportTarget {
  readonly connection: string;
  readonly repository: string;
  readonly commit: string;
  /** `kiln/<image>`, or `kiln` for the configuration itself. */
  readonly context: string;
  /** Branch or tag. */
  readonly ref?: string | undefined;
}

/** A state that no build has: what is wrong with a configuration. */
export interface FixedReport {
  readonly state: 'error';
  readonly description: string;
  /** Path below the API's address. */
  readonly path: string;
  /** Names it. */
  readonly id: string;
}

export interface StoredReport extends ReportTarget {
  /** The newest build of the target: older ones aren't reported any more. */
  readonly build?: string;
  readonly fixed?: FixedReport;
  /** What the forge has taken last, and of which build. */
  readonly sent?: { readonly id: string; readonly state: string };
  /** What the forge called it, and of which build. */
  readonly remote?: { readonly id: string; readonly remoteId: string };
  readonly why?: string;
  readonly gaveUp: boolean;
}

const KEPT_MS = 30 * 24 * 3_600_000;

/** Which builds are to be reported where, and what forges have been told. */
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

  /** From now on the build is what is reported at the target, unless a newer one is. Answers the target's id. */
  async track(target: ReportTarget, build: string): Promise<string> {
    const id = ReportStore.idOf(target);
    await runScript(
      this.#redis,
      'track-report',
      [this.#keys.report(id), this.#keys.reportsOpen()],
      [id, build, JSON.stringify(target), KEPT_MS],
    );
    return id;
  }

  /** A state that isn't a build's. Answers the target's id. */
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

  /** The target that a build is reported at while it hasn't been told to the end. */
  async targetOf(build: string): Promise<string | undefined> {
    return (await this.#redis.hget(this.#keys.reportsOpen(), build)) ?? undefined;
  }

  /** Every target with a build whose end hasn't been told. */
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

  /** Nothing of these builds is to be reported any more. */
  async close(...builds: readonly string[]): Promise<void> {
    if (builds.length > 0) await this.#redis.hdel(this.#keys.reportsOpen(), ...builds);
  }
}
