import { type Attempt, type BuildRecord, currentAttempt, type Failure, type Outcome } from '@kiln/domain';
import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';
import { MASTER_ONLY, type Replication } from '../redis/replication.ts';
import { runScript } from '../redis/scripts.ts';
import { DEFAULT_SECRET_TTL_MS } from './build-store.ts';
import { StaleAttempt } from './errors.ts';
import { type Applied, applyEvent, changeArgs, endRecord } from './write.ts';

/** Identifies the attempt that a host writes for. */
export interface AttemptRef {
  readonly buildId: string;
  readonly attempt: number;
  readonly host: string;
  readonly incarnation: string;
  /** Of the assignment. Without it, any attempt of this number and incarnation matches. */
  readonly nonce?: string;
}

export interface AttemptStoreOptions {
  readonly now?: () => number;
  readonly secretTtlMs?: number;
  /** What starting and settling wait for. Default: only for the master. */
  readonly replication?: Pick<Replication, 'after'> | undefined;
}

/** Writes of workers about their attempts. Every method refuses a stale attempt. */
export class AttemptStore {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #now: () => number;
  readonly #secretTtlMs: number;
  readonly #replication: Pick<Replication, 'after'>;

  constructor(redis: Redis, keys: Keys, options: AttemptStoreOptions = {}) {
    this.#redis = redis;
    this.#keys = keys;
    this.#now = options.now ?? Date.now;
    this.#secretTtlMs = options.secretTtlMs ?? DEFAULT_SECRET_TTL_MS;
    this.#replication = options.replication ?? MASTER_ONLY;
  }

  /**
   * Starts an attempt that was assigned to the host. Repeating it with the same `now` (ms since the epoch) is harmless; another start of a
   * running attempt is refused. When this returns, enough replicas have the start, so a failover doesn't lose it.
   * @throws StaleAttempt @throws NotReplicated
   */
  start(ref: AttemptRef, now: number = this.#now()): Promise<BuildRecord> {
    return this.#replication.after(() => this.#start(ref, now));
  }

  async #start(ref: AttemptRef, now: number): Promise<BuildRecord> {
    const { buildId } = ref;
    const applied = await applyEvent(
      this.#redis,
      this.#keys,
      buildId,
      { type: 'start', ...liveness(ref) },
      now,
      (next, expected) =>
        runScript(
          this.#redis,
          'start-attempt',
          [this.#keys.build(buildId), this.#keys.hostLease(ref.host), this.#keys.hostIdle(ref.host)],
          [this.#keys.prefix, buildId, expected, ...changeArgs(next, now)],
        ),
    );
    if (applied.outcome === 'illegal' && startedAt(applied.build, ref) === now) return applied.build;
    return changed(applied, ref);
  }

  /** Pins the source of a build to a commit. Harmless to repeat. @throws StaleAttempt */
  async pin(ref: AttemptRef, commit: string): Promise<BuildRecord> {
    const now = this.#now();
    const { buildId } = ref;
    const applied = await applyEvent(
      this.#redis,
      this.#keys,
      buildId,
      { type: 'pin', ...liveness(ref), commit },
      now,
      (next, expected) =>
        runScript(
          this.#redis,
          'pin-source',
          [this.#keys.build(buildId)],
          [this.#keys.prefix, buildId, expected, ...changeArgs(next, now)],
        ),
    );
    return changed(applied, ref);
  }

  /**
   * Ends an attempt, whose log must be complete. An infrastructure failure sends the build back to the queue.
   * Repeating a settle after a lost answer returns the same result. When this returns, enough replicas have the end, so nothing that was
   * pushed is pushed again after a failover.
   * @throws StaleAttempt @throws NotReplicated
   */
  settle(ref: AttemptRef, outcome: Outcome): Promise<BuildRecord> {
    return this.#replication.after(() => this.#settle(ref, outcome));
  }

  async #settle(ref: AttemptRef, outcome: Outcome): Promise<BuildRecord> {
    const now = this.#now();
    const { buildId, attempt, incarnation, host } = ref;
    const applied = await applyEvent(
      this.#redis,
      this.#keys,
      buildId,
      { type: 'finish', ...liveness(ref), outcome },
      now,
      (next, expected) =>
        runScript(
          this.#redis,
          'settle-attempt',
          [this.#keys.build(buildId), this.#keys.hostHeld(host), this.#keys.hostLease(host)],
          [
            this.#keys.prefix,
            buildId,
            expected,
            JSON.stringify(endRecord(next, now)),
            attempt,
            this.#secretTtlMs,
            incarnation,
            ...changeArgs(next, now),
          ],
        ),
    );
    if (applied.outcome === 'illegal' && endedBy(applied.build, ref, outcome)) return applied.build;
    return changed(applied, ref);
  }

  /**
   * Reclaims an attempt for the leader with `fencingToken`: from a lost host, or from a live one that by its own reports hasn't run it for
   * `idleMs`. Returns `alive` if the host turned out to be alive, and `settled` if the attempt had already ended.
   */
  async reclaim(
    ref: AttemptRef,
    failure: Failure,
    fencingToken: string,
    idleMs: number = Number.MAX_SAFE_INTEGER,
  ): Promise<{ outcome: 'reclaimed'; build: BuildRecord } | { outcome: 'alive' | 'settled' | 'not_leader' }> {
    const now = this.#now();
    const { buildId, attempt, incarnation, host, nonce } = ref;
    const applied = await applyEvent(
      this.#redis,
      this.#keys,
      buildId,
      { type: 'lose', attempt, ...(nonce !== undefined && { nonce }), failure },
      now,
      (next, expected) =>
        runScript(
          this.#redis,
          'reclaim-attempt',
          [
            ...[this.#keys.build(buildId), this.#keys.hostHeld(host), this.#keys.hostLease(host)],
            ...[this.#keys.leaderToken(), this.#keys.hostIdle(host)],
          ],
          [
            this.#keys.prefix,
            buildId,
            expected,
            fencingToken,
            JSON.stringify(endRecord(next, now)),
            attempt,
            incarnation,
            this.#secretTtlMs,
            idleMs,
            ...changeArgs(next, now),
          ],
        ),
    );
    if (applied.outcome === 'applied') return { outcome: 'reclaimed', build: applied.build };
    if (applied.outcome === 'refused') return { outcome: applied.code === -4 ? 'not_leader' : 'alive' };
    // The attempt has ended, so the slot must be released in any case.
    await this.#redis.hdel(this.#keys.hostHeld(host), `${buildId}:${attempt}`);
    return { outcome: 'settled' };
  }
}

function liveness({ attempt, incarnation, nonce }: AttemptRef): Pick<AttemptRef, 'attempt' | 'incarnation' | 'nonce'> {
  return { attempt, incarnation, ...(nonce !== undefined && { nonce }) };
}

function changed(applied: Applied, { buildId, attempt }: AttemptRef): BuildRecord {
  if (applied.outcome === 'applied' || applied.outcome === 'unchanged') return applied.build;
  throw new StaleAttempt(buildId, attempt);
}

/** Whether an attempt of a record is the one that `ref` names. */
function isNamed({ number, incarnation, nonce }: Attempt, ref: AttemptRef): boolean {
  const isSame = ref.nonce === undefined || ref.nonce === nonce;
  return number === ref.attempt && incarnation === ref.incarnation && isSame;
}

/** When the attempt began, ms since the epoch; undefined unless it is the running one. */
function startedAt(build: BuildRecord, ref: AttemptRef): number | undefined {
  const live = currentAttempt(build);
  return build.state === 'running' && live && isNamed(live, ref) ? live.startedAt : undefined;
}

/** Whether the attempt has ended with this outcome. After an infrastructure failure the build may be running again. */
function endedBy(build: BuildRecord, ref: AttemptRef, { failure }: Outcome): boolean {
  const own = build.attempts.find((attempt) => isNamed(attempt, ref));
  if (own?.end === undefined) return false;
  return own.end !== 'lost' || own.failure?.code === failure?.code;
}
