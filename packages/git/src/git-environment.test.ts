import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { allowedHosts, OutgoingGuard } from '@kiln/runtime';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { openCommit } from './commit-files.ts';
import { gitEnvironment, PASSED_ON } from './git-environment.ts';
import { versionFault } from './git-version.ts';
import { resolveRef } from './resolve-ref.ts';
import { runGit } from './run-git.ts';
import { GitServer } from './testing/git-server.ts';

const guard = new OutgoingGuard(allowedHosts.parse('loopback'));
const never = new AbortController().signal;

let server: GitServer;
let dir: string;
/** The environment of a program that git was made to run. */
const told = () => readFileSync(join(dir, 'told'), { encoding: 'utf8', flag: 'a+' });

beforeAll(async () => {
  server = await GitServer.start();
  server.commit({ file: 'x' });
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(() => {
  server.seen.length = 0;
  dir = mkdtempSync(join(tmpdir(), 'kiln-git-host-'));
  const helper = `#!/bin/sh\nenv >> ${dir}/told\necho username=x\necho password=${server.token}\n`;
  writeFileSync(join(dir, 'helper'), helper, { mode: 0o700 });
  // Variables of Kiln's processes that git must not get.
  vi.stubEnv('KILN_SECRET_KEY', 'the-pool-key');
  vi.stubEnv('HOME', dir);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(dir, { recursive: true });
});

const helperConfig = () =>
  `[credential]\n\thelper = ${dir}/helper\n[core]\n\taskPass = ${dir}/helper\n\thooksPath = ${dir}/hooks\n[http]\n\tfollowRedirects = true\n\tproxy = http://127.0.0.1:1\n`;

/** Ways in which a host can have credentials or programs for everybody who runs git on it. */
const WAYS: readonly (readonly [string, () => void])[] = [
  ['~/.gitconfig', () => writeFileSync(join(dir, '.gitconfig'), helperConfig())],
  [
    '~/.config/git/config',
    () => {
      mkdirSync(join(dir, '.config/git'), { recursive: true });
      writeFileSync(join(dir, '.config/git/config'), helperConfig());
    },
  ],
  [
    'the system’s configuration',
    () => {
      writeFileSync(join(dir, 'system'), helperConfig());
      vi.stubEnv('GIT_CONFIG_SYSTEM', join(dir, 'system'));
    },
  ],
  [
    'a configuration named in the environment',
    () => {
      writeFileSync(join(dir, 'named'), helperConfig());
      vi.stubEnv('GIT_CONFIG_GLOBAL', join(dir, 'named'));
    },
  ],
  [
    'settings in the environment',
    () => {
      vi.stubEnv('GIT_CONFIG_COUNT', '20');
      for (let i = 0; i < 20; i += 1) {
        vi.stubEnv(`GIT_CONFIG_KEY_${i}`, 'credential.helper');
        vi.stubEnv(`GIT_CONFIG_VALUE_${i}`, `${dir}/helper`);
      }
    },
  ],
  ['GIT_CONFIG_PARAMETERS', () => vi.stubEnv('GIT_CONFIG_PARAMETERS', `'credential.helper'='${dir}/helper'`)],
  ['GIT_ASKPASS', () => vi.stubEnv('GIT_ASKPASS', join(dir, 'helper'))],
  [
    'SSH_ASKPASS',
    () => {
      vi.stubEnv('SSH_ASKPASS', join(dir, 'helper'));
      vi.stubEnv('DISPLAY', ':0');
    },
  ],
  ['~/.netrc', () => writeFileSync(join(dir, '.netrc'), `machine 127.0.0.1 login x password ${server.token}\n`)],
  [
    'a repository named in the environment',
    () => {
      for (const name of ['objects', 'refs']) mkdirSync(join(dir, '.git', name), { recursive: true });
      writeFileSync(join(dir, '.git/HEAD'), 'ref: refs/heads/main\n');
      writeFileSync(join(dir, '.git/config'), helperConfig());
      vi.stubEnv('GIT_DIR', join(dir, '.git'));
    },
  ],
];

describe('a host’s own credentials', () => {
  test.each(WAYS)('in %s open no repository for builds', async (_, prepare) => {
    prepare();
    const url = server.url('/private/app.git');
    const { token } = server;
    await expect(resolveRef({ url }, guard, never)).rejects.toMatchObject({ fault: 'auth_refused' });
    const limits = { timeoutMs: 20_000, maxFetchBytes: 1024 * 1024, guard };
    await expect(openCommit({ url, ref: 'refs/heads/main' }, limits, never)).rejects.toMatchObject({
      fault: 'auth_refused',
    });
    expect(told()).toBe('');
    expect(server.seen.length).toBeGreaterThan(0);
    expect(server.seen.filter(({ authorization }) => authorization !== undefined)).toEqual([]);
    // The build's own credentials do.
    const authorization = `basic ${Buffer.from(`x:${token}`).toString('base64')}`;
    expect(await resolveRef({ url, authorization }, guard, never)).toMatch(/^[0-9a-f]{40}$/);
    expect(told()).toBe('');
  });
});

describe('git’s environment', () => {
  const seenBy = async (env: NodeJS.ProcessEnv) => {
    const printing = { ...env, GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'alias.show-env', GIT_CONFIG_VALUE_0: '!env' };
    const end = await runGit(['show-env'], {
      ...{ cwd: '/', env: printing, timeoutMs: 20_000, maxFileBytes: 0, maxOutputBytes: 100_000, signal: never },
    });
    if (!end.ok) throw new Error(end.stderr);
    return end.output.toString();
  };

  test('contains none of Kiln’s settings, and only proxies and certificates of the operator’s', async () => {
    vi.stubEnv('https_proxy', 'http://proxy.corp.example:3128');
    vi.stubEnv('GIT_SSL_CAINFO', '/etc/ssl/corp.pem');
    vi.stubEnv('GIT_SSL_NO_VERIFY', '1');
    vi.stubEnv('GIT_TRACE_CURL', '1');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'the-cloud-key');
    vi.stubEnv('LD_PRELOAD', '/nowhere.so');
    const seen = await seenBy(gitEnvironment({ protocol: 'https', config: {} }));
    expect(seen).toContain('https_proxy=http://proxy.corp.example:3128\n');
    expect(seen).toContain('GIT_SSL_CAINFO=/etc/ssl/corp.pem\n');
    expect(seen).not.toMatch(/the-pool-key|the-cloud-key|NO_VERIFY|TRACE|LD_PRELOAD/);
    const names = Object.keys(gitEnvironment({ protocol: 'https', config: {} })).filter(
      (name) => !name.startsWith('GIT_'),
    );
    expect(names.filter((name) => !PASSED_ON.includes(name)).sort()).toEqual(['HOME', 'LC_ALL', 'SSH_ASKPASS']);
  });

  test.each([
    ['https', 'http://127.0.0.1:1/x'],
    ['https', 'file:///etc'],
    ['http', 'ext::sh -c "echo > told"'],
    ['http', 'ssh://127.0.0.1/x'],
  ])('limited to %s does not allow %s', async (protocol, url) => {
    const end = await runGit(['ls-remote', '--', url], {
      ...{ cwd: dir, env: gitEnvironment({ protocol, config: {} }), timeoutMs: 20_000 },
      ...{ maxFileBytes: 0, maxOutputBytes: 1000, signal: never },
    });
    expect(end).toMatchObject({ ok: false, stderr: expect.stringMatching(/transport '\w+' not allowed/) });
    expect(told()).toBe('');
  });
});

test.each([
  ['git version 2.37.0', true],
  ['git version 2.39.5 (Apple Git-154)', true],
  ['git version 3.0.1.windows.1', true],
  ['git version 2.34.1', false],
  ['git version 1.99', false],
  ['something else', false],
])('accepts %s: %s', (printed, can) => {
  expect(versionFault(printed) === undefined).toBe(can);
});
