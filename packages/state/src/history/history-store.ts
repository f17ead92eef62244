import { type BuildRecord, isTerminal } from '@kiln/domain';
import type { Redis } from 'ioredis';
import { decodeTime, encodeTime } from 'ulid';
import { packBuild, unpackRecord } from '../builds/packed-build.ts';
import { parseRecord } from '../builds/read.ts';
import { recordStamp } from '../builds/write.ts';
import { keyDigest } from '../redis/key-schema.ts';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';
import type { HistoryPlace } from '../types.ts';

/** An ended build that is still whole in Redis. */
export interface EndedBuild {
  readonly id: string;
  /** Stamp of the record, see `recordStamp`. */
  readonly stamp: string;
  /** The document for the blob store: record, request and placement decisions as one line of JSON. */
  readonly document: string;
  /** Record and request as stored. */
  readonly doc: string;
  readonly spec: string;
}

export interface EndedRef {
  readonly id: string;
  /** Its end, or its acceptance if that is later by another process's clock, ms since the epoch. It isn't purged before. */
  readonly endedAt: number;
}

/** How long a claim lasts without a write, ms. */
const CLAIM_TTL_MS = 60_000;
const SHRUNK_AT_A_TIME = 100;
const PURGE_PAGE = 200;
const CLAIM_LOST = -1;
/** The last time that an id can encode, ms since the epoch. */
const LAST_ID_TIME = 2 ** 48 - 1;

/** The claim has expired, and another process moves ended builds. */
export class HistoryClaimLost extends Error {
  readonly code = 'history_claim_lost';
  constructor() {
    super('the claim has expired, and another process moves ended builds');
  }
}

/**
 * Ended builds on their way out of Redis. They are whole at first, then shrunk to what lists need, with a document in the blob store, and
 * finally purged. Any process may read them; one at a time shrinks them.
 */
export class HistoryStore {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #now: () => number;

  constructor(redis: Redis, keys: Keys, now: () => number = Date.now) {
    this.#redis = redis;
    this.#keys = keys;
    this.#now = now;
  }

  /** Acquires or renews the claim to shrink builds. Each `shrink` renews it; it expires a minute after the last one. */
  async claim(holder: string): Promise<boolean> {
    return (await runScript(this.#redis, 'hold-lock', [this.#keys.historyClaim()], [holder, CLAIM_TTL_MS])) === 1;
  }

  async release(holder: string): Promise<void> {
    await runScript(this.#redis, 'release-lock', [this.#keys.historyClaim()], [holder]);
  }

  /** Returns whole builds that ended before `endedBefore`, by their end: at most `limit`, after the first `skip`. */
  async ended(endedBefore: number, skip: number, limit: number): Promise<EndedRef[]> {
    const answer = await this.#redis.zrangebyscore(
      this.#keys.ended(),
      '-inf',
      `(${endedBefore}`,
      'WITHSCORES',
      'LIMIT',
      skip,
      limit,
    );
    return Array.from({ length: answer.length / 2 }, (_, i) => {
      const id = answer[2 * i] ?? '';
      return { id, endedAt: Math.max(Number(answer[2 * i + 1]), decodeTime(id.toUpperCase())) };
    });
  }

  /** Reads those of `ids` that can be shrunk now, without runs whose end other builds still have to take over. */
  async read(ids: readonly string[]): Promise<EndedBuild[]> {
    const asking = this.#redis.pipeline().scard(this.#keys.due());
    for (const id of ids) {
      asking.hmget(this.#keys.build(id), 'rev', 'doc', 'spec', 'share').hvals(this.#keys.decisions(id));
    }
    const [due, ...answers] = (await asking.exec())?.map(([error, value]) => answered(error, value)) ?? [];
    return ids.flatMap((id, i) => {
      const [rev, doc, spec, share] = answers[2 * i] as (string | null)[];
      const decisions = answers[2 * i + 1] as string[];
      if (!rev || !doc || !spec || (share && Number(due) > 0)) return [];
      const document = `{"record":${doc},"spec":${spec},"decisions":[${decisions.join(',')}]}`;
      return [{ id, stamp: recordStamp(Number(rev), doc), document, doc, spec }];
    });
  }

  /**
   * Shrinks builds whose documents are stored. Builds that are gone or have changed since they were read are skipped. Returns how many were
   * shrunk.
   * @throws HistoryClaimLost
   */
  async shrink(
    holder: string,
    stored: readonly (Pick<EndedBuild, 'id' | 'stamp' | 'doc' | 'spec'> & { readonly place: HistoryPlace })[],
  ): Promise<number> {
    let shrunk = 0;
    for (let i = 0; i < stored.length; i += SHRUNK_AT_A_TIME) {
      const builds = stored
        .slice(i, i + SHRUNK_AT_A_TIME)
        .flatMap(({ id, stamp, doc, spec, place }) => [id, stamp, packBuild(doc, spec, place)]);
      const keys = this.#keys;
      const code = Number(
        await runScript(
          this.#redis,
          'shrink-builds',
          [keys.historyClaim(), keys.history(), keys.ended(), keys.due()],
          [keys.prefix, holder, CLAIM_TTL_MS, ...builds],
        ),
      );
      if (code === CLAIM_LOST) throw new HistoryClaimLost();
      shrunk += code;
    }
    return shrunk;
  }

  /**
   * Purges at most `limit` builds that ended by `endedBy` (ms since the epoch), with all their index entries. Returns how many. Goes through
   * all builds accepted by then, because an index by end would take more memory than a shrunk build.
   */
  async purge(endedBy: number, limit: number): Promise<number> {
    const to = endedBy < LAST_ID_TIME ? `(${idsFrom(endedBy + 1)}` : '+';
    let purged = 0;
    let kept = 0;
    while (purged < limit) {
      const ids = await this.#redis.zrangebylex(this.#keys.indexAll(), '-', to, 'LIMIT', kept, PURGE_PAGE);
      if (ids.length === 0) {
        await this.#purge([], Math.floor(Math.min(endedBy, this.#now())));
        return purged;
      }
      const over = (await this.#endedBy(ids, endedBy)).slice(0, limit - purged);
      const gone = over.length > 0 ? await this.#purge(over) : 0;
      purged += gone;
      kept += ids.length - gone;
    }
    return purged;
  }

  /** The time up to which all ended builds have been purged, ms since the epoch; 0 if none ever was. */
  async purgedUpTo(): Promise<number> {
    return Number((await this.#redis.get(this.#keys.historyPurged())) ?? 0);
  }

  /** Those of `ids` that ended by then or can't be read, each with its index entries. */
  async #endedBy(ids: readonly string[], endedBy: number): Promise<Indexed[]> {
    const asking = this.#redis.pipeline();
    for (const id of ids) asking.hget(this.#keys.build(id), 'doc').hgetBuffer(this.#keys.history(), id);
    const answers = (await asking.exec())?.map(([error, value]) => answered(error, value)) ?? [];
    return ids.flatMap((id, i): Indexed[] => {
      const record = readable(id, answers[2 * i] as string | null, answers[2 * i + 1] as Buffer | null);
      if (!record) return [[id, '', '', '']];
      const { state, team, repo, finishedAt = Number.POSITIVE_INFINITY } = record;
      return isTerminal(state) && finishedAt <= endedBy ? [[id, state, team, keyDigest(repo)]] : [];
    });
  }

  async #purge(builds: readonly Indexed[], upTo?: number): Promise<number> {
    const keys = this.#keys;
    const args = [keys.prefix, upTo ?? '', ...builds.flat()];
    return Number(
      await runScript(this.#redis, 'purge-builds', [keys.history(), keys.ended(), keys.historyPurged()], args),
    );
  }
}

/** A build and what its index entries depend on: state, team, digest of its repo. */
type Indexed = readonly [id: string, state: string, team: string, repo: string];

function readable(id: string, doc: string | null, packed: Buffer | null): BuildRecord | undefined {
  try {
    if (doc) return parseRecord(doc);
    return packed ? unpackRecord(id, packed) : undefined;
  } catch {
    return undefined;
  }
}

/** The beginning of ids of builds accepted from `at` on, ms since the epoch. */
function idsFrom(at: number): string {
  return encodeTime(Math.max(0, Math.floor(at))).toLowerCase();
}

function answered(error: Error | null, value: unknown): unknown {
  if (error) throw error;
  return value;
}
