import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { secretList, secretView } from '@kiln/contracts';
import { openState } from '@kiln/state';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { FakeIo } from '../../testing/fake-io.ts';
import { runIn } from '../../testing/run.ts';
import { TempDir } from '../../testing/temp-dir.ts';
import { withRealPool } from '../../testing/with-real-pool.ts';

const cli = withRealPool();
let dir: TempDir;
beforeAll(async () => {
  dir = await TempDir.with({});
});
afterAll(() => dir[Symbol.asyncDispose]());
beforeEach(async () => {
  for (const secret of await cli.pool.state.secrets.list()) await cli.pool.state.secrets.remove(secret);
});

const run = (line: string, stdin = '', change: Partial<FakeIo> = {}) =>
  runIn({ ...cli.io({ cwd: dir.path, stdin: Buffer.from(stdin) }), ...change }, line);

/** Returns the secrets that a build of team default gets. */
const given = async (...names: string[]) => {
  const named = names.map((name) => ({ id: name, name }));
  return cli.pool.state.buildSecrets.read({ team: 'default', repo: 'github.com/acme/app', trust: 'trusted', named });
};

/** A terminal at which these keys are typed. */
function typing(...keys: string[]): { io: Partial<FakeIo>; modes: boolean[] } {
  const modes: boolean[] = [];
  async function* stdin() {
    for (const key of keys) yield Buffer.from(key);
  }
  const setRawMode = (isRaw: boolean) => modes.push(isRaw);
  return { io: { stdin: Object.assign(stdin(), { isTTY: true, setRawMode }) }, modes };
}

describe('kiln secret', () => {
  it('stores a value from a pipe, lists it and removes it', async () => {
    expect(await run('secret set NPM_TOKEN', 'hunter22\n')).toEqual({
      ...{ code: 0, out: 'NPM_TOKEN set for team default\n', err: '' },
    });
    expect((await given('NPM_TOKEN')).values.get('NPM_TOKEN')).toBe('hunter22');
    const only = 'secret set KEY --repo https://github.com/acme/app.git --untrusted-ok';
    expect((await run(only, 'a\nb\n\n')).out).toBe(
      'KEY set for repo github.com/acme/app of team default, also for untrusted builds\n',
    );
    expect((await given('KEY')).values.get('KEY')).toBe('a\nb\n');
    const { out } = await run('secret ls');
    expect(out).toMatch(/^NAME +KIND +TEAM +REPO +BUILDS +SET +BY +USED\n/);
    expect(out).toMatch(/\nNPM_TOKEN +secret +default +all +trusted +\d+s +local admin +\d+s\n/);
    expect(out).toMatch(/\nKEY +secret +default +github\.com\/acme\/app +untrusted too +\d+s +local admin +\d+s\n/);
    const listed = secretList.parse(JSON.parse((await run('secret ls --json --repo github.com/acme/app')).out));
    expect(listed.secrets.map(({ name }) => name)).toEqual(['KEY']);
    expect(await run('secret rm KEY')).toMatchObject({ code: 125, err: expect.stringContaining('kiln secret ls') });
    expect((await run('secret rm KEY --repo github.com/acme/app')).out).toBe(
      'KEY of repo github.com/acme/app of team default removed\n',
    );
    expect(secretView.parse(JSON.parse((await run('secret rm NPM_TOKEN --json')).out)).name).toBe('NPM_TOKEN');
    expect(await run('secret ls')).toMatchObject({ out: '', err: expect.stringContaining('no secrets') });
  });

  it('stores a file unchanged', async () => {
    await writeFile(join(dir.path, 'key.pem'), 'line\n\n');
    expect(await run('secret set PEM --from-file key.pem')).toMatchObject({ code: 0 });
    expect((await given('PEM')).values.get('PEM')).toBe('line\n\n');
    await writeFile(join(dir.path, 'raw'), Buffer.from([0xff, 0xfe]));
    expect(await run('secret set RAW --from-file raw')).toMatchObject({
      ...{ code: 125, err: expect.stringContaining('raw is not UTF-8') },
    });
  });

  it('prompts on a terminal without echo, and restores the terminal', async () => {
    const { io, modes } = typing('wrong', '\u0015', 'hun', 'x\u007f', 'ter2ä\b2', '2\r');
    const { code, out, err } = await run('secret set TYPED', '', io);
    expect([code, out, err]).toEqual([0, 'TYPED set for team default\n', 'Value of TYPED: \n']);
    expect(modes).toEqual([true, false]);
    expect((await given('TYPED')).values.get('TYPED')).toBe('hunter222');
  });

  it('exits at Ctrl-C without storing anything', async () => {
    const { io, modes } = typing('hun', '\u0003', 'ter\r');
    const exits: number[] = [];
    await run('secret set TYPED', '', { ...io, exitNow: (code) => void exits.push(code) });
    expect([exits, modes.at(-1)]).toEqual([[130], false]);
    expect(await cli.pool.state.secrets.list()).toEqual([]);
  });

  it('warns that logs will not mask a short value', async () => {
    expect((await run('secret set PIN', '123\n')).err).toContain('shorter than 4 characters, so logs will not mask it');
  });

  it('reseals with the first key and reports what doesn’t open', async () => {
    await run('secret set NPM_TOKEN', 'hunter22');
    expect(await run('secret reseal')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/stored secrets: 1 in total, 0 of them resealed; secrets of builds/),
    });
    const other = { redisUrl: cli.pool.redis.url, namespace: 'pool', secretKey: Buffer.alloc(32, 2) };
    await using stranger = await openState({ ...other, onError: () => {} });
    const content = { kind: 'build', value: 'hunter22' } as const;
    await stranger.secrets.set({ team: 'web', name: 'ALIEN', content, untrustedOk: false, updatedBy: 'ada' });
    const { code, err } = await run('secret reseal');
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/^kiln: ALIEN of team web cannot be opened: sealed with key/),
    ]);
    expect((await run('secret ls --team web')).out).toContain(`unreadable: key ${stranger.sealer.keyId} is missing`);
  });

  it('refuses builds that name secrets that don’t exist', async () => {
    const { err } = await run('build --stored-secret NONE --stored-secret key=NEVER https://git.example/acme/app.git');
    expect(err).toContain('[secret_missing]');
    expect(err).toContain(
      'storedSecrets[0]: got "NONE", expected a secret of repo git.example/acme/app or team default',
    );
    expect(err).toContain('storedSecrets[1]: got "NEVER"');
  });

  it.each([
    ['secret set', 'usage: kiln secret set'],
    ['secret set NPM=hunter22', 'a value on the command line can be read by others'],
    ['secret set 0', 'name: got "0"'],
    ['secret set A', 'value: got a value that is not shown, expected a value that is not empty'],
    ['secret set A --from-file none', 'none: ENOENT'],
    ['secret get A', 'values of secrets cannot be read back'],
    ['secret list', 'use kiln secret ls'],
    ['registry set r.example', '--username is required'],
    ['registry set r.example/path -u a', 'got "r.example/path", expected a host'],
    ['registry set r.example -u a', '--password-stdin'],
    ['git-token set https://u@git.example', 'expected a host'],
    ['git-token list', 'use kiln git-token ls'],
  ])('refuses %s', async (line, words) => {
    expect(await run(line)).toMatchObject({ code: 125, out: '', err: expect.stringContaining(words) });
  });
});

describe('kiln registry and git-token', () => {
  it('store logins and tokens by host, and remove them', async () => {
    const login = 'registry set https://R.example:5000/ --username robot --password-stdin';
    expect((await run(login, 'hunter33\n')).out).toBe('login to r.example:5000 set for team default\n');
    expect((await run('git-token set git.example', 'hunter44\n')).out).toBe(
      'token for git.example set for team default\n',
    );
    expect(await run('git-token set git.example -u x-token-auth -r git.example/a/b', 'hunter55\n')).toMatchObject({
      code: 0,
    });
    expect(await given()).toMatchObject({
      logins: [{ host: 'r.example:5000', username: 'robot', password: 'hunter33' }],
      values: new Map([['GIT_AUTH_TOKEN.git.example', 'hunter44']]),
    });
    const { out } = await run('secret ls');
    expect(out).toMatch(/r\.example:5000 +registry login/);
    expect(out).toMatch(/git\.example +git token +default +git\.example\/a\/b/);
    expect((await run('registry rm r.example:5000')).out).toBe('r.example:5000 of team default removed\n');
    expect((await run('git-token rm git.example')).out).toBe('git.example of team default removed\n');
    expect(await given()).toMatchObject({ logins: [], values: new Map() });
  });

  it('prompt on a terminal', async () => {
    const { io } = typing('hunter33\r');
    expect((await run('registry set docker.io -u robot', '', io)).err).toBe('Password of robot at docker.io: \n');
    expect((await given()).logins).toMatchObject([{ host: 'docker.io', password: 'hunter33' }]);
  });
});
