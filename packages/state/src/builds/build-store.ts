import { type BuildFilter, type ClientLogin, matchesFilter } from '@kiln/contracts';
import { type BuildRecord, currentAttempt, isTerminal } from '@kiln/domain';
import type { Redis } from 'ioredis';
import { monotonicFactory } from 'ulid';
import type { Keys } from '../redis/keys.ts';
import { StoreFull } from '../redis/memory.ts';
import { MASTER_ONLY, NotReplicated, type Replication } from '../redis/replication.ts';
import type { Sealer } from '../secrets/sealer.ts';
import type { BuildPageRequest, NewBuild, StoredBuild, StoredDecision } from '../types.ts';
import { type Acceptance, type AcceptDeps, acceptBuild, loginContext } from './accept.ts';
import { type CancelDeps, type CancelOutcome, cancelBuild } from './cancel.ts';
import { CorruptState, IdempotencyKeyReused, QueueFull } from './errors.ts';
import type { FollowUps } from './follow-ups.ts';
import { readBuild, readBuilds, readRecord } from './read.ts';

export interface BuildStoreOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly sealer: Sealer;
  readonly followUps: Pick<FollowUps, 'run'>;
  /** What accepting and canceling wait for. Default: only for the master. */
  readonly replication?: Pick<Replication, 'after' | 'assertReplicas'> | undefined;
  readonly now?: () => number;
  /** How long the secrets of an ended build are kept for a retry, ms. */
  readonly secretTtlMs?: number;
  /** How long an idempotency key is valid, ms. */
  readonly idempotencyTtlMs?: number;
}

export const DEFAULT_SECRET_TTL_MS = 24 * 3_600_000;
const DEFAULT_IDEMPOTENCY_TTL_MS = 24 * 3_600_000;

/** Accepts, reads, lists and cancels builds, for the API. */
export class BuildStore {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #sealer: Sealer;
  readonly #now: () => number;
  readonly #followUps: Pick<FollowUps, 'run'>;
  readonly #deps: AcceptDeps & CancelDeps;
  readonly #replication: Pick<Replication, 'after' | 'assertReplicas'>;
  readonly #newId = monotonicFactory();

  constructor(options: BuildStoreOptions) {
    this.#redis = options.redis;
    this.#keys = options.keys;
    this.#sealer = options.sealer;
    this.#now = options.now ?? Date.now;
    this.#followUps = options.followUps;
    this.#replication = options.replication ?? MASTER_ONLY;
    this.#deps = {
      ...options,
      secretTtlMs: options.secretTtlMs ?? DEFAULT_SECRET_TTL_MS,
      idempotencyTtlMs: options.idempotencyTtlMs ?? DEFAULT_IDEMPOTENCY_TTL_MS,
    };
  }

  /**
   * Accepts a build, which is durable when this returns. Repeating an idempotency key with the same fingerprint returns the first build.
   * If both ask for `dedupe`, the build shares the run of an identical build in flight; `sharedRun` names it.
   * @throws IdempotencyKeyReused the key was used for another request @throws QueueFull @throws StoreFull
   * @throws NotReplicated too few replicas have the build; without an idempotency key it is canceled
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

  /** Accepts a build, and cancels it if too few replicas have it and no idempotency key allows the caller to repeat the request. */
  async #accepted(build: NewBuild, id: string, now: number): Promise<Acceptance> {
    const asked = this.#replication.assertReplicas();
    if (asked) await asked;
    try {
      return await this.#replication.after(() => acceptBuild(this.#deps, build, id, now));
    } catch (error) {
      if (error instanceof NotReplicated && !build.idempotency) await cancelBuild(this.#deps, id, this.#now());
      throw error;
    }
  }

  /** Runs follow-ups. What fails stays due, and the leader repeats it. */
  async #followUp(): Promise<void> {
    await this.#followUps.run().catch(() => {});
  }

  async #replayed(held: string, fingerprint: string): Promise<StoredBuild> {
    const [id = '', before] = held.split(' ');
    if (before !== fingerprint) throw new IdempotencyKeyReused(id);
    const build = await this.get(id);
    if (!build) throw new CorruptState(`an idempotency key refers to build ${id}, which is gone`);
    return build;
  }

  /**
   * Reads a build. If an ended build has moved to the blob store, `archived` says where its document is and whether it contains more.
   * @throws RequestNotUnderstood
   */
  get(id: string): Promise<StoredBuild | undefined> {
    return readBuild(this.#redis, this.#keys, id);
  }

  /** Reads a build without its request, which may be of another version. The record of an archived build may lack its long texts. */
  record(id: string): Promise<BuildRecord | undefined> {
    return readRecord(this.#redis, this.#keys, id);
  }

  /**
   * Reads a page of builds, newest first; `next` is the cursor of the next page. With a filter that no index knows, a page ends after
   * `MAX_LOOKED_AT` builds, whatever it has found by then.
   */
  async list(filter: BuildFilter, page: BuildPageRequest): Promise<{ builds: StoredBuild[]; next?: string }> {
    const index = this.#narrowest(filter);
    const builds: StoredBuild[] = [];
    const most = isSearch(filter) ? MAX_LOOKED_AT : Number.POSITIVE_INFINITY;
    let from = page.cursor === undefined ? '+' : `(${page.cursor}`;
    let lookedAt = 0;
    while (builds.length <= page.limit) {
      const ids = await this.#redis.zrevrangebylex(index, from, '-', 'LIMIT', 0, page.limit + 1);
      if (ids.length === 0) break;
      const found = await readBuilds(this.#redis, this.#keys, ids);
      builds.push(...found.filter((build) => matches(build, filter)));
      from = `(${ids.at(-1)}`;
      lookedAt += ids.length;
      if (lookedAt >= most && builds.length <= page.limit) return { builds, next: ids.at(-1) ?? '' };
    }
    const shown = builds.slice(0, page.limit);
    const last = shown.at(-1);
    return builds.length > page.limit && last ? { builds: shown, next: last.record.id } : { builds: shown };
  }

  /** The index that is likely to contain the fewest other builds; the rest of the filter is applied to its entries. */
  #narrowest({ repo, state, team }: BuildFilter): string {
    if (state && !isTerminal(state)) return this.#keys.indexState(state);
    if (repo) return this.#keys.indexRepo(repo);
    if (team) return this.#keys.indexTeam(team);
    return state ? this.#keys.indexState(state) : this.#keys.indexAll();
  }

  /**
   * Cancels a build for its caller. A queued build ends at once. One that a host holds is marked (`requested`) and ends when the host has
   * stopped it. If others share its run, the run continues for them (`released`). A build that shares a run leaves it, or cancels it
   * (`requested`) if nobody else wants it. A failover doesn't undo the cancel after this returns.
   * @throws NotReplicated
   */
  async cancel(id: string): Promise<{ build: StoredBuild; outcome: CancelOutcome } | undefined> {
    const outcome = await this.#replication.after(() => cancelBuild(this.#deps, id, this.#now()));
    if (outcome === 'requested') await this.#followUp();
    const build = await this.get(id);
    if (!build || outcome === 'gone') return undefined;
    return { build, outcome: outcome === 'requested' ? endOf(build) : outcome };
  }

  /**
   * Opens a build's secrets, by id; undefined if they have expired.
   * @throws SealBroken sealed with another key
   */
  async secretsOf(id: string): Promise<Record<string, string> | undefined> {
    const sealed = await this.#redis.get(this.#keys.secrets(id));
    if (sealed) return JSON.parse(this.#sealer.open(sealed, id)) as Record<string, string>;
    const build = await this.get(id);
    return build?.spec.secrets.length === 0 ? {} : undefined;
  }

  /**
   * Opens the registry logins that the build's client sent; none if it sent none; undefined if they are gone, as after its end.
   * @throws SealBroken sealed with another key
   */
  async loginsOf(id: string): Promise<ClientLogin[] | undefined> {
    const sealed = await this.#redis.get(this.#keys.logins(id));
    if (sealed) return JSON.parse(this.#sealer.open(sealed, loginContext(id))) as ClientLogin[];
    const sent = (await this.get(id))?.spec.clientLogins;
    return sent && sent.ignored === undefined ? undefined : [];
  }

  /**
   * Reads placement decisions, oldest first: for each attempt why the build last waited, if it did, and which host it was assigned to.
   * Those of an archived build are only in its document.
   */
  async decisions(id: string): Promise<StoredDecision[]> {
    return readDecisions(await this.#redis.hvals(this.#keys.decisions(id)));
  }

  /** Reads the last placement decision of each of these builds, by id; those without any are missing. */
  async lastDecisions(ids: readonly string[]): Promise<Map<string, StoredDecision>> {
    const asked = await Promise.all(ids.map((id) => this.#redis.hvals(this.#keys.decisions(id))));
    const last = asked.map((byAttempt) => readDecisions(byAttempt).at(-1));
    return new Map(ids.flatMap((id, i) => (last[i] ? [[id, last[i]] as const] : [])));
  }

  /** Reads how many queued builds were accepted before each of these, by id; those that aren't queued are missing. */
  async queuedBefore(ids: readonly string[]): Promise<Map<string, number>> {
    const ranks = await Promise.all(ids.map((id) => this.#redis.zrank(this.#keys.pending(), id)));
    return new Map(ids.flatMap((id, i) => (ranks[i] == null ? [] : [[id, ranks[i]] as const])));
  }
}

function readDecisions(byAttempt: readonly string[]): StoredDecision[] {
  return inOrder(byAttempt.map((json) => JSON.parse(json) as StoredDecision));
}

/** Sorts decisions, oldest first. */
export function inOrder(decisions: readonly StoredDecision[]): StoredDecision[] {
  return decisions.toSorted((a, b) => a.attempt - b.attempt || a.decidedAt - b.decidedAt);
}

/** The outcome so far of a cancel that was requested. */
function endOf({ record: { state } }: StoredBuild): CancelOutcome {
  if (state === 'canceled') return 'canceled';
  return isTerminal(state) ? 'already_finished' : 'requested';
}

/** Builds looked at for one page of a search. */
const MAX_LOOKED_AT = 2_000;

function isSearch({ branch, trigger, host, text }: BuildFilter): boolean {
  return [branch, trigger, host, text].some((one) => one !== undefined);
}

function matches({ record, spec }: StoredBuild, filter: BuildFilter): boolean {
  const { id, repo, team, state, commit, createdBy } = record;
  const host = currentAttempt(record)?.host;
  return matchesFilter({ id, repo, team, state, commit, createdBy, host, request: spec }, filter);
}
