import { expect, test } from 'vitest';
import { MAX_BUILD_FILE_BYTES } from '../build-files.ts';
import type { ByteString } from '../merkle/byte-string.ts';
import { listedBuildFiles } from './listed-build-files.ts';
import type { ListedFile } from './tree-source.ts';

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
