import type { FileChanges, TracedEntry } from '@kiln/domain';
import { describe, expect, test } from 'vitest';
import type { Digest } from '../merkle/tree-entry.ts';
import { TreePartMissing } from '../merkle/tree-reader.ts';
import { MemoryTrees, type TestTree } from '../testing/memory-trees.ts';
import { compareContexts } from './compare-contexts.ts';

const trees = new MemoryTrees();
const read: Digest[] = [];
async function directory(digest: Digest) {
  read.push(digest);
  for await (const part of trees.read({ directories: [digest], files: [] }))
    if (part.type === 'directory') return part.object.node;
  throw new TreePartMissing(digest);
}

const tree = (of: TestTree) => ({ type: 'tree', id: trees.put(of) }) as const;
const compare = (a: TestTree, b: TestTree) => compareContexts(directory, tree(a), tree(b));
const lines = (found: FileChanges) =>
  found.state === 'differ'
    ? found.changes.map(({ path, change, within }) => `${change} ${path}${within ? '/…' : ''}`)
    : found.state;

describe('uploaded trees', () => {
  test('are compared entry by entry, and what is the same isn’t read', async () => {
    const same = { dir: { deep: { dir: { x: 'x' } } } };
    const before = {
      same,
      a: 'a',
      mode: { file: 'm', mode: 0o644 },
      link: { link: 'a' },
      d: { dir: { x: '1', y: '2' } },
    };
    const now = { same, b: 'b', mode: { file: 'm', mode: 0o755 }, link: { link: 'b' }, d: { dir: { x: '1', y: '3' } } };
    read.length = 0;
    expect(lines(await compare(before, now))).toEqual([
      ...['removed a', 'added b', 'changed link', 'changed mode', 'changed d/y'],
    ]);
    expect(read).toHaveLength(4);
  });

  test('show the files of directories that were added or removed, and entries whose type changed', async () => {
    const before = { gone: { dir: { a: 'a' } }, both: 'x', empty: { dir: {} }, mode: { dir: {}, mode: 0o700 } };
    const now = { new: { dir: { b: { dir: { c: 'c' } } } }, both: { dir: { d: 'd' } }, mode: { dir: {}, mode: 0o755 } };
    expect(lines(await compare(before, now))).toEqual([
      ...['changed both', 'changed mode', 'added both/d', 'removed gone/a', 'added new/b/c'],
    ]);
  });

  test('are the same by their id, without being read, and unknown if one is no longer stored', async () => {
    read.length = 0;
    expect(await compare({ a: 'a' }, { a: 'a' })).toEqual({ state: 'same' });
    expect(read).toEqual([]);
    const gone = { type: 'tree', id: `sha256:${'9'.repeat(64)}` } as const;
    expect(await compareContexts(directory, gone, tree({}))).toEqual({ state: 'unknown', why: 'tree_swept' });
  });
});

describe('trees of commits', () => {
  const commit = (name: string, entries?: TracedEntry[]) => ({ type: 'git', commit: name, entries }) as const;
  const compared = (a: TracedEntry[], b: TracedEntry[]) => compareContexts(directory, commit('1', a), commit('2', b));

  test('are compared by their lists', async () => {
    const before: TracedEntry[] = [
      ['a', '1'],
      ['d/', '1'],
      ['d/x', '1'],
      ['same', '1'],
    ];
    const now: TracedEntry[] = [
      ['b', '1'],
      ['d/', '2'],
      ['d/x', '2'],
      ['same', '1'],
    ];
    expect(lines(await compared(before, now))).toEqual(['added b', 'changed d/x', 'removed a']);
    expect(await compared(before, before)).toEqual({ state: 'same' });
  });

  test('show a directory instead of its files if one of the lists is cut there', async () => {
    const before: TracedEntry[] = [
      ['d/', '1'],
      ['d/x', '1'],
    ];
    expect(lines(await compared(before, [['d/', '2']]))).toEqual(['changed d/…']);
    expect(lines(await compared([['d/', '2']], before))).toEqual(['changed d/…']);
  });

  test('can’t be compared if BuildKit checked one out itself, or with an upload', async () => {
    const unknown = (why: string) => ({ state: 'unknown', why });
    expect(await compareContexts(directory, commit('1', []), commit('2'))).toEqual(unknown('not_recorded'));
    expect(await compareContexts(directory, commit('1'), commit('1'))).toEqual({ state: 'same' });
    expect(await compareContexts(directory, commit('1'), tree({}))).toEqual(unknown('other_source'));
    expect(await compareContexts(directory, undefined, tree({}))).toEqual(unknown('not_recorded'));
  });
});
