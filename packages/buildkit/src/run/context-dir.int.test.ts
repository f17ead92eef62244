import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { OUTSIDE_DOCKERFILE } from '@kiln/contracts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { begin, FROM, type Lab, lab } from '../testing/lab.ts';
import { tar } from '../testing/tar.ts';

let shared: Lab;
beforeAll(async () => {
  shared = await lab();
});
afterAll(() => shared[Symbol.asyncDispose]());

const LISTING = `${FROM}\nCOPY . /in\nRUN ls -A /in | tr '\\n' ' '`;

/** Returns what `COPY . .` puts into the image. */
async function copied(files: Record<string, string>, dockerfile?: string, gzip = false): Promise<string[]> {
  const content = tar(files);
  const bytes = gzip ? gzipSync(content) : content;
  const build = begin(shared.builder, {
    source: { type: 'tar', open: async () => Readable.from([bytes]) },
    // An engine that has run these tests before would have the step cached.
    spec: { noCache: true, ...(dockerfile !== undefined && { dockerfile }) },
  });
  expect(await build.outcome).toMatchObject({ end: 'succeeded' });
  const output = build.records.flatMap((record) => (record.type === 'output' ? [record.data] : [])).join('');
  return output.trim().split(/\s+/).sort();
}

test('has everything in the context without an ignore file, gzipped or not', async () => {
  const files = { Dockerfile: LISTING, a: '1' };
  expect(await copied(files)).toEqual(['Dockerfile', 'a']);
  expect(await copied({ ...files, b: '2' }, undefined, true)).toEqual(['Dockerfile', 'a', 'b']);
});

test('leaves out what .dockerignore names, even the Dockerfile and .dockerignore', async () => {
  const files = { Dockerfile: LISTING, '.dockerignore': 'Dockerfile\n.dockerignore\nb\n', a: '1', b: '2' };
  expect(await copied(files)).toEqual(['a']);
});

test('leaves a Dockerfile from outside of the context out of it', async () => {
  const files = { [OUTSIDE_DOCKERFILE]: LISTING, '.dockerignore': 'b\n', a: '1', b: '2' };
  expect(await copied(files, OUTSIDE_DOCKERFILE)).toEqual(['.dockerignore', 'a', 'b']);
});

test('names a missing Dockerfile', async () => {
  const source = { type: 'tar', open: async () => Readable.from([tar({ a: '1' })]) } as const;
  const { outcome } = begin(shared.builder, { source, spec: { dockerfile: 'docker/Dockerfile' } });
  expect(await outcome).toMatchObject({
    end: 'failed',
    failure: {
      code: 'dockerfile_missing',
      message: 'failed to read dockerfile: open docker/Dockerfile: no such file or directory',
    },
  });
});
