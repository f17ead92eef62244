import { scheduleList, scheduleView } from '@kiln/contracts';
import { describe, expect, it } from 'vitest';
import { withRealPool } from '../../testing/with-real-pool.ts';

const cli = withRealPool();
const run = (...args: string[]) => cli.run(['schedule', ...args], { env: { NPM_TOKEN: 'hunter2' } });
const URL = 'https://git.example/app.git#main:services/a';

describe('kiln schedule', () => {
  it('creates a schedule with the flags of a build, lists, runs, pauses, resumes and removes it', async () => {
    const flags = [
      '--cron',
      '0 3 * * *',
      '--timezone',
      'Europe/Berlin',
      '--team',
      'web',
      '-t',
      'r.example/a:1',
      '--push',
    ];
    const created = await run('create', ...flags, '--secret', 'id=npm,env=NPM_TOKEN', 'nightly', URL);
    expect(created.out).toMatch(/^\w{26} \(nightly\): next \d{4}-\d\d-\d\d 03:00 Europe\/Berlin, in \d+[hm]\n$/);
    const [schedule] = scheduleList.parse(JSON.parse((await run('ls', '--json')).out)).schedules;
    expect(schedule).toMatchObject({
      ...{ name: 'nightly', team: 'web', cron: '0 3 * * *' },
      request: {
        source: { type: 'git', url: 'https://git.example/app.git', ref: 'main', subdir: 'services/a' },
        ...{ tags: ['r.example/a:1'], output: { type: 'push' }, secrets: ['npm'] },
      },
    });
    expect((await run('ls')).out).toMatch(/nightly +web +0 3 \* \* \* +next .*03:00 Europe\/Berlin.* never +-\n/);
    const build = (await run('run', 'web/nightly')).out.trim();
    expect((await cli.pool.state.builds.get(build))?.record).toMatchObject({ team: 'web', state: 'queued' });
    expect((await run('ls')).out).toMatch(new RegExp(`queued \\d+s ago +${build.slice(-8)}`));
    expect((await run('pause', 'nightly')).out).toBe('nightly: paused\n');
    expect((await run('resume', 'nightly')).out).toMatch(/^nightly: next /);
    expect(await run('rm', 'nightly')).toMatchObject({ code: 0, out: 'nightly removed\n' });
    expect((await run('ls')).err).toContain('no schedules');
  });

  it('creates prewarming builds: no output, batch priority, and the newer supersedes the older', async () => {
    const { out } = await run('create', '--json', '--prewarm', '--cron', '*/30 * * * *', 'warm', URL);
    const { request } = scheduleView.parse(JSON.parse(out));
    expect(request).toMatchObject({
      ...{ output: { type: 'none' }, priority: 'batch', concurrencyKey: 'prewarm:warm', supersede: 'queued' },
    });
    const first = (await run('run', 'warm')).out.trim();
    await run('run', 'warm');
    expect((await cli.pool.state.builds.get(first))?.record).toMatchObject({ failure: { code: 'superseded' } });
  });

  it.each([
    [['create', 'x', URL], '--cron is required'],
    [['create', '--cron', 'daily', 'x', URL], 'cron: got "daily"'],
    [['create', '--cron', '0 0 * * *', '--timezone', 'Mars', 'x', URL], 'timezone: got "Mars"'],
    [['create', '--cron', '0 0 * * *', '--prewarm', '--push', 'x', URL], '--prewarm cannot be combined with --push'],
    [['create', '--cron', '0 0 * * *', 'x', '.'], 'expected a git URL'],
    [['run', 'nowhere'], 'no schedule nowhere; kiln schedule ls lists all'],
    [['list'], 'use kiln schedule ls'],
  ])('refuses %j', async (args, words) => {
    expect(await run(...args)).toMatchObject({ code: 125, out: '', err: expect.stringContaining(words) });
  });
});
