import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeRecord, MerkleSource } from '@kiln/trees';
import { MemoryTrees, type TestTree } from '@kiln/trees/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { begin, FROM, type Lab, lab, type TestBuild } from '../testing/lab.ts';
import { expectedOnDisk, onDisk, treesIn } from '../testing/on-disk.ts';
import type { TreeHead } from './working-tree.ts';

let shared: Lab;
beforeAll(async () => {
  shared = await lab();
});
afterAll(() => shared[Symbol.asyncDispose]());

const trees = new MemoryTrees();
let spools = 0;

function sourceOf(tree: TestTree): NonNullable<TestBuild['source']> {
  const spoolFile = join(shared.options.scratchDir, `spool-${spools++}`);
  return { type: 'tree', tree: new MerkleSource(trees.put(tree), trees, { spoolFile }) };
}

async function built(repo: string, tree: TestTree, spec: object = {}): Promise<string> {
  const build = begin(shared.builder, { repo, source: sourceOf(tree), spec });
  expect(await build.outcome).toMatchObject({ end: 'succeeded' });
  return build.output();
}

async function recordOf(dir: string) {
  const record = decodeRecord<TreeHead>(await readFile(join(dir, 'record'), 'utf8'));
  if (!record) throw new Error('no record');
  return record;
}

/** Checks that all trees on the disk are exactly what their records say. */
async function expectExact(): Promise<void> {
  for (const dir of await treesIn(shared.options.scratchDir)) {
    const { entries } = await recordOf(dir);
    expect(await onDisk(join(dir, 'own', 'context'))).toEqual(expectedOnDisk(entries));
  }
}

describe('a working tree', () => {
  const LIST = `${FROM}\nCOPY . /c\nRUN cd /c && find . -mindepth 1 -printf '%y %m %p %l|'`;
  const long = 'n'.repeat(255);
  const odd: TestTree = {
    Dockerfile: LIST,
    'bytes:caf\xe9': 'latin1',
    'new\nline': '',
    'C:notes': 'x',
    'e\u0301': 'decomposed',
    '\u00e9': 'composed',
    '-dash': '',
    '..x': '',
    'back\\slash': '',
    [long]: { dir: { [long]: { dir: { [long]: 'deep', l: { link: `../${'t'.repeat(300)}` } } } } },
    empty: { dir: {}, mode: 0o1777 },
    strict: { dir: { in: { file: 'x', mode: 0o600 }, also: { dir: { f: 'y' }, mode: 0o555 } }, mode: 0o555 },
    set: { file: 'x', mode: 0o6755 },
    group: { file: 'x', mode: 0o666 },
    out: { link: '/etc/passwd' },
    up: { link: '../../../../x' },
    big: Buffer.alloc(200_000, 'b'),
  };

  test('is exactly the build’s tree, whatever names, modes and links it has, and whatever the umask', async () => {
    const before = process.umask(0o077);
    try {
      const output = await built('odd', odd, { noCache: true });
      expect(output).toContain('f 6755 ./set |');
      expect(output).toContain('d 1777 ./empty |');
      expect(output).toContain('d 555 ./strict |');
      expect(output).toContain('l 777 ./out /etc/passwd|');
      expect(output.split('|')).toHaveLength(24);
      await expectExact();
    } finally {
      process.umask(before);
    }
  });

  test('becomes any other tree: other types, modes only, removed, and back', async () => {
    const variants: TestTree[] = [
      odd,
      {
        Dockerfile: LIST,
        empty: 'now a file',
        strict: { link: 'group' },
        set: { dir: { f: 'x' } },
        group: { file: 'x', mode: 0o600 },
        out: 'a file',
        up: { dir: {} },
        big: Buffer.alloc(200_000, 'c'),
      },
      { ...odd, strict: { dir: { in: { file: 'x', mode: 0o640 } }, mode: 0o500 } },
      { ...odd, strict: { dir: { in: { file: 'changed', mode: 0o640 } }, mode: 0o500 } },
      { Dockerfile: LIST, strict: { dir: {}, mode: 0o555 } },
      odd,
    ];
    for (const tree of variants) {
      await built('variants', tree);
      await expectExact();
    }
    expect(await treesIn(shared.options.scratchDir)).toHaveLength(2);
  });
});
