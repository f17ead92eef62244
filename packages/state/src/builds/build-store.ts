import { type BuildSpec, buildSpec } from '@kiln/contracts';
import { type BuildRecord, isTerminal } from '@kiln/domain';
import type { Redis } from 'ioredis';
import { monotonicFactory } from 'ulid';
import { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';
import type { BuildFilter, BuildPageRequest, NewBuild, StoredBuild, StoredDecision } from '../types.ts';
import { CorruptState, IdempotencyKeyReused } from './errors.ts';
import type { Sealer } from './seal.ts';
import { applyEvent, changeArgs, parseRecord } from './write.ts';

export interface BuildStoreOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly sealer: Sealer;
  readonly now?: () => number;
  /** How long the secrets of an ended build are kept for a retry, ms. */
  readonly secretTtlMs?: number;
  /** How long an idempotency key is remembered, ms. */
  readonly idempotencyTtlMs?: number;
}

export const DEFAULT_SECRET_TTL_MS = 24 * 3_600_000;
const DEFAULT_IDEMPOTENCY_TTL_MS = 24 * 3_600_000;

/** Accepts, reads, lists and cancels builds: what the API needs of them. */
export class BuildStore {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #sealer: Sealer;
  readonly #now: () => number;
  readonly #secretTtlMs: number;
  readonly #idempotencyTtlMs: number;
  readonly #newId = monotonicFactory();

  constructor(options: BuildStoreOptions) {
    this.#redis = options.redis;
    this.#keys = options.keys;
    this.#sealer = options.sealer;
    this.#now = options.now ?? Date.now;
    this.#secretTtlMs = options.secretTtlMs ?? DEFAULT_SECRET_TTL_MS;
    this.#idempotencyTtlMs = options.idempotencyTtlMs ?? DEFAULT_IDEMPOTENCY_TTL_MS;
  }

  /**
   * Accepts a build by one script; when it answers, the build is durable. The same idempotency key with the same
   * fingerprint gives the build of the first time.
   * @throws IdempotencyKeyReused the key came with another request before
   */
  async accept(build: NewBuild): Promise<{ build: StoredBuild; replayed: boolean }> {
    const now = this.#now();
    const id = this.#newId(now).toLowerCase();
    const record: BuildRecord = {
      id,
      revision: 1,
      state: 'queued',
      repo: build.repo,
      team: build.spec.team,
      ...(build.trust !== undefined && { trust: build.trust }),
      createdAt: now,
      queuedAt: now,
      attempts: [],
      ...(build.retryOf !== undefined && { retryOf: build.retryOf }),
    };
    const { idempotency } = build;
    const scope = idempotency && this.#keys.idempotency(`${build.spec.team} ${idempotency.key}`);
    const answer = await runScript(
      this.#redis,
      'accept-build',
      [this.#keys.build(id), scope ?? this.#keys.build(id)],
      [
        this.#keys.prefix,
        id,
        JSON.stringify(record),
        JSON.stringify(build.spec),
        now,
        record.team,
        Keys.digest(record.repo),
        Object.keys(build.secrets).length > 0 ? this.#sealer.seal(JSON.stringify(build.secrets), id) : '',
        idempotency ? `${id} ${idempotency.fingerprint}` : '',
        this.#idempotencyTtlMs,
      ],
    );
    if (answer === 'accepted') return { build: { record, spec: build.spec }, replayed: false };
    return { build: await this.#replayed(String(answer), idempotency?.fingerprint ?? ''), replayed: true };
  }

  async #replayed(held: string, fingerprint: string): Promise<StoredBuild> {
    const [id = '', before] = held.split(' ');
    if (before !== fingerprint) throw new IdempotencyKeyReused(id);
    const build = await this.get(id);
    if (!build) throw new CorruptState(`an idempotency key names build ${id}, which is gone`);
    return build;
  }

  async get(id: string): Promise<StoredBuild | undefined> {
    const [doc, spec] = await this.#redis.hmget(this.#keys.build(id), 'doc', 'spec');
    return doc && spec ? { record: parseRecord(doc), spec: parseSpec(spec) } : undefined;
  }

  /** A page of builds, newest first; `next` is the cursor of the page after it. */
  async list(filter: BuildFilter, page: BuildPageRequest): Promise<{ builds: StoredBuild[]; next?: string }> {
    const index = this.#narrowest(filter);
    const builds: StoredBuild[] = [];
    let from = page.cursor === undefined ? '+' : `(${page.cursor}`;
    while (builds.length <= page.limit) {
      const ids = await this.#redis.zrevrangebylex(index, from, '-', 'LIMIT', 0, page.limit + 1);
      if (ids.length === 0) break;
      const found = await this.#getAll(ids);
      builds.push(...found.filter((build) => matches(build, filter)));
      from = `(${ids.at(-1)}`;
    }
    const shown = builds.slice(0, page.limit);
    const last = shown.at(-1);
    return builds.length > page.limit && last ? { builds: shown, next: last.record.id } : { builds: shown };
  }

  /** The index that is likely to hold the fewest others; the rest of the filter is applied to what it gives. */
  #narrowest({ repo, state, team }: BuildFilter): string {
    if (state && !isTerminal(state)) return this.#keys.indexState(state);
    if (repo) return this.#keys.indexRepo(repo);
    if (team) return this.#keys.indexTeam(team);
    return state ? this.#keys.indexState(state) : this.#keys.indexAll();
  }

  async #getAll(ids: readonly string[]): Promise<StoredBuild[]> {
    return (await Promise.all(ids.map((id) => this.get(id)))).filter((build) => build !== undefined);
  }

  /**
   * Cancels: a queued build ends at once; one that a host holds is marked (`requested`), and ends when the host has stopped it.
   */
  async cancel(
    id: string,
  ): Promise<{ build: StoredBuild; outcome: 'canceled' | 'requested' | 'already_finished' } | undefined> {
    const now = this.#now();
    const applied = await applyEvent(this.#redis, this.#keys, id, { type: 'cancel' }, now, (next, expected) =>
      runScript(
        this.#redis,
        'cancel-build',
        [this.#keys.build(id), this.#keys.secrets(id)],
        [this.#keys.prefix, id, expected, this.#secretTtlMs, ...changeArgs(next, now)],
      ),
    );
    const stored = applied.outcome === 'gone' ? undefined : await this.get(id);
    if (!stored || applied.outcome === 'gone') return undefined;
    if (applied.outcome === 'illegal') return { build: stored, outcome: 'already_finished' };
    return {
      build: { record: applied.build, spec: stored.spec },
      outcome: applied.build.state === 'canceled' ? 'canceled' : 'requested',
    };
  }

  /**
   * A build's secrets by id, opened; undefined when they are no longer kept.
   * @throws SealBroken sealed with another key
   */
  async secretsOf(id: string): Promise<Record<string, string> | undefined> {
    const [[, ids], [, sealed]] = (await this.#redis
      .multi()
      .hget(this.#keys.build(id), 'spec')
      .get(this.#keys.secrets(id))
      .exec()) as [[unknown, string | null], [unknown, string | null]];
    if (sealed) return JSON.parse(this.#sealer.open(sealed, id)) as Record<string, string>;
    return ids && parseSpec(ids).secrets.length === 0 ? {} : undefined;
  }

  /** Placement decisions by attempt, oldest first. */
  async decisions(id: string): Promise<StoredDecision[]> {
    const byAttempt = await this.#redis.hgetall(this.#keys.decisions(id));
    return Object.values(byAttempt)
      .map((json) => JSON.parse(json) as StoredDecision)
      .sort((a, b) => a.attempt - b.attempt);
  }

  /** Removes builds that ended before `endedBefore` (ms since the epoch), at most `limit`; answers how many. */
  async forget(endedBefore: number, limit: number): Promise<number> {
    const ids = await this.#redis.zrangebyscore(this.#keys.ended(), '-inf', endedBefore, 'LIMIT', 0, limit);
    for (const id of ids) {
      const build = await this.get(id);
      await runScript(
        this.#redis,
        'forget-build',
        [this.#keys.build(id)],
        [this.#keys.prefix, id, build?.record.team ?? '', Keys.digest(build?.record.repo ?? '')],
      );
    }
    return ids.length;
  }
}

function matches({ record }: StoredBuild, { repo, state, team }: BuildFilter): boolean {
  return (
    (repo === undefined || record.repo === repo) &&
    (state === undefined || record.state === state) &&
    (team === undefined || record.team === team)
  );
}

function parseSpec(json: string): BuildSpec {
  const parsed = buildSpec.safeParse(JSON.parse(json));
  if (!parsed.success) throw new CorruptState(`a stored build request is not one: ${parsed.error.message}`);
  return parsed.data;
}
