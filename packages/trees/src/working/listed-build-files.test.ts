import { expect, test } from 'vitest';
import { MAX_BUILD_FILE_BYTES } from '../build-files.ts';
import type { ByteString } from '../merkle/byte-string.ts';
import { listedBuildFiles } from './listed-build-files.ts';
import type { ListedFile, Listing } from './tree-source.ts';

const file = (path: string, sizeBytes: number): ListedFile => ({
  ...{ type: 'file', path: path as ByteString, mode: 0o644, sizeBytes, contentId: path },
});

test.each(['Dockerfile', 'Dockerfile.dockerignore', '.dockerignore'])(
  'refuses a %s that is too large to be read',
  async (path) => {
    const others = ['Dockerfile'].filter((name) => name !== path).map((name) => file(name, 10));
    const found = await listedBuildFiles([...others, file(path, MAX_BUILD_FILE_BYTES)], 'Dockerfile');
    expect(found.dockerfile.path).toBe('Dockerfile');
    await expect(
      listedBuildFiles([...others, file(path, MAX_BUILD_FILE_BYTES + 1)], 'Dockerfile'),
    ).rejects.toMatchObject({
      ...{ code: 'too_large', path, got: expect.stringContaining(`got a file of ${MAX_BUILD_FILE_BYTES + 1} bytes`) },
    });
  },
);

test('finds the files in a directory and through a link, each as it is listed', async () => {
  const listing: Listing = [
    file('.dockerignore', 1),
    { type: 'symlink', path: 'Dockerfile' as ByteString, target: 'docker/app' as ByteString },
    { type: 'directory', path: 'docker' as ByteString, mode: 0o755, contentId: 'docker' },
    file('docker/app', 2),
    file('docker/app.dockerignore', 3),
    file('docker0', 4),
  ];
  const found = async (dockerfile: string) => {
    const { dockerfile: of, ignoreFile } = await listedBuildFiles(listing, dockerfile);
    return [of.path, ignoreFile?.path];
  };
  expect(await found('Dockerfile')).toEqual(['docker/app', '.dockerignore']);
  expect(await found('docker/app')).toEqual(['docker/app', 'docker/app.dockerignore']);
  await expect(found('docker')).rejects.toMatchObject({ code: 'missing' });
});
