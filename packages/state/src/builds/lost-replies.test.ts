import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { connectRedis } from '../redis/connect.ts';
import type { ScriptName } from '../redis/scripts.ts';
import { FaultyRedis } from '../testing/faulty-redis.ts';
import { newBuild, TestPool } from '../testing/test-pool.ts';
import { TestRedis } from '../testing/test-redis.ts';
import { StaleAttempt } from './errors.ts';

let redis: TestRedis;
let proxy: FaultyRedis;
let pool: TestPool;
let pools = 0;

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());

beforeEach(async () => {
  proxy = await FaultyRedis.start(redis.url);
  pool = await TestPool.open(proxy.url, `lost-${++pools}`);
  return async () => {
    proxy.fault = () => undefined;
    await pool[Symbol.asyncDispose]();
    await proxy[Symbol.asyncDispose]();
  };
});

/** Loses the answer to the next call of this script, so that the connection sends it again. */
function loseReplyOf(script: ScriptName): { readonly lost: boolean } {
  let lost = false;
  proxy.fault = ({ name }) => {
    if (lost || name !== script) return undefined;
    lost = true;
    return 'lost reply';
  };
  return {
    get lost() {
      return lost;
    },
  };
}

const KEY = { space: 'request' as const, key: 'k', fingerprint: 'f' };

describe('a write that is repeated because its answer was lost has the effect of one:', () => {
  test.each([{}, { idempotency: KEY }])('accept, %j', async (more) => {
    const call = loseReplyOf('accept-build');
    const { build, replayed } = await pool.state.builds.accept({ ...newBuild({}), ...more });
    expect(call.lost).toBe(true);
    expect(replayed).toBe(false);
    expect(await pool.record(build.record.id)).toEqual(build.record);
    expect(await pool.state.pending.queuedIds()).toEqual([build.record.id]);
  });

  test('accept, even if the build was assigned before the repeat', async () => {
    const call = loseReplyOf('accept-build');
    const direct = connectRedis(redis.url, () => {});
    let id = '';
    const { fault } = proxy;
    proxy.fault = (command) => {
      const lose = fault(command);
      if (lose !== undefined) {
        id = command.args.find((arg) => /^[0-9a-z]{26}$/.test(arg.toString()))?.toString() ?? '';
        // As if a leader and a worker were very fast.
        void direct.hset(pool.state.keys.build(id), 'state', 'running', 'rev', '3');
      }
      return lose;
    };
    await pool.submit();
    expect(call.lost).toBe(true);
    expect(await direct.hmget(pool.state.keys.build(id), 'state', 'rev')).toEqual(['running', '3']);
    direct.disconnect();
  });

  test('accept of a build that shares a run', async () => {
    const { id } = await pool.submit({ dedupe: true });
    loseReplyOf('accept-build');
    expect(await pool.submit({ dedupe: true })).toMatchObject({ sharedRun: id });
  });

  test('assign', async () => {
    const { id } = await pool.submit();
    const call = loseReplyOf('assign-build');
    expect(await pool.assign(id)).toBe('assigned');
    expect(call.lost).toBe(true);
    expect(await pool.record(id)).toMatchObject({ state: 'assigned', attempts: [{ number: 1 }] });
  });

  test('start', async () => {
    const { id } = await pool.submit();
    loseReplyOf('start-attempt');
    const ref = await pool.run(id);
    expect(await pool.record(id)).toMatchObject({ state: 'running', revision: 3 });
    // Another start is not a repeat.
    await expect(pool.state.attempts.start(ref, Date.now() + 1)).rejects.toThrow(StaleAttempt);
  });

  test('start, also if the caller repeats it', async () => {
    const { id } = await pool.submit();
    await pool.assign(id);
    const ref = { buildId: id, attempt: 1, host: 'h1', incarnation: 'i1' };
    const first = await pool.state.attempts.start(ref, 1_000);
    expect(await pool.state.attempts.start(ref, 1_000)).toEqual(first);
    await expect(pool.state.attempts.start({ ...ref, incarnation: 'i2' }, 1_000)).rejects.toThrow(StaleAttempt);
  });

  test('pin', async () => {
    const ref = await pool.run((await pool.submit()).id);
    loseReplyOf('pin-source');
    const pinned = await pool.state.attempts.pin(ref, 'c0ffee');
    expect(pinned.commit).toBe('c0ffee');
    expect(await pool.state.attempts.pin(ref, 'c0ffee')).toEqual(pinned);
  });

  test('append', async () => {
    const ref = await pool.run((await pool.submit()).id);
    loseReplyOf('append-log');
    await pool.state.logs.append(ref, 1, ['{"a":1}', '{"a":2}']);
    await pool.state.logs.append(ref, 3, ['{"a":3}']);
    const batches = await pool.state.logs.read(ref.buildId, 1, 0, 10);
    expect(batches.flatMap(({ lines }) => lines)).toEqual(['{"a":1}', '{"a":2}', '{"a":3}']);
  });

  test.each([{ end: 'succeeded' }, { end: 'failed', failure: { code: 'infrastructure', message: 'gone' } }] as const)(
    'settle, %j',
    async (outcome) => {
      const ref = await pool.run((await pool.submit()).id);
      loseReplyOf('settle-attempt');
      const settled = await pool.settle(ref, outcome);
      expect(settled.attempts).toMatchObject([{ end: outcome.end === 'failed' ? 'lost' : 'succeeded' }]);
      expect(await pool.settle(ref, outcome)).toEqual(settled);
      const log = (await pool.state.logs.read(ref.buildId, 1, 0, 10)).flatMap(({ lines }) => lines);
      expect(log).toHaveLength(1);
    },
  );

  test('settle, even if it is repeated while the next attempt runs', async () => {
    const ref = await pool.run((await pool.submit()).id);
    const outcome = { end: 'failed', failure: { code: 'infrastructure', message: 'gone' } } as const;
    await pool.settle(ref, outcome);
    await pool.run(ref.buildId);
    expect(await pool.settle(ref, outcome)).toMatchObject({ state: 'running' });
    await expect(pool.settle(ref, { end: 'succeeded' })).rejects.toThrow(StaleAttempt);
  });

  test('cancel of a waiting build and of a running one', async () => {
    const waiting = await pool.submit();
    loseReplyOf('cancel-build');
    expect((await pool.state.builds.cancel(waiting.id))?.outcome).toBe('canceled');
    const { buildId } = await pool.run((await pool.submit()).id);
    loseReplyOf('cancel-build');
    expect((await pool.state.builds.cancel(buildId))?.outcome).toBe('requested');
  });

  test('reclaim', async () => {
    const ref = await pool.run((await pool.submit()).id);
    loseReplyOf('reclaim-attempt');
    await pool.lose(ref);
    expect(await pool.record(ref.buildId)).toMatchObject({ state: 'queued', attempts: [{ end: 'lost' }] });
  });
});
