import { randomBytes } from 'node:crypto';
import type { AttemptCall } from '@kiln/contracts';
import {
  type BuildRecord,
  cacheKey,
  currentAttempt,
  domainOfKey,
  type Failure,
  isHandBack,
  normalPlatform,
  type PendingBuild,
  type PlacementDecision,
  placementKey,
  queueDeadline,
} from '@kiln/domain';
import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';
import type { StoredBuild, StoredDecision } from '../types.ts';
import { DEFAULT_SECRET_TTL_MS } from './build-store.ts';
import { applyEvent, changeArgs } from './write.ts';

/** The host that a decision chose, as the leader saw it. If it has fewer slots by now, those count. */
export interface ChosenHost {
  readonly name: string;
  readonly incarnation: string;
  readonly slots: number;
}

export type AssignOutcome =
  | { readonly outcome: 'assigned'; readonly build: BuildRecord }
  | {
      readonly outcome:
        | 'not_queued'
        | 'no_slot'
        | 'host_unfit'
        | 'not_leader'
        | 'team_limit'
        | 'token_limit'
        | 'store_full';
    };

/** Limits on running builds of the build's team and of its submitter; absent: none. */
export interface ConcurrencyLimits {
  readonly team?: number | undefined;
  readonly token?: number | undefined;
}

const NOT_LEADER = -4;

/** Refusals of `assign-build` by their codes. */
const REFUSALS: Readonly<Record<number, Exclude<AssignOutcome['outcome'], 'assigned'>>> = {
  [-3]: 'no_slot',
  [NOT_LEADER]: 'not_leader',
  [-5]: 'host_unfit',
  // A newer build supersedes it, so it is due to end.
  [-6]: 'not_queued',
  [-7]: 'team_limit',
  [-8]: 'token_limit',
  [-9]: 'store_full',
};

const NONCE_BYTES = 8;

/** Waiting builds and their assignment, for the leader. */
export class PendingStore {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #now: () => number;
  readonly #secretTtlMs: number;

  /** @param secretTtlMs how long secrets of an ended build are kept, for a retry */
  constructor(redis: Redis, keys: Keys, now: () => number = Date.now, secretTtlMs: number = DEFAULT_SECRET_TTL_MS) {
    this.#redis = redis;
    this.#keys = keys;
    this.#now = now;
    this.#secretTtlMs = secretTtlMs;
  }

  /** Reads the ids of all queued builds, oldest first. */
  queuedIds(): Promise<string[]> {
    return this.#redis.zrange(this.#keys.pending(), '0', '-1');
  }

  /** Reads the ids of builds that are assigned but haven't begun, whose jobs may be missing. */
  assignedIds(): Promise<string[]> {
    return this.#redis.zrange(this.#keys.indexState('assigned'), '0', '-1');
  }

  /** Assigns a build as decided. Changes nothing unless everything that the decision relied on still holds. */
  async assign(
    pending: PendingBuild,
    host: ChosenHost,
    decision: PlacementDecision,
    fencingToken: string,
    limits: ConcurrencyLimits = {},
  ): Promise<AssignOutcome> {
    const now = this.#now();
    const { name, incarnation, slots } = host;
    const applied = await applyEvent(
      this.#redis,
      this.#keys,
      pending.id,
      { type: 'assign', host: name, incarnation, nonce: randomBytes(NONCE_BYTES).toString('hex') },
      now,
      (next, expected) =>
        runScript(
          this.#redis,
          'assign-build',
          [
            this.#keys.build(pending.id),
            this.#keys.host(name),
            this.#keys.hostLease(name),
            this.#keys.hostHeld(name),
            this.#keys.leaderToken(),
            this.#keys.decisions(pending.id),
            this.#keys.hostDesired(name),
          ],
          [
            this.#keys.prefix,
            pending.id,
            expected,
            fencingToken,
            pending.weight,
            slots,
            JSON.stringify(stored(decision, next.attempts.length)),
            limits.team ?? '',
            limits.token ?? '',
            pending.trust,
            ...(['pool', 'team', 'repo'] as const).map((isolation) => domainOfKey(pending.repo, isolation)),
            ...changeArgs(next, now),
          ],
        ),
    );
    if (applied.outcome === 'applied') return { outcome: 'assigned', build: applied.build };
    if (applied.outcome !== 'refused') return { outcome: 'not_queued' };
    return { outcome: REFUSALS[applied.code] ?? 'host_unfit' };
  }

  /**
   * Ends a queued build that the leader with `fencingToken` gives up placing. Returns `not_queued` if the build doesn't wait any more: it was
   * assigned, has ended, or is about to be superseded.
   */
  async abandon(
    id: string,
    failure: Failure,
    fencingToken: string,
  ): Promise<'abandoned' | 'not_queued' | 'not_leader'> {
    const now = this.#now();
    const applied = await applyEvent(this.#redis, this.#keys, id, { type: 'abandon', failure }, now, (next, expected) =>
      runScript(
        this.#redis,
        'abandon-build',
        [this.#keys.build(id), this.#keys.leaderToken(), this.#keys.secrets(id)],
        [this.#keys.prefix, id, expected, fencingToken, this.#secretTtlMs, ...changeArgs(next, now)],
      ),
    );
    if (applied.outcome === 'applied') return 'abandoned';
    return applied.outcome === 'refused' && applied.code === NOT_LEADER ? 'not_leader' : 'not_queued';
  }

  /** Stores why a build waits for its attempt of this number. It stays beside the decision that assigns the attempt. */
  async explain(build: PendingBuild, attempt: number, decision: PlacementDecision): Promise<void> {
    const field = `${attempt}:wait`;
    await this.#redis.hset(this.#keys.decisions(build.id), field, JSON.stringify(stored(decision, attempt)));
  }
}

function stored(decision: PlacementDecision, attempt: number): StoredDecision {
  const { build: _, ...rest } = decision;
  return { ...rest, attempt };
}

/** A queued build as placement sees it. */
export function pendingBuild({ record, spec }: StoredBuild): PendingBuild {
  return {
    id: record.id,
    repo: placementKey(cacheKey(record), record.cacheMode),
    cacheMode: record.cacheMode,
    team: record.team,
    priority: spec.priority,
    queuedAt: record.queuedAt,
    createdAt: record.createdAt,
    weight: spec.weight,
    platforms: (record.runPlatforms ?? spec.platforms).map(normalPlatform),
    platformsUnsure: record.runPlatforms === undefined && spec.platforms.length > 0,
    hostLabels: spec.hostLabels,
    trust: record.trust ?? 'trusted',
    waitForHost: spec.waitForHost,
    queueDeadline: queueDeadline(record),
    // A host that only handed the build back may get it again.
    lostOn: record.attempts.filter(({ failure }) => !isHandBack(failure)).map(({ host }) => host),
  };
}

/** The job that must exist for a build; undefined unless it is assigned. */
export function assignmentOf(build: BuildRecord): { host: string; call: AttemptCall } | undefined {
  const attempt = currentAttempt(build);
  if (build.state !== 'assigned' || !attempt) return undefined;
  const { host, number, nonce } = attempt;
  return { host, call: { buildId: build.id, attempt: number, ...(nonce !== undefined && { nonce }) } };
}
