import { execFileSync } from 'node:child_process';
import { emulatedPlatforms } from '@kiln/domain';
import { rawTar } from '@kiln/trees/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Builder } from '../index.ts';
import { begin, engine, type Lab, lab, processesWith, uniqueSeconds, until } from '../testing/lab.ts';
import { BASE, smallRoot } from '../testing/small-root.ts';
import { buildTree, sentBytes } from '../testing/tree-lab.ts';
import { embeddedPlatforms } from './embedded-emulators.ts';

let own: Lab;
let files: { 'root.tar': Buffer };
const containerName = () => `buildx_buildkit_kiln-lab-${own.options.instance}-trusted0`;

beforeAll(async () => {
  files = { 'root.tar': await smallRoot() };
  own = await lab({ driver: 'auto', cacheBudgetBytes: 4e9 });
});
afterAll(async () => {
  await own[Symbol.asyncDispose]();
  await engine.getContainer(containerName()).remove({ force: true });
  await engine.getVolume(`${containerName()}_state`).remove();
});

const count = `${BASE}\nRUN --mount=type=cache,target=/c echo x >> /c/log; cat /c/log # `;

test('builds in its own container, which the engine restarts', async () => {
  expect(own.builder.info.driver).toBe('docker-container');
  expect(own.builder.info.platforms).not.toEqual([]);
  const build = { dockerfile: `${BASE}\nRUN echo hello`, files };
  expect(await begin(own.builder, build).outcome).toMatchObject({ end: 'succeeded', steps: { total: 2 } });
  expect((await begin(own.builder, build).outcome).steps).toEqual({ total: 2, cached: 2 });
  const { HostConfig } = await engine.getContainer(containerName()).inspect();
  expect(HostConfig.RestartPolicy?.Name).toBe('unless-stopped');
});

test('builds images of platforms that the host can’t run if no step runs anything, and says so if one does', async () => {
  const dockerfile = 'FROM scratch\nARG TARGETARCH\nLABEL arch=$TARGETARCH\nCOPY site /';
  const platforms = ['linux/amd64', 'linux/s390x'];
  const copies = begin(own.builder, { dockerfile, files: { site: '1' }, spec: { platforms } });
  expect(await copies.outcome).toMatchObject({ end: 'succeeded' });
  const cross = `${BASE.replace('FROM ', 'FROM --platform=$BUILDPLATFORM ')}\nRUN echo x > /x\nFROM scratch\nCOPY /x /`;
  expect(
    (await begin(own.builder, { dockerfile: cross, files: { ...files, x: '1' }, spec: { platforms } }).outcome).end,
  ).toBe('succeeded');
  const runs = begin(own.builder, {
    dockerfile: 'FROM scratch\nCOPY --chmod=755 program /\nRUN ["/program"]',
    files: { program: 'a program of some other processor' },
    spec: { platforms: ['linux/s390x'] },
  });
  expect(await runs.outcome).toMatchObject({
    failure: {
      code: 'platform_missing',
      message: expect.stringMatching(
        /^\[.*\] RUN \["\/program"\] runs a program for linux\/s390x, but the host runs only linux\/amd64/,
      ),
    },
  });
});

test('finds the emulators that a builder’s image has', async () => {
  expect(await embeddedPlatforms(engine, containerName())).toEqual([]);
  const emulators = rawTar(
    { name: 'buildkit-qemu-aarch64', content: 'x' },
    { name: 'buildkit-qemu-arm', content: 'x' },
  );
  await engine.getContainer(containerName()).putArchive(emulators, { path: '/usr/bin' });
  const found = await embeddedPlatforms(engine, containerName());
  expect(found).toEqual(['linux/arm64', 'linux/arm/v7', 'linux/arm/v6']);
  expect(emulatedPlatforms([...own.builder.info.platforms, ...found])).toEqual(found);
});

test('sends the builder only what has changed in a working tree', async () => {
  const tree = (small: string) => ({
    Dockerfile: `${BASE}\nCOPY small large /c/\nRUN cat /c/small`,
    ...files,
    small,
    large: Buffer.alloc(3_000_000, 'x'),
  });
  const first = await buildTree(own, 'trees', tree('1'));
  expect(first.output()).toBe('1');
  expect(sentBytes(first)).toBeGreaterThan(3_000_000);
  const second = await buildTree(own, 'trees', tree('2'));
  expect(second.output()).toBe('2');
  expect(sentBytes(second)).toBeLessThan(100_000);
});

test('reports its inventory and budget, and prunes', async () => {
  expect(own.builder.info.cacheBudget).toEqual({ bytes: 4e9, from: 'configured' });
  const dockerfile = `${BASE}\nRUN --mount=type=cache,target=/inventory cat /bin/sh > /inventory/x`;
  expect(await begin(own.builder, { dockerfile, files }).outcome).toMatchObject({ end: 'succeeded' });
  const held = (await own.builder.inventory()).mounts.filter(({ id }) => id.endsWith('//inventory'));
  expect(held).toMatchObject([{ inUse: false }]);
  expect(held[0]?.bytes).toBeGreaterThan(100_000);
  await own.builder.prune(held[0]?.records ?? []);
  expect((await own.builder.inventory()).mounts.filter(({ id }) => id.endsWith('//inventory'))).toEqual([]);
});

test('leaves nothing running after buildx had to be killed', async () => {
  const seconds = uniqueSeconds();
  const build = begin(own.builder, { dockerfile: `${BASE}\nRUN sleep ${seconds}`, files });
  await until(async () => (await processesWith(seconds)).length > 0);
  const [pid] = await processesWith(`--metadata-file=${own.options.scratchDir}/runs/${build.id}-1/own/metadata.json`);
  execFileSync('kill', ['-STOP', String(pid)]);
  build.stop('cancel');
  expect(await build.outcome).toMatchObject({ end: 'canceled' });
  expect(await processesWith(seconds)).toEqual([]);
  expect(own.warnings).toEqual([]);
});

test('loses the running build with a builder that dies, and keeps the caches for the next one', async () => {
  const first = begin(own.builder, { dockerfile: count + 1, files });
  expect(await first.outcome).toMatchObject({ end: 'succeeded' });
  const seconds = uniqueSeconds();
  const build = begin(own.builder, { dockerfile: `${BASE}\nRUN sleep ${seconds}`, files });
  await until(async () => (await processesWith(seconds)).length > 0);
  await engine.getContainer(containerName()).kill();
  expect((await build.outcome).failure).toMatchObject({ code: 'infrastructure' });

  const next = begin(own.builder, { dockerfile: count + 2, files });
  expect(await next.outcome).toMatchObject({ end: 'succeeded' });
  expect(next.output()).toBe('x\nx\n');
});

test('keeps the builder across workers, and its caches across a changed configuration', async () => {
  const before = await engine.getContainer(containerName()).inspect();
  await own.builder.close();
  await using same = await Builder.start(own.options);
  expect((await engine.getContainer(containerName()).inspect()).Id).toBe(before.Id);
  await same.close();
  await using changed = await Builder.start({ ...own.options, cacheBudgetBytes: 5e9 });
  expect((await engine.getContainer(containerName()).inspect()).Id).not.toBe(before.Id);
  await changed.extendFence(Date.now() + 60_000);
  const build = begin(changed, { dockerfile: count + 3, files });
  expect(await build.outcome).toMatchObject({ end: 'succeeded' });
  expect(build.output()).toBe('x\nx\nx\n');
});

test('auto uses the engine’s own BuildKit if the image can’t be pulled', async () => {
  await using other = await lab({ driver: 'auto', buildkitImage: '127.0.0.1:9/no/buildkit:1' });
  expect(other.builder.info.driver).toBe('docker');
  expect(other.warnings).toEqual(['no BuildKit image, using the engine’s BuildKit']);
  await expect(lab({ driver: 'docker-container', buildkitImage: '127.0.0.1:9/no/buildkit:1' })).rejects.toThrow('pull');
});
