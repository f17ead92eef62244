import { chown, mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type FileContent, MerkleSource, type TreeSource } from '@kiln/trees';
import type { TestTree } from '@kiln/trees/testing';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { RunOwner } from '../run/run-owner.ts';
import { type LoneTool, startLoneTool } from '../testing/lone-tool.ts';
import { expectedOnDisk, onDisk } from '../testing/on-disk.ts';
import { recordOf, stored } from '../testing/tree-lab.ts';
import type { ToolContainer } from '../tool/tool-container.ts';
import { toolPaths } from '../tool/tool-scripts.ts';
import { TreeBudget } from './tree-budget.ts';
import { WorkingTrees } from './working-trees.ts';

/** After how many calls that change files, or start processes, every further one fails, as if this process were gone. */
const crash = vi.hoisted(() => ({
  left: Number.POSITIVE_INFINITY,
  step() {
    crash.left -= 1;
    if (crash.left < 0) throw new Error('the process is gone');
  },
}));

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const mortal =
    (call: (...args: unknown[]) => Promise<unknown>) =>
    async (...args: unknown[]) => {
      crash.step();
      return await call(...args);
    };
  const changes = ['appendFile', 'chmod', 'mkdir', 'open', 'rename', 'rm', 'unlink', 'utimes', 'writeFile'] as const;
  return { ...real, ...Object.fromEntries(changes.map((name) => [name, mortal(real[name] as never)])) };
});

const log = { debug() {}, info() {}, warn() {}, error() {} };
const big = (fill: string) => Buffer.alloc(100_000, fill);
const FROM = 'FROM scratch';
const ONE: TestTree = { Dockerfile: FROM, a: '1', d: { dir: { x: 'x', big: big('1') } }, gone: { dir: { f: '' } } };
const TWO: TestTree = { Dockerfile: `${FROM}\n`, a: '2', d: { dir: { x: 'x', big: big('2') }, mode: 0o500 }, n: 'n' };

let lone: LoneTool;
let tool: ToolContainer;
let scratchDir: string;
beforeAll(async () => {
  lone = await startLoneTool();
  ({ tool, scratchDir } = lone);
});
afterAll(() => lone[Symbol.asyncDispose]());

let dirs = 0;
let spools = 0;
const newDir = () => join(toolPaths(scratchDir).trees, String(dirs++));

/** The working trees of a worker that has just started. */
async function worker(dir: string): Promise<WorkingTrees> {
  const paths = toolPaths(scratchDir);
  const mortal: Pick<ToolContainer, 'start'> = {
    start: async (command) => {
      crash.step();
      return await tool.start(command);
    },
  };
  const owner = new RunOwner(tool, paths);
  const budget = new TreeBudget(1e9, [], log);
  return await WorkingTrees.open({ tool: mortal, script: paths.tree, dir, owner, budget, log, now: Date.now });
}

/** Brings a tree as a build would, and checks that it is exactly that. */
async function bring(trees: WorkingTrees, tree: TestTree, wrap = (source: TreeSource) => source): Promise<void> {
  const root = stored.put(tree);
  const spoolFile = join(scratchDir, `spool-${spools++}`);
  const source = wrap(new MerkleSource(root, stored, { spoolFile }));
  const request = { source, times: undefined, dockerfile: 'Dockerfile' };
  await using leased = await trees.acquire({ domain: 'd', repo: 'r', namespace: 'n' }, request);
  const { path } = await leased.bring(AbortSignal.timeout(60_000));
  if (crash.left < 0) throw new Error('the process is gone');
  const { head, entries } = await recordOf(join(path, '..', '..'));
  expect(head.id).toBe(root);
  expect(await onDisk(path)).toEqual(expectedOnDisk(entries));
}

/** Brings a tree whose build has a named context, and checks that both are exactly that. */
async function bringBoth(trees: WorkingTrees, named: TestTree): Promise<{ path: string; nodeId: string }> {
  const requestOf = (tree: TestTree) => {
    const source = new MerkleSource(stored.put(tree), stored, { spoolFile: join(scratchDir, `spool-${spools++}`) });
    return { source, times: undefined, dockerfile: 'Dockerfile' };
  };
  const signal = AbortSignal.timeout(60_000);
  await using leased = await trees.acquire({ domain: 'd', repo: 'r', namespace: 'n' }, requestOf(ONE));
  const main = await leased.bring(signal);
  const path = await leased.bringNamed('lib', requestOf(named), signal);
  if (crash.left < 0) throw new Error('the process is gone');
  for (const each of [main.path, path]) {
    const { entries } = await recordOf(join(each, '..', '..'));
    expect(await onDisk(each)).toEqual(expectedOnDisk(entries));
  }
  return { path, nodeId: leased.nodeId };
}

/** Crashes after `steps` steps of what `attempt` does; returns whether it came that far. */
async function crashAfter(steps: number, attempt: () => Promise<unknown>): Promise<boolean> {
  crash.left = steps;
  const crashed = await attempt().then(
    () => false,
    () => true,
  );
  crash.left = Number.POSITIVE_INFINITY;
  return crashed;
}

test('is never built from what a worker left that died between any two steps', async () => {
  let steps = 0;
  for (let isCrashing = true; isCrashing; steps += 1) {
    const dir = newDir();
    const first = await worker(dir);
    await bring(first, ONE);
    isCrashing = await crashAfter(steps, () => bring(first, TWO));
    const next = await worker(dir);
    await bring(next, steps % 2 === 0 ? TWO : ONE);
    await bring(next, steps % 2 === 0 ? ONE : TWO);
  }
  expect(steps).toBeGreaterThan(8);
}, 240_000);

test('is never built from what a worker left that died while it made a tree', async () => {
  let steps = 0;
  for (let isCrashing = true; isCrashing; steps += 1) {
    const dir = newDir();
    const first = await worker(dir);
    isCrashing = await crashAfter(steps, () => bring(first, ONE));
    await bring(await worker(dir), TWO);
  }
  expect(steps).toBeGreaterThan(8);
}, 240_000);

test('is never built from what a worker left that died while it brought a named context', async () => {
  let steps = 1;
  for (let isCrashing = true; isCrashing; steps += 3) {
    const dir = newDir();
    const first = await worker(dir);
    const before = await bringBoth(first, { lib: '1', gone: '' });
    isCrashing = await crashAfter(steps, () => bringBoth(first, TWO));
    const next = await worker(dir);
    expect((await bringBoth(next, TWO)).path).toBe(before.path);
    expect((await bringBoth(next, { lib: '3' })).path).toBe(before.path);
    expect(next.all).toHaveLength(1);
  }
  expect(steps).toBeGreaterThan(6);
}, 120_000);

test('keeps different contexts of one name apart, which the targets of a build may have', async () => {
  const trees = await worker(newDir());
  const sourceOf = (tree: TestTree) =>
    new MerkleSource(stored.put(tree), stored, { spoolFile: join(scratchDir, `spool-${spools++}`) });
  const signal = AbortSignal.timeout(60_000);
  const request = { source: sourceOf(ONE), times: undefined, dockerfile: 'Dockerfile' };
  await using leased = await trees.acquire({ domain: 'd', repo: 'r', namespace: 'n' }, request);
  await leased.bring(signal);
  const paths: string[] = [];
  for (const content of ['1', '2', '1', '3'])
    paths.push(await leased.bringNamed('lib', { source: sourceOf({ content }), times: undefined }, signal));
  expect(paths[2]).toBe(paths[0]);
  expect(new Set(paths).size).toBe(3);
  const read = paths.map(async (path) => await readFile(join(path, 'content'), 'utf8'));
  expect(await Promise.all(read)).toEqual(['1', '2', '1', '3']);
});

test('counts named contexts, and removes them with the tree', async () => {
  const dir = newDir();
  const trees = await worker(dir);
  await bring(trees, ONE);
  const [{ bytes = 0 } = {}] = trees.all;
  const { path } = await bringBoth(trees, { big: big('3') });
  const [tree] = trees.all;
  expect(tree?.bytes).toBeGreaterThan(bytes + 100_000);
  const next = await worker(dir);
  expect(next.all[0]?.bytes).toBe(tree?.bytes);
  const [again] = next.all;
  expect(again && (await next.evict(again))).toBe(true);
  await expect(onDisk(path)).rejects.toThrow('ENOENT');
});

test('is never built from what a worker left that died while it sent contents', async () => {
  for (const at of [0, 1, 3, 4]) {
    const dir = newDir();
    const first = await worker(dir);
    await bring(first, ONE);
    const dying = (source: TreeSource): TreeSource => ({
      id: source.id,
      list: (...args) => source.list(...args),
      async *contents(...args): AsyncGenerator<FileContent> {
        let read = 0;
        for await (const each of source.contents(...args)) {
          // The Dockerfile comes first, in a call of its own.
          if (read === at && args[0].length > 1) {
            crash.left = -1;
            throw new Error('the process is gone');
          }
          yield each;
          read += 1;
        }
      },
    });
    const isCrashing = await crashAfter(Number.POSITIVE_INFINITY, () => bring(first, TWO, dying));
    expect(isCrashing).toBe(at < 4);
    const next = await worker(dir);
    await bring(next, TWO);
    await bring(next, ONE);
  }
}, 120_000);

test('rewrites the whole tree if another process has changed it', async () => {
  const dir = newDir();
  const trees = await worker(dir);
  await bring(trees, ONE);
  const [tree] = trees.all;
  const context = join(tree?.dir ?? '', 'own', 'context');
  await rm(join(context, 'a'));
  await mkdir(join(context, 'a', 'b'), { recursive: true });
  for (const path of ['a', 'a/b']) await chown(join(context, path), tree?.uid ?? 0, tree?.uid ?? 0);
  await bring(trees, TWO);
});

test('is whole although the tool container was killed while it was changed', async () => {
  const dir = newDir();
  const trees = await worker(dir);
  await bring(trees, ONE);
  let kills = 0;
  const killing = (source: TreeSource): TreeSource => ({
    id: source.id,
    list: (...args) => source.list(...args),
    async *contents(...args): AsyncGenerator<FileContent> {
      for await (const each of source.contents(...args)) {
        yield each;
        if (args[0].length > 1 && kills === 0) {
          kills += 1;
          await tool.remove();
        }
      }
    },
  });
  await bring(trees, TWO, killing);
  expect(kills).toBe(1);
  await bring(await worker(dir), ONE);
});

test('is another tree, with another user and node id, in another isolation domain', async () => {
  const trees = await worker(newDir());
  const root = stored.put(ONE);
  const seen: { path: string; uid: number; nodeId: string }[] = [];
  for (const domain of ['trusted team a', 'trusted team b', 'untrusted team a', 'trusted team a']) {
    const spoolFile = join(scratchDir, `spool-${spools++}`);
    const source = new MerkleSource(root, stored, { spoolFile });
    const request = { source, times: undefined, dockerfile: 'Dockerfile' };
    await using leased = await trees.acquire({ domain, repo: 'r', namespace: 'n' }, request);
    const { path } = await leased.bring(AbortSignal.timeout(60_000));
    seen.push({ path, uid: leased.uid, nodeId: leased.nodeId });
  }
  expect(seen[3]).toEqual(seen[0]);
  for (const key of ['path', 'uid', 'nodeId'] as const)
    expect(new Set(seen.slice(0, 3).map((one) => one[key])).size).toBe(3);
});
