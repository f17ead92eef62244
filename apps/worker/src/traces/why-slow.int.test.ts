import { createHash, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { IMAGES, type Lab, lab, OwnAddress, removeBuilder } from '@kiln/buildkit/testing';
import { attemptTrace } from '@kiln/contracts';
import { type AttemptTrace, type Cause, explainMisses } from '@kiln/domain';
import { GitServer } from '@kiln/git/testing';
import { allowedHosts, createLogger, OutgoingGuard } from '@kiln/runtime';
import { compareContexts, type Digest } from '@kiln/trees';
import { MemoryTrees, type TestTree } from '@kiln/trees/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { GitMirrors } from '../attempt/git-mirrors.ts';
import { fixedExecutors } from '../testing/fixed-executors.ts';
import { type RealHost, startRealHost } from '../testing/real-host.ts';
import { eventually, type TestBuild, type TestHost } from '../testing/test-host.ts';
import type { WorkerDeps } from '../worker-options.ts';

const unpack = promisify(gunzip);
const RUN_ID = randomUUID();
const BASE = { repo: 'base.local/why', tag: '1' };
const SECRET = 'a-secret-value-4711';
const VALUE = 'an-argument-value-4711';

const trees = new MemoryTrees();
const traces = new Map<string, AttemptTrace>();
const texts: string[] = [];
let own: RealHost;
let pool: TestHost;
let second: Lab;
let git: GitServer;
let remote: { readonly url: string; content: string } & AsyncDisposable;

const OPTIONS = { leaseTtlMs: 30_000, fenceMarginMs: 5_000, inventoryEveryMs: 60_000 };
const DEPS: Partial<WorkerDeps> = {
  trees: () => trees,
  storeTrace: async ({ buildId }, packed) => {
    const json = (await unpack(packed)).toString();
    texts.push(json);
    traces.set(buildId, attemptTrace.parse(JSON.parse(json)));
  },
};

beforeAll(async () => {
  [own, second, git, remote] = await Promise.all([
    startRealHost(RUN_ID.slice(0, 8), OPTIONS, DEPS),
    lab({ driver: 'docker-container' }),
    GitServer.start(),
    serveFile(),
  ]);
  ({ pool } = own);
  await own.engine.engine.getImage(IMAGES.debian).tag(BASE);
  const outgoing = new OutgoingGuard(allowedHosts.parse('loopback'));
  const log = createLogger({ app: 'test', level: 'silent' });
  const mirrors = new GitMirrors(
    { dir: join(pool.dir, 'mirrors'), budgetBytes: 1e9 },
    { guard: outgoing, log, now: Date.now },
  );
  await pool.start(
    { ...OPTIONS, hostName: 'h2' },
    {
      ...DEPS,
      executors: fixedExecutors([second.builder]),
      identity: { machine: 'm2', incarnation: randomUUID() },
      outgoing,
      mirrors,
    },
  );
});
afterAll(async () => {
  await own?.[Symbol.asyncDispose]();
  await second?.[Symbol.asyncDispose]();
  if (second) await removeBuilder(second);
  await git?.[Symbol.asyncDispose]();
  await remote?.[Symbol.asyncDispose]();
});

/** Serves a file on an address that builders reach, and others below it, which also contain their paths. */
async function serveFile(): Promise<typeof remote> {
  const own = new OwnAddress();
  const server = createServer(({ url }, response) => response.end(served.content + (url === '/data' ? '' : url)));
  await new Promise<void>((resolve) => server.listen(0, () => resolve()));
  const { port } = server.address() as AddressInfo;
  const served = {
    url: `http://${own.address}:${port}/data`,
    content: 'one',
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      own[Symbol.dispose]();
    },
  };
  return served;
}

const DOCKERFILE = `ARG BASE=${BASE.repo}:${BASE.tag}
FROM \${BASE} AS build
ENV MODE=one
ARG VERSION=1
RUN echo prepare ${RUN_ID} $VERSION
COPY src/ lock.txt /src/
RUN --mount=type=cache,target=/c --mount=type=secret,id=tok \\
  # A comment in between.
  head -c 1M /dev/zero > /out; head -c 1M /dev/zero > /c/x

FROM \${BASE} AS tools
RUN <<EOT
echo tools ${RUN_ID}
EOT
RUN --mount=type=bind,source=bound,target=/b cat /b/* > /t

FROM scratch
COPY --from=build /out /out
COPY --from=tools /t /t
`;
const FILES = {
  src: { dir: { 'a.txt': 'a', 'b.txt': 'b' } },
  bound: { dir: { x: 'x' } },
  'lock.txt': 'lock',
  'readme.txt': 'r',
  '.dockerignore': '**/*.tmp\n',
} satisfies TestTree;

interface Wanted extends Pick<TestBuild, 'request' | 'secrets' | 'host'> {
  readonly dockerfile?: string;
  readonly files?: TestTree;
}

/** Runs a build, and returns its record. */
async function build({
  dockerfile = DOCKERFILE,
  files = {},
  request = {},
  secrets,
  host,
}: Wanted): Promise<AttemptTrace> {
  const digest = trees.put({ ...FILES, ...files, Dockerfile: dockerfile });
  const source = { type: 'upload', name: 'app', digest } as const;
  const id = await pool.deliver({ request: { source, ...request }, secrets: secrets ?? { tok: SECRET }, host });
  expect((await pool.build(id)).failure).toBeUndefined();
  return eventually(() => traces.get(id));
}

async function directory(digest: Digest) {
  for await (const part of trees.read({ directories: [digest], files: [] }))
    if (part.type === 'directory') return part.object.node;
  throw new Error(`no directory ${digest}`);
}

/** Returns why each step missed, by the step's text; steps that are based on such ones point to them. */
async function misses(
  before: AttemptTrace,
  now: AttemptTrace,
  short = withoutPlatform,
): Promise<Record<string, Cause | string>> {
  const files = await compareContexts(directory, before.context, now.context);
  const steps = explainMisses({ trace: now, with: { trace: before, files } });
  return Object.fromEntries(
    steps.flatMap(({ name, cause }) => {
      if (!cause) return [];
      return [[short(name), cause.type === 'parent_missed' ? short(steps[cause.parent]?.name ?? '') : cause]];
    }),
  );
}

/** Steps that are the same on several platforms are one to BuildKit, with the name of either. */
const withoutPlatform = (name: string) => withPlatform(name).replace(/^\[linux\/\w+ /, '[');
const withPlatform = (name: string) => /^\[.*?\] \S+/.exec(name)?.[0] ?? name;

const sha256 = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;

/** Changed files, none unless they are given. */
function files(...paths: [path: string, change: string][]) {
  const none = { added: 0, changed: 0, removed: 0 };
  return { type: 'files_changed', ...none, paths: paths.map(([path, change]) => ({ path, change })) };
}

let last: AttemptTrace;
/** Builds with an edit, and explains it by the build before. */
async function edited(wanted: Wanted): Promise<Record<string, Cause | string>> {
  const now = await build(wanted);
  const found = await misses(last, now);
  last = now;
  return found;
}

test('names the one thing that differs as the cause of each step that was not cached', async () => {
  last = await build({});
  expect(last.mounts).toMatchObject([{ beforeBytes: 0, afterBytes: expect.any(Number) }]);
  expect(await edited({})).toEqual({});
  expect(last.layers).toMatchObject({ lost: 0 });

  // Neither is in any step's cache key.
  const { secrets } = last;
  expect(await edited({ secrets: { tok: 'another-secret' } })).toEqual({});
  expect(last.secrets).not.toEqual(secrets);
  expect(await edited({ files: { 'readme.txt': 'changed' } })).toEqual({});
  expect(last.ignores).toEqual(['**/*.tmp']);

  const src = { dir: { 'a.txt': 'changed', 'new.txt': 'n', 'ignored.tmp': 'x' } };
  expect(await edited({ files: { src } })).toEqual({
    '[build 3/4] COPY': {
      type: 'files_changed',
      ...{ added: 1, changed: 1, removed: 1 },
      paths: [
        { path: 'src/a.txt', change: 'changed' },
        { path: 'src/b.txt', change: 'removed' },
        { path: 'src/new.txt', change: 'added' },
      ],
    },
    '[build 4/4] RUN': '[build 3/4] COPY',
  });
  // Read after an earlier build, while the last one's mount was in use no longer.
  expect(last.mounts?.[0]?.beforeBytes).toBeGreaterThan(1_000_000);

  expect(await edited({ files: { src, bound: { dir: { x: 'changed' } } } })).toEqual({
    '[tools 3/3] RUN': { ...files(['bound/x', 'changed']), changed: 1 },
    '[stage-2 2/2] COPY': '[tools 3/3] RUN',
  });

  const request = { buildArgs: { VERSION: VALUE, UNUSED: 'x' } };
  const same = { files: { src, bound: { dir: { x: 'changed' } } }, request };
  expect(await edited(same)).toMatchObject({
    '[build 2/4] RUN': { type: 'build_argument_changed', names: ['VERSION'] },
    '[build 3/4] COPY': '[build 2/4] RUN',
  });
  expect(await edited({ ...same, request: { buildArgs: { VERSION: VALUE } } })).toEqual({});

  let dockerfile = DOCKERFILE;
  const change = (from: string, to: string) => {
    dockerfile = dockerfile.replace(from, to);
    return edited({ ...same, dockerfile });
  };
  // The default of an argument that has a value doesn't count.
  expect(await change('ARG VERSION=1', 'ARG VERSION=2')).toEqual({});
  expect(await change('ENV MODE=one', 'ENV MODE=two')).toMatchObject({
    '[build 2/4] RUN': { type: 'instruction_changed', from: 'ENV MODE=one', to: 'ENV MODE=two' },
  });
  expect(await change('RUN echo prepare', 'RUN echo prepared')).toMatchObject({
    '[build 2/4] RUN': {
      type: 'instruction_changed',
      from: `RUN echo prepare ${RUN_ID} $VERSION`,
      to: `RUN echo prepared ${RUN_ID} $VERSION`,
    },
  });
  expect(await change('echo tools', 'echo the tools')).toMatchObject({
    '[tools 2/3] RUN': {
      type: 'instruction_changed',
      from: `RUN <<EOT\necho tools ${RUN_ID}\nEOT`,
      to: `RUN <<EOT\necho the tools ${RUN_ID}\nEOT`,
    },
    '[tools 3/3] RUN': '[tools 2/3] RUN',
  });
  expect(await change('COPY src/', 'RUN echo added\nCOPY src/')).toMatchObject({
    '[build 3/5] RUN': { type: 'instruction_changed', to: 'RUN echo added' },
    '[build 4/5] COPY': '[build 3/5] RUN',
  });
  expect(await edited({ ...same, dockerfile, request: { ...request, noCache: true } })).toMatchObject({
    '[build 2/5] RUN': { type: 'no_cache' },
    '[build 3/5] RUN': '[build 2/5] RUN',
    '[tools 2/3] RUN': { type: 'no_cache' },
  });

  await own.engine.engine.getImage(IMAGES.tool).tag(BASE);
  const digest = expect.stringMatching(/^sha256:[0-9a-f]{64}$/);
  const moved = { type: 'base_image_moved', image: `${BASE.repo}:${BASE.tag}`, from: digest, to: digest };
  expect(await edited({ ...same, dockerfile })).toMatchObject({
    '[build 2/5] RUN': { ...moved, step: expect.stringContaining('FROM') },
    '[tools 2/3] RUN': moved,
  });

  const { layers } = await own.builder.inventory();
  await own.builder.prune(layers.map(({ id }) => id));
  const evicted = await edited({ ...same, dockerfile });
  expect(Object.values(evicted)).toContainEqual({
    type: 'evicted',
    ...{ lost: expect.any(Number), of: expect.any(Number), since: expect.any(Number) },
  });

  for (const text of texts) for (const value of [SECRET, VALUE]) expect(text).not.toContain(value);
});

test('compares each step of a build for several platforms with the one for the same platform', async () => {
  // All of this machine's kind, so that each RUN really runs.
  const variant = '$' + '{TARGETVARIANT:-v1}';
  const dockerfile = [
    `FROM ${BASE.repo}:${BASE.tag}`,
    'ARG TARGETVARIANT',
    `RUN --network=none echo ${RUN_ID} for ${variant} > /variant`,
    `COPY for/${variant} /for`,
    'RUN --network=none cat /for /variant > /out',
    `ADD ${remote.url}/${variant} /fetched`,
  ].join('\n');
  const request = { platforms: ['linux/amd64', 'linux/amd64/v2'] };
  const of = (v1: string, v2: string, text = dockerfile) =>
    build({ dockerfile: text, request, files: { for: { dir: { v1, v2 } } }, secrets: {} });
  const first = await of('one', 'two');
  const second = await of('one', 'changed');
  expect(await misses(first, second, withPlatform)).toEqual({
    '[linux/amd64/v2 3/5] COPY': { ...files(['for/v2', 'changed']), changed: 1 },
    '[linux/amd64/v2 4/5] RUN': '[linux/amd64/v2 3/5] COPY',
    '[linux/amd64/v2 5/5] ADD': '[linux/amd64/v2 4/5] RUN',
  });
  // What the other platform's step got is never taken for what this one got before.
  remote.content = 'another';
  const third = await of('one', 'changed');
  const returned = (variant: string) => ({
    type: 'remote_content_changed',
    url: `${remote.url}/${variant}`,
    ...{ from: sha256(`one/data/${variant}`), to: sha256(`another/data/${variant}`) },
  });
  remote.content = 'one';
  expect(await misses(second, third, withPlatform)).toEqual({
    '[linux/amd64 5/5] ADD': returned('v1'),
    '[linux/amd64/v2 5/5] ADD': returned('v2'),
  });
});

test('explains builds on another host, for several platforms, with a changed address, and of a commit that has moved', async () => {
  const dockerfile = `FROM scratch AS files\nCOPY src/ /src/\nADD ${remote.url} /data\nFROM files AS all\nCOPY lock.txt /\n`;
  const platforms = { platforms: ['linux/amd64', 'linux/arm64'] };
  const more = { dockerfile, secrets: {}, host: 'h2', request: platforms };
  last = await build({ ...more, host: 'h1', request: {} });
  // The other host has neither the platforms nor anything else; and a changed file would have done it as well.
  const src = { dir: { 'a.txt': 'changed', 'b.txt': 'b' } };
  const changed = { ...files(['src/a.txt', 'changed']), changed: 1 };
  expect(await edited({ ...more, files: { src } })).toEqual({
    '[files 1/2] COPY': { type: 'first_on_host', also: changed },
    '[files 2/2] ADD': '[files 1/2] COPY',
    '[all 1/1] COPY': '[files 2/2] ADD',
  });
  expect(await edited({ ...more, files: { src } })).toEqual({});
  expect(await edited({ ...more, files: { src, 'lock.txt': 'changed' } })).toEqual({
    '[all 1/1] COPY': { ...files(['lock.txt', 'changed']), changed: 1 },
  });
  remote.content = 'two';
  expect(await edited({ ...more, files: { src, 'lock.txt': 'changed' } })).toMatchObject({
    '[files 2/2] ADD': { type: 'remote_content_changed', url: remote.url, from: sha256('one'), to: sha256('two') },
    '[all 1/1] COPY': '[files 2/2] ADD',
  });

  const commit = (files: Parameters<GitServer['commit']>[0]) => {
    const source = { type: 'git', url: git.url(), ref: git.commit(files) } as const;
    return { ...more, request: { ...platforms, source } };
  };
  const tree = { Dockerfile: dockerfile, 'src/a.txt': 'a', 'src/b.txt': 'b', 'lock.txt': RUN_ID, 'readme.txt': 'r' };
  last = await build(commit(tree));
  expect(await edited(commit({ 'readme.txt': 'moved' }))).toEqual({});
  expect(await edited(commit({ 'lock.txt': `${RUN_ID} moved` }))).toEqual({
    '[all 1/1] COPY': { ...files(['lock.txt', 'changed']), changed: 1 },
  });
});
