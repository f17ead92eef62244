import { DEFAULT_PLACEMENT } from '@kiln/domain';
import { consumeAttempts } from '@kiln/state';
import { describe, expect, vi } from 'vitest';
import { APP_CACHE, learnApp, publishCaches } from './testing/caches.ts';
import { PATIENCE, test, until } from './testing/scheduler-pool.ts';

describe('the leader', () => {
  test('assigns builds to free hosts, enqueues their jobs, and stores the reasons', async ({ pool }) => {
    const { state } = pool;
    await pool.join('a');
    await pool.join('b');
    pool.start();
    const [first, second] = [await pool.submit(), await pool.submit()];
    const hosts = [await pool.placed(first), await pool.placed(second)];
    expect(new Set(hosts)).toEqual(new Set(['a', 'b']));
    const jobs: string[] = [];
    const consumers = ['a', 'b'].map((host) =>
      consumeAttempts(state.redis, state.keys, host, { concurrency: 1, onError: () => {} }, async ({ buildId }) => {
        jobs.push(buildId);
      }),
    );
    await vi.waitFor(() => expect(new Set(jobs)).toEqual(new Set([first, second])), PATIENCE);
    await Promise.all(consumers.map((consumer) => consumer[Symbol.asyncDispose]()));
    const [decision] = await state.builds.decisions(first);
    expect(decision).toMatchObject({ attempt: 1, reason: 'cold', host: hosts[0] });
    expect(decision?.considered).toHaveLength(2);
  });

  test('never assigns a host more than its slots, and gives a freed slot to the oldest build', async ({ pool }) => {
    await pool.join('a', { slots: 1 });
    pool.start();
    const [first, second, third] = [await pool.submit(), await pool.submit(), await pool.submit()];
    await pool.reaches(first, 'assigned');
    expect(await pool.decided(second)).toMatchObject({ attempt: 1, host: null, reason: 'all_full' });
    expect((await pool.record(second)).state).toBe('queued');
    await pool.run(first);
    await pool.reaches(second, 'assigned');
    expect((await pool.record(third)).state).toBe('queued');
  });

  test('keeps a build that fits no host waiting until one joins', async ({ pool }) => {
    pool.start();
    const id = await pool.submit({ platforms: ['linux/amd64'] });
    await pool.decided(id, 'no_host');
    await pool.join('late');
    expect(await pool.placed(id)).toBe('late');
  });
});

describe('warmth', () => {
  test('brings a build to the host with its repo’s caches, and shows in the decision', async ({ pool }) => {
    await Promise.all(['b', 'a', 'c'].map((name) => pool.join(name)));
    await learnApp(pool);
    await publishCaches(pool, 'a', APP_CACHE);
    pool.start();
    const id = await pool.submit();
    expect(await pool.placed(id)).toBe('a');
    const [decision] = await pool.state.builds.decisions(id);
    expect(decision).toMatchObject({ host: 'a', reason: 'warm', predicted: { warmth: 1, runMs: 20_000 } });
    const verdicts = decision?.considered.map(({ host, warmth, verdict }) => [host, warmth, verdict]);
    expect(verdicts?.[0]).toEqual(['a', 1, 'chosen']);
    expect(verdicts?.slice(1).sort()).toEqual([
      ['b', 0, 'later'],
      ['c', 0, 'later'],
    ]);
  });

  test('makes a build wait for a busy warm host, and keeps the wait among its decisions', async ({ pool }) => {
    await Promise.all([pool.join('a', { slots: 1 }), pool.join('b', { slots: 1 })]);
    await learnApp(pool);
    await publishCaches(pool, 'a', APP_CACHE);
    pool.start();
    const first = await pool.submit();
    await pool.reaches(first, 'assigned');
    const second = await pool.submit();
    const waiting = await pool.decided(second);
    expect(waiting).toMatchObject({ host: null, reason: 'waits_for_warm' });
    expect(waiting?.considered.map(({ host, verdict }) => [host, verdict])).toEqual([
      ['a', 'awaited'],
      ['b', 'later'],
    ]);
    await pool.run(first, 20_000);
    expect(await pool.placed(second)).toBe('a');
    const reasons = (await pool.state.builds.decisions(second)).map(({ host, reason }) => [host, reason]);
    expect(reasons).toEqual([
      [null, 'waits_for_warm'],
      ['a', 'warm'],
    ]);
  });

  test('makes a build wait no longer than its decision says, even if nothing else happens', async ({ pool }) => {
    await Promise.all([pool.join('a', { slots: 1 }), pool.join('b', { slots: 1 })]);
    await learnApp(pool);
    await publishCaches(pool, 'a', APP_CACHE);
    const placement = { ...DEFAULT_PLACEMENT, lookAgainMs: 50 };
    pool.start('s1', { tickMs: 600_000, leaderTtlMs: 600_000, placement });
    await pool.reaches(await pool.submit(), 'assigned');
    const waiting = await pool.submit();
    await pool.decided(waiting, 'waits_for_warm');
    pool.later(3_600_000);
    expect(await pool.placed(waiting)).toBe('b');
  });

  test('is gone from a host that evicted the caches', async ({ pool }) => {
    await Promise.all([pool.join('a'), pool.join('b')]);
    await learnApp(pool);
    await publishCaches(pool, 'a', APP_CACHE);
    pool.start();
    const before = await pool.submit();
    expect(await pool.placed(before)).toBe('a');
    // After a failed build a host is as warm as it reports, no warmer.
    await pool.run(before, 20_000, { end: 'failed', failure: { code: 'build_failed', message: 'exit code 1' } });
    await publishCaches(pool, 'a', {});
    const id = await pool.submit();
    await pool.reaches(id, 'assigned');
    const [decision] = await pool.state.builds.decisions(id);
    expect(decision).toMatchObject({ reason: 'cold', predicted: { warmth: 0 } });
    expect(decision?.considered.map(({ warmth }) => warmth)).toEqual([0, 0]);
  });
});

test('unchanged reasons for waiting aren’t written again', async ({ pool }) => {
  const { state } = pool;
  await pool.join('a', { slots: 1 });
  pool.start();
  await pool.reaches(await pool.submit(), 'assigned');
  const id = await pool.submit();
  await pool.decided(id);
  await state.redis.del(state.keys.decisions(id));
  const others = [await pool.submit(), await pool.submit()];
  for (const other of others) await pool.decided(other);
  expect(await state.builds.decisions(id)).toEqual([]);
  await pool.join('b', { slots: 1 });
  await pool.reaches(id, 'assigned');
});

test('durations are learned from builds that ran, and known to the next leader', async ({ pool }) => {
  await pool.join('a', { slots: 1 });
  const first = pool.start();
  // It builds nothing, so it says nothing about builds.
  await pool.run(await pool.submit({ call: { method: 'check' } }, { repo: 'asked' }), 10);
  await pool.run(await pool.submit(), 90_000);
  const { repos } = await until(
    () => pool.state.learned.load(),
    (learned) => learned.repos.has('app'),
  );
  expect(repos.has('asked')).toBe(false);
  await first.close();
  pool.start('s2');
  const id = await pool.submit();
  await pool.reaches(id, 'assigned');
  const [decision] = await pool.state.builds.decisions(id);
  expect(decision?.predicted?.runMs).toBeGreaterThanOrEqual(90_000);
  expect(decision?.predicted?.runMs).toBeLessThan(95_000);
});
