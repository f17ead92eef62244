import { limitList, limitView, ownLimits } from '@kiln/contracts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCli } from '../cli.ts';
import { fakeIo } from '../testing/fake-io.ts';
import { RealPool } from '../testing/real-pool.ts';

let pool: RealPool;
beforeAll(async () => {
  pool = await RealPool.start();
});
afterAll(() => pool[Symbol.asyncDispose]());

async function run(line: string, token = pool.token) {
  const io = fakeIo({ env: { ...pool.env, KILN_TOKEN: token } });
  const code = await runCli(line.split(' '), io);
  return { code, out: io.stdout.text, err: io.stderr.text };
}

it('sets limits of a team and of a token, shows them to whom they concern, and takes them back', async () => {
  const token = (await run('token create --team web ci')).out.trim();
  const id = /token \((\w{26})\)/.exec((await run('whoami', token)).out)?.[1] ?? '';
  const line =
    'limits set web --running 2 --queued 100 --log 64MB --stored 100GB --registry r.example/web/** --git-host none';
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
  expect((await run(`limits set --of-token ${id} --stored 1GB`)).err).toContain(
    'storedBytes: got 1000000000, expected unlimited, since storage is counted by team',
  );
  expect((await run(`limits set --of-token ${id} --requests 600`)).out).toContain('requests       600 a minute (set)');
  const own = await run('limits', token);
  expect(own.out).toContain('team web\n  running        0 of 2 (set)\n');
  expect(own.out).toContain(`token ${id}\n`);
  expect(ownLimits.parse(JSON.parse((await run('limits --json', token)).out)).team?.limits.gitHosts).toEqual([]);
  const listed = await run('limits ls');
  expect(listed.out).toMatch(/^each team: running unlimited; queued 10000; .*\neach token: .*requests 3000 a minute/);
  expect(listed.out).toMatch(
    /team web +0 +0 +0B +running 2; queued 100; log 64\.00MB; stored 100\.00GB; registries r\.example\/web\/\*\*; git/,
  );
  expect(limitList.parse(JSON.parse((await run('limits ls --json')).out)).set).toHaveLength(2);
  expect(limitView.parse(JSON.parse((await run('limits set --json web --reset --running default')).out)).set).toEqual(
    {},
  );
  expect((await run('limits')).err).toContain('nothing limits you');
});

it.each([
  ['limits set web', 'nothing to set'],
  ['limits set web --running many', '--running many: expected a whole number, unlimited or default'],
  ['limits set web --log 64', ''],
  ['limits set web --log big', '--log big: expected a size such as 64MB'],
  ['limits set web --registry any --registry r.example', '--registry any: expected it alone'],
  ['limits set web --registry https://r.example', 'registries[0]: got "https://r.example"'],
  ['limits set --of-token 00000000000000000000000000 --running 1', '`kiln token ls` lists those'],
  ['limits list', 'kiln limits ls lists them'],
])('%s: says what is wrong', async (line, words) => {
  expect(await run(line)).toMatchObject({ code: words === '' ? 0 : 125, err: expect.stringContaining(words) });
});

it('says why a build of a team waits that has as many running as it may', async () => {
  await pool.state.limits.change({ kind: 'team', name: 'slow' }, { concurrentBuilds: 0 });
  await pool.report('h1');
  const id = await pool.submit({ team: 'slow' });
  await expect
    .poll(async () => (await run(`why ${id}`)).out)
    .toContain('attempt 1: wait, its team has as many builds running as it may (0)');
});
