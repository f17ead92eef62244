import { createdToken, tokenList, whoamiView } from '@kiln/contracts';
import { describe, expect, it } from 'vitest';
import { withRealPool } from '../../testing/with-real-pool.ts';

const cli = withRealPool();
const run = (line: string, token = cli.pool.token) => cli.run(line, { env: { KILN_TOKEN: token } });

describe('kiln token', () => {
  it('creates a token and prints only that, lists it and revokes it', async () => {
    const created = await run('token create --team web ci-of-web');
    expect(created).toMatchObject({ code: 0, out: expect.stringMatching(/^kiln_api_\w{49}\n$/) });
    expect(created.err).toMatch(/^kiln: token \w{26} \(ci-of-web\), valid until 20.*; it is not shown again:\n$/);
    const token = created.out.trim();
    const id = /token (\w{26})/.exec(created.err)?.[1] ?? '';
    const me = await run('whoami', token);
    expect(me.out).toContain(
      `name    ci-of-web\nkind    token (${id})\nteam    web\nscopes  builds:read, builds:write, logs:read\n`,
    );
    const listed = await run('token ls');
    expect(listed.out).toMatch(new RegExp(`${id} +ci-of-web +web +builds:read,builds:write,logs:read +0s +in 89d +`));
    expect(listed.out).not.toContain(token);
    expect(await run(`token rm ${id}`)).toMatchObject({ code: 0, out: `${id} (ci-of-web) revoked\n` });
    expect(await run('whoami', token)).toMatchObject({ code: 125, err: expect.stringContaining('[unauthorized]') });
    expect(await run(`token rm ${id}`)).toMatchObject({ code: 125, err: expect.stringContaining('kiln token ls') });
  });

  it('lists tokens without wrapping on a terminal of 60 columns', async () => {
    await run(
      'token create --all-teams --scope builds:read,builds:write,logs:read,secrets:write a-name-that-is-rather-long',
    );
    const { out } = await cli.run('token ls', {
      env: { KILN_TOKEN: cli.pool.token },
      terminal: { columns: 60, rows: 24 },
    });
    const lines = out.trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(1);
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(60);
    expect(lines[0]).toMatch(/^TOKEN +NAME +MAY +EXPIRES$/);
  });

  it('prints JSON with --json', async () => {
    const line = 'token create --json --all-teams -s builds:read,logs:read --untrusted --expires never board';
    const created = createdToken.parse(JSON.parse((await run(line)).out));
    expect(created).toMatchObject({ team: '*', scopes: ['builds:read', 'logs:read'], trust: 'untrusted' });
    expect(created.expiresAt).toBeUndefined();
    const { tokens } = tokenList.parse(JSON.parse((await run('token ls --json')).out));
    expect(tokens.map(({ id }) => id)).toContain(created.id);
    expect(whoamiView.parse(JSON.parse((await run('whoami --json', created.token)).out))).toMatchObject({ team: '*' });
    expect(JSON.parse((await run(`token rm --json ${created.id}`)).out)).toMatchObject({ id: created.id });
  });

  it('creates worker and admin tokens', async () => {
    const worker = (await run('token create --worker h7')).out.trim();
    expect(worker).toMatch(/^kiln_worker_/);
    expect((await run('whoami', worker)).out).toContain('scopes  joining the pool as a worker');
    const admin = (await run('token create -s admin root')).out.trim();
    expect(await run('token ls', admin)).toMatchObject({ code: 0 });
    const { err } = await run('token ls', worker);
    expect(err).toContain('this is a worker token');
  });

  it.each([
    ['token create x', '--team or --all-teams is required'],
    ['token create --team a --all-teams x', '--team cannot be combined with --all-teams'],
    ['token create --worker --team a x', '--worker cannot be combined with --team'],
    ['token create --team a -s root x', '--scope: got "root", expected builds:read'],
    ['token create --team a --expires soon x', '--expires: got "soon", expected a span'],
    ['token create --team A x', 'team: got "A"'],
    ['token create --team a', 'usage: kiln token create'],
    ['token list', 'use kiln token ls'],
    ['token craete', 'did you mean create?'],
  ])('refuses %s', async (line, words) => {
    expect(await run(line)).toMatchObject({ code: 125, out: '', err: expect.stringContaining(words) });
  });
});
