import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { StaleAttempt } from '../builds/errors.ts';
import { Leadership } from '../leases/leadership.ts';
import type { State } from '../open-state.ts';
import { fillMemory, freeMemory } from '../testing/fill-memory.ts';
import { newBuild, TestPool } from '../testing/test-pool.ts';
import { TestRedis } from '../testing/test-redis.ts';
import { isOutOfMemory, StoreFull } from './memory.ts';

const MIB = 1024 * 1024;
const MOST = 12 * MIB;
const SETTINGS = { logBytes: 64 * 1024 };

let redis: TestRedis;
let pool: TestPool;
let state: State;

beforeEach(async () => {
  redis = await TestRedis.start({ maxMemoryBytes: MOST });
  pool = await TestPool.open(redis.url, 'pool');
  ({ state } = pool);
});
afterEach(async () => {
  await pool[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

describe('before Redis is full', () => {
  test('refuses everything new from 85 %, except for repeated requests, until there is room again', async () => {
    const idempotency = { key: 'k', fingerprint: 'f', space: 'request' } as const;
    const before = await state.builds.accept({ ...newBuild({}), idempotency });
    await fillMemory(state.redis, 0.9);
    expect((await state.memory.note(SETTINGS)).state.level).toBe('full');
    await expect(pool.submit()).rejects.toThrow(StoreFull);
    await expect(state.memory.assertRoom()).rejects.toThrow(StoreFull);
    const delivery = { connection: 'c', forge: 'github', team: 't', forgeId: '1', ip: '', headers: {} } as const;
    await expect(state.deliveries.receive(delivery, Buffer.from('{}'))).rejects.toThrow(StoreFull);
    const again = await state.builds.accept({ ...newBuild({}), idempotency });
    expect([again.replayed, again.build.record.id]).toEqual([true, before.build.record.id]);
    // Waiting builds are still assigned.
    expect(await pool.assign(before.build.record.id)).toBe('assigned');

    await freeMemory(state.redis);
    expect(await state.memory.note(SETTINGS)).toMatchObject({ before: 'full', state: { level: 'ok' } });
    await pool.submit();
    expect((await state.deliveries.receive(delivery, Buffer.from('{}'))).isRepeat).toBe(false);
  });

  test('assigns no waiting builds from 95 %', async () => {
    const { id } = await pool.submit();
    await fillMemory(state.redis, 0.975);
    expect((await state.memory.note(SETTINGS)).state.level).toBe('critical');
    expect(await pool.assign(id)).toBe('store_full');
    await freeMemory(state.redis);
    await state.memory.note(SETTINGS);
    expect(await pool.assign(id)).toBe('assigned');
  });

  test('keeps a level only for a while after its last renewal', async () => {
    await fillMemory(state.redis, 0.9);
    expect((await state.memory.note(SETTINGS)).state.level).toBe('full');
    const ttlMs = await state.redis.pttl(state.keys.memoryLevel());
    expect(ttlMs).toBeGreaterThan(0);
    expect(ttlMs).toBeLessThanOrEqual(15_000);
  });
});

describe('when Redis is out of memory', () => {
  test('reads work as before', async () => {
    const { id } = await pool.submit({ secrets: { npm: 'value' } });
    const ref = await pool.run(id);
    await state.logs.append(ref, 1, ['{}']);
    const hosts = await state.hosts.list();
    await fillMemory(state.redis);

    expect(await state.hosts.list()).toEqual(hosts);
    expect((await state.hosts.get('h1'))?.held).toEqual([{ buildId: id, attempt: 1, weight: 1 }]);
    expect(await state.builds.secretsOf(id)).toEqual({ npm: 'value' });
    expect((await state.builds.list({}, { limit: 10 })).builds).toHaveLength(1);
    expect(await state.logs.read(id, 1, 0, 10)).toEqual([{ firstSeq: 1, lines: ['{}'] }]);
    expect(await state.builds.decisions(id)).toHaveLength(1);
    expect(await state.rates.take({ kind: 'team', name: 't' }, 10)).toMatchObject({ allowed: true });
    await expect(state.redis.multi().get('any').exec()).rejects.toThrow(/EXECABORT/);
  });

  test('leases are renewed, attempts started, pinned, logged, settled and reclaimed, and builds canceled', async () => {
    const [runs, lost, waits, assigned] = await Promise.all([1, 2, 3, 4].map(() => pool.submit()));
    const running = await pool.run(runs?.id ?? '');
    const gone = await pool.run(lost?.id ?? '');
    await pool.assign(assigned?.id ?? '');
    await fillMemory(state.redis);

    await pool.joinHost();
    expect(await new Leadership(state.redis, state.keys, 'test', 60_000).hold()).toBeDefined();
    const beginning = { ...running, buildId: assigned?.id ?? '' };
    await state.attempts.start(beginning);
    await state.attempts.pin(beginning, 'a'.repeat(40));
    await state.logs.append(running, 1, ['{}']);
    await using claim = await state.logs.claim(running.buildId, 1);
    await state.logs.append(running, 2, ['{}']);
    const piece = { key: 'k', firstSeq: 1, lastSeq: 1, sizeBytes: 1, members: [] };
    expect(await state.logs.movePiece(running, claim?.holder ?? '', piece, 34)).toBe('moved');
    expect(await pool.settle(running, { end: 'succeeded' })).toMatchObject({ state: 'succeeded' });
    await state.logs.markArchived(running.buildId, 1);
    await pool.lose(gone);
    expect(await pool.record(gone.buildId)).toMatchObject({ state: 'queued' });
    expect((await state.builds.cancel(waits?.id ?? ''))?.outcome).toBe('canceled');
    await expect(state.logs.append(gone, 1, ['{}'])).rejects.toThrow(StaleAttempt);
  });

  test('a new build is refused as out of memory, and accepted once there is room again', async () => {
    await fillMemory(state.redis);
    const refusal = await pool.submit().catch((error: unknown) => error);
    expect(isOutOfMemory(refusal)).toBe(true);
    await state.memory.note(SETTINGS);
    await expect(pool.submit()).rejects.toThrow(StoreFull);
    await freeMemory(state.redis);
    await state.memory.note(SETTINGS);
    await pool.submit();
  });
});

test('the limits of live logs are derived from maxmemory, and stored for all processes of the pool', async () => {
  await state.memory.note({ logBytes: 4 * MIB });
  expect(await state.redis.hgetall(state.keys.liveLogLimits())).toEqual({
    log: `${(MOST * 0.25) / 2}`,
    all: `${MOST * 0.25}`,
  });
});
