import type { SecretContent } from '@kiln/state';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fixedExecutors } from '../testing/fixed-executors.ts';
import { HeldExecutor } from '../testing/held-executor.ts';
import { type TestHost, useTestHost } from '../testing/test-host.ts';

const fixture = useTestHost();
let host: TestHost;
let executor: HeldExecutor;

beforeEach(async () => {
  host = fixture.host;
  executor = new HeldExecutor();
  const untrusted = { ...executor, info: { ...executor.info, trust: 'untrusted' as const } };
  await host.start({}, { executors: fixedExecutors([executor, untrusted]) });
});
afterEach(async () => {
  executor.finish();
});

const keep = (name: string, content: SecretContent, untrustedOk = false, { secrets } = host.state) =>
  secrets.set({ team: 'default', name, content, untrustedOk, updatedBy: 'ada' });

test('a build whose secrets are sealed with another key fails with secrets_expired', async () => {
  await using stranger = await host.strangersState();
  const build = await host.accept({ secrets: { a: 'b' } }, stranger.builds);
  expect(await host.assign(build)).toBe('assigned');
  await host.enqueue(build.record.id);
  expect(await host.build(build.record.id)).toMatchObject({ state: 'failed', failure: { code: 'secrets_expired' } });
});

describe('of its team’s stored secrets, a build', () => {
  test('gets the current versions, and those that no log may show are hidden', async () => {
    await keep('NPM', { kind: 'build', value: 'hunter22' });
    await keep('r.example', { kind: 'registry', username: 'robot', password: 'hunter33' });
    await keep('git.example', { kind: 'git', token: 'hunter44', username: 'x' });
    const id = await host.deliver({ request: { storedSecrets: ['NPM'] }, secrets: { own: 'hunter55' } });
    await executor.starts(1);
    const header = `basic ${Buffer.from('x:hunter44').toString('base64')}`;
    expect(executor.started[0]).toMatchObject({
      secrets: new Map([
        ['NPM', 'hunter22'],
        ['GIT_AUTH_HEADER.git.example', header],
        ['own', 'hunter55'],
      ]),
      registryLogins: [{ host: 'r.example', username: 'robot', password: 'hunter33' }],
      hidden: ['hunter44'],
    });
    const stored = await Promise.all((await host.state.redis.keys('*')).map((key) => host.state.redis.dump(key)));
    expect(stored.join('')).not.toMatch(/hunter/);
    executor.finish();
    await host.build(id);
  });

  test.each([
    ['NONE', 'trusted', 'secret_missing'],
    ['CLOSED', 'untrusted', 'secret_withheld'],
    ['ALIEN', 'trusted', 'secret_unreadable'],
  ] as const)('that names %s and is %s fails with %s without running', async (name, trust, code) => {
    await keep('CLOSED', { kind: 'build', value: 'hunter22' });
    await using stranger = await host.strangersState();
    await keep('ALIEN', { kind: 'build', value: 'hunter22' }, false, stranger);
    const build = await host.build(await host.deliver({ request: { storedSecrets: [name] }, trust }));
    expect(build).toMatchObject({ state: 'failed', failure: { code, message: expect.stringContaining(name) } });
    expect(build.attempts).toHaveLength(1);
    expect(executor.started).toEqual([]);
  });

  test('that is untrusted doesn’t get those it hasn’t named, and its log warns of one that can’t be opened', async () => {
    await keep('r.example', { kind: 'registry', username: 'robot', password: 'hunter33' });
    await keep('git.example', { kind: 'git', token: 'hunter44' });
    await keep('git.public', { kind: 'git', token: 'hunter66' }, true);
    await host.state.redis.hset(host.state.keys.teamSecretValues('default'), 'git  git.public', 'broken.AAAA');
    const id = await host.deliver({ trust: 'untrusted' });
    await executor.starts(1);
    expect(executor.started[0]).toMatchObject({ secrets: new Map(), registryLogins: [], hidden: [] });
    executor.finish();
    await host.build(id);
    const warnings = (await host.log(id)).flatMap((record) => (record.type === 'warning' ? [record.message] : []));
    expect(warnings).toEqual([expect.stringMatching(/^the git token git\.public of team default can’t be opened/)]);
  });
});

describe('of its client’s registry logins, a build', () => {
  const LOGIN = { registry: 'r.example', username: 'ada', password: 'hunter22' };
  const stored = (name: string) => keep(name, { kind: 'registry', username: 'robot', password: 'hunter33' }, true);

  test('gets them in place of its team’s to the same registries', async () => {
    await stored('r.example');
    await stored('other.example');
    await host.deliver({ request: { registryLogins: [LOGIN, { registry: 'docker.io', identityToken: 'hunter44' }] } });
    await executor.starts(1);
    expect(executor.started[0]?.registryLogins).toEqual([
      { host: 'r.example', whose: 'client', username: 'ada', password: 'hunter22' },
      { host: 'docker.io', whose: 'client', identityToken: 'hunter44' },
      { host: 'other.example', username: 'robot', password: 'hunter33' },
    ]);
  });

  test('that is untrusted gets none, even if they were stored', async () => {
    await stored('r.example');
    await host.deliver({ request: { registryLogins: [LOGIN] }, trust: 'untrusted' });
    await executor.starts(1);
    expect(executor.started[0]?.registryLogins).toEqual([
      { host: 'r.example', username: 'robot', password: 'hunter33' },
    ]);
  });

  test('has one warning in its log if they are ignored, and runs with its team’s', async () => {
    await stored('r.example');
    const clientLogins = { registries: ['other.example', 'r.example'], ignored: 'off' as const };
    const { builds } = host.state;
    const build = await host.accept(
      {},
      { accept: (asked) => builds.accept({ ...asked, spec: { ...asked.spec, clientLogins } }) },
    );
    const { id } = build.record;
    expect(await host.assign(build)).toBe('assigned');
    await host.enqueue(id);
    await executor.starts(1);
    expect(executor.started[0]?.registryLogins).toMatchObject([{ host: 'r.example', username: 'robot' }]);
    executor.finish();
    await host.build(id);
    expect((await host.log(id)).flatMap((record) => (record.type === 'warning' ? [record.message] : []))).toEqual([
      'the client’s logins to other.example, r.example were ignored: the server’s KILN_CLIENT_LOGINS is off',
    ]);
  });

  test('fails without running if they are gone', async () => {
    const id = await host.assigned({ request: { registryLogins: [LOGIN] } });
    await host.state.redis.del(host.state.keys.logins(id));
    await host.enqueue(id);
    expect(await host.build(id)).toMatchObject({
      state: 'failed',
      failure: { code: 'secrets_expired', message: expect.stringContaining('registry logins have expired') },
    });
  });
});
