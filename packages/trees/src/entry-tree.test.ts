import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { buildFiles } from './build-files.ts';
import { EntryTree, type NamedEntry } from './entry-tree.ts';

const file = (name: string): NamedEntry => ({ name, target: '', type: 'file' });
const directory = (name: string): NamedEntry => ({ name, target: '', type: 'directory' });
const symlink = (name: string, target: string): NamedEntry => ({ name, target, type: 'symlink' });
const hardlink = (name: string, target: string): NamedEntry => ({ name, target, type: 'hardlink' });

function tree(...entries: readonly NamedEntry[]): EntryTree {
  const made = new EntryTree(100);
  for (const entry of entries) made.add(entry);
  return made;
}

describe('EntryTree', () => {
  test.each<[string, NamedEntry[]]>([
    ['a name without ..', [file('a/../../x')]],
    ['a name without ..', [file('../x')]],
    ['a name without ..', [directory('..')]],
    ['a relative name', [file('/etc/passwd')]],
    ['a short path', [file('x/'.repeat(2048))]],
    ['short names', [file('x'.repeat(256))]],
    ['a short target', [symlink('l', 'x'.repeat(4096))]],
    ['a directory as its root', [symlink('.', 'x')]],
    ['a hard link inside', [hardlink('h', '../x')]],
    ['a hard link inside', [hardlink('h', '/etc/passwd')]],
    ['a hard link to what is there', [hardlink('h', 'x')]],
    ['a hard link to what was there before', [hardlink('h', 'x'), file('x')]],
    ['a hard link to another', [file('h'), hardlink('h', 'h')]],
    ['no hard link to a directory', [directory('d'), hardlink('h', 'd')]],
    ['nothing below a link', [symlink('l', 'a'), file('l/x')]],
    ['nothing below a link, in any order', [file('l/x'), symlink('l', 'a')]],
    ['nothing below a hard link to a link', [symlink('l', 'a'), hardlink('m', 'l'), file('m/x')]],
    ['nothing below a file', [file('f'), file('f/x')]],
    ['nothing below a file, in any order', [file('f/x'), file('f')]],
    ['one type for a name', [directory('d'), symlink('d', 'a')]],
    ['one type for a name', [file('f'), symlink('f', 'a')]],
    ['one type for a name', [symlink('./l', 'a'), directory('l')]],
    ['not too many entries', Array.from({ length: 101 }, (_, i) => file(`f${i}`))],
    ['not too many directories', [file('d/'.repeat(101))]],
  ])('wants %s', (_what, entries) => {
    expect(() => tree(...entries)).toThrow(expect.objectContaining({ code: 'tar_fault' }));
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
      symlink('./python', '/usr/bin/python3'),
      symlink('./up', '../../../run/x'),
      file('./Dockerfile'),
      hardlink('./same', './Dockerfile'),
      hardlink('./link', './python'),
      file('./Dockerfile'),
      file('..name'),
      file('C:notes'),
      file('a\\b'),
    );
    const path = (of: string) => made.resolve(of);
    expect(path('Dockerfile')).toMatchObject({ type: 'found', path: 'Dockerfile', node: { type: 'file' } });
    expect(path('./node_modules/.bin/tsc')).toMatchObject({ path: 'node_modules/typescript/bin/tsc' });
    expect(path('same')).toMatchObject({ type: 'found', node: { type: 'file' } });
    expect(made.get('link')).toEqual({ type: 'symlink', target: '/usr/bin/python3' });
    for (const missing of ['dangling', 'round', 'dockerfile', 'Dockerfile/x', 'nowhere/../Dockerfile', '/Dockerfile'])
      expect(path(missing), missing).toEqual({ type: 'missing' });
    expect(path('../Dockerfile')).toEqual({ type: 'outside', link: '../Dockerfile' });
    expect(path('python')).toEqual({ type: 'outside', link: 'python' });
    expect(path('up/y')).toEqual({ type: 'outside', link: 'up' });
  });

  test('resolves paths as a real file system does', () => {
    const outside = mkdtempSync(join(tmpdir(), 'kiln-tree-'));
    onTestFinished(() => rmSync(outside, { recursive: true }));
    const step = fc.constantFrom('..', 'a', 'b', 'l0', 'l1', 'l2', '.', 'file');
    const path = fc.array(step, { minLength: 1, maxLength: 6 }).map((steps) => steps.join('/'));
    let run = 0;
    fc.assert(
      fc.property(fc.tuple(path, path, path), fc.constantFrom('', 'a/', 'a/b/'), path, (targets, where, asked) => {
        run += 1;
        const root = join(outside, String(run), 'root');
        mkdirSync(join(root, 'a', 'b'), { recursive: true });
        const links = targets.map((target, i) => symlink(`${where}l${i}`, target));
        for (const { name, target } of links) symlinkSync(target, join(root, name));
        writeFileSync(join(root, 'a', 'b', 'file'), '');
        // By its letters `join` would take `..` away.
        const at = `${root}/${asked}`;
        // The native one: the other takes `..` after a link by its letters.
        const real = existsSync(at) ? realpathSync.native(at) : undefined;
        const found = tree(directory('a'), directory('a/b'), file('a/b/file'), ...links).resolve(asked);
        const seen = { targets, where, asked, found };
        if (found.type === 'found') expect({ ...seen, real }).toEqual({ ...seen, real: join(root, found.path) });
        else if (found.type === 'missing') expect({ ...seen, real }).toEqual({ ...seen, real: undefined });
        rmSync(join(outside, String(run)), { recursive: true });
      }),
      { numRuns: 300 },
    );
  });
});

describe('buildFiles', () => {
  const files = [file('Dockerfile'), file('.dockerignore'), file('docker/Dockerfile'), directory('docker')];

  test('finds the Dockerfile and the ignore file that goes with it, through links that stay inside', () => {
    expect(buildFiles(tree(...files), 'Dockerfile')).toEqual({ dockerfile: 'Dockerfile', ignoreFile: '.dockerignore' });
    const own = tree(...files, symlink('svc', 'docker'), file('docker/Dockerfile.dockerignore'));
    expect(buildFiles(own, 'svc/../svc/Dockerfile')).toEqual({
      dockerfile: 'docker/Dockerfile',
      ignoreFile: 'docker/Dockerfile.dockerignore',
    });
    for (const target of ['x', '../x', '/etc/passwd', 'docker'])
      for (const name of ['.dockerignore', 'Dockerfile.dockerignore']) {
        const made = tree(file('Dockerfile'), directory('docker'), symlink(name, target));
        expect(buildFiles(made, 'Dockerfile').ignoreFile).toBeUndefined();
      }
  });

  test.each([
    ['missing', 'docker', files],
    ['missing', 'Dockerfile.dev', files],
    ['outside', 'x', [symlink('x', '../x')]],
    ['outside', 'd/x', [symlink('d', '/etc')]],
  ])('says that a file is %s: %s', (code, path, entries) => {
    expect(() => buildFiles(tree(...entries), path)).toThrow(expect.objectContaining({ code }));
  });
});
