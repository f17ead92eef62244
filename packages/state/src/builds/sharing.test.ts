import type { BuildRequestInput } from '@kiln/contracts';
import type { BuildRecord } from '@kiln/domain';
import { describe, expect, test } from 'vitest';
import { openState } from '../open-state.ts';
import { eachTestPool } from '../testing/each-pool.ts';
import { newBuild, type TestPool } from '../testing/test-pool.ts';

type Request = Partial<BuildRequestInput>;

const GIT = { type: 'git', url: 'https://git.example/app' } as const;
const COMMIT = 'c0ffee'.padEnd(40, '0');
const SAME: Request = { dedupe: true, secrets: { npm: 'hunter2' }, buildArgs: { A: '1', B: '2' } };
const SUCCEEDED = { end: 'succeeded', result: { digest: 'sha256:x' }, steps: { total: 3, cached: 1 } } as const;
const CANCELED = { end: 'canceled', failure: { code: 'canceled', message: 'canceled' } } as const;

let pool: TestPool;
eachTestPool('sharing', (opened) => {
  pool = opened;
});

const records = (ids: readonly string[]) => Promise.all(ids.map((id) => pool.record(id)));
const cancel = (id: string) => pool.state.builds.cancel(id);

describe('identical builds in flight', () => {
  test('share one run, even when accepted concurrently, and all end as it does', async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => pool.submit(SAME)));
    const owners = all.filter(({ sharedRun }) => sharedRun === undefined);
    expect(owners).toHaveLength(1);
    const [{ id: run } = all[0] as BuildRecord] = owners;
    const sharers = all.filter(({ id }) => id !== run).map(({ id }) => id);
    expect(new Set(all.map(({ sharedRun }) => sharedRun))).toEqual(new Set([undefined, run]));
    expect(await pool.state.pending.queuedIds()).toEqual([run]);
    expect(await pool.assign(sharers[0] ?? '')).toBe('not_queued');
    const attempt = await pool.run(run);
    const late = await pool.submit(SAME);
    expect(late.sharedRun).toBe(run);
    await pool.settle(attempt, SUCCEEDED);
    await pool.state.followUps.run();
    for (const record of await records([...sharers, late.id])) {
      expect(record).toMatchObject({
        ...{ state: 'succeeded', sharedRun: run, attempts: [], revision: 2, finishedAt: expect.any(Number) },
        ...{ result: SUCCEEDED.result, steps: SUCCEEDED.steps },
      });
    }
    expect(await pool.links()).toEqual([]);
    expect((await pool.submit(SAME)).sharedRun).toBeUndefined();
  });

  test('are those with equal requests, whatever the order of their fields', async () => {
    const run = await pool.submit(SAME);
    expect((await pool.submit({ ...SAME, buildArgs: { B: '2', A: '1' } })).sharedRun).toBe(run.id);
    const tree = { type: 'upload', name: 'app', digest: `sha256:${'1'.repeat(64)}` } as const;
    const timed = (n: number) => ({ ...SAME, source: { ...tree, times: `sha256:${String(n).repeat(64)}` } });
    const first = await pool.submit(timed(2));
    expect((await pool.submit(timed(3))).sharedRun).toBe(first.id);
    const submitted = await pool.submit({ ...timed(2), mtimes: 'submitted' });
    expect((await pool.submit({ ...timed(3), mtimes: 'submitted' })).sharedRun).toBeUndefined();
    expect((await pool.submit({ ...timed(2), mtimes: 'submitted' })).sharedRun).toBe(submitted.id);
    const others: Request[] = [
      { ...SAME, dedupe: false },
      { ...SAME, secrets: { npm: 'hunter3' } },
      { ...SAME, buildArgs: { A: '1', B: '3' } },
      { ...SAME, team: 'web' },
      { ...SAME, tags: ['r/app:1'] },
      { ...SAME, priority: 'batch' },
      { ...SAME, source: { type: 'upload', name: 'app', digest: `sha256:${'0'.repeat(64)}` } },
    ];
    for (const other of others) expect((await pool.submit(other)).sharedRun).toBeUndefined();
  });

  test('share a failure too, but survive a lost host', async () => {
    const run = await pool.submit(SAME);
    const sharer = await pool.submit(SAME);
    await pool.lose(await pool.run(run.id));
    await pool.state.followUps.run();
    expect(await pool.record(sharer.id)).toMatchObject({ state: 'queued' });
    const failure = { code: 'step_failed', message: 'exit 2', exitCode: 2 } as const;
    await pool.settle(await pool.run(run.id), { end: 'failed', failure });
    await pool.state.followUps.run();
    expect(await pool.record(sharer.id)).toMatchObject({ state: 'failed', failure });
  });

  test('fail with the reason if their run is purged before its end was taken over', async () => {
    const run = await pool.submit(SAME);
    const sharer = await pool.submit(SAME);
    await pool.settle(await pool.run(run.id), SUCCEEDED);
    await pool.state.history.purge(Date.now() + 1, 10);
    await pool.state.followUps.run();
    expect(await pool.record(sharer.id)).toMatchObject({ state: 'failed', failure: { code: 'infrastructure' } });
  });

  test('are recognised by a digest that requires the pool’s key', async () => {
    let pools = 0;
    const digestWith = async (key: number) => {
      const namespace = `digest-${++pools}`;
      const secretKey = Buffer.alloc(32, key);
      await using state = await openState({ redisUrl: pool.url, namespace, secretKey, onError: () => {} });
      await state.builds.accept(newBuild(SAME));
      const keys = await state.redis.keys(state.keys.share('*'));
      expect(keys).toHaveLength(1);
      return keys[0]?.slice(state.keys.share('').length);
    };
    const [first, again, stranger] = [await digestWith(1), await digestWith(1), await digestWith(2)];
    expect(again).toBe(first);
    expect(stranger).not.toBe(first);
  });
});

describe('a git source', () => {
  test('at a branch is shared until the run begins, which pins it', async () => {
    const request: Request = { dedupe: true, source: { ...GIT, ref: 'main' } };
    const run = await pool.submit(request);
    expect((await pool.submit(request)).sharedRun).toBe(run.id);
    expect(await pool.assign(run.id)).toBe('assigned');
    expect((await pool.submit(request)).sharedRun).toBe(run.id);
    const attempt = { buildId: run.id, attempt: 1, host: 'h1', incarnation: 'i1' };
    await pool.state.attempts.start(attempt);
    const next = await pool.submit(request);
    expect(next.sharedRun).toBeUndefined();
    // From now on the newest one is shared, even if the pinned one waits again.
    await pool.lose(attempt);
    expect((await pool.submit(request)).sharedRun).toBe(next.id);
  });

  test('that was pinned is not shared when its build waits again', async () => {
    const request: Request = { dedupe: true, source: GIT };
    await pool.lose(await pool.run((await pool.submit(request)).id));
    expect((await pool.submit(request)).sharedRun).toBeUndefined();
  });

  test('at a commit is shared until the run ends', async () => {
    const request: Request = { dedupe: true, source: { ...GIT, ref: COMMIT } };
    const run = await pool.submit(request);
    await pool.run(run.id);
    expect((await pool.submit(request)).sharedRun).toBe(run.id);
  });
});

describe('canceling', () => {
  test('the build that owns a run releases it for the others', async () => {
    const run = await pool.submit(SAME);
    const sharer = await pool.submit(SAME);
    const attempt = await pool.run(run.id);
    for (let twice = 0; twice < 2; twice++) {
      expect(await cancel(run.id)).toMatchObject({
        outcome: 'released',
        build: { record: { state: 'running', releasedAt: expect.any(Number) } },
      });
    }
    expect((await pool.submit(SAME)).sharedRun).toBe(run.id);
    await pool.settle(attempt, SUCCEEDED);
    await pool.state.followUps.run();
    expect(await pool.record(sharer.id)).toMatchObject({ state: 'succeeded' });
  });

  test('one that shares a run ends it at once, without affecting the others', async () => {
    const run = await pool.submit(SAME);
    const [leaves, stays] = [await pool.submit(SAME), await pool.submit(SAME)];
    await pool.run(run.id);
    expect(await cancel(leaves.id)).toMatchObject({ outcome: 'canceled', build: { record: { state: 'canceled' } } });
    expect(await cancel(leaves.id)).toMatchObject({ outcome: 'already_finished' });
    expect(await pool.record(leaves.id)).not.toHaveProperty('sharedRun');
    expect(await pool.record(run.id)).toMatchObject({ state: 'running' });
    expect((await pool.record(run.id)).cancelRequestedAt).toBeUndefined();
    expect(await pool.record(stays.id)).toMatchObject({ state: 'queued' });
  });

  test('the last one cancels the run and ends with it, not before', async () => {
    const run = await pool.submit(SAME);
    const sharer = await pool.submit(SAME);
    const attempt = await pool.run(run.id);
    await cancel(run.id);
    expect(await cancel(sharer.id)).toMatchObject({ outcome: 'requested', build: { record: { state: 'queued' } } });
    expect((await pool.record(run.id)).cancelRequestedAt).toBeDefined();
    expect((await pool.submit(SAME)).sharedRun).toBeUndefined();
    await pool.settle(attempt, CANCELED);
    await pool.state.followUps.run();
    for (const record of await records([run.id, sharer.id])) {
      expect(record).toMatchObject({ state: 'canceled', failure: { code: 'canceled' } });
    }
  });

  test('all of them concurrently cancels the run', async () => {
    for (let round = 0; round < 20; round++) {
      const all = await Promise.all(Array.from({ length: 5 }, () => pool.submit(SAME)));
      await Promise.all(all.map(({ id }) => cancel(id)));
      await pool.state.followUps.run();
      for (const record of await records(all.map(({ id }) => id))) expect(record).toMatchObject({ state: 'canceled' });
    }
    expect(await pool.links()).toEqual([]);
  });

  test('while another one is accepted leaves that one with a run', async () => {
    const seen = new Set<string>();
    for (let round = 0; round < 40; round++) {
      const first = await pool.submit(SAME);
      const submitted = async () => {
        for (let i = 0; i < round % 8; i++) await pool.state.redis.ping();
        return pool.submit(SAME);
      };
      const [canceled, came] = await Promise.all([cancel(first.id), submitted()]);
      seen.add(canceled?.outcome ?? 'gone');
      const own = canceled?.outcome === 'canceled';
      expect(came.sharedRun).toBe(own ? undefined : first.id);
      expect(await pool.state.pending.queuedIds()).toEqual([own ? came.id : first.id]);
      await cancel(came.id);
      expect(await pool.record(came.id)).toMatchObject({ state: 'canceled' });
    }
    expect(seen).toEqual(new Set(['canceled', 'released']));
    expect(await pool.links()).toEqual([]);
  });
});

describe('with a concurrency key', () => {
  const keyed = (supersede: 'queued' | 'running', more: Request = {}): Request => ({
    ...SAME,
    concurrencyKey: 'main',
    supersede,
    ...more,
  });

  test('an identical build shares the run instead of superseding it', async () => {
    const run = await pool.submit(keyed('running'));
    await pool.run(run.id);
    expect((await pool.submit(keyed('running'))).sharedRun).toBe(run.id);
    expect((await pool.record(run.id)).cancelRequestedAt).toBeUndefined();
  });

  test('a newer build ends the run with all that share it, or leaves it while it runs', async () => {
    const run = await pool.submit(keyed('queued'));
    const sharer = await pool.submit(keyed('queued'));
    const attempt = await pool.run(run.id);
    await pool.submit(keyed('queued', { target: 'newer' }));
    expect(await pool.record(sharer.id)).toMatchObject({ state: 'queued' });
    // A superseded run is no longer shared: a build accepted now is newer than the one that superseded it.
    expect((await pool.submit(keyed('queued'))).sharedRun).toBeUndefined();
    const newest = await pool.submit(keyed('running', { target: 'newest' }));
    await pool.settle(attempt, CANCELED);
    await pool.state.followUps.run();
    for (const record of await records([run.id, sharer.id])) {
      expect(record).toMatchObject({ state: 'canceled', supersededBy: newest.id, failure: { code: 'superseded' } });
    }
  });

  test('a superseded run in the queue ends for all that share it', async () => {
    const run = await pool.submit(keyed('queued'));
    const sharer = await pool.submit(keyed('queued'));
    const newer = await pool.submit(keyed('queued', { target: 'newer' }));
    for (const record of await records([run.id, sharer.id])) {
      expect(record).toMatchObject({ state: 'canceled', supersededBy: newer.id, failure: { code: 'superseded' } });
    }
    await cancel(newer.id);
    expect(await pool.links()).toEqual([]);
  });
});
