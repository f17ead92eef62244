import { gzipSync } from 'node:zlib';
import { logKey } from '@kiln/contracts';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { recordStamp } from '../builds/write.ts';
import { newBuild, TestPool } from '../testing/test-pool.ts';
import { TestRedis } from '../testing/test-redis.ts';
import type { BuildFilter } from '../types.ts';
import { HistoryClaimLost } from './history-store.ts';

const BLOB = 'history/0000000000000-a.ndjson.gz';
const HOLDER = 'an archiver';
const LATER = Date.now() + 3_600_000;
const MOST_BYTES_EACH = 1_500;

let redis: TestRedis;
let pool: TestPool;
let pools = 0;

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());

beforeEach(async () => {
  const opened = await TestPool.open(redis.url, `history-${++pools}`);
  pool = opened;
  return () => opened[Symbol.asyncDispose]();
});

/** As the API does it, without a blob store; answers how many were shrunk. */
async function shrinkAll(holder = HOLDER): Promise<number> {
  const { history } = pool.state;
  await history.claim(holder);
  const builds = await history.read((await history.ended(LATER, 0, 10_000)).map(({ id }) => id));
  return history.shrink(
    holder,
    builds.map((build) => ({ ...build, place: { blob: BLOB, start: 0, bytes: gzipSync(build.document).length } })),
  );
}

/** Runs a build to its end; answers its id. */
async function ended(request: Parameters<TestPool['submit']>[0] = {}): Promise<string> {
  const { id } = await pool.submit(request);
  const ref = await pool.run(id);
  await pool.settle(ref, { end: 'succeeded', steps: { total: 3, cached: 1 }, result: { digest: 'sha256:d' } });
  return id;
}

async function listed(filter: BuildFilter): Promise<unknown[]> {
  const { builds } = await pool.state.builds.list(filter, { limit: 100 });
  return builds.map(({ record, spec }) => ({ record, spec }));
}

describe('shrinking', () => {
  test('changes nothing of what lists and reads show, and leaves no key of the build', async () => {
    const ids = [await ended(), await ended({ team: 'other' })];
    const { id: queued } = await pool.submit();
    const filters: BuildFilter[] = [
      {},
      { state: 'succeeded' },
      { team: 'other' },
      { repo: 'app' },
      { state: 'queued' },
    ];
    const before = await Promise.all(filters.map(listed));
    expect(await shrinkAll()).toBe(2);
    expect(await Promise.all(filters.map(listed))).toEqual(before);
    for (const id of ids) {
      expect((await pool.state.builds.get(id))?.archived).toMatchObject({ blob: BLOB, isCut: false });
      const { redis: connection, keys } = pool.state;
      expect(
        (await connection.keys(`${keys.prefix}*`)).filter((key) => key.includes(id) && !key.includes(':log:')),
      ).toEqual([]);
    }
    expect((await pool.state.builds.get(queued))?.archived).toBeUndefined();
  });

  test('gives the document everything that there is, but for secrets', async () => {
    const id = await ended({ secrets: { npm: 'hunter22-hunter22' } });
    const [build] = await pool.state.history.read([id]);
    const { record, spec } = (await pool.state.builds.get(id)) ?? {};
    const decisions = await pool.state.builds.decisions(id);
    expect(decisions).toHaveLength(1);
    expect(JSON.parse(build?.document ?? '')).toEqual({ record, spec, decisions });
    const sealed = await pool.state.redis.get(pool.state.keys.secrets(id));
    await shrinkAll();
    const packed = await pool.state.redis.hgetBuffer(pool.state.keys.history(), id);
    for (const secret of ['hunter22', sealed ?? 'none']) {
      expect(build?.document).not.toContain(secret);
      expect(packed?.toString('latin1')).not.toContain(secret);
    }
    // A retry still finds them, for as long as they are kept.
    expect(await pool.state.builds.secretsOf(id)).toEqual({ npm: 'hunter22-hunter22' });
    expect(await pool.state.redis.pttl(pool.state.keys.secrets(id))).toBeGreaterThan(0);
    await pool.state.redis.del(pool.state.keys.secrets(id));
    expect(await pool.state.builds.secretsOf(id)).toBeUndefined();
  });

  test('leaves the answer of an ended build as it was: every later event is too late', async () => {
    const { id } = await pool.submit();
    const ref = await pool.run(id);
    const settled = await pool.settle(ref, { end: 'succeeded' });
    await shrinkAll();
    expect(await pool.state.builds.cancel(id)).toMatchObject({
      outcome: 'already_finished',
      build: { record: settled },
    });
    expect(await pool.settle(ref, { end: 'succeeded' })).toEqual(settled);
    await expect(pool.state.attempts.start(ref)).rejects.toThrow('no longer live');
    await expect(pool.state.logs.append(ref, 1, ['{}'])).rejects.toThrow('no longer live');
    const idempotency = { space: 'request' as const, key: 'k', fingerprint: 'f' };
    const first = await pool.state.builds.accept({ ...newBuild({}), idempotency });
    await pool.state.builds.cancel(first.build.record.id);
    await shrinkAll();
    const again = await pool.state.builds.accept({ ...newBuild({}), idempotency });
    expect(again).toMatchObject({
      replayed: true,
      build: { record: { id: first.build.record.id, state: 'canceled' } },
    });
  });

  test('a reader never finds a build gone while it is shrunk', async () => {
    const ids = await Promise.all(Array.from({ length: 60 }, () => ended()));
    let isDone = false;
    const missed: string[] = [];
    let reads = 0;
    const reading = async () => {
      while (!isDone) {
        for (const id of ids) if (!(await pool.state.builds.get(id))) missed.push(id);
        const page = await pool.state.builds.list({}, { limit: 100 });
        if (page.builds.length !== ids.length) missed.push('of a list');
        reads += 1;
      }
    };
    const readers = [reading(), reading()];
    const { history } = pool.state;
    await history.claim(HOLDER);
    for (const build of await history.read(ids)) {
      await history.shrink(HOLDER, [{ ...build, place: { blob: BLOB, start: 0, bytes: 1 } }]);
    }
    isDone = true;
    await Promise.all(readers);
    expect([missed, reads > 0]).toEqual([[], true]);
  });

  test('is for one process at a time: another’s claim refuses it, a lapsed one is anybody’s', async () => {
    await ended();
    const { history, redis: connection, keys } = pool.state;
    expect([await history.claim('a'), await history.claim('b')]).toEqual([true, false]);
    await expect(shrinkAll('b')).rejects.toThrow(HistoryClaimLost);
    expect(await connection.pttl(keys.historyClaim())).toBeGreaterThan(0);
    await history.release('b');
    expect(await history.claim('b')).toBe(false);
    await history.release('a');
    const [late] = await history.read((await history.ended(LATER, 0, 1)).map(({ id }) => id));
    expect(await shrinkAll('b')).toBe(1);
    const place = { blob: 'history/another', start: 0, bytes: 1 };
    await expect(history.shrink('a', late ? [{ ...late, place }] : [])).rejects.toThrow(HistoryClaimLost);
  });

  test('shrinks nothing that goes on, or is another revision than was stored, and counts again what it did already', async () => {
    const { history } = pool.state;
    const { id: running } = await pool.submit();
    await pool.run(running);
    const id = await ended();
    const [build] = await history.read([id]);
    const [live] = await history.read([running]);
    if (!build || !live) throw new Error('not read');
    const place = { blob: BLOB, start: 0, bytes: 1 };
    await history.claim(HOLDER);
    expect(await history.shrink(HOLDER, [{ ...live, place }])).toBe(0);
    expect(await history.shrink(HOLDER, [{ ...build, stamp: build.stamp.replace(/^\d+/, '1'), place }])).toBe(0);
    expect((await pool.state.builds.get(id))?.archived).toBeUndefined();
    // The answer of the first call may be lost.
    expect(await history.shrink(HOLDER, [{ ...build, place }])).toBe(1);
    expect(await history.shrink(HOLDER, [{ ...build, place }])).toBe(1);
    expect(await history.shrink(HOLDER, [{ ...build, place: { ...place, start: 7 } }])).toBe(0);
    expect((await pool.state.builds.get(id))?.archived?.start).toBe(0);
  });

  test('waits for builds that have still to take a run’s end over', async () => {
    const run = (await pool.submit({ dedupe: true })).id;
    const ref = await pool.run(run);
    const { followUps, history } = pool.state;
    const [before] = await history.read([run]);
    // A ref that is no commit is shared before it runs only; an upload always.
    const sharer = await pool.submit({ dedupe: true });
    expect(sharer.sharedRun).toBe(run);
    await pool.settle(ref, { end: 'succeeded', result: { digest: 'sha256:d', pushed: ['a:1'] } });
    expect(before && (await history.read([run]))).toEqual([]);
    await history.claim(HOLDER);
    const place = { blob: BLOB, start: 0, bytes: 1 };
    const { redis: connection, keys } = pool.state;
    const [rev = '', doc = ''] = (await connection.hmget(keys.build(run), 'rev', 'doc')) as string[];
    const stamp = recordStamp(Number(rev), doc);
    expect(await history.shrink(HOLDER, [{ id: run, stamp, doc, spec: before?.spec ?? '', place }])).toBe(0);
    await followUps.run();
    expect(await shrinkAll()).toBe(2);
    expect((await pool.record(sharer.id)).result).toEqual({ digest: 'sha256:d', pushed: ['a:1'] });
  });
});

describe('memory', () => {
  test(`is at most ${MOST_BYTES_EACH} bytes for each ended build, with its indexes, its idempotency key and what counts its log`, async () => {
    const count = 600;
    const { redis: connection, keys, builds } = pool.state;
    const used = async () => Number(/used_memory:(\d+)/.exec(await connection.info('memory'))?.[1]);
    // What is there once, however many builds there are, isn't theirs.
    await ended();
    await shrinkAll();
    const events = await connection.memory('USAGE', keys.events());
    const before = await used();
    for (let i = 0; i < count; i += 1) {
      const more = {
        idempotency: { space: 'request' as const, key: `k${i}`, fingerprint: 'f'.repeat(64) },
        repo: `github.com/team/app${i % 5}`,
      };
      const source = { type: 'git', url: `https://github.com/team/app${i % 5}.git`, ref: 'main' } as const;
      const { build } = await builds.accept({ ...newBuild({ source, buildArgs: { N: `${i}` } }), ...more });
      const ref = await pool.run(build.record.id);
      await pool.settle(ref, { end: 'succeeded', steps: { total: 9, cached: 4 }, result: { digest: `sha256:${i}` } });
      // As when its log is in the blob store.
      const { id, team } = build.record;
      await pool.state.logs.markArchived(id, 1);
      await connection.del(keys.log(id, 1));
      await pool.state.storage.charge(logKey(id, 1), 4_096, [{ team }]);
    }
    const whole = await used();
    expect(await shrinkAll()).toBe(count);
    const grown = Number(await connection.memory('USAGE', keys.events())) - Number(events);
    const each = ((await used()) - before - grown) / count;
    expect(each).toBeLessThan(MOST_BYTES_EACH);
    expect((whole - before - grown) / count).toBeGreaterThan(2 * each);
  });
});

describe('purging', () => {
  test('leaves no trace of builds, whole or shrunk, in one go, and none of those that go on', async () => {
    const shrunk = [await ended({ secrets: { a: 'b' } }), await ended({ team: 'other' })];
    await shrinkAll();
    const whole = await ended();
    const { id: running } = await pool.submit();
    await pool.run(running);
    const { history, redis: connection, keys, builds } = pool.state;
    expect(await history.purgedUpTo()).toBe(0);
    expect(await history.purge(LATER, 2)).toBe(2);
    expect(await history.purgedUpTo()).toBe(0);
    expect(await history.purge(LATER, 500)).toBe(1);
    expect(await history.purgedUpTo()).toBeLessThanOrEqual(Date.now());
    expect(await history.purgedUpTo()).toBeGreaterThan(Date.now() - 60_000);
    for (const id of [...shrunk, whole]) {
      expect(await builds.get(id)).toBeUndefined();
      expect((await connection.keys(`${keys.prefix}*${id}*`)).filter((key) => !key.includes(':log:'))).toEqual([]);
    }
    expect(await listed({})).toHaveLength(1);
    const left = await connection.keys(`${keys.prefix.replace(/[{}]/g, '?')}{history,ended,idx:state:succeeded}`);
    expect(left).toEqual([]);
    for (const index of [keys.indexAll(), keys.indexTeam('default'), keys.indexRepo('app')]) {
      expect(await connection.zrange(index, '0', '-1')).toEqual([running]);
    }
  });

  test('goes by a build’s end, not by its acceptance, and past those that go on', async () => {
    const { id: early } = await pool.submit();
    const { id: running } = await pool.submit();
    await pool.run(running);
    const inTime = await ended();
    const between = Date.now();
    await expect.poll(() => Date.now(), { timeout: 60_000 }).toBeGreaterThan(between);
    await pool.settle(await pool.run(early), { end: 'succeeded' });
    for (const shrink of [false, true]) {
      if (shrink) await shrinkAll();
      const purged = await pool.state.history.purge(between, 10);
      expect(purged).toBe(shrink ? 0 : 1);
      expect([await pool.state.builds.get(early), await pool.state.builds.get(inTime)]).toEqual([
        expect.anything(),
        undefined,
      ]);
    }
    // A live build that can't be read is nothing to be purged.
    await pool.state.redis.hset(pool.state.keys.build(running), 'doc', '{');
    expect(await pool.state.history.purge(LATER, 10)).toBe(1);
    expect(await pool.state.redis.exists(pool.state.keys.build(running))).toBe(1);
  });

  test('takes with it what can’t be read any more', async () => {
    const [a, b] = [await ended(), await ended()];
    await shrinkAll();
    const { history, redis: connection, keys } = pool.state;
    await connection.hset(keys.history(), a, 'damaged');
    expect(await history.purge(LATER, 10)).toBe(2);
    expect(await connection.exists(keys.history(), keys.indexAll())).toBe(0);
    expect(await pool.state.builds.get(b)).toBeUndefined();
  });
});
