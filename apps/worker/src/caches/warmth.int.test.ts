import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { Builder, cacheNamespace } from '@kiln/buildkit';
import { IMAGES, type PrivateEngine, startPrivateEngine } from '@kiln/buildkit/testing';
import { buildRequest } from '@kiln/contracts';
import { createLogger, NO_ALLOWED_HOSTS, OutgoingGuard } from '@kiln/runtime';
import { type HostState, Leadership, openState, pendingBuild, type State } from '@kiln/state';
import { decisionFor, TestRedis } from '@kiln/state/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fixedExecutors } from '../testing/fixed-executors.ts';
import { type RunningWorker, startWorker } from '../worker.ts';

const FROM = `FROM ${IMAGES.debian}`;
const log = createLogger({ app: 'test', level: 'silent' });
const RUN_ID = randomUUID();
const MIB = 2 ** 20;
const began = Date.now();
/** Repos that no earlier run of the test has built. */
const [APP, WEB, PLAIN] = [`app-${RUN_ID}`, `web-${RUN_ID}`, `plain-${RUN_ID}`];

let redis: TestRedis;
let state: State;
let builder: Builder;
let worker: RunningWorker;
let engine: PrivateEngine;
const contexts = new Map<string, Buffer>();

beforeAll(async () => {
  // What a build used is seen from what it left: nobody else may build there meanwhile, as on a host of Kiln's nobody does.
  engine = await startPrivateEngine([IMAGES.tool, IMAGES.debian]);
  const { dir } = engine;
  await mkdir(join(dir, 'scratch'));
  redis = await TestRedis.start();
  state = await openState({
    redisUrl: redis.url,
    namespace: 'warmth',
    secretKey: Buffer.alloc(32, 1),
    onError: () => {},
  });
  builder = await Builder.start({
    hostName: 'h1',
    instance: RUN_ID.slice(0, 8),
    scratchDir: join(dir, 'scratch'),
    driver: 'docker',
    ...{ dockerSocket: engine.socket, engineSocketPath: engine.innerSocket, toolImage: IMAGES.tool },
    buildkitImage: 'none',
    log,
  });
  worker = await startWorker(
    {
      hostName: 'h1',
      slots: 2,
      leaseTtlMs: 30_000,
      syncEveryMs: 200,
      fenceMarginMs: 5_000,
      inventoryEveryMs: 200,
      ledgerFile: join(dir, 'layers.json'),
    },
    {
      ...state,
      executors: fixedExecutors([builder]),
      identity: { machine: 'm1', incarnation: randomUUID() },
      openContext: async (digest) => Readable.from([contexts.get(digest) ?? Buffer.alloc(0)]),
      outgoing: new OutgoingGuard(NO_ALLOWED_HOSTS),
      storeArtifact: async () => ({ digest: 'sha256:0', sizeBytes: 0 }),
      log,
    },
  );
});
afterAll(async () => {
  await worker?.drain(0);
  await builder?.close();
  await state?.[Symbol.asyncDispose]();
  await redis?.[Symbol.asyncDispose]();
  await engine?.[Symbol.asyncDispose]();
});

/** Builds a Dockerfile as `repo` on the host, as scheduler and API would have it. */
async function build(repo: string, dockerfile: string): Promise<void> {
  const digest = `sha256:${randomUUID().replaceAll('-', '').padEnd(64, '0')}`;
  contexts.set(digest, tarOf(dockerfile));
  const spec = { ...buildRequest.parse({ source: { type: 'upload', name: 'x', digest } }), secrets: [] };
  const { build: stored } = await state.builds.accept({ repo, spec, secrets: {} });
  const pending = pendingBuild(stored);
  const token = (await new Leadership(state.redis, state.keys, 'test', 600_000).hold()) ?? '';
  const host = await state.hosts.get('h1');
  const decision = decisionFor(pending.id, 'h1');
  if (!host) throw new Error('no host');
  const chosen = { name: 'h1', incarnation: host.incarnation, slots: 2 };
  expect((await state.pending.assign(pending, chosen, decision, token)).outcome).toBe('assigned');
  await state.queues.enqueue('h1', { buildId: pending.id, attempt: 1 });
  const ended = await until(async () => {
    const record = (await state.builds.get(pending.id))?.record;
    return record?.finishedAt === undefined ? undefined : record;
  });
  expect(ended.failure).toBeUndefined();
}

/** A context of the Dockerfile alone: ustar needs name, mode, sizes in octal, a checksum. */
function tarOf(dockerfile: string): Buffer {
  const header = Buffer.alloc(512);
  header.write('Dockerfile');
  header.write('0000644\x000000000\x000000000\0', 100);
  header.write(`${Buffer.byteLength(dockerfile).toString(8).padStart(11, '0')}\x0000000000000\x00        0`, 124);
  header.write('ustar\x0000', 257);
  header.write(
    `${header
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  );
  const body = Buffer.alloc(Math.ceil(Buffer.byteLength(dockerfile) / 512) * 512);
  body.write(dockerfile);
  return Buffer.concat([header, body, Buffer.alloc(1024)]);
}

async function until<T>(read: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const value = await read();
    if (value !== undefined) return value;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const host = (holds: (host: HostState) => boolean): Promise<HostState> =>
  until(async () => {
    const found = await state.hosts.get('h1');
    return found && holds(found) ? found : undefined;
  });
/** All mounts are there; the rest of warmth hangs on layers. */
const warm = (repo: string) => host(({ caches }) => (caches.get(repo)?.warmth ?? 0) >= 0.75);
const mount = (repo: string, id: string) => `${cacheNamespace({ repo, team: 'default', scope: 'repo' })}/${id}`;
const recordsOf = async (id: string) =>
  (await builder.inventory()).mounts.find((held) => held.id === id)?.records ?? [];

const dockerfile = (mib: number) =>
  [
    FROM,
    'RUN --mount=type=cache,id=big,target=/a --mount=type=cache,id=small,target=/b \\',
    `  head -c ${3 * mib}M /dev/zero > /a/x; head -c ${mib}M /dev/zero > /b/x; echo ${mib} ${RUN_ID}`,
  ].join('\n');

test('a repo is cold before its first build, warm after it, and colder when one of its mounts is evicted', async () => {
  const before = await host(({ inventory }) => inventory !== undefined);
  expect(before.caches.get(APP)).toBeUndefined();
  await build(APP, dockerfile(1));
  await build(WEB, dockerfile(2));
  await warm(WEB);
  const { caches, inventory } = await warm(APP);
  expect(inventory?.mounts).toContainEqual(
    expect.objectContaining({ id: mount(APP, 'big'), inUse: false, records: 1 }),
  );
  expect(caches.get(APP)?.bytes).toBeGreaterThan(4 * MIB);
  const users = await state.hosts.mountUsers();
  expect(users.get(mount(APP, 'small'))).toEqual([APP]);
  expect(users.get(mount(WEB, 'big'))).toEqual([WEB]);

  // Evicted: three quarters of the mounts' bytes, and those count for three quarters of the warmth.
  await builder.prune(await recordsOf(mount(APP, 'big')));
  const after = await host(({ caches }) => (caches.get(APP)?.warmth ?? 0) < 0.75);
  expect(after.caches.get(APP)?.warmth).toBeGreaterThan(0.75 * 0.24);
  expect(after.caches.get(APP)?.warmth).toBeLessThan(0.75 * 0.26 + 0.25);
  expect(after.caches.get(WEB)?.warmth).toBeGreaterThanOrEqual(0.75);
  expect(after.inventory?.mounts.map(({ id }) => id)).not.toContain(mount(APP, 'big'));

  await build(APP, dockerfile(1).replace(RUN_ID, 'once more'));
  await warm(APP);
});

test('a repo without cache mounts is warm by its layers, also after builds that were cached throughout', async () => {
  const plain = (more: string) => `${FROM}\nRUN head -c 5M /dev/zero > /x; echo ${RUN_ID}\nRUN echo ${more} > /y`;
  const cache = async (holds: (bytes: number) => boolean) =>
    (await host(({ caches }) => holds(caches.get(PLAIN)?.bytes ?? 0))).caches.get(PLAIN);
  await build(PLAIN, plain('one'));
  await cache((bytes) => bytes > 5 * MIB);
  await build(PLAIN, plain('one'));
  await build(PLAIN, plain('two'));
  const before = await cache((bytes) => bytes > 5 * MIB);
  const { layers } = await builder.inventory();
  const ours = layers
    .filter(({ bytes, lastUsedAt }) => lastUsedAt >= began && bytes >= 5 * MIB && bytes < 5.1 * MIB)
    .map(({ id }) => id);
  // What is based on them first, also what BuildKit hasn't measured yet.
  const based = layers.filter(({ parents }) => parents.some((parent) => ours.includes(parent)));
  await builder.prune(based.map(({ id }) => id));
  expect(await builder.prune(ours)).toBeGreaterThanOrEqual(5 * MIB);
  const after = await cache((bytes) => bytes <= (before?.bytes ?? 0) - 5 * MIB);
  expect(after?.warmth ?? 0).toBeLessThan(before?.warmth ?? 0);
});
