import { limitList, limitView, ownLimits } from '@kiln/contracts';
import { describe, expect, it } from 'vitest';
import { withRealPool } from '../../testing/with-real-pool.ts';

const cli = withRealPool();
const run = (line: string, token = cli.pool.token) => cli.run(line, { env: { KILN_TOKEN: token } });

describe('kiln limit show', () => {
  it('sets limits of a team and of a token, shows them to their owners, and restores the defaults', async () => {
    const token = (await run('token create --team web ci')).out.trim();
    const id = /token \((\w{26})\)/.exec((await run('whoami', token)).out)?.[1] ?? '';
    const line =
      'limit set web --running 2 --queued 100 --log 64MB --stored 100GB --registry r.example/web/** --git-host none';
    expect((await run(line)).out).toBe(
      [
        'team web',
        '  running        0 of 2 (set)',
        '  queued         0 of 100 (set)',
        '  requests       unlimited',
        '  log            64.00MB (set)',
        '  context        unlimited',
        '  artifact       17.18GB',
        '  stored         0B of 100.00GB (set)',
        '  registries     r.example/web/** (set)',
        '  git hosts      none (set)',
        '',
      ].join('\n'),
    );
    expect((await run(`limit set --of-token ${id} --stored 1GB`)).err).toContain(
      'storedBytes: got 1000000000, expected unlimited, since storage is counted by team',
    );
    expect((await run(`limit set --of-token ${id} --requests 600`)).out).toContain('requests       600 a minute (set)');
    const own = await run('limit show', token);
    expect(own.out).toContain('team web\n  running        0 of 2 (set)\n');
    expect(own.out).toContain(`token ${id}\n`);
    expect(ownLimits.parse(JSON.parse((await run('limit show --json', token)).out)).team?.limits.gitHosts).toEqual([]);
    expect((await run('limit set web --log 64')).out).toContain('log            64B (set)');
    await run('limit set web --log 64MB');
    const listed = await run('limit ls');
    expect(listed.out).toMatch(/^each team: running unlimited; queued 10000; .*\neach token: .*requests 3000 a minute/);
    expect(listed.out).toMatch(
      /team web +0 +0 +0B +running 2; queued 100; log 64\.00MB; stored 100\.00GB; registries r\.example\/web\/\*\*; git/,
    );
    expect(limitList.parse(JSON.parse((await run('limit ls --json')).out)).set).toHaveLength(2);
    expect(limitView.parse(JSON.parse((await run('limit set --json web --reset --running default')).out)).set).toEqual(
      {},
    );
    expect((await run('limit show')).err).toContain('no limits apply to you');
  });

  it.each([
    ['limit set web', 'nothing to set; use a flag for a limit, or --reset'],
    ['limit set web --running many', '--running: got "many", expected a whole number, unlimited or default'],
    ['limit set web --log big', '--log: got "big", expected a size such as 64MB'],
    ['limit set web --registry any --registry r.example', '--registry any cannot be combined with other values'],
    ['limit set web --registry https://r.example', 'registries[0]: got "https://r.example"'],
    ['limit set --of-token 00000000000000000000000000 --running 1', '`kiln token ls` lists all'],
    ['limit list', 'use kiln limit ls'],
  ])('refuses %s', async (line, words) => {
    expect(await run(line)).toMatchObject({ code: 125, err: expect.stringContaining(words) });
  });

  it('explains that a build waits because its team has reached its limit', async () => {
    await cli.pool.state.limits.change({ kind: 'team', name: 'slow' }, { concurrentBuilds: 0 });
    await cli.pool.report('h1');
    const id = await cli.pool.submit({ team: 'slow' });
    await expect
      .poll(async () => (await run(`why ${id}`)).out)
      .toContain('attempt 1: wait, its team has reached its limit of running builds (0)');
  });
});
