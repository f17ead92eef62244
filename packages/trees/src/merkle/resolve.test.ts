import { describe, expect, it } from 'vitest';
import { EntryTree } from '../entry-tree.ts';
import { byteString } from './byte-string.ts';
import { digestOf, encodeDirectory } from './directory.ts';
import { resolveInTree } from './resolve.ts';
import type { Digest, DirectoryNode, Entry } from './tree-entry.ts';

type Shape = { readonly [name: string]: string | Shape };

const stored = new Map<Digest, DirectoryNode>();

/** A string is a file; one that starts with `->` is a link. */
function treeOf(shape: Shape): Digest {
  const entries = Object.entries(shape).map(([text, what]): Entry => {
    const name = byteString(text);
    if (typeof what !== 'string') return { type: 'directory', name, mode: 0o755, digest: treeOf(what) };
    if (what.startsWith('->')) return { type: 'symlink', name, target: byteString(what.slice(2)) };
    return { type: 'file', name, mode: 0o644, sizeBytes: what.length, digest: digestOf(Buffer.from(what)) };
  });
  const objects = encodeDirectory(entries);
  for (const { digest, node } of objects) stored.set(digest, node);
  return (objects.at(-1) as (typeof objects)[0]).digest;
}

function asTar(shape: Shape, tree = new EntryTree(), at = ''): EntryTree {
  for (const [name, what] of Object.entries(shape)) {
    const path = `${at}${name}`;
    if (typeof what !== 'string') {
      tree.add({ type: 'directory', name: path, target: '' });
      asTar(what, tree, `${path}/`);
    } else if (what.startsWith('->')) tree.add({ type: 'symlink', name: path, target: what.slice(2) });
    else tree.add({ type: 'file', name: path, target: '' });
  }
  return tree;
}

const shape: Shape = {
  Dockerfile: 'FROM scratch',
  docker: { Dockerfile: 'FROM x', up: '->../Dockerfile', out: '->../../etc/passwd', deep: { back: '->../..' } },
  absolute: '->/etc/passwd',
  link: '->docker/up',
  chain: '->link',
  dir: '->docker',
  loop: '->pool',
  pool: '->loop',
  dangling: '->nothing/here',
  dots: '->./docker/.//deep/../Dockerfile',
};
const root = treeOf(shape);
const read = async (digest: Digest) => stored.get(digest) as DirectoryNode;
const resolve = (path: string) => resolveInTree(root, byteString(path), read);

describe('resolveInTree', () => {
  it.each([
    ['Dockerfile', 'Dockerfile'],
    ['./docker//Dockerfile', 'docker/Dockerfile'],
    ['link', 'Dockerfile'],
    ['chain', 'Dockerfile'],
    ['dir/up', 'Dockerfile'],
    ['docker/deep/back/dir/Dockerfile', 'docker/Dockerfile'],
    ['dots', 'docker/Dockerfile'],
    ['docker', 'docker'],
  ])('follows %s to %s', async (path, to) => {
    expect(await resolve(path)).toMatchObject({ type: 'found', path: to });
  });

  it.each(['nothing', 'Dockerfile/x', 'Dockerfile/..', 'dangling', 'loop', '/Dockerfile', 'docker/deep/none'])(
    'finds nothing at %s',
    async (path) => {
      expect(await resolve(path)).toEqual({ type: 'missing' });
    },
  );

  it.each([
    ['absolute', 'absolute'],
    ['docker/out', 'docker/out'],
    ['../x', '../x'],
    ['dir/out', 'docker/out'],
    ['docker/deep/back/../x', 'docker/deep/back'],
  ])('says that %s leads out, by the link %s', async (path, link) => {
    expect(await resolve(path)).toEqual({ type: 'outside', link });
  });

  it('reads a directory once, however often links lead back to it, and gives up on a way of many names', async () => {
    const links = Object.fromEntries(
      Array.from({ length: 39 }, (_, i) => [
        `l${i}`,
        `->${'d/../'.repeat(i === 0 ? 60 : 800)}${i === 0 ? 'f' : `l${i - 1}`}`,
      ]),
    );
    const top = treeOf({ d: { x: '' }, f: 'FROM x', ...links });
    const reads = new Map<Digest, number>();
    const counted = async (digest: Digest) => {
      reads.set(digest, (reads.get(digest) ?? 0) + 1);
      return read(digest);
    };
    expect(await resolveInTree(top, byteString('l0'), counted)).toMatchObject({ type: 'found', path: 'f' });
    expect([...reads.values()]).toEqual([1]);
    expect(await resolveInTree(top, byteString('l38'), counted)).toEqual({ type: 'missing' });
    expect([...reads.values()]).toEqual([2]);
  });

  it('agrees with the reading of the same tree as a tar', async () => {
    const tar = asTar(shape);
    const parts = ['Dockerfile', 'docker', 'deep', 'back', 'dir', 'up', 'out', '..', '.', 'chain', 'loop', 'absolute'];
    for (const a of parts)
      for (const b of parts)
        for (const c of ['', ...parts]) {
          const path = [a, b, c].join('/');
          const [tree, entry] = [await resolve(path), tar.resolve(path)];
          const { type, ...where } = entry;
          const expected = 'path' in where ? { type, path: where.path } : { type, ...where };
          expect({ path, ...withoutEntry(tree) }).toEqual({ path, ...expected });
        }
  });
});

function withoutEntry(resolution: Awaited<ReturnType<typeof resolve>>): object {
  if (resolution.type !== 'found') return resolution;
  return { type: resolution.type, path: resolution.path };
}
