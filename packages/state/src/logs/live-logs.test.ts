import { randomUUID } from 'node:crypto';
import type { LogPiece } from '@kiln/contracts';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { AttemptRef } from '../builds/attempt-store.ts';
import { StaleAttempt } from '../builds/errors.ts';
import { TestPool } from '../testing/test-pool.ts';
import { TestRedis } from '../testing/test-redis.ts';
import { liveBytes } from './log-store.ts';

const KIB = 1024;
let redis: TestRedis;
let pool: TestPool;

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());
beforeEach(async () => {
  pool = await TestPool.open(redis.url, `logs-${randomUUID()}`);
  onTestFinished(() => pool[Symbol.asyncDispose]());
  await limit(64 * KIB, 256 * KIB);
});

function limit(logBytes: number, allBytes: number): Promise<unknown> {
  return pool.state.memory.note({ logBytes, allBytes });
}

/** A running build with a log of lines of 1 KiB. */
class Log {
  readonly ref: AttemptRef;
  seq = 0;

  private constructor(ref: AttemptRef) {
    this.ref = ref;
  }

  static async start(): Promise<Log> {
    return new Log(await pool.run((await pool.submit()).id));
  }

  /** Appends lines in batches of 4 KiB, each in a call of its own. */
  async print(lines: number, isLast = false): Promise<void> {
    for (let left = lines; left > 0; left -= 4) {
      const batch = Array.from({ length: Math.min(4, left) }, (_, i) => lineOf(this.seq + i + 1));
      await pool.state.logs.append(this.ref, this.seq + 1, batch, { isLast: () => isLast });
      this.seq += batch.length;
    }
  }

  /** Its size as Kiln counts it. */
  async bytes(): Promise<number> {
    const { redis, keys } = pool.state;
    return Number((await redis.zscore(keys.liveLogs(), `${this.ref.buildId}:${this.ref.attempt}`)) ?? 0);
  }

  /** The numbers of its records in Redis. */
  async live(): Promise<number[]> {
    const batches = await pool.state.logs.read(this.ref.buildId, this.ref.attempt, 0, 1_000);
    return batches.flatMap(({ firstSeq, lines }) => lines.map((_, i) => firstSeq + i));
  }

  /** Moves records `firstSeq` to `lastSeq` as a piece. */
  async move(firstSeq: number, lastSeq: number, holder?: string, key: string = randomUUID()): Promise<string> {
    const { logs } = pool.state;
    const { buildId, attempt } = this.ref;
    await using claim = await logs.claim(buildId, attempt);
    const piece: LogPiece = { key, firstSeq, lastSeq, sizeBytes: 1, members: [{ byte: 0, firstSeq }] };
    const batches = (await logs.read(buildId, attempt, 0, 1_000)).filter((one) => one.firstSeq <= lastSeq);
    const bytes = batches.reduce((sum, { lines }) => sum + liveBytes(lines), 0);
    return logs.movePiece(this.ref, holder ?? claim?.holder ?? '', piece, bytes);
  }
}

function lineOf(seq: number): string {
  return JSON.stringify({ t: seq, type: 'note', message: 'x'.repeat(KIB - 40) });
}

async function total(): Promise<number> {
  return Number(await pool.state.redis.get(pool.state.keys.liveLogBytes()));
}

/** Whether a promise is still pending once a log waits for room. */
async function isHeldUp(work: Promise<unknown>): Promise<boolean> {
  let over = false;
  const done = () => {
    over = true;
  };
  work.then(done, done);
  while (!over && (await pool.state.memory.read({ logBytes: 1 })).logs.waiting === 0) await pool.state.redis.ping();
  return !over;
}

describe('room of a live log', () => {
  test('makes a log at its limit wait until a piece of it was moved', async () => {
    const log = await Log.start();
    await log.print(60);
    expect(await log.bytes()).toBeGreaterThan(56 * KIB);
    const more = log.print(8);
    expect(await isHeldUp(more)).toBe(true);
    expect(await pool.state.logs.loud(Number.MAX_SAFE_INTEGER, 10)).toEqual([
      { buildId: log.ref.buildId, attempt: log.ref.attempt },
    ]);

    expect(await log.move(1, 40)).toBe('moved');
    await more;
    expect(await log.live()).toEqual(Array.from({ length: 28 }, (_, i) => 41 + i));
    expect((await pool.state.memory.read({ logBytes: 1 })).logs.waiting).toBe(0);
  });

  test('beyond the budget of all logs makes the loudest wait and lets quiet ones continue', async () => {
    await limit(64 * KIB, 128 * KIB);
    const [loud, second, quiet] = [await Log.start(), await Log.start(), await Log.start()];
    await loud.print(56);
    await second.print(56);
    await quiet.print(16);
    const more = loud.print(4);
    expect(await isHeldUp(more)).toBe(true);
    // Each of the three logs has a third of the budget.
    await quiet.print(24);
    expect(await quiet.live()).toHaveLength(40);
    expect(await total()).toBeGreaterThan(128 * KIB);
    expect(await second.move(1, 52)).toBe('moved');
    await more;
  });

  test('isn’t needed for the last records of an ended build, nor for its end record', async () => {
    const log = await Log.start();
    await log.print(60);
    await log.print(200, true);
    await pool.settle(log.ref, { end: 'succeeded' });
    expect((await log.live()).length).toBe(261);
    expect(await pool.record(log.ref.buildId)).toMatchObject({ state: 'succeeded' });
  });

  test('isn’t needed any more by waiting records once they are the last ones', async () => {
    const log = await Log.start();
    await log.print(60);
    let isLast = false;
    const waiting = pool.state.logs.append(log.ref, log.seq + 1, [lineOf(1).repeat(8)], { isLast: () => isLast });
    expect(await isHeldUp(waiting)).toBe(true);
    isLast = true;
    await waiting;
  });

  test('isn’t awaited once the attempt is stale: the append is refused', async () => {
    const log = await Log.start();
    await log.print(60);
    const waiting = log.print(8);
    expect(await isHeldUp(waiting)).toBe(true);
    await pool.lose(log.ref);
    await expect(waiting).rejects.toThrow(StaleAttempt);
  });

  test('is unlimited while API processes are of an older version that moves no logs', async () => {
    await pool.state.redis.del(pool.state.keys.liveLogLimits());
    const log = await Log.start();
    await log.print(200);
    expect(await log.live()).toHaveLength(200);
  });

  test('is found for a record larger than the whole budget', async () => {
    const log = await Log.start();
    const giant = 'x'.repeat(300 * KIB);
    await pool.state.logs.append(log.ref, 1, [giant]);
    await pool.state.logs.append(log.ref, 2, [giant]);
    const third = pool.state.logs.append(log.ref, 3, [giant]);
    expect(await isHeldUp(third)).toBe(true);
    expect(await log.move(1, 1)).toBe('moved');
    await third;
  });

  test('is counted correctly through growth, pieces, ends and archiving', async () => {
    const logs = [await Log.start(), await Log.start()];
    for (const log of logs) await log.print(40);
    await logs[0]?.move(1, 20);
    const sizes = await Promise.all(logs.map((log) => log.bytes()));
    expect(await total()).toBe(sizes.reduce((sum, size) => sum + size, 0));
    for (const { ref } of logs) {
      await pool.settle(ref, { end: 'succeeded' });
      await pool.state.logs.markArchived(ref.buildId, ref.attempt);
    }
    expect(await total()).toBe(0);
    expect(await pool.state.redis.exists(pool.state.keys.liveLogs())).toBe(0);
    // Only the end record stays, for readers that wait for it.
    expect(await logs[0]?.live()).toEqual([41]);
  });

  test('is recalculated by a recount, which also removes logs without a stream', async () => {
    const [kept, gone] = [await Log.start(), await Log.start()];
    await kept.print(8);
    await gone.print(8);
    const { redis, keys, logs } = pool.state;
    await redis.del(keys.log(gone.ref.buildId, 1));
    await redis.incrby(keys.liveLogBytes(), 1e9);
    await logs.recount();
    expect(await total()).toBe(await kept.bytes());
    expect(await gone.bytes()).toBe(0);
  });
});

describe('pieces', () => {
  test('count once if moving them is repeated after a lost answer', async () => {
    const log = await Log.start();
    await log.print(20);
    await using claim = await pool.state.logs.claim(log.ref.buildId, 1);
    const holder = claim?.holder ?? '';
    expect(await log.move(1, 8, holder, 'k')).toBe('moved');
    const bytes = await log.bytes();
    expect(await log.move(1, 8, holder, 'k')).toBe('moved');
    expect(await log.bytes()).toBe(bytes);
    expect(await pool.state.logs.pieces(log.ref.buildId, 1)).toHaveLength(1);
  });

  test('are refused if another process has the claim', async () => {
    const log = await Log.start();
    await log.print(20);
    await using _claim = await pool.state.logs.claim(log.ref.buildId, 1);
    expect(await pool.state.logs.claim(log.ref.buildId, 1)).toBeUndefined();
    expect(await log.move(1, 8, 'who held it before')).toBe('lost');
    expect((await log.live())[0]).toBe(1);
  });

  test('are refused if they leave a gap, contain the newest entry, or come after the end', async () => {
    const log = await Log.start();
    await log.print(20);
    expect(await log.move(5, 8)).toBe('stale');
    expect(await log.move(1, 20)).toBe('stale');
    expect(await log.move(1, 8)).toBe('moved');
    expect(await log.move(1, 12)).toBe('stale');
    await pool.settle(log.ref, { end: 'succeeded' });
    expect(await log.move(9, 12)).toBe('ended');
    expect((await log.live())[0]).toBe(9);
  });

  test('don’t affect numbering or the recognition of repeated batches', async () => {
    const log = await Log.start();
    await log.print(20);
    await log.move(1, 16);
    await log.print(4);
    await pool.state.logs.append(log.ref, 21, [lineOf(21)]);
    await pool.settle(log.ref, { end: 'succeeded' });
    expect(await log.live()).toEqual([17, 18, 19, 20, 21, 22, 23, 24, 25]);
    expect(await pool.state.logs.pieceAfter(log.ref.buildId, 1, 15)).toMatchObject({ firstSeq: 1, lastSeq: 16 });
    expect(await pool.state.logs.pieceAfter(log.ref.buildId, 1, 16)).toBeUndefined();
  });
});
