import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { cacheNamespace } from '@kiln/buildkit';
import { IMAGES, OwnAddress } from '@kiln/buildkit/testing';
import type { HostTask } from '@kiln/contracts';
import type { HostState } from '@kiln/state';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RealHost, startRealHost } from '../testing/real-host.ts';
import { eventually, type TestHost } from '../testing/test-host.ts';

const FROM = `FROM ${IMAGES.debian}`;
const RUN_ID = randomUUID();
const MIB = 2 ** 20;
const began = Date.now();
/** Repos that no earlier run of the test has built. */
const [APP, WEB, PLAIN] = [`app-${RUN_ID}`, `web-${RUN_ID}`, `plain-${RUN_ID}`];

let own: RealHost;
let pool: TestHost;
let builder: RealHost['builder'];
const contexts = new Map<string, Buffer>();

beforeAll(async () => {
  const openContext = async (digest: string) => Readable.from([contexts.get(digest) ?? Buffer.alloc(0)]);
  own = await startRealHost(RUN_ID.slice(0, 8), { inventoryEveryMs: 200 }, { openContext });
  ({ pool, builder } = own);
});
afterAll(() => own?.[Symbol.asyncDispose]());

/** Builds a Dockerfile as `repo` on the host. */
async function build(repo: string, dockerfile: string): Promise<void> {
  const digest = `sha256:${randomUUID().replaceAll('-', '').padEnd(64, '0')}`;
  contexts.set(digest, tarOf(dockerfile));
  const id = await pool.deliver({ repo, request: { source: { type: 'upload', name: 'x', digest } } });
  expect((await pool.build(id)).failure).toBeUndefined();
}

/** Creates a context with only the Dockerfile: ustar needs name, mode, sizes in octal, a checksum. */
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

const host = (seen: (host: HostState) => boolean): Promise<HostState> => pool.host(seen);
/** Waits until all of the repo's mounts are there; the rest of its warmth depends on layers. */
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

test('a repo is cold before its first build, warm after it, and colder after one of its mounts was evicted', async () => {
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
  const users = await pool.state.hosts.mountUsers();
  expect(users.get(mount(APP, 'small'))).toEqual([APP]);
  expect(users.get(mount(WEB, 'big'))).toEqual([WEB]);

  // Three quarters of the mounts' bytes are evicted, and mounts count for three quarters of the warmth.
  await builder.prune(await recordsOf(mount(APP, 'big')));
  const after = await host(({ caches }) => (caches.get(APP)?.warmth ?? 0) < 0.75);
  expect(after.caches.get(APP)?.warmth).toBeGreaterThan(0.75 * 0.24);
  expect(after.caches.get(APP)?.warmth).toBeLessThan(0.75 * 0.26 + 0.25);
  expect(after.caches.get(WEB)?.warmth).toBeGreaterThanOrEqual(0.75);
  expect(after.inventory?.mounts.map(({ id }) => id)).not.toContain(mount(APP, 'big'));

  await build(APP, dockerfile(1).replace(RUN_ID, 'once more'));
  await warm(APP);
});

test('a repo without cache mounts is warm by its layers, even after fully cached builds', async () => {
  const plain = (more: string) => `${FROM}\nRUN head -c 5M /dev/zero > /x; echo ${RUN_ID}\nRUN echo ${more} > /y`;
  const cache = async (holds: (bytes: number) => boolean) =>
    (await host(({ caches }) => holds(caches.get(PLAIN)?.bytes ?? 0))).caches.get(PLAIN);
  await build(PLAIN, plain('one'));
  await cache((bytes) => bytes > 5 * MIB);
  await build(PLAIN, plain('one'));
  await build(PLAIN, plain('two'));
  const before = await cache((bytes) => bytes > 5 * MIB);
  // The layers based on ours have to go first. Until a build's image has been stored, BuildKit keeps them.
  const pruned = async () => {
    const { layers } = await builder.inventory();
    const ours = layers
      .filter(({ bytes, lastUsedAt }) => lastUsedAt >= began && bytes >= 5 * MIB && bytes < 5.1 * MIB)
      .map(({ id }) => id);
    const based = layers.filter(({ parents }) => parents.some((parent) => ours.includes(parent)));
    await builder.prune(based.map(({ id }) => id));
    const freed = await builder.prune(ours);
    return ours.reduce((sum, id) => sum + (freed.get(id) ?? 0), 0);
  };
  await expect.poll(pruned).toBeGreaterThanOrEqual(5 * MIB);
  const after = await cache((bytes) => bytes <= (before?.bytes ?? 0) - 5 * MIB);
  expect(after?.warmth ?? 0).toBeLessThan(before?.warmth ?? 0);
});

test('a mount of one repo is dropped when the build that uses it ends, and everything else stays', async () => {
  const { tasks } = pool.state;
  using address = new OwnAddress();
  // The step waits until its connection is closed.
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, address.address, () => resolve()));
  const connected = once(server, 'connection') as Promise<[Socket]>;
  const { port } = server.address() as AddressInfo;
  const wait = `bash -c 'cat < /dev/tcp/${address.address}/${port}'`;
  const holding = build(APP, dockerfile(1).replace(RUN_ID, `${RUN_ID}; ${wait}`));
  const [step] = await connected;
  await host(({ inventory }) => inventory?.mounts.some(({ id, inUse }) => inUse && id === mount(APP, 'big')) ?? false);
  const { id = '' } = (await tasks.create('h1', { type: 'drop', repo: APP, mounts: ['big'] })) ?? {};
  const task = (seen: (task: HostTask) => boolean) =>
    eventually(async () => {
      const found = await tasks.get(id);
      return found && seen(found) ? found : undefined;
    });
  expect((await task(({ progress }) => progress?.note !== undefined)).progress?.note).toMatch(
    /^in use by build [0-9a-z]{26}; dropped when it ends$/,
  );
  step.destroy();
  server.close();
  await holding;
  const { result } = await task(({ endedAt }) => endedAt !== undefined);
  expect(result).toMatchObject({ caches: 1, dropped: [{ id: mount(APP, 'big') }], shared: [], inUse: [] });
  expect(result?.freedBytes).toBeGreaterThanOrEqual(3 * MIB);
  const left = (await builder.inventory()).mounts.map((held) => held.id);
  expect(left).not.toContain(mount(APP, 'big'));
  expect(left).toEqual(expect.arrayContaining([mount(APP, 'small'), mount(WEB, 'big'), mount(WEB, 'small')]));
});
