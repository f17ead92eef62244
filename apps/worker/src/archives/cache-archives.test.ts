import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buildSpec } from '@kiln/contracts';
import { TreePartMissing } from '@kiln/trees';
import { treeOf } from '@kiln/trees/testing';
import { expect, test } from 'vitest';
import { archiveKey, type CacheArchiveDeps, CacheArchives } from './cache-archives.ts';

const git = (ref?: string) => ({ type: 'git', url: 'https://x.io/a.git', ...(ref !== undefined && { ref }) });
const specOf = (source: object, cache: object = {}) =>
  buildSpec.parse({ source, secrets: [], team: 'web', cache: { mode: 'archive', ...cache } });

test.each([
  [git(), {}, 'default'],
  [git('main'), {}, 'main'],
  [git('refs/heads/dev'), {}, 'dev'],
  [git('a'.repeat(40)), {}, 'default'],
  [git('main'), { key: 'own' }, 'own'],
  [{ type: 'upload', name: 'app' }, {}, 'default'],
])('the archive of %j with %j is %s', (source, cache, key) => {
  expect(archiveKey(specOf(source, cache))).toBe(key);
});

function archives(deps: Partial<CacheArchiveDeps>) {
  const notes: string[] = [];
  const asked: (readonly string[])[] = [];
  const index = {
    find: async (_: string, keys: readonly string[]) => {
      asked.push(keys);
      return [{ key: 'main', root: 'sha256:1', bytes: 1e6, savedAt: 1 }];
    },
    save: async () => {},
  };
  const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log } as never;
  const all = new CacheArchives({
    ...{ index, log, now: () => 1 },
    target: () => ({ missingFiles: async () => [], store: async () => {} }),
    trees: () => ({ read: () => Promise.reject(new Error('not asked for')) as never }),
    ...deps,
  });
  const spec = specOf(git('dev'), { fallbackKeys: ['next'] });
  const note = async (text: string) => void notes.push(text);
  return { archive: all.of({ spec, repo: 'app', note }), notes, asked };
}

const signal = new AbortController().signal;

test('an archive that can’t be restored or saved is noted, and fails nothing', async () => {
  const gone = archives({
    trees: () => ({
      // biome-ignore lint/correctness/useYield: it only fails
      async *read() {
        throw new TreePartMissing('sha256:1');
      },
    }),
  });
  expect(await gone.archive.restore('/nonexistent/dir', signal)).toBe(false);
  expect(gone.asked).toEqual([['dev', 'next', 'default', 'main', 'master']]);
  await gone.archive.save('/nonexistent/dir', signal);
  expect(gone.notes.map((text) => text.replace(/:.*/, ''))).toEqual([
    'archive of caches not restored',
    'archive of caches not saved',
  ]);
  const down = archives({ index: { find: () => Promise.reject(new Error('OOM')), save: async () => {} } });
  expect(await down.archive.restore('/nonexistent/dir', signal)).toBe(false);
  expect(down.notes).toEqual(['archive of caches not restored: OOM']);
});

test('the next archive is restored if the contents of the first have expired', async () => {
  const content = treeOf({ 'index.json': '{}' });
  const asked: string[] = [];
  const entry = (key: string, root: string) => ({ key, root, bytes: 1e6, savedAt: 1 });
  const { archive, notes } = archives({
    index: { find: async () => [entry('dev', 'sha256:1'), entry('main', content.root)], save: async () => {} },
    trees: () => ({
      async *read({ directories }) {
        asked.push(...directories);
        if (directories.includes('sha256:1' as never)) throw new TreePartMissing('sha256:1');
        yield* content.parts;
      },
    }),
  });
  const dir = join(await mkdtemp(join(tmpdir(), 'kiln-archives-')), 'restored');
  expect(await archive.restore(dir, signal)).toBe(true);
  expect(await readFile(join(dir, 'index.json'), 'utf8')).toBe('{}');
  expect(asked).toEqual(['sha256:1', content.root]);
  expect(notes).toEqual(['archive of caches main restored: 1.0 MB in 0 ms']);
  await rm(dirname(dir), { recursive: true });
});
