import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ContextTree } from './context-tree.ts';
import type { TarEntry } from './tar-walker.ts';

const file = (name: string): TarEntry => ({ name, target: '', type: 'file', sizeBytes: 1 });
const directory = (name: string): TarEntry => ({ name, target: '', type: 'directory', sizeBytes: 0 });
const symlink = (name: string, target: string): TarEntry => ({ name, target, type: 'symlink', sizeBytes: 0 });
const hardlink = (name: string, target: string): TarEntry => ({ name, target, type: 'hardlink', sizeBytes: 0 });

function tree(...entries: readonly TarEntry[]): ContextTree {
  const made = new ContextTree(100);
  for (const entry of entries) made.add(entry);
  made.check();
  return made;
}

describe('ContextTree', () => {
  test.each<[string, TarEntry[]]>([
    ['a name without ..', [file('a/../../x')]],
    ['a name without ..', [file('../x')]],
    ['a name without ..', [directory('..')]],
    ['a relative name', [file('/etc/passwd')]],
    ['a short name', [file('x'.repeat(4097))]],
    ['no device', [{ name: 'null', target: '', type: 'character device', sizeBytes: 0 }]],
    ['no device', [{ name: 'sda', target: '', type: 'block device', sizeBytes: 0 }]],
    ['no fifo', [{ name: 'pipe', target: '', type: 'fifo', sizeBytes: 0 }]],
    ['a relative target', [symlink('l', '/etc/passwd')]],
    ['a target inside', [symlink('l', '../x')]],
    ['a target inside', [symlink('a/l', '../../x')]],
    ['a target inside, through another link', [symlink('a/b/deep', '.'), symlink('l', 'a/b/deep/../../../x')]],
    ['a target inside, through another link, in any order', [symlink('l', 'a/../../x'), symlink('a', '.')]],
    ['a hard link inside', [hardlink('h', '../x')]],
    ['a hard link inside', [hardlink('h', '/etc/passwd')]],
    ['nothing below a link', [symlink('l', 'a'), file('l/x')]],
    ['nothing below a link, in any order', [file('l/x'), symlink('l', 'a')]],
    ['not too many entries', Array.from({ length: 101 }, (_, i) => file(`f${i}`))],
  ])('wants %s', (_what, entries) => {
    expect(() => tree(...entries)).toThrow(expect.objectContaining({ code: 'bad_entry' }));
  });

  test('takes what real projects hold', () => {
    const made = tree(
      directory('./'),
      directory('./node_modules/.bin/'),
      symlink('./node_modules/.bin/tsc', '../typescript/bin/tsc'),
      file('./node_modules/typescript/bin/tsc'),
      symlink('./current', 'releases/../releases/1'),
      symlink('./dangling', 'nowhere'),
      symlink('./round', 'round'),
      hardlink('./same', './Dockerfile'),
      file('./Dockerfile'),
      file('..name'),
    );
    expect(made.has('Dockerfile')).toBe(true);
    expect(made.has('./node_modules/.bin/tsc')).toBe(true);
    expect(made.has('dangling')).toBe(false);
    expect(made.has('round')).toBe(false);
    expect(made.has('dockerfile')).toBe(false);
    expect(made.has('../Dockerfile')).toBe(false);
  });

  test('judges links as a real file system resolves them', () => {
    const outside = mkdtempSync(join(tmpdir(), 'kiln-tree-'));
    onTestFinished(() => rmSync(outside, { recursive: true }));
    const step = fc.constantFrom('..', 'a', 'b', 'l0', 'l1', 'l2', '.');
    const path = fc.array(step, { minLength: 1, maxLength: 6 }).map((steps) => steps.join('/'));
    let run = 0;
    fc.assert(
      fc.property(fc.tuple(path, path, path), fc.constantFrom('', 'a/', 'a/b/'), (targets, where) => {
        run += 1;
        // Deep enough that climbing out ends in directories of ours, which hold the same names.
        const root = join(outside, String(run), 'a', 'b', 'a', 'b', 'a', 'b', 'a', 'b', 'root');
        mkdirSync(join(root, 'a', 'b'), { recursive: true });
        const entries = targets.map((target, i) => symlink(`${where}l${i}`, target));
        for (const { name, target } of entries) symlinkSync(target, join(root, name));
        writeFileSync(join(root, 'a', 'b', 'file'), '');
        const leaves = entries.some(({ name }) => {
          const at = join(root, name);
          // The native one: the other takes `..` after a link by its letters.
          return existsSync(at) && !`${realpathSync.native(at)}/`.startsWith(`${root}/`);
        });
        let refused = false;
        try {
          tree(directory('a'), directory('a/b'), ...entries);
        } catch {
          refused = true;
        }
        // What leaves must be refused; what is refused may also be dangling, so the other direction isn't asked for here.
        if (leaves) expect({ targets, where, refused }).toEqual({ targets, where, refused: true });
        rmSync(join(outside, String(run)), { recursive: true });
      }),
      { numRuns: 300 },
    );
  });
});
