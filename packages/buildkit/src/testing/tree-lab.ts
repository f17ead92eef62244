import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeHead, decodeRecord, MerkleSource, type TreeRecord } from '@kiln/trees';
import { MemoryTrees, type TestTree } from '@kiln/trees/testing';
import { expect } from 'vitest';
import type { ContextSource } from '../run/run-request.ts';
import type { SubmittedTimes, TreeHead } from '../trees/working-tree.ts';
import { begin, type Lab, type RunningBuild, type TestBuild } from './lab.ts';
import { expectedOnDisk, type OnDisk, onDisk, treesIn } from './on-disk.ts';

/** Stores the trees of all tests of a file. */
export const stored = new MemoryTrees();

export function treeSource(tree: TestTree): Extract<ContextSource, { readonly type: 'tree' }> {
  const id = stored.put(tree);
  return { type: 'tree', id, open: (spoolFile) => new MerkleSource(id, stored, { spoolFile }) };
}

/** Begins a build of a tree. */
export function beginTree(
  { builder }: Lab,
  repo: string,
  tree: TestTree,
  more: TestBuild = {},
  times: SentTimes = {},
): RunningBuild {
  return begin(builder, { repo, source: { ...treeSource(tree), ...times }, ...more });
}

export interface SentTimes {
  readonly times?: SubmittedTimes;
  readonly directoryTimes?: SubmittedTimes;
}

/** Builds a tree, which has to succeed. */
export async function buildTree(
  of: Lab,
  repo: string,
  tree: TestTree,
  spec: object = {},
  times: SentTimes = {},
): Promise<RunningBuild> {
  const build = beginTree(of, repo, tree, { spec }, times);
  expect(await build.outcome).toMatchObject({ end: 'succeeded' });
  return build;
}

/** How many bytes of the context buildx sent. */
export function sentBytes({ records }: RunningBuild): number {
  const sent = records.flatMap((record) =>
    record.type === 'status' && record.name === 'transferring' ? [record.current] : [],
  );
  return Math.max(...sent);
}

export async function recordOf(dir: string): Promise<TreeRecord<TreeHead>> {
  const head = decodeHead<TreeHead>(await readFile(join(dir, 'record'), 'utf8'));
  const record = decodeRecord(await readFile(join(dir, 'entries'), 'utf8'));
  if (!head || !record) throw new Error(`${dir} has no record`);
  return { head, entries: record.entries };
}

/** Returns what is in each tree on the disk, and what its record says, by directory. */
export async function allTrees({ options }: Lab): Promise<Record<string, { is: OnDisk; expected: OnDisk }>> {
  const found: Record<string, { is: OnDisk; expected: OnDisk }> = {};
  for (const dir of await treesIn(options.scratchDir)) {
    const { entries } = await recordOf(dir);
    found[dir] = { is: await onDisk(join(dir, 'own', 'context')), expected: expectedOnDisk(entries) };
  }
  return found;
}
