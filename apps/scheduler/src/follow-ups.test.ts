import { BuildStore, Sealer } from '@kiln/state';
import { describe, expect } from 'vitest';
import { test, until } from './testing/scheduler-pool.ts';

const KEYED = { concurrencyKey: 'main', supersede: 'queued' } as const;

describe('the leader', () => {
  test('ends a superseded build even if the API died right after it accepted the newer one', async ({ pool }) => {
    const { keys, redis } = pool.state;
    const sealer = new Sealer(Buffer.alloc(32, 1));
    const followUps = { run: () => Promise.reject(new Error('killed')) };
    const dying = new BuildStore({ redis, keys, sealer, followUps });
    await pool.join('a', { slots: 1 });
    pool.start();
    const running = await pool.submit(KEYED);
    await pool.reaches(running, 'assigned');
    const older = await pool.submit(KEYED);
    const newer = await pool.submit(KEYED, { builds: dying });
    const ended = await pool.reaches(older, 'canceled');
    expect(ended).toMatchObject({ supersededBy: newer, failure: { code: 'superseded' } });
    await pool.run(running);
    await pool.reaches(newer, 'assigned');
  });

  test('doesn’t run a superseded build again when its host is lost', async ({ pool }) => {
    await pool.join('dying', { slots: 1 });
    pool.start();
    const older = await pool.submit(KEYED);
    await pool.reaches(older, 'assigned');
    const newer = await pool.submit(KEYED);
    await pool.lose('dying');
    await pool.join('other', { slots: 2 });
    const ended = await pool.reaches(older, 'canceled');
    expect(ended.attempts).toMatchObject([{ host: 'dying', end: 'lost' }]);
    expect(ended).toMatchObject({ supersededBy: newer });
    expect(await pool.placed(newer)).toBe('other');
  });

  test('never places builds that share a run, and ends them with it', async ({ pool }) => {
    const { builds, hosts, keys, redis } = pool.state;
    pool.start();
    await until(
      () => redis.get(keys.leader()),
      (owner) => owner === 's1',
    );
    const shared = { dedupe: true };
    const run = await pool.submit(shared);
    const sharers = [await pool.submit(shared), await pool.submit(shared)];
    const last = await pool.submit({ target: 'last' });
    await pool.decided(last, 'no_host');
    await pool.join('a');
    await pool.reaches(run, 'assigned');
    await pool.reaches(last, 'assigned');
    expect((await hosts.get('a'))?.held).toHaveLength(2);
    await pool.run(run, 0, { end: 'succeeded', result: { digest: 'sha256:x' } });
    for (const id of sharers) {
      const ended = await pool.reaches(id, 'succeeded');
      expect(ended).toMatchObject({ attempts: [], sharedRun: run, result: { digest: 'sha256:x' } });
      expect(await builds.decisions(id)).toEqual([]);
    }
  });
});
