import { randomBytes } from 'node:crypto';
import { buildRequest } from '@kiln/contracts';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openState, type State } from '../open-state.ts';
import { SealBroken } from '../secrets/sealer.ts';
import { TestRedis } from '../testing/test-redis.ts';
import type { NewBuild } from '../types.ts';
import { IdempotencyKeyReused } from './errors.ts';

let redis: TestRedis;
let state: State;
let pools = 0;

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());

beforeEach(async () => {
  const opened = await openPool();
  state = opened;
  return () => opened[Symbol.asyncDispose]();
});

function openPool(
  namespace = `test-${++pools}`,
  secretKey: Buffer | readonly Buffer[] = Buffer.alloc(32, 1),
): Promise<State> {
  return openState({ redisUrl: redis.url, namespace, secretKey, onError: () => {} });
}

function newBuild(name = 'app', secrets: Record<string, string> = {}, more: Partial<NewBuild> = {}): NewBuild {
  const request = buildRequest.parse({ source: { type: 'upload', name } });
  return { repo: name, spec: { ...request, secrets: Object.keys(secrets) }, secrets, ...more };
}

describe('accepting', () => {
  test('makes a build readable, listed and placeable, with one event', async () => {
    const seen: unknown[] = [];
    const heard = new Promise<void>((resolve) => {
      state.events.subscribe((event) => {
        seen.push(event);
        resolve();
      });
    });
    const { build, replayed } = await state.builds.accept(newBuild());
    expect(replayed).toBe(false);
    expect(build.record).toMatchObject({ revision: 1, state: 'queued', repo: 'app', attempts: [] });
    expect(await state.builds.get(build.record.id)).toEqual(build);
    expect(await state.pending.queuedIds()).toEqual([build.record.id]);
    await heard;
    expect(seen).toEqual([{ type: 'build', id: build.record.id, state: 'queued', revision: 1, attempt: 0, host: '' }]);
  });

  test('returns the first build for a repeated idempotency key, even concurrently', async () => {
    const idempotency = { space: 'request' as const, key: 'k', fingerprint: 'f' };
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => state.builds.accept(newBuild('app', {}, { idempotency }))),
    );
    expect(new Set(answers.map(({ build }) => build.record.id)).size).toBe(1);
    expect(answers.filter(({ replayed }) => !replayed).length).toBe(1);
    const other = state.builds.accept(
      newBuild('app', {}, { idempotency: { space: 'request' as const, key: 'k', fingerprint: 'g' } }),
    );
    await expect(other).rejects.toThrow(IdempotencyKeyReused);
    expect(await state.pending.queuedIds()).toHaveLength(1);
  });
});

describe('secrets', () => {
  test('are only stored sealed, and only opened with the key', async () => {
    const value = randomBytes(12).toString('hex');
    const { build } = await state.builds.accept(newBuild('app', { npm: value }));
    const { id } = build.record;
    expect(await state.builds.secretsOf(id)).toEqual({ npm: value });
    expect(await everything(state)).not.toContain(value);
    await using stranger = await openPool(state.keys.prefix.slice(1, -2), Buffer.alloc(32, 2));
    await expect(stranger.builds.secretsOf(id)).rejects.toThrow(SealBroken);
  });

  test('are resealed with the first key without changing their expiry', async () => {
    const { build } = await state.builds.accept(newBuild('app', { npm: 'hunter22' }));
    const { id } = build.record;
    const key = state.keys.secrets(id);
    await state.redis.pexpire(key, 60_000);
    const before = await state.redis.get(key);
    const namespace = state.keys.prefix.slice(1, -2);
    await using stranger = await openPool(namespace, Buffer.alloc(32, 2));
    expect((await stranger.resealer.run()).builds).toEqual({ resealed: 0, current: 0, unreadable: 1 });
    expect(await state.redis.get(key)).toBe(before);
    await using both = await openPool(namespace, [Buffer.alloc(32, 2), Buffer.alloc(32, 1)]);
    expect((await both.resealer.run()).builds).toEqual({ resealed: 1, current: 0, unreadable: 0 });
    expect((await both.resealer.run({ isThorough: true })).builds).toEqual({ resealed: 0, current: 1, unreadable: 0 });
    expect(await state.redis.pttl(key)).toBeGreaterThan(0);
    expect(await stranger.builds.secretsOf(id)).toEqual({ npm: 'hunter22' });
  });

  test('are empty for a build without any, and undefined once they have expired', async () => {
    const none = await state.builds.accept(newBuild());
    expect(await state.builds.secretsOf(none.build.record.id)).toEqual({});
    const some = await state.builds.accept(newBuild('app', { a: 'b' }));
    await state.redis.del(state.keys.secrets(some.build.record.id));
    expect(await state.builds.secretsOf(some.build.record.id)).toBeUndefined();
  });

  async function everything({ redis }: State): Promise<string> {
    const dump = async (key: string) => {
      const type = await redis.type(key);
      if (type === 'hash') return redis.hgetall(key);
      if (type === 'string') return redis.get(key);
      if (type === 'stream') return redis.xrange(key, '-', '+');
      if (type === 'set') return redis.smembers(key);
      return redis.zrange(key, '0', '-1');
    };
    const keys = await redis.keys('*');
    expect(keys.length).toBeGreaterThan(4);
    return JSON.stringify(await Promise.all(keys.map(dump)));
  }
});

describe('listing', () => {
  test('returns every build once, newest first, with any filter', async () => {
    for (let i = 0; i < 25; i++) await state.builds.accept(newBuild(i % 2 ? 'odd' : 'even'));
    const all = await pages({});
    expect(all).toHaveLength(25);
    expect(all).toEqual([...all].sort().reverse());
    expect(await pages({ repo: 'odd' })).toHaveLength(12);
    expect(await pages({ state: 'queued', repo: 'even' })).toHaveLength(13);
    expect(await pages({ state: 'failed' })).toEqual([]);
    expect(await pages({ team: 'default' })).toEqual(all);
    expect(await pages({ team: 'other', repo: 'odd' })).toEqual([]);
  });

  async function pages(filter: Parameters<State['builds']['list']>[0]): Promise<string[]> {
    const ids: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await state.builds.list(filter, { limit: 4, cursor });
      expect(page.builds.length).toBeLessThanOrEqual(4);
      ids.push(...page.builds.map(({ record }) => record.id));
      cursor = page.next;
    } while (cursor !== undefined);
    return ids;
  }
});

describe('canceling and purging', () => {
  test('ends a queued build at once; a second cancel is too late', async () => {
    const { build } = await state.builds.accept(newBuild());
    const first = await state.builds.cancel(build.record.id);
    expect(first).toMatchObject({ outcome: 'canceled', build: { record: { state: 'canceled' } } });
    expect(await state.pending.queuedIds()).toEqual([]);
    expect(await state.builds.cancel(build.record.id)).toMatchObject({ outcome: 'already_finished' });
    expect(await state.builds.cancel('nobody')).toBeUndefined();
  });

  test('purges an ended build without a trace, and never a queued one', async () => {
    const ended = await state.builds.accept(newBuild('app', { a: 'b' }));
    await state.builds.accept(newBuild('other'));
    await state.builds.cancel(ended.build.record.id);
    await state.history.purge(Date.now() + 1, 10);
    expect(await state.builds.get(ended.build.record.id)).toBeUndefined();
    expect((await state.builds.list({}, { limit: 10 })).builds).toHaveLength(1);
    const left = await state.redis.keys('*');
    expect(left.filter((key) => key.includes(ended.build.record.id))).toEqual([]);
  });
});
