import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Builder } from '@kiln/buildkit';
import {
  type PrivateRegistry,
  removeImages,
  startGitServer,
  startPrivateRegistry,
  type TestGitServer,
} from '@kiln/buildkit/testing';
import { type BuildRequestInput, buildRequest, type LogRecord } from '@kiln/contracts';
import { type BuildRecord, isTerminal, type Trust } from '@kiln/domain';
import { allowedHosts, createLogger, OutgoingGuard } from '@kiln/runtime';
import { Leadership, openState, pendingBuild, type SecretContent, type State } from '@kiln/state';
import { decisionFor, TestRedis } from '@kiln/state/testing';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Executor } from '../engine/executor.ts';
import { fixedExecutors } from '../testing/fixed-executors.ts';
import { type RunningWorker, startWorker } from '../worker.ts';

const FROM = `FROM ${process.env.KILN_EXAMPLE_DEBIAN_IMAGE ?? 'kiln.local/debian:bookworm-slim'}`;
const log = createLogger({ app: 'test', level: 'silent' });
const RUN_ID = randomUUID();
const VALUE = `s3cret/+${RUN_ID}`;

/** The mount isn't required, so that a build without the secret goes on; RUN_ID keeps the engine's cache out of it. */
const SHOW = `RUN --mount=type=secret,id=token true ${RUN_ID} && if [ -e /run/secrets/token ]; then echo "there: $(cat /run/secrets/token)"; base64 < /run/secrets/token; wc -c < /run/secrets/token; else echo absent; fi`;
const FILES = {
  Dockerfile: `${FROM} AS build\n${SHOW}\nRUN echo ${RUN_ID} > /f\nFROM scratch\nCOPY --from=build /f /f`,
  'peek/Dockerfile': `${FROM}\nRUN --mount=type=secret,id=token true peek ${RUN_ID} && if [ -e /run/secrets/token ]; then cat /run/secrets/token; else echo absent; fi`,
};

/** Another executor of the same engine: which builder a class has is not what is tested here. */
function ofUntrusted(of: Builder): Executor {
  return {
    info: { ...of.info, trust: 'untrusted', domain: 'untrusted' },
    run: (request, signal) => of.run({ ...request, trust: 'trusted', domain: 'trusted' }, signal),
    extendFence: (untilMs) => of.extendFence(untilMs),
    close: () => of.close(),
  };
}

let redis: TestRedis;
let state: State;
let builder: Builder;
let worker: RunningWorker;
let git: TestGitServer;
let registry: PrivateRegistry;
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-secrets-'));
  [redis, git, registry] = await Promise.all([TestRedis.start(), startGitServer(FILES), startPrivateRegistry()]);
  const namespace = 'secrets';
  state = await openState({ redisUrl: redis.url, namespace, secretKey: Buffer.alloc(32, 1), onError: () => {} });
  builder = await Builder.start({
    ...{ hostName: 'h1', instance: RUN_ID.slice(0, 8), scratchDir: join(dir, 'scratch'), driver: 'docker' },
    toolImage: process.env.KILN_TOOL_IMAGE ?? 'kiln.local/tool:1',
    buildkitImage: 'none',
    log,
  });
  worker = await startWorker(
    { hostName: 'h1', slots: 2, leaseTtlMs: 30_000, syncEveryMs: 200, fenceMarginMs: 5_000 },
    {
      ...state,
      executors: fixedExecutors([builder, ofUntrusted(builder)]),
      outgoing: new OutgoingGuard(allowedHosts.parse('loopback')),
      identity: { machine: 'm1', incarnation: randomUUID() },
      openContext: async () => undefined,
      storeArtifact: async () => ({ digest: 'sha256:0', sizeBytes: 0 }),
      log,
    },
  );
});
afterAll(async () => {
  await worker?.drain(0);
  await removeImages(tags());
  await builder?.close();
  await state?.[Symbol.asyncDispose]();
  for (const each of [redis, git, registry]) await each?.[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});
beforeEach(async () => {
  for (const secret of await state.secrets.list()) await state.secrets.remove(secret);
});

const keep = (name: string, content: SecretContent, untrustedOk = false) =>
  state.secrets.set({ team: 'web', name, content, untrustedOk, updatedBy: 'ada' });
const tags = () => [`${registry.host}/web/app:1`];
const gitHost = () => new URL(git.url).host;

/** Builds a repository of the git server, as API and scheduler would have it; answers the ended build and what its log says. */
async function build(path: string, more: Partial<BuildRequestInput> & { trust?: Trust } = {}) {
  const { trust, ...request } = more;
  const url = `${git.url}/${path}`;
  const source = { type: 'git', url, ref: 'main', ...(trust && { subdir: 'peek' }) } as const;
  const spec = { ...buildRequest.parse({ source, team: 'web', ...request }), secrets: [] };
  const { build: stored } = await state.builds.accept({ repo: 'app', spec, secrets: {}, ...(trust && { trust }) });
  const { id } = stored.record;
  const token = (await new Leadership(state.redis, state.keys, 'test', 600_000).hold()) ?? '';
  const host = await state.hosts.get('h1');
  if (!host) throw new Error('no host');
  const chosen = { name: 'h1', incarnation: host.incarnation, slots: 2 };
  await state.pending.assign(pendingBuild(stored), chosen, decisionFor(id, 'h1'), token);
  await state.queues.enqueue('h1', { buildId: id, attempt: 1 });
  const ended = await until(id);
  const batches = await state.logs.read(id, 1, 0, 10_000);
  const records = batches.flatMap(({ lines }) => lines.map((line) => JSON.parse(line) as LogRecord));
  const output = records.map((record) => (record.type === 'output' ? record.data : '')).join('');
  return { ended, output, text: JSON.stringify([ended, records]) };
}

async function until(id: string): Promise<BuildRecord> {
  for (;;) {
    const record = (await state.builds.get(id))?.record;
    if (record && isTerminal(record.state)) return record;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
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

test('an untrusted build doesn’t get what isn’t for it, however it asks; what is marked it gets', async () => {
  await keep('TOKEN', { kind: 'build', value: VALUE });
  const named = { storedSecrets: [{ id: 'token', name: 'TOKEN' }], trust: 'untrusted' as const };
  expect((await build('app.git', named)).ended).toMatchObject({
    ...{ state: 'failed', failure: { code: 'secret_withheld' } },
  });
  // It mounts it without naming it.
  const { output } = await build('app.git', { trust: 'untrusted' });
  expect(output).toContain('absent\n');
  await keep('TOKEN', { kind: 'build', value: VALUE }, true);
  // The RUN is cached as it was without; anew it is.
  const marked = await build('app.git', { ...named, noCache: true });
  expect([marked.ended.state, marked.output]).toEqual(['succeeded', expect.stringContaining('***')]);
});

test.each([
  ['a token', {}],
  ['a token with a user’s name', { username: 'x-token-auth' }],
])('a private repository opens with %s, of trusted builds only', async (_, more) => {
  expect((await build('private/app.git')).ended.failure?.code).toBe('git_auth_failed');
  await keep(gitHost(), { kind: 'git', token: git.token, ...more });
  const { ended, text } = await build('private/app.git', { noCache: true });
  expect([ended.failure, ended.state, ended.commit]).toEqual([undefined, 'succeeded', git.commit]);
  expect(text).not.toContain(git.token);
  expect((await build('private/app.git', { trust: 'untrusted' })).ended.failure?.code).toBe('git_auth_failed');
});

test('a push gets into a private registry by the team’s login, and by no other team’s', async () => {
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
