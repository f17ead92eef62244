import { type BuildRecord, isTerminal } from '@kiln/domain';
import type { Redis } from 'ioredis';
import { monotonicFactory } from 'ulid';
import type { Keys } from '../redis/keys.ts';
import { StoreFull } from '../redis/memory.ts';
import { MASTER_ONLY, NotReplicated, type Replication } from '../redis/replication.ts';
import type { Sealer } from '../secrets/sealer.ts';
import type { BuildFilter, BuildPageRequest, NewBuild, StoredBuild, StoredDecision } from '../types.ts';
import { type Acceptance, type AcceptParts, acceptBuild } from './accept.ts';
import { type CancelOutcome, type CancelParts, cancelBuild } from './cancel.ts';
import { CorruptState, IdempotencyKeyReused, QueueFull } from './errors.ts';
import type { FollowUps } from './follow-ups.ts';
import { readBuild, readBuilds, readRecord } from './read.ts';

export interface BuildStoreOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly sealer: Sealer;
  readonly followUps: Pick<FollowUps, 'run'>;
  /** What an acceptance and a cancel wait for: default, for nothing beyond the master. */
  readonly replication?: Pick<Replication, 'after' | 'assertReplicas'> | undefined;
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
  readonly #followUps: Pick<FollowUps, 'run'>;
  readonly #parts: AcceptParts & CancelParts;
  readonly #replication: Pick<Replication, 'after' | 'assertReplicas'>;
  readonly #newId = monotonicFactory();

  constructor(options: BuildStoreOptions) {
    this.#redis = options.redis;
    this.#keys = options.keys;
    this.#sealer = options.sealer;
    this.#now = options.now ?? Date.now;
    this.#followUps = options.followUps;
    this.#replication = options.replication ?? MASTER_ONLY;
    this.#parts = {
      ...options,
      secretTtlMs: options.secretTtlMs ?? DEFAULT_SECRET_TTL_MS,
      idempotencyTtlMs: options.idempotencyTtlMs ?? DEFAULT_IDEMPOTENCY_TTL_MS,
    };
  }

  /**
   * Accepts a build; when it answers, the build is durable. The same idempotency key with the same fingerprint gives the build
   * of the first time. An identical build in flight lends its run where both ask for `dedupe`: `sharedRun` names it.
   * @throws IdempotencyKeyReused the key came with another request before @throws QueueFull @throws StoreFull
   * @throws NotReplicated too few replicas have it: without an idempotency key it is canceled again
   */
  async accept(build: NewBuild): Promise<{ build: StoredBuild; replayed: boolean }> {
    const now = this.#now();
    const id = this.#newId(now).toLowerCase();
    const accepted = await this.#accepted(build, id, now);
    if (accepted.outcome === 'replayed') {
      return { build: await this.#replayed(accepted.held, build.idempotency?.fingerprint ?? ''), replayed: true };
    }
    if (accepted.outcome === 'store_full') throw new StoreFull();
    if (accepted.outcome === 'full') throw new QueueFull(accepted.whose, build.maxQueued?.[accepted.whose] ?? 0);
    if (accepted.outcome === 'superseding') await this.#followUp();
    return { build: { record: accepted.record, spec: build.spec }, replayed: false };
  }

  /** An acceptance that could be lost isn't one: it is taken back, unless its key lets it be asked for again. */
  async #accepted(build: NewBuild, id: string, now: number): Promise<Acceptance> {
    const asked = this.#replication.assertReplicas();
    if (asked) await asked;
    try {
      return await this.#replication.after(() => acceptBuild(this.#parts, build, id, now));
    } catch (error) {
      if (error instanceof NotReplicated && !build.idempotency) await cancelBuild(this.#parts, id, this.#now());
      throw error;
    }
  }

  /** What fails here has been noted as due, and the leader sees to it. */
  async #followUp(): Promise<void> {
    await this.#followUps.run().catch(() => {});
  }

  async #replayed(held: string, fingerprint: string): Promise<StoredBuild> {
    const [id = '', before] = held.split(' ');
    if (before !== fingerprint) throw new IdempotencyKeyReused(id);
    const build = await this.get(id);
    if (!build) throw new CorruptState(`an idempotency key names build ${id}, which is gone`);
    return build;
  }

  /**
   * An ended build may have moved to the blob store: `archived` then says where, and whether anything of it is only there.
   * @throws RequestNotUnderstood
   */
  get(id: string): Promise<StoredBuild | undefined> {
    return readBuild(this.#redis, this.#keys, id);
  }

  /** A build's life without its request, which may be of another version; of one that was shrunk perhaps without its long texts. */
  record(id: string): Promise<BuildRecord | undefined> {
    return readRecord(this.#redis, this.#keys, id);
  }

  /** A page of builds, newest first; `next` is the cursor of the page after it. */
  async list(filter: BuildFilter, page: BuildPageRequest): Promise<{ builds: StoredBuild[]; next?: string }> {
    const index = this.#narrowest(filter);
    const builds: StoredBuild[] = [];
    let from = page.cursor === undefined ? '+' : `(${page.cursor}`;
    while (builds.length <= page.limit) {
      const ids = await this.#redis.zrevrangebylex(index, from, '-', 'LIMIT', 0, page.limit + 1);
      if (ids.length === 0) break;
      const found = await readBuilds(this.#redis, this.#keys, ids);
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

  /**
   * Cancels, for its caller: a queued build ends at once; one that a host holds is marked (`requested`), and ends when the host has
   * stopped it; one whose run others share goes on for them (`released`). One that shares a run leaves it, or ends with it
   * (`requested`) where nobody else wants it. When it answers, a failover doesn't undo it.
   * @throws NotReplicated
   */
  async cancel(id: string): Promise<{ build: StoredBuild; outcome: CancelOutcome } | undefined> {
    const outcome = await this.#replication.after(() => cancelBuild(this.#parts, id, this.#now()));
    if (outcome === 'requested') await this.#followUp();
    const build = await this.get(id);
    if (!build || outcome === 'gone') return undefined;
    return { build, outcome: outcome === 'requested' ? endOf(build) : outcome };
  }

  /**
   * A build's secrets by id, opened; undefined when they are no longer kept.
   * @throws SealBroken sealed with another key
   */
  async secretsOf(id: string): Promise<Record<string, string> | undefined> {
    const sealed = await this.#redis.get(this.#keys.secrets(id));
    if (sealed) return JSON.parse(this.#sealer.open(sealed, id)) as Record<string, string>;
    const build = await this.get(id);
    return build?.spec.secrets.length === 0 ? {} : undefined;
  }

  /**
   * Placement decisions, oldest first: of each attempt why the build last waited for it, if it did, and where it went. Those of a build
   * that has moved to the blob store are in its document only.
   */
  async decisions(id: string): Promise<StoredDecision[]> {
    const byAttempt = await this.#redis.hvals(this.#keys.decisions(id));
    return inOrder(byAttempt.map((json) => JSON.parse(json) as StoredDecision));
  }
}

/** Oldest first. */
export function inOrder(decisions: readonly StoredDecision[]): StoredDecision[] {
  return decisions.toSorted((a, b) => a.attempt - b.attempt || a.decidedAt - b.decidedAt);
}

/** What a requested cancel has come to by now. */
function endOf({ record: { state } }: StoredBuild): CancelOutcome {
  if (state === 'canceled') return 'canceled';
  return isTerminal(state) ? 'already_finished' : 'requested';
}

function matches({ record }: StoredBuild, { repo, state, team }: BuildFilter): boolean {
  return (
    (repo === undefined || record.repo === repo) &&
    (state === undefined || record.state === state) &&
    (team === undefined || record.team === team)
  );
}
