import { text } from 'node:stream/consumers';
import { readTar } from '@kiln/trees';
import { expect, test } from 'vitest';
import { tar } from '../testing/tar.ts';
import { renamedArchive } from './renamed-archive.ts';

const MANIFEST = [{ Config: 'blobs/sha256/c', RepoTags: ['kiln.local/archive:1'], Layers: ['blobs/sha256/l'] }];
const SAVED = {
  'blobs/sha256/c': '{}',
  'blobs/sha256/l': 'x'.repeat(1_000),
  'index.json': '{"manifests":[{"annotations":{"io.containerd.image.name":"kiln.local/archive:1"}}]}',
  'manifest.json': JSON.stringify(MANIFEST),
  'oci-layout': '{}',
  repositories: '{}',
};

async function filesOf(archive: AsyncIterable<Uint8Array>): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for await (const { name, content } of readTar(archive)) files[name] = await text(content);
  return files;
}

async function* once(content: Uint8Array) {
  yield content;
}

test('an archive has the given names wherever an engine may read them, and the same content', async () => {
  const names = ['docker.io/acme/app:1', 'localhost:5000/app:latest'];
  const { 'manifest.json': manifest = '', ...rest } = await filesOf(
    renamedArchive(once(tar(SAVED)), ['docker.io/acme/app:1', 'localhost:5000/app']),
  );
  expect(JSON.parse(manifest)).toEqual([{ ...MANIFEST[0], RepoTags: names }]);
  expect(rest).toEqual({ 'blobs/sha256/c': '{}', 'blobs/sha256/l': 'x'.repeat(1_000) });
});

test('an image without names has none in its archive', async () => {
  const { 'manifest.json': manifest = '' } = await filesOf(renamedArchive(once(tar(SAVED)), []));
  expect(JSON.parse(manifest)).toEqual([{ ...MANIFEST[0], RepoTags: null }]);
});
