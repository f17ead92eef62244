import { scheduleList, scheduleView } from '@kiln/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../../cli.ts';
import { fakeIo } from '../../testing/fake-io.ts';
import { RealPool } from '../../testing/real-pool.ts';

let pool: RealPool;
beforeAll(async () => {
  pool = await RealPool.start();
});
afterAll(() => pool[Symbol.asyncDispose]());

async function run(...args: string[]) {
  const io = fakeIo({ env: { ...pool.env, NPM_TOKEN: 'hunter2' } });
  const code = await runCli(['schedule', ...args], io);
  return { code, out: io.stdout.text, err: io.stderr.text };
}
const URL = 'https://git.example/app.git#main:services/a';

describe('kiln schedule', () => {
  it('creates one with the flags of a build, lists it, runs it, pauses and resumes it, removes it', async () => {
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
    expect((await pool.state.builds.get(build))?.record).toMatchObject({ team: 'web', state: 'queued' });
    expect((await run('ls')).out).toMatch(new RegExp(`queued \\d+s ago +${build.slice(-8)}`));
    expect((await run('pause', 'nightly')).out).toBe('nightly: paused\n');
    expect((await run('resume', 'nightly')).out).toMatch(/^nightly: next /);
    expect(await run('rm', 'nightly')).toMatchObject({ code: 0, out: 'nightly removed\n' });
    expect((await run('ls')).err).toContain('no schedules');
  });

  it('prewarms: no output, behind all others, the next in place of one that still waits', async () => {
    const { out } = await run('create', '--json', '--prewarm', '--cron', '*/30 * * * *', 'warm', URL);
    const { request } = scheduleView.parse(JSON.parse(out));
    expect(request).toMatchObject({
      ...{ output: { type: 'none' }, priority: 'batch', concurrencyKey: 'prewarm:warm', supersede: 'queued' },
    });
    const first = (await run('run', 'warm')).out.trim();
    await run('run', 'warm');
    expect((await pool.state.builds.get(first))?.record).toMatchObject({ failure: { code: 'superseded' } });
  });

  it.each([
    [['create', 'x', URL], 'at what times? Give --cron'],
    [['create', '--cron', 'daily', 'x', URL], 'cron: got "daily"'],
    [['create', '--cron', '0 0 * * *', '--timezone', 'Mars', 'x', URL], 'timezone: got "Mars"'],
    [['create', '--cron', '0 0 * * *', '--prewarm', '--push', 'x', URL], 'not both'],
    [['create', '--cron', '0 0 * * *', 'x', '.'], 'expected a git URL'],
    [['run', 'nowhere'], 'there is no schedule nowhere'],
    [['list'], 'kiln schedule ls lists them'],
  ])('%j: says what is wrong', async (args, words) => {
    expect(await run(...args)).toMatchObject({ code: 125, out: '', err: expect.stringContaining(words) });
  });
});
