import { GithubAppApi } from '@kiln/forges/testing';
import { allowedHosts, OutgoingGuard } from '@kiln/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fixedExecutors } from '../testing/fixed-executors.ts';
import { HeldExecutor } from '../testing/held-executor.ts';
import { type TestHost, useTestHost } from '../testing/test-host.ts';

const fixture = useTestHost();
const REPO = 'acme/app';
const MINUTE = 60_000;
const COMMIT = '0'.repeat(40);
let host: TestHost;
let executor: HeldExecutor;
let github: GithubAppApi;

beforeEach(async () => {
  host = fixture.host;
  executor = new HeldExecutor();
  github = await GithubAppApi.start();
  await connect({ team: 'default' });
});
afterEach(async () => {
  executor.finish();
  await github[Symbol.asyncDispose]();
});

/** Stores the connection, which has an App. */
async function connect({ team }: { readonly team: string }): Promise<void> {
  await host.state.connections.put({
    ...{ name: 'github', forge: 'github', team, url: github.url, apiUrl: github.url, checks: false, gitUser: 'git' },
    ...{ repositories: [{ match: [REPO], forks: 'untrusted', configPath: '.kiln.yaml' }], createdAt: 1, updatedAt: 1 },
    secrets: { webhook: 'w', app: github.app },
  });
}

/** Starts a worker whose clock is ahead of the one by which builds are accepted. */
async function start({ aheadMs }: { readonly aheadMs: number }): Promise<void> {
  const now = () => Date.now() + aheadMs;
  github.now = now;
  const allowed = allowedHosts.parse('loopback');
  await host.start({}, { executors: fixedExecutors([executor]), outgoing: new OutgoingGuard(allowed), now });
}

const basic = (token: string) => `basic ${Buffer.from(`x-access-token:${token}`).toString('base64')}`;
const place = () => `GIT_AUTH_HEADER.${new URL(github.url).host}`;

/** Delivers a build whose request has the token `old`. Returns what its clone gets, and the warnings in its log. */
async function cloned({ url = `${github.url}/acme/app.git`, retryOf }: { url?: string; retryOf?: string } = {}) {
  const before = executor.started.length;
  const id = await host.deliver({
    request: { source: { type: 'git', url, ref: COMMIT } },
    secrets: { [place()]: basic('old') },
    clonesWith: { connection: 'github', repository: REPO },
    ...(retryOf !== undefined && { retryOf }),
  });
  await executor.starts(before + 1);
  const started = executor.started.at(-1);
  executor.finish();
  await host.build(id);
  const warnings = (await host.log(id)).flatMap((record) => (record.type === 'warning' ? [record.message] : []));
  return { header: started?.secrets.get(place()), hidden: started?.hidden, warnings };
}

describe('a build that clones with a connection’s App', () => {
  test('uses the token that it came with while that is valid', async () => {
    await start({ aheadMs: 19 * MINUTE });
    expect(await cloned()).toEqual({ header: basic('old'), hidden: [], warnings: [] });
    expect(github.made).toEqual([]);
  });

  test('gets a new token if it has waited long, and no log shows that', async () => {
    await start({ aheadMs: 20 * MINUTE });
    expect(await cloned()).toEqual({ header: basic('ghs_1'), hidden: ['ghs_1'], warnings: [] });
    expect(github.made).toMatchObject([{ repositories: ['app'], permissions: { contents: 'read' } }]);
  });

  test('gets a new token if it is a retry, one for several builds', async () => {
    await start({ aheadMs: 0 });
    const retryOf = 'b'.repeat(26);
    expect(await cloned({ retryOf })).toMatchObject({ header: basic('ghs_1') });
    expect(await cloned({ retryOf })).toMatchObject({ header: basic('ghs_1') });
  });

  test('keeps the old token, with a warning, if the forge gives none', async () => {
    await start({ aheadMs: 20 * MINUTE });
    github.instead = 503;
    const warning = expect.stringMatching(/^the build clones with the token it came with.*connection github.*503/);
    expect(await cloned()).toEqual({ header: basic('old'), hidden: [], warnings: [warning] });
  });

  test('gets none if its source isn’t at the connection’s site, or another team has the connection', async () => {
    await start({ aheadMs: 20 * MINUTE });
    expect(await cloned({ url: 'http://127.0.0.1:1/acme/app.git' })).toMatchObject({ header: basic('old') });
    await connect({ team: 'other' });
    expect(await cloned()).toMatchObject({ header: basic('old') });
    expect(github.made).toEqual([]);
  });

  test('gets none after the connection was removed', async () => {
    await start({ aheadMs: 20 * MINUTE });
    await host.state.connections.remove('github');
    expect(await cloned()).toEqual({ header: basic('old'), hidden: [], warnings: [] });
  });
});
