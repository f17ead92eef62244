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
    ['a name with ..', [file('a/../../x')]],
    ['a name with ..', [file('../x')]],
    ['a name with ..', [directory('..')]],
    ['an absolute name', [file('/etc/passwd')]],
    ['a too long path', [file('x/'.repeat(2048))]],
    ['a too long name', [file('x'.repeat(256))]],
    ['a too long target', [symlink('l', 'x'.repeat(4096))]],
    ['a link as the root', [symlink('.', 'x')]],
    ['a hard link to a path with ..', [hardlink('h', '../x')]],
    ['a hard link to an absolute path', [hardlink('h', '/etc/passwd')]],
    ['a hard link to nothing', [hardlink('h', 'x')]],
    ['a hard link to a later file', [hardlink('h', 'x'), file('x')]],
    ['a hard link to itself', [file('h'), hardlink('h', 'h')]],
    ['a hard link to a directory', [directory('d'), hardlink('h', 'd')]],
    ['an entry below a link', [symlink('l', 'a'), file('l/x')]],
    ['an entry below a later link', [file('l/x'), symlink('l', 'a')]],
    ['an entry below a hard link to a link', [symlink('l', 'a'), hardlink('m', 'l'), file('m/x')]],
    ['an entry below a file', [file('f'), file('f/x')]],
    ['an entry below a later file', [file('f/x'), file('f')]],
    ['a directory that becomes a link', [directory('d'), symlink('d', 'a')]],
    ['a file that becomes a link', [file('f'), symlink('f', 'a')]],
    ['a link that becomes a directory', [symlink('./l', 'a'), directory('l')]],
    ['too many entries', Array.from({ length: 101 }, (_, i) => file(`f${i}`))],
    ['too many implied directories', [file('d/'.repeat(101))]],
  ])('rejects %s', (_what, entries) => {
    expect(() => tree(...entries)).toThrow(expect.objectContaining({ code: 'tar_fault' }));
  });

  test('accepts the entries of real projects', () => {
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

  test('resolves paths like a real file system', () => {
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
        // `join` would resolve `..` lexically.
        const at = `${root}/${asked}`;
        // The native variant: the other one resolves `..` after a link lexically.
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

  test('finds the Dockerfile and its ignore file, through links that stay inside', () => {
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
  ])('reports %s for %s', (code, path, entries) => {
    expect(() => buildFiles(tree(...entries), path)).toThrow(expect.objectContaining({ code }));
  });
});
