import type { Redis } from 'ioredis';
import { recordStamp } from '../builds/write.ts';
import { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';
import type { HistoryPlace } from '../types.ts';
import { packBuild, unpackRecord } from './packed-build.ts';

/** An ended build that is still whole in Redis. */
export interface EndedBuild {
  readonly id: string;
  /** Of the record, see `recordStamp`. */
  readonly stamp: string;
  /** Its document for the blob store: record, request and placement decisions as one line of JSON. */
  readonly document: string;
  /** As they are stored. */
  readonly doc: string;
  readonly spec: string;
}

export interface EndedRef {
  readonly id: string;
  /** ms since the epoch. */
  readonly endedAt: number;
}

/** How long a claim holds without a write, ms. */
const CLAIM_TTL_MS = 60_000;
const SHRUNK_AT_A_TIME = 100;
const FORGOTTEN_AT_A_TIME = 200;
const CLAIM_LOST = -1;

/** Another process moves builds by now: this one's claim has lapsed. */
export class HistoryClaimLost extends Error {
  readonly code = 'history_claim_lost';
  constructor() {
    super('another process moves ended builds by now');
  }
}

/**
 * Ended builds on their way out of Redis: first whole, then shrunk to what lists need, with a document in the blob store, then
 * forgotten. One process at a time moves them; all may read.
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

  /** Whether `holder` may move builds now. Renewed by each `shrink`; lapses by itself a minute after the last one. */
  async claim(holder: string): Promise<boolean> {
    return (await this.#redis.set(this.#keys.historyClaim(), holder, 'PX', CLAIM_TTL_MS, 'NX')) === 'OK';
  }

  async release(holder: string): Promise<void> {
    await runScript(this.#redis, 'release-lock', [this.#keys.historyClaim()], [holder]);
  }

  /** Builds that are whole and ended before `endedBefore`, by their end, at most `limit`, without the first `skip`. */
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
    return Array.from({ length: answer.length / 2 }, (_, i) => ({
      id: answer[2 * i] ?? '',
      endedAt: Number(answer[2 * i + 1]),
    }));
  }

  /** Those of `ids` that can be moved now: not what is gone, nor a run whose end others have still to take over. */
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
   * Shrinks builds whose documents are stored by now. What has changed since it was read, or is gone, is left as it is. Answers how many.
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
          [keys.historyClaim(), keys.history(), keys.ended(), keys.historyEnded(), keys.due()],
          [keys.prefix, holder, CLAIM_TTL_MS, ...builds],
        ),
      );
      if (code === CLAIM_LOST) throw new HistoryClaimLost();
      shrunk += code;
    }
    return shrunk;
  }

  /** Removes builds that ended by `endedBy` (ms since the epoch), with all their indexes, at most `limit`; answers how many. */
  async forget(endedBy: number, limit: number): Promise<number> {
    let forgotten = 0;
    // In this order: a build may move from the first to the second meanwhile.
    for (const key of [this.#keys.ended(), this.#keys.historyEnded()]) {
      while (forgotten < limit) {
        const atMost = Math.min(FORGOTTEN_AT_A_TIME, limit - forgotten);
        const ids = await this.#redis.zrangebyscore(key, '-inf', endedBy, 'LIMIT', 0, atMost);
        if (ids.length === 0) break;
        await this.#forget(ids);
        forgotten += ids.length;
      }
    }
    if (forgotten < limit) await this.#redis.set(this.#keys.historyForgotten(), Math.min(endedBy, this.#now()));
    return forgotten;
  }

  /** No build that ended before is known any more, ms since the epoch; 0 where none was ever forgotten. */
  async forgottenUpTo(): Promise<number> {
    return Number((await this.#redis.get(this.#keys.historyForgotten())) ?? 0);
  }

  async #forget(ids: readonly string[]): Promise<void> {
    const asking = this.#redis.pipeline();
    for (const id of ids) asking.hget(this.#keys.build(id), 'doc').hgetBuffer(this.#keys.history(), id);
    const answers = (await asking.exec())?.map(([error, value]) => answered(error, value)) ?? [];
    const builds = ids.flatMap((id, i) => {
      const doc = answers[2 * i] as string | null;
      const packed = answers[2 * i + 1] as Buffer | null;
      return [id, ...indexesOf(id, doc, packed)];
    });
    const keys = this.#keys;
    await runScript(
      this.#redis,
      'forget-builds',
      [keys.history(), keys.ended(), keys.historyEnded()],
      [keys.prefix, ...builds],
    );
  }
}

/** Names of the indexes that a build is in: state, team, digest of its repo. Of what can't be read, none: it goes all the same. */
function indexesOf(id: string, doc: string | null, packed: Buffer | null): [string, string, string] {
  try {
    const record = doc ? (JSON.parse(doc) as ReturnType<typeof unpackRecord>) : packed && unpackRecord(id, packed);
    return record ? [record.state, record.team, Keys.digest(record.repo)] : ['', '', ''];
  } catch {
    return ['', '', ''];
  }
}

function answered(error: Error | null, value: unknown): unknown {
  if (error) throw error;
  return value;
}
