import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BuilderInventory, cacheNamespace, EngineError } from '../index.ts';
import { begin, FROM, IMAGES, type Lab, lab, processesWith, uniqueSeconds, until } from '../testing/lab.ts';
import { startPrivateEngine } from '../testing/private-engine.ts';

let shared: Lab;
beforeAll(async () => {
  shared = await lab();
});
afterAll(() => shared[Symbol.asyncDispose]());

const unique = () => `repo-${Math.random()}`;
const namespace = (repo: string) => cacheNamespace({ repo, team: 'default', scope: 'repo' });
const mountsOf = ({ mounts }: BuilderInventory, repo: string) =>
  mounts.filter(({ id }) => id.startsWith(`${namespace(repo)}/`)).sort((a, b) => (a.id < b.id ? -1 : 1));
const run = (repo: string, command: string, mounts = '--mount=type=cache,target=/c') =>
  `${FROM}\nENV UNIQUE=${repo}\nRUN ${mounts} ${command}`;

async function build(of: Lab, repo: string, dockerfile: string): Promise<void> {
  expect(await begin(of.builder, { repo, dockerfile }).outcome).toMatchObject({ end: 'succeeded' });
}

test('lists each repo’s cache mounts by id, with bytes and last use, and the layers', async () => {
  const [app, web] = [unique(), unique()];
  const began = Date.now();
  await build(
    shared,
    app,
    run(
      app,
      'head -c 3000000 /dev/zero > /c/x; echo y > /d/y',
      '--mount=type=cache,target=/c --mount=type=cache,id=npm,target=/d',
    ),
  );
  await build(shared, web, run(web, 'head -c 1000000 /dev/zero > /c/x && head -c 2000000 /dev/zero > /big'));
  const read = await shared.builder.inventory();
  expect(mountsOf(read, app).map(({ id }) => id)).toEqual([`${namespace(app)}//c`, `${namespace(app)}/npm`]);
  const [big, small] = mountsOf(read, app);
  expect(big?.bytes).toBeGreaterThanOrEqual(3_000_000);
  expect(big?.bytes).toBeLessThan(3_200_000);
  expect(small?.bytes).toBeLessThan(100_000);
  expect(mountsOf(read, web)).toMatchObject([
    { id: `${namespace(web)}//c`, inUse: false, records: [expect.any(String)] },
  ]);
  for (const { lastUsedAt } of [...mountsOf(read, app), ...mountsOf(read, web)]) {
    expect(lastUsedAt).toBeGreaterThanOrEqual(began);
    expect(lastUsedAt).toBeLessThanOrEqual(read.readAt + 1_000);
  }
  const layer = read.layers.find(
    ({ lastUsedAt, bytes }) => lastUsedAt >= began && bytes > 2_000_000 && bytes < 2_200_000,
  );
  expect(layer?.parents).toHaveLength(1);
  expect(read.layers.map(({ id }) => id)).toContain(layer?.parents[0]);
  expect(read.usedBytes).toBeGreaterThan(5_000_000);
});

test('reports a mount that a build is using as in use, with its last known size', async () => {
  const repo = unique();
  await build(shared, repo, run(repo, 'head -c 3000000 /dev/zero > /c/x'));
  const before = mountsOf(await shared.builder.inventory(), repo)[0];
  const seconds = uniqueSeconds();
  const holding = begin(shared.builder, { repo, dockerfile: run(repo, `sleep ${seconds}`) });
  await until(async () => (await processesWith(seconds)).length > 0);
  expect(mountsOf(await shared.builder.inventory(), repo)).toMatchObject([{ inUse: true, bytes: before?.bytes }]);
  holding.stop('cancel');
  await holding.outcome;
});

test('combines the records that concurrent builds with sharing=private make of one mount', async () => {
  const repo = unique();
  const seconds = [uniqueSeconds(), uniqueSeconds()];
  const holding = seconds.map((each) =>
    begin(shared.builder, {
      repo,
      dockerfile: run(repo, `sleep ${each}`, '--mount=type=cache,target=/c,sharing=private'),
    }),
  );
  await until(async () => (await Promise.all(seconds.map(processesWith))).every((found) => found.length > 0));
  expect(mountsOf(await shared.builder.inventory(), repo)).toMatchObject([{ records: { length: 2 }, inUse: true }]);
  for (const each of holding) each.stop('cancel');
  await Promise.all(holding.map(({ outcome }) => outcome));
});

test('prunes only the given records', async () => {
  const repo = unique();
  await build(
    shared,
    repo,
    run(repo, 'head -c 3000000 /dev/zero > /c/x', '--mount=type=cache,target=/c --mount=type=cache,target=/d'),
  );
  const held = mountsOf(await shared.builder.inventory(), repo)[0]?.records ?? [];
  const freed = await shared.builder.prune([...held, 'no-such-record']);
  expect([...freed.keys()]).toEqual(held);
  expect(freed.get(held[0] ?? '')).toBeGreaterThanOrEqual(3_000_000);
  // Only this repo's: other tests build on the same engine meanwhile.
  const left = async () => mountsOf(await shared.builder.inventory(), repo).map(({ id }) => id);
  expect(await left()).toEqual([`${namespace(repo)}//d`]);
  expect(await shared.builder.prune([])).toEqual(new Map());
  expect(await shared.builder.prune(held)).toEqual(new Map());
  expect(await left()).toEqual([`${namespace(repo)}//d`]);
});

test('takes the limit of the engine’s garbage collection for the budget of its own BuildKit', () => {
  expect(shared.builder.info.cacheBudget).toEqual({ bytes: expect.any(Number), from: 'engine' });
  expect(shared.builder.info.cacheBudget.bytes).toBeGreaterThan(1e6);
});

test('fails while the engine is down instead of being empty, and is the same again afterwards', async () => {
  await using own = await startPrivateEngine([IMAGES.tool, IMAGES.debian]);
  const scratchDir = join(own.dir, 'scratch');
  await mkdir(scratchDir);
  await using on = await lab({ dockerSocket: own.socket, engineSocketPath: own.innerSocket, scratchDir });
  const repo = unique();
  await build(on, repo, run(repo, 'head -c 3000000 /dev/zero > /c/x'));
  const held = async () =>
    mountsOf(await on.builder.inventory(), repo).map(({ id, bytes, records }) => ({ id, bytes, records }));
  // BuildKit lists a mount once the step has released it, which may be after the build's end.
  await expect.poll(held).toEqual([expect.objectContaining({ bytes: expect.closeTo(3_000_000, -5) })]);
  const before = await held();
  await own.stop();
  await expect(on.builder.inventory()).rejects.toThrow(EngineError);
  await own.start();
  expect(await held()).toEqual(before);
}, 180_000);
