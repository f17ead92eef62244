import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Builder } from '@kiln/buildkit';
import { type PrivateRegistry, removeImages, startPrivateRegistry } from '@kiln/buildkit/testing';
import type { BuildRequestInput } from '@kiln/contracts';
import type { Trust } from '@kiln/domain';
import { GitServer } from '@kiln/git/testing';
import { allowedHosts, createLogger, OutgoingGuard } from '@kiln/runtime';
import type { SecretContent, State } from '@kiln/state';
import { TestRedis } from '@kiln/state/testing';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Executor } from '../engine/executor.ts';
import { fixedExecutors } from '../testing/fixed-executors.ts';
import { TestHost } from '../testing/test-host.ts';

const FROM = `FROM ${process.env.KILN_EXAMPLE_DEBIAN_IMAGE ?? 'kiln.local/debian:bookworm-slim'}`;
const log = createLogger({ app: 'test', level: 'silent' });
const RUN_ID = randomUUID();
const VALUE = `s3cret/+${RUN_ID}`;

/** The mount isn't required, so that a build without the secret continues. RUN_ID keeps the engine from using its cache. */
const SHOW = `RUN --mount=type=secret,id=token true ${RUN_ID} && if [ -e /run/secrets/token ]; then echo "there: $(cat /run/secrets/token)"; base64 < /run/secrets/token; wc -c < /run/secrets/token; else echo absent; fi`;
const FILES = {
  Dockerfile: `${FROM} AS build\n${SHOW}\nRUN echo ${RUN_ID} > /f\nFROM scratch\nCOPY --from=build /f /f`,
  'peek/Dockerfile': `${FROM}\nRUN --mount=type=secret,id=token true peek ${RUN_ID} && if [ -e /run/secrets/token ]; then cat /run/secrets/token; else echo absent; fi`,
};

/** Creates another executor of the same engine, because these tests aren't about separate builders. */
function ofUntrusted(of: Builder): Executor {
  return {
    info: { ...of.info, trust: 'untrusted', domain: 'untrusted' },
    run: (request, signal) => of.run({ ...request, trust: 'trusted', domain: 'trusted' }, signal),
    extendFence: (untilMs) => of.extendFence(untilMs),
    close: () => of.close(),
  };
}

let redis: TestRedis;
let pool: TestHost;
let state: State;
let builder: Builder;
let git: GitServer;
let commit: string;
let registry: PrivateRegistry;
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-secrets-'));
  [redis, git, registry] = await Promise.all([TestRedis.start(), GitServer.start(), startPrivateRegistry()]);
  commit = git.commit(FILES);
  pool = await TestHost.open(redis.url);
  state = pool.state;
  builder = await Builder.start({
    ...{ hostName: 'h1', instance: RUN_ID.slice(0, 8), scratchDir: join(dir, 'scratch'), driver: 'docker' },
    toolImage: process.env.KILN_TOOL_IMAGE ?? 'kiln.local/tool:1',
    buildkitImage: 'none',
    log,
  });
  await pool.start(
    { leaseTtlMs: 30_000, fenceMarginMs: 5_000 },
    {
      executors: fixedExecutors([builder, ofUntrusted(builder)]),
      outgoing: new OutgoingGuard(allowedHosts.parse('loopback')),
    },
  );
});
afterAll(async () => {
  await pool?.stop();
  await removeImages(tags());
  await builder?.close();
  for (const each of [pool, redis, git, registry]) await each?.[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});
beforeEach(async () => {
  for (const secret of await state.secrets.list()) await state.secrets.remove(secret);
});

const keep = (name: string, content: SecretContent, untrustedOk = false) =>
  state.secrets.set({ team: 'web', name, content, untrustedOk, updatedBy: 'ada' });
const tags = () => [`${registry.host}/web/app:1`];
const gitHost = () => new URL(git.origin).host;

/** Builds a repository of the git server. @returns the ended build and its log */
async function build(path: string, more: Partial<BuildRequestInput> & { trust?: Trust } = {}) {
  const { trust, ...request } = more;
  const url = git.url(`/${path}`);
  const source = { type: 'git', url, ref: 'main', ...(trust && { subdir: 'peek' }) } as const;
  const id = await pool.deliver({ request: { source, team: 'web', ...request }, ...(trust && { trust }) });
  const ended = await pool.build(id);
  const records = await pool.log(id);
  const output = records.map((record) => (record.type === 'output' ? record.data : '')).join('');
  return { ended, output, text: JSON.stringify([ended, records]) };
}

test('a secret reaches the RUN that mounts it, and no log shows it or its base64', async () => {
  await keep('TOKEN', { kind: 'build', value: VALUE });
  const { ended, output, text } = await build('app.git', { storedSecrets: [{ id: 'token', name: 'TOKEN' }] });
  expect(ended.failure).toBeUndefined();
  expect(output).toContain(`there: ***\n***\n${VALUE.length}\n`);
  expect(text).not.toContain(VALUE);
  expect(text).not.toContain(Buffer.from(VALUE).toString('base64').slice(0, 20));
  expect((await state.secrets.list())[0]?.usedAt).toBeGreaterThan(0);
});

test('an untrusted build gets a secret only if it is marked for untrusted builds, whether it names it or not', async () => {
  await keep('TOKEN', { kind: 'build', value: VALUE });
  const named = { storedSecrets: [{ id: 'token', name: 'TOKEN' }], trust: 'untrusted' as const };
  expect((await build('app.git', named)).ended).toMatchObject({
    ...{ state: 'failed', failure: { code: 'secret_withheld' } },
  });
  // It mounts it without naming it.
  const { output } = await build('app.git', { trust: 'untrusted' });
  expect(output).toContain('absent\n');
  await keep('TOKEN', { kind: 'build', value: VALUE }, true);
  // Without noCache, the RUN would be cached as it ran without the secret.
  const marked = await build('app.git', { ...named, noCache: true });
  expect([marked.ended.state, marked.output]).toEqual(['succeeded', expect.stringContaining('***')]);
});

test.each([
  ['a token', {}],
  ['a token with a user’s name', { username: 'x-token-auth' }],
])('a private repository can be cloned with %s by trusted builds only', async (_, more) => {
  expect((await build('private/app.git')).ended.failure?.code).toBe('git_auth_failed');
  await keep(gitHost(), { kind: 'git', token: git.token, ...more });
  const { ended, text } = await build('private/app.git', { noCache: true });
  expect([ended.failure, ended.state, ended.commit]).toEqual([undefined, 'succeeded', commit]);
  expect(text).not.toContain(git.token);
  expect((await build('private/app.git', { trust: 'untrusted' })).ended.failure?.code).toBe('git_auth_failed');
});

test('a push to a private registry succeeds with the team’s own login, and not with another team’s', async () => {
  const { host, username, password } = registry;
  const push = { tags: tags(), output: { type: 'push' } } as const;
  await state.secrets.set({
    ...{ team: 'ops', name: host, untrustedOk: true, updatedBy: 'eve' },
    content: { kind: 'registry', username, password },
  });
  expect((await build('app.git', push)).ended.failure?.code).toBe('push_refused');
  await keep(host, { kind: 'registry', username, password });
  const { ended, text } = await build('app.git', push);
  expect(ended).toMatchObject({ state: 'succeeded', result: { pushed: tags() } });
  expect(await registry.tags('web/app')).toEqual(['1']);
  expect(text).not.toContain(password);
});
