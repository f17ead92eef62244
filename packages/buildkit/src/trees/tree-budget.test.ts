import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type BudgetedTree, TreeBudget, type TreeHolder } from './tree-budget.ts';

const log = { debug() {}, info() {}, warn() {}, error() {} };

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-budget-'));
});
afterEach(() => rm(dir, { recursive: true }));

/** A builder’s trees, of 10 bytes each, named by when they were used; those in `busy` are in use. */
class Holder implements TreeHolder {
  readonly dir: string;
  all: BudgetedTree[];
  readonly busy = new Set<number>();

  constructor(name: string, used: readonly number[]) {
    this.dir = `/${name}`;
    this.all = used.map((usedAt) => ({ dir: `/${name}/${usedAt}`, bytes: 10, usedAt }));
  }

  get used(): number[] {
    return this.all.map(({ usedAt }) => usedAt);
  }

  async evict(tree: BudgetedTree): Promise<boolean> {
    if (this.busy.has(tree.usedAt)) return false;
    this.all = this.all.filter((each) => each !== tree);
    return true;
  }
}

test('removes the least recently used trees of all builders, but none that is in use', async () => {
  const [one, two] = [new Holder('one', [1, 4, 5]), new Holder('two', [2, 3])];
  const budget = new TreeBudget(30, [], log);
  for (const holder of [one, two]) budget.add(holder);
  two.busy.add(2);
  await budget.trim();
  expect([one.used, two.used]).toEqual([[4, 5], [2]]);
  expect(budget.usedBytes).toBe(30);
});

test('makes room for a tree that grows, and never removes that one', async () => {
  const one = new Holder('one', [1, 2, 3]);
  const budget = new TreeBudget(30, [], log);
  budget.add(one);
  await budget.makeRoom(one.all[0] as BudgetedTree, 20);
  expect(one.used).toEqual([1, 3]);
  await budget.makeRoom(one.all[0] as BudgetedTree, 1_000);
  expect(one.used).toEqual([1]);
});

test('counts and removes trees of builders that do not run, and leaves them to a builder that starts', async () => {
  const found = await Promise.all(
    [1, 2].map(async (usedAt) => {
      const tree = join(dir, 'old', `${usedAt}`);
      await mkdir(tree, { recursive: true });
      const head = { bytes: 10 } as never;
      return { dir: tree, repo: '', number: 0, uid: 0, head, usedAt, named: [] };
    }),
  );
  const budget = new TreeBudget(20, found, log);
  const one = new Holder('one', [3]);
  budget.add(one);
  expect(budget.usedBytes).toBe(30);
  await budget.trim();
  expect(await readdir(join(dir, 'old'))).toEqual(['2']);
  const again = new Holder('again', [2]);
  budget.add(Object.assign(again, { dir: join(dir, 'old') }));
  expect(budget.usedBytes).toBe(20);
  budget.rest(again);
  expect(budget.usedBytes).toBe(20);
});
