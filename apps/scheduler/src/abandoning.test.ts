import { describe, expect } from 'vitest';
import { test } from './testing/scheduler-pool.ts';

const ARM = { platforms: ['linux/arm64'] };
/** Nothing is given up for as long as that, so that hosts of a pool that starts can join. */
const SETTLED_MS = 20_000;
const GRACE_MS = 600_000;

describe('a build that no host could ever take', () => {
  test('fails once the pool has settled, and says what is missing and what there is', async ({ pool }) => {
    await pool.join('a');
    await pool.join('b');
    pool.start();
    const id = await pool.submit(ARM);
    await pool.decided(id, 'none_fits');
    expect((await pool.record(id)).state).toBe('queued');
    pool.later(SETTLED_MS);
    const message = 'no host builds linux/arm64; the pool has linux/amd64 on a, b';
    expect(await pool.reaches(id, 'failed')).toMatchObject({ failure: { code: 'no_fitting_host', message } });
    expect(await pool.state.pending.queuedIds()).toEqual([]);
    await pool.reaches(await pool.submit(ARM), 'failed');
    await pool.reaches(await pool.submit(), 'assigned');
  });

  test('waits with waitForHost until a host that can take it joins', async ({ pool }) => {
    await pool.join('a');
    pool.start();
    const waiting = await pool.submit({ ...ARM, waitForHost: true });
    pool.later(SETTLED_MS);
    await pool.reaches(await pool.submit(ARM), 'failed');
    expect((await pool.record(waiting)).state).toBe('queued');
    await pool.join('b', { platforms: ['linux/arm64'] });
    expect(await pool.placed(waiting)).toBe('b');
  });

  test('waits for a host that is lost, cordoned or has left in order, until the grace period is over', async ({
    pool,
  }) => {
    for (const name of ['lost', 'left']) await pool.join(name, { platforms: ['linux/arm64'] });
    await pool.join('cordoned', { platforms: ['linux/s390x'] });
    await pool.join('a');
    await pool.state.hostOperations.cordon('cordoned');
    await pool.state.hosts.leave('left', 'i1');
    pool.start();
    pool.later(SETTLED_MS);
    const [arm, s390x] = [await pool.submit(ARM), await pool.submit({ platforms: ['linux/s390x'] })];
    await pool.lose('lost');
    await pool.reaches(await pool.submit({ platforms: ['linux/riscv64'] }), 'failed');
    expect([(await pool.record(arm)).state, (await pool.record(s390x)).state]).toEqual(['queued', 'queued']);
    pool.later(GRACE_MS);
    expect((await pool.reaches(arm, 'failed')).failure?.message).toBe(
      'no host builds linux/arm64; the pool has linux/amd64 on a and linux/s390x on cordoned; lost hosts that would fit: left, lost',
    );
    expect((await pool.record(s390x)).state).toBe('queued');
  });

  test('waits for a host whose worker left in order and comes back, and not for one that an operator removed', async ({
    pool,
  }) => {
    await pool.join('a');
    for (const name of ['restarted', 'removed']) await pool.join(name, { platforms: ['linux/arm64'] });
    await pool.state.hosts.leave('restarted', 'i1');
    expect((await pool.state.hosts.departed()).map(({ report }) => report.name)).toEqual(['restarted']);
    await pool.join('restarted', { platforms: ['linux/arm64'], incarnation: 'i2' });
    expect(await pool.state.hosts.departed()).toEqual([]);
    await pool.state.hosts.leave('restarted', 'i2');
    await pool.state.hostOperations.remove('removed', false);
    expect((await pool.state.hosts.departed()).map(({ report }) => report.name)).toEqual(['restarted']);
  });
});

describe('a build for a platform that no host has', () => {
  test('starts on any host if it runs nothing for that platform', async ({ pool }) => {
    await pool.join('a');
    pool.start();
    expect(await pool.placed(await pool.submit(ARM, { runPlatforms: [] }))).toBe('a');
  });

  test('starts on any host if it is unknown whether it does, once it is clear that no host has the platform', async ({
    pool,
  }) => {
    await pool.join('a');
    await pool.join('b', { platforms: ['linux/arm64'] });
    pool.start();
    expect(await pool.placed(await pool.submit({ platforms: ['linux/aarch64'] }, { runPlatforms: null }))).toBe('b');
    const s390x = { platforms: ['linux/s390x'] };
    const unknown = await pool.submit(s390x, { runPlatforms: null });
    const labeled = await pool.submit({ ...s390x, hostLabels: { disk: 'nvme' } }, { runPlatforms: null });
    const patient = await pool.submit({ ...s390x, waitForHost: true }, { runPlatforms: null });
    await pool.decided(unknown, 'none_fits');
    pool.later(SETTLED_MS);
    await pool.reaches(unknown, 'assigned');
    expect((await pool.reaches(labeled, 'failed')).failure?.message).toContain('no host has the label disk=nvme');
    expect((await pool.record(patient)).state).toBe('queued');
  });
});

describe('the queue timeout', () => {
  test('ends a build that waits for longer, by its request or by the server’s default', async ({ pool }) => {
    await pool.join('a', { slots: 1 });
    pool.start();
    const running = await pool.submit();
    await pool.reaches(running, 'assigned');
    const own = await pool.submit({ queueTimeoutSeconds: 60 }, { queueTimeoutMs: 3_600_000 });
    const byDefault = await pool.submit({}, { queueTimeoutMs: 120_000 });
    const unlimited = await pool.submit({ queueTimeoutSeconds: 0 }, { queueTimeoutMs: 120_000 });
    await pool.decided(own, 'all_full');
    pool.later(60_000);
    const message = 'no host took the build within its queue timeout of 60 s';
    expect(await pool.reaches(own, 'failed')).toMatchObject({ failure: { code: 'queue_timeout', message } });
    expect((await pool.record(byDefault)).state).toBe('queued');
    pool.later(60_000);
    await pool.reaches(byDefault, 'failed');
    await pool.run(running);
    await pool.reaches(unlimited, 'assigned');
  });

  test('doesn’t count the time that a build spent on a host that was lost', async ({ pool }) => {
    await pool.join('a', { slots: 1 });
    pool.start();
    const id = await pool.submit({ queueTimeoutSeconds: 60 });
    await pool.begin(id);
    pool.later(3_600_000);
    await pool.lose('a');
    const { attempts } = await pool.reaches(id, 'queued');
    expect(attempts).toMatchObject([{ end: 'lost' }]);
    pool.later(30_000);
    await pool.decided(id, 'no_host');
    expect((await pool.record(id)).state).toBe('queued');
    pool.later(60_000);
    expect((await pool.reaches(id, 'failed')).failure?.code).toBe('queue_timeout');
  });
});

test('a scheduler that doesn’t lead any more gives nothing up', async ({ pool }) => {
  const id = await pool.submit(ARM);
  const failure = { code: 'no_fitting_host', message: 'none' } as const;
  expect(await pool.state.pending.abandon(id, failure, '1-stale')).toBe('not_leader');
  expect((await pool.record(id)).state).toBe('queued');
});
