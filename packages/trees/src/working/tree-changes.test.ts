import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ByteString } from '../merkle/byte-string.ts';
import { parentPath, type TimedEntry } from './timed-entry.ts';
import { isUnchanged, type TreeChanges, treeChanges } from './tree-changes.ts';

const name = fc.constantFrom('a', 'a.x', 'b', 'é');
type Node = { kind: string; mode: number; content: string; ns: number; in: Record<string, Node> };

const { tree } = fc.letrec<{ tree: Record<string, Node>; node: Node }>((tie) => ({
  tree: fc.dictionary(name, tie('node'), { maxKeys: 4 }),
  node: fc.record({
    kind: fc.constantFrom('f', 'd', 'd', 'l'),
    mode: fc.constantFrom(0o644, 0o755, 0o000, 0o500, 0o4711),
    content: fc.constantFrom('1', '2'),
    ns: fc.nat(3),
    in: fc.oneof({ maxDepth: 3 }, fc.constant({}), tie('tree')),
  }),
}));

function entriesOf(nodes: Record<string, Node>, base = ''): TimedEntry[] {
  return Object.keys(nodes)
    .sort((x, y) => (x < y ? -1 : 1))
    .flatMap((key): TimedEntry[] => {
      const { kind, mode, content, ns, in: below } = nodes[key] as Node;
      const at = { path: `${base}${key}` as ByteString, mtimeNs: BigInt(ns) };
      if (kind === 'l') return [{ ...at, type: 'symlink', target: content as ByteString }];
      if (kind === 'f') return [{ ...at, type: 'file', mode, sizeBytes: 1, contentId: content }];
      return [{ ...at, type: 'directory', mode, contentId: '' }, ...entriesOf(below, `${at.path}/`)];
    });
}

/** A file system of one user who isn't root: what `kiln-tree` and tar do on a real one. */
class Disk {
  readonly entries: Map<string, TimedEntry>;

  constructor(entries: readonly TimedEntry[]) {
    this.entries = new Map(entries.map((entry) => [entry.path, { ...entry }]));
  }

  apply({ loosened, removed, modes, times, written }: TreeChanges): void {
    for (const path of loosened) {
      this.#reach(path);
      this.#set(path, { mode: this.#modeOf(path) | 0o700 });
    }
    for (const path of removed) this.#remove(path);
    for (const [mode, paths] of modes) for (const path of paths) this.#set(path, { mode });
    for (const [mtimeNs, paths] of times) for (const path of paths) this.#set(path, { mtimeNs });
    const late: TimedEntry[] = [];
    for (const entry of written) {
      const old = this.entries.get(entry.path);
      if (entry.type === 'directory') {
        if (old && old.type !== 'directory') throw new Error(`${entry.path}: not a directory`);
        if (!old) {
          this.#change(entry.path);
          this.entries.set(entry.path, { ...entry, mode: 0o700 });
        }
        late.push(entry);
        continue;
      }
      if (old?.type === 'directory') throw new Error(`${entry.path}: is a directory`);
      this.#change(entry.path);
      this.entries.set(entry.path, { ...entry });
    }
    for (const entry of late) this.entries.set(entry.path, { ...entry });
  }

  sorted(): TimedEntry[] {
    return [...this.entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  #set(path: string, to: object): void {
    this.#reach(path);
    const old = this.entries.get(path);
    if (!old) throw new Error(`${path}: not there`);
    this.entries.set(path, { ...old, ...to } as TimedEntry);
  }

  #remove(path: string): void {
    this.#change(path);
    // What is deepest goes first.
    for (const each of [...this.entries.keys()].sort().reverse()) {
      if (!each.startsWith(`${path}/`)) continue;
      this.#reach(each);
      if ((this.#modeOf(parentPath(each as ByteString)) & 0o700) !== 0o700) throw new Error(`${each}: denied`);
      if (!this.entries.delete(each)) throw new Error(each);
    }
    this.entries.delete(path);
  }

  /** A change in a directory, which moves its time. */
  #change(path: string): void {
    this.#reach(path);
    const parent = parentPath(path as ByteString);
    if (parent === '') return;
    if ((this.#modeOf(parent) & 0o700) !== 0o700) throw new Error(`${path}: denied`);
    this.#set(parent, { mtimeNs: 99n });
  }

  #reach(path: string): void {
    for (let at = parentPath(path as ByteString); at !== ''; at = parentPath(at))
      if ((this.#modeOf(at) & 0o100) === 0) throw new Error(`${path}: denied at ${at}`);
  }

  #modeOf(path: string): number {
    const entry = this.entries.get(path);
    if (entry?.type !== 'directory') throw new Error(`${path}: not a directory`);
    return entry.mode;
  }
}

test('makes any tree into any other, with its owner’s rights alone', () => {
  fc.assert(
    fc.property(tree, tree, (from, to) => {
      const [before, after] = [entriesOf(from), entriesOf(to)];
      const disk = new Disk(before);
      disk.apply(treeChanges(before, after));
      expect(disk.sorted()).toEqual(new Disk(after).sorted());
    }),
    { numRuns: 3000 },
  );
});

test('changes nothing of an equal tree', () => {
  fc.assert(
    fc.property(tree, (one) => {
      expect(isUnchanged(treeChanges(entriesOf(one), entriesOf(one)))).toBe(true);
    }),
  );
});

test('writes no file again of which only mode or time differ, unless there are very many times', () => {
  const entries = (ns: (i: number) => number) =>
    Array.from(
      { length: 100 },
      (_, i): TimedEntry => ({
        type: 'file',
        path: `f${i}` as ByteString,
        mode: 0o600 + (i % 2),
        sizeBytes: 1,
        contentId: 'c',
        mtimeNs: BigInt(ns(i)),
      }),
    );
  const few = treeChanges(
    entries(() => 0),
    entries((i) => i % 3),
  );
  expect(few.written).toEqual([]);
  expect([...few.times.keys()]).toEqual([1n, 2n]);
  const many = treeChanges(
    entries(() => 0),
    entries((i) => i),
  );
  expect(many.times.size).toBe(0);
  expect(many.written).toHaveLength(99);
  expect(many.renewed).toEqual([]);
});
