import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { runCli } from '../../cli.ts';
import { runIn } from '../../testing/run.ts';
import { TempDir } from '../../testing/temp-dir.ts';
import { withFakeApi } from '../../testing/with-fake-api.ts';

const cli = withFakeApi();
let home: TempDir;
beforeEach(async () => {
  home = await TempDir.with({});
  return () => home[Symbol.asyncDispose]();
});

const file = () => join(home.path, '.config/kiln/contexts.json');
const stored = async () => JSON.parse(await readFile(file(), 'utf8'));
/** A process without KILN_URL and KILN_TOKEN. */
const io = (stdin = '', env: Record<string, string> = {}) =>
  cli.io({ env: { HOME: home.path, KILN_URL: '', KILN_TOKEN: '', ...env }, stdin: Buffer.from(stdin) });
const kiln = (line: string, stdin = '') => runIn(io(stdin), line);

/** The address of the page on which the login is approved. */
const pageIn = (text: string) => new URL(/https?:\/\/\S+\/auth\/cli\?\S+/.exec(text)?.[0] ?? '');

describe('kiln login', () => {
  it('shows a page, and stores the token when it has been approved', async () => {
    cli.api.hasLogin = true;
    cli.api.expiresAt = new Date(Date.now() + 3_600_000).toISOString();
    const at = io();
    const running = runCli(['login', cli.api.url], at);
    await at.said('Open this page and approve the login: ');
    const page = pageIn(at.stderr.text);
    const code = page.searchParams.get('code') ?? '';
    expect(page.origin).toBe(cli.api.url);
    expect(page.searchParams.get('name')).not.toBe('');
    expect(at.stderr.text).toContain(
      `Code: ${code.slice(0, 4)}-${code.slice(4, 8)}`.toUpperCase().replace('CODE', 'Code'),
    );
    cli.api.approved.add(code);
    expect(await running).toBe(0);
    expect(at.stderr.text).toContain(`Logged in to ${cli.api.url} as alice (team web) until ${cli.api.expiresAt}\n`);
    const { current, contexts } = await stored();
    expect([current, contexts[current]]).toMatchObject(['127.0.0.1', { url: cli.api.url }]);
    expect(contexts[current].token).toMatch(/^kiln_session_[0-9A-Za-z]{49}$/);
    expect(contexts[current].expiresAt).toBe(Date.parse(cli.api.expiresAt));
    expect((await stat(file())).mode & 0o777).toBe(0o600);
    expect(at.stderr.text + at.stdout.text).not.toContain(contexts[current].token);
    expect(await kiln('ps')).toMatchObject({ code: 0 });
  });

  it('opens the page in the browser that $BROWSER names', async () => {
    cli.api.hasLogin = true;
    await using dir = await TempDir.with({});
    const opened = join(dir.path, 'opened');
    await using script = await TempDir.with({
      'open.mjs': `await (await import('node:fs')).promises.writeFile('${opened}', process.argv[2]);`,
    });
    const at = io('', { BROWSER: `${process.execPath} ${join(script.path, 'open.mjs')}` });
    const running = runCli(['login', cli.api.url], at);
    await at.said('Approve the login in the browser, at: ');
    const page = pageIn(at.stderr.text);
    expect(await readFile(opened, 'utf8')).toBe(page.href);
    cli.api.approved.add(page.searchParams.get('code') ?? '');
    expect(await running).toBe(0);
  });

  it('stores nothing if it is interrupted', async () => {
    cli.api.hasLogin = true;
    const at = io();
    const running = runCli(['login', cli.api.url], at);
    await at.said('approve the login');
    at.interrupt();
    expect(await running).toBe(130);
    expect(at.stderr.text).toContain('kiln: interrupted; nothing was stored\n');
    await expect(stat(file())).rejects.toThrow('ENOENT');
  });

  it('reads a token where the server has no login', async () => {
    expect(await kiln(`login --name staging ${cli.api.url}`, `${cli.api.token}\n`)).toMatchObject({ code: 0, out: '' });
    expect(await stored()).toEqual({
      current: 'staging',
      contexts: { staging: { url: cli.api.url, token: cli.api.token } },
    });
  });

  it('reads a token from standard input with --token-stdin, also where the server has a login', async () => {
    cli.api.hasLogin = true;
    expect(await kiln(`login --token-stdin ${cli.api.url}`, cli.api.token)).toMatchObject({ code: 0 });
    expect(await stored()).toMatchObject({ contexts: { '127.0.0.1': { token: cli.api.token } } });
  });

  it('stores no token that the server refuses', async () => {
    const { code, err } = await kiln(`login ${cli.api.url}`, 'wrong');
    expect([code, err]).toEqual([
      125,
      expect.stringContaining('refused the token: the token is not one that this Kiln knows'),
    ]);
    await expect(stat(file())).rejects.toThrow('ENOENT');
    expect((await kiln(`login ${cli.api.url}`, '')).err).toContain('got no token, expected one');
    expect((await kiln('login')).err).toContain('URL is required: there is no context in use');
  });

  it('logs in again to the context in use, under its name', async () => {
    await kiln(`login --name staging ${cli.api.url}`, cli.api.token);
    cli.api.token = 'renewed';
    expect((await kiln('ps')).err).toContain('Log in with `kiln login`');
    expect(await kiln('login', 'renewed')).toMatchObject({ code: 0 });
    expect(await stored()).toMatchObject({ current: 'staging', contexts: { staging: { token: 'renewed' } } });
  });

  it('is asked for again when the login has expired', async () => {
    cli.api.expiresAt = new Date(Date.now() - 1_000).toISOString();
    await kiln(`login --name staging ${cli.api.url}`, cli.api.token);
    expect(await kiln('ps')).toMatchObject({
      code: 125,
      err: `kiln: the login to staging has expired: log in again with \`kiln login ${cli.api.url}\`\n`,
    });
    expect((await kiln('context ls')).out).toContain('expired');
  });

  it('warns of variables that take precedence over it', async () => {
    const at = io(cli.api.token, { KILN_URL: 'http://other.example' });
    expect(await runCli(['login', cli.api.url], at)).toBe(0);
    expect(at.stderr.text).toContain('kiln: KILN_URL in the environment takes precedence over it\n');
  });
});

describe('kiln logout', () => {
  it('ends the session on the server, and forgets the token', async () => {
    cli.api.hasLogin = true;
    const at = io();
    const running = runCli(['login', cli.api.url], at);
    await at.said('approve the login');
    cli.api.approved.add(pageIn(at.stderr.text).searchParams.get('code') ?? '');
    await running;
    expect(await kiln('logout')).toEqual({ code: 0, out: '', err: 'Logged out of 127.0.0.1\n' });
    expect(cli.api.approved.size).toBe(0);
    expect(await stored()).toEqual({ current: '127.0.0.1', contexts: { '127.0.0.1': { url: cli.api.url } } });
    expect(await kiln('logout')).toMatchObject({ code: 0, err: 'Not logged in to 127.0.0.1\n' });
  });

  it('forgets any other token without asking the server', async () => {
    await kiln(`login --name staging ${cli.api.url}`, cli.api.token);
    cli.api.seen.length = 0;
    expect(await kiln('logout staging')).toMatchObject({ code: 0 });
    expect(cli.api.seen).toEqual([]);
    expect((await kiln('logout nowhere')).err).toContain('NAME: got "nowhere", expected one of staging');
  });
});

describe('kiln open', () => {
  it('prints the address where no browser can be opened', async () => {
    const env = { BROWSER: '' };
    expect(await runIn(cli.io({ env }), 'open')).toEqual({ code: 0, out: `${cli.api.url}/\n`, err: '' });
    const { id } = cli.api.build;
    expect((await runIn(cli.io({ env }), `open ${id}`)).out).toBe(`${cli.api.url}/builds/${id}\n`);
    // One that can't be started.
    expect((await runIn(cli.io({ env: { BROWSER: '/nowhere' } }), 'open')).out).toBe(`${cli.api.url}/\n`);
  });

  it('opens the page of a build', async () => {
    await using dir = await TempDir.with({ 'open.mjs': "process.exitCode = process.argv[2].endsWith('def') ? 0 : 1;" });
    const at = cli.io({ env: { BROWSER: `${process.execPath} ${join(dir.path, 'open.mjs')} %s` } });
    expect(await runIn(at, `open ${cli.api.build.id}`)).toEqual({
      code: 0,
      out: '',
      err: `Opened ${cli.api.url}/builds/${cli.api.build.id}\n`,
    });
  });
});
