import { limitDefaults } from '@kiln/domain';
import { describe, expect } from 'vitest';
import { test, until } from './testing/scheduler-pool.ts';

describe('limits on running builds', () => {
  test('leave a team’s other builds waiting with that reason, and their slots to other teams', async ({ pool }) => {
    const { limits } = pool.state;
    const team = { kind: 'team', name: 'web' } as const;
    await limits.change(team, { concurrentBuilds: 2 });
    const web = await Promise.all([1, 2, 3, 4, 5].map(() => pool.submit({ team: 'web' })));
    const ops = [await pool.submit({ team: 'ops' }), await pool.submit({ team: 'ops' })];
    await pool.join('a', { slots: 6 });
    pool.start();
    for (const id of ops) await pool.reaches(id, 'assigned');
    await until(
      () => Promise.all(web.map((id) => pool.record(id))),
      (records) => records.filter(({ state }) => state === 'assigned').length === 2,
    );
    const waiting = web.slice(2);
    for (const id of waiting) {
      expect(await pool.decided(id, 'team_limit')).toMatchObject({ host: null, limit: 2, considered: [] });
    }
    expect(await limits.usage(team)).toEqual({ running: 2, queued: 3 });
    await pool.run(web[0] ?? '');
    await pool.reaches(waiting[0] ?? '', 'assigned');
    expect(await limits.usage(team)).toEqual({ running: 2, queued: 2 });
    // A raised limit applies at once.
    await limits.change(team, { concurrentBuilds: null });
    for (const id of waiting) await pool.reaches(id, 'assigned');
  });

  test('keep the leader from even trying to assign a build over one', async ({ pool }) => {
    await pool.state.limits.change({ kind: 'team', name: 'web' }, { concurrentBuilds: 1 });
    const ids = await Promise.all([1, 2, 3].map(() => pool.submit({ team: 'web' })));
    await pool.join('a', { slots: 6 });
    const outcomes: string[] = [];
    const { pending } = pool.state;
    const watched = {
      queuedIds: () => pending.queuedIds(),
      assignedIds: () => pending.assignedIds(),
      abandon: (...args: Parameters<typeof pending.abandon>) => pending.abandon(...args),
      explain: (...args: Parameters<typeof pending.explain>) => pending.explain(...args),
      assign: async (...args: Parameters<typeof pending.assign>) => {
        const assigned = await pending.assign(...args);
        outcomes.push(assigned.outcome);
        return assigned;
      },
    };
    pool.start('s1', {}, { pending: watched });
    await pool.decided(ids[1] ?? '', 'team_limit');
    await pool.decided(ids[2] ?? '', 'team_limit');
    expect(outcomes).toEqual(['assigned']);
  });

  test('are not used up by a build that no host takes', async ({ pool }) => {
    await pool.state.limits.change({ kind: 'team', name: 'web' }, { concurrentBuilds: 1 });
    const stuck = await pool.submit({ team: 'web', hostLabels: { disk: 'none' } });
    await pool.join('a');
    pool.start();
    await pool.decided(stuck, 'none_fits');
    await pool.reaches(await pool.submit({ team: 'web' }), 'assigned');
    await pool.decided(stuck, 'team_limit');
  });

  test('apply to single tokens, and a new leader counts the builds that run', async ({ pool }) => {
    await pool.state.limits.change({ kind: 'token', name: 'ci' }, { concurrentBuilds: 1 });
    await pool.join('a', { slots: 4 });
    const first = pool.start();
    const one = await pool.submit({}, { submitter: 'ci' });
    await pool.reaches(one, 'assigned');
    await first.close();
    pool.start('s2');
    const other = await pool.submit({}, { submitter: 'ci' });
    await pool.reaches(await pool.submit({}, { submitter: 'me' }), 'assigned');
    expect(await pool.decided(other, 'token_limit')).toMatchObject({ limit: 1 });
    await pool.run(one);
    await pool.reaches(other, 'assigned');
  });

  test('apply by default too, and a lost host’s builds no longer count', async ({ pool }) => {
    const limits = limitDefaults({ eachTeam: { concurrentBuilds: 1 } });
    await pool.join('dying', { slots: 4 });
    pool.start('s1', { limits });
    const [first, second] = [await pool.submit(), await pool.submit()];
    await pool.reaches(first, 'assigned');
    await pool.decided(second, 'team_limit');
    await pool.lose('dying');
    await pool.join('other', { slots: 4 });
    // Either of the two builds runs on the other host, and only one of them.
    await until(
      () => Promise.all([first, second].map((id) => pool.record(id))),
      (records) => records.some(({ attempts }) => attempts.at(-1)?.host === 'other'),
    );
    expect(await pool.state.limits.usage({ kind: 'team', name: 'default' })).toEqual({ running: 1, queued: 1 });
  });
});
