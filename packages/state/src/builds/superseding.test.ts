import { describe, expect, test } from 'vitest';
import { Sealer } from '../secrets/sealer.ts';
import { eachTestPool } from '../testing/each-pool.ts';
import { TestPool } from '../testing/test-pool.ts';
import { BuildStore } from './build-store.ts';

const QUEUED = { concurrencyKey: 'main', supersede: 'queued' } as const;
const RUNNING = { concurrencyKey: 'main', supersede: 'running' } as const;
const CANCELED = { end: 'canceled', failure: { code: 'canceled', message: 'canceled' } } as const;

let pool: TestPool;
eachTestPool('superseding', (opened) => {
  pool = opened;
});

/** An API process that dies right after it ran the accepting script. */
function dyingApi(): BuildStore {
  const { redis, keys } = pool.state;
  const followUps = { run: () => Promise.reject(new Error('killed')) };
  return new BuildStore({ redis, keys, sealer: new Sealer(Buffer.alloc(32, 1)), followUps });
}

const supersededBy = (id: string) => ({ state: 'canceled', supersededBy: id, failure: { code: 'superseded' } });

describe('a newer build of the same key', () => {
  test('ends older waiting ones, and with `running` stops running ones', async () => {
    const waits = await pool.submit(QUEUED);
    const runs = await pool.submit(QUEUED);
    expect(await pool.record(waits.id)).toMatchObject(supersededBy(runs.id));
    const attempt = await pool.run(runs.id);
    const third = await pool.submit(QUEUED);
    expect((await pool.record(runs.id)).cancelRequestedAt).toBeUndefined();
    const newest = await pool.submit(RUNNING);
    expect(await pool.record(third.id)).toMatchObject(supersededBy(newest.id));
    expect(await pool.record(runs.id)).toMatchObject({ state: 'running', supersededBy: newest.id });
    const { hosts } = pool.state;
    const report = (await hosts.get('h1'))?.report;
    if (!report) throw new Error('no host');
    const desired = await hosts.sync(report, { machine: 'm1', incarnation: 'i1' }, 60_000);
    expect(desired.attempts).toMatchObject([{ buildId: runs.id, attempt: 1, cancel: true }]);
    expect(await pool.settle(attempt, CANCELED)).toMatchObject(supersededBy(newest.id));
    expect(await pool.record(newest.id)).toMatchObject({ state: 'queued' });
  });

  test('doesn’t affect other keys, other teams or builds without a key', async () => {
    const others = [
      await pool.submit({ ...QUEUED, concurrencyKey: 'other' }),
      await pool.submit({ ...QUEUED, team: 'web' }),
      await pool.submit(),
    ];
    await pool.submit(RUNNING);
    for (const { id } of others) expect(await pool.record(id)).toMatchObject({ state: 'queued' });
  });

  test('is the one accepted later, whatever the clocks of the API processes say', async () => {
    const older = await pool.submit(QUEUED);
    await using late = await TestPool.open(pool.url, pool.state.keys.prefix.slice(1, -2), () => 1_000);
    const newer = await late.submit(QUEUED);
    expect(newer.id < older.id).toBe(true);
    expect(await pool.record(older.id)).toMatchObject(supersededBy(newer.id));
  });

  test('keeps the reason of a build that was canceled before', async () => {
    const { id } = await pool.submit(QUEUED);
    const attempt = await pool.run(id);
    await pool.state.builds.cancel(id);
    await pool.submit(RUNNING);
    expect(await pool.settle(attempt, CANCELED)).toMatchObject({ failure: { code: 'canceled' } });
    expect((await pool.record(id)).supersededBy).toBeUndefined();
  });

  test('doesn’t change the end of a build that finishes while it is superseded', async () => {
    const seen = new Set<boolean>();
    for (let round = 0; round < 40; round++) {
      const older = await pool.submit(RUNNING);
      const attempt = await pool.run(older.id);
      const newer = await pool.submit(RUNNING, dyingApi());
      const settled = async () => {
        for (let i = 0; i < round % 5; i++) await pool.state.redis.ping();
        return pool.settle(attempt, { end: 'succeeded' });
      };
      await Promise.all([pool.state.followUps.run(), settled()]);
      const after = await pool.record(older.id);
      expect(after).toMatchObject({ state: 'succeeded' });
      seen.add(after.supersededBy !== undefined);
      await pool.state.builds.cancel(newer.id);
    }
    expect(seen).toEqual(new Set([true, false]));
    expect(await pool.links()).toEqual([]);
  });

  test('leaves one of many that are accepted concurrently', async () => {
    const builds = await Promise.all(Array.from({ length: 30 }, () => pool.submit(RUNNING)));
    await pool.state.followUps.run();
    const records = await Promise.all(builds.map(({ id }) => pool.record(id)));
    const left = records.filter(({ state }) => state === 'queued');
    expect(left).toHaveLength(1);
    for (const record of records) {
      if (record === left[0]) continue;
      expect(record).toMatchObject({ state: 'canceled', failure: { code: 'superseded' }, revision: 2 });
    }
    expect(await pool.state.pending.queuedIds()).toEqual(left.map(({ id }) => id));
  });
});

describe('a superseded build is not assigned', () => {
  test('even before it was ended, because the API died after the acceptance', async () => {
    const older = await pool.submit(QUEUED);
    const newer = await pool.submit(QUEUED, dyingApi());
    expect(await pool.record(older.id)).toMatchObject({ state: 'queued' });
    expect(await pool.assign(older.id)).toBe('not_queued');
    await Promise.all(Array.from({ length: 5 }, () => pool.state.followUps.run()));
    expect(await pool.record(older.id)).toMatchObject({ ...supersededBy(newer.id), revision: 2 });
    expect(await pool.assign(newer.id)).toBe('assigned');
  });

  test('when it comes back from a lost host, or from one that couldn’t run it', async () => {
    const infrastructure = { end: 'failed', failure: { code: 'infrastructure', message: 'EOF' } } as const;
    for (const comeBack of ['lose', 'settle'] as const) {
      const older = await pool.submit(QUEUED);
      const attempt = await pool.run(older.id);
      const newer = await pool.submit(QUEUED);
      await (comeBack === 'lose' ? pool.lose(attempt) : pool.settle(attempt, infrastructure));
      expect(await pool.record(older.id)).toMatchObject({ state: 'queued' });
      expect(await pool.assign(older.id)).toBe('not_queued');
      await pool.state.followUps.run();
      expect(await pool.record(older.id)).toMatchObject(supersededBy(newer.id));
      await pool.state.builds.cancel(newer.id);
    }
    expect(await pool.links()).toEqual([]);
  });

  test('unless the assignment came before the newer build, which then stops it', async () => {
    const seen = new Set<string>();
    for (let round = 0; round < 60; round++) {
      const older = await pool.submit(QUEUED);
      // A few other commands vary the order of the two scripts and of their callers' reads.
      const submitted = async () => {
        for (let i = 0; i < round % 8; i++) await pool.state.redis.ping();
        return pool.submit(QUEUED);
      };
      const [outcome, newer] = await Promise.all([pool.assign(older.id), submitted()]);
      seen.add(outcome);
      const after = await pool.record(older.id);
      if (outcome === 'assigned') expect(after).toMatchObject({ state: 'assigned' });
      else expect(after).toMatchObject(supersededBy(newer.id));
      await pool.state.builds.cancel(newer.id);
    }
    expect(seen).toEqual(new Set(['assigned', 'not_queued']));
  });
});

test('no links between builds are left after they have ended', async () => {
  const first = await pool.submit(RUNNING);
  const attempt = await pool.run(first.id);
  const second = await pool.submit(RUNNING);
  await pool.settle(attempt, { end: 'succeeded' });
  expect(await pool.record(first.id)).toMatchObject({ state: 'succeeded', supersededBy: second.id });
  await pool.settle(await pool.run(second.id), { end: 'succeeded' });
  expect(await pool.links()).toEqual([]);
});
