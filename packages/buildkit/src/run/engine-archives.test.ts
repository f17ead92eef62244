import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSpec, type TargetSpec } from '@kiln/contracts';
import { expect, onTestFinished, test } from 'vitest';
import { Halt } from '../outcome/halt.ts';
import { type RunArchives, saveArchives } from './engine-archives.ts';

const target = (tag: string, ...outputs: object[]): TargetSpec => {
  const output = outputs.length > 1 ? { type: 'several', outputs } : outputs[0];
  return {
    name: undefined,
    at: [],
    renamedSecrets: new Map(),
    spec: buildSpec.parse({ source: { type: 'upload', name: 'x' }, secrets: [], tags: [tag], output }),
  };
};
const TAR = { type: 'artifact' };
const DOCKER = { type: 'artifact', format: 'docker' };
const OCI = { type: 'artifact', format: 'oci' };

/** An engine whose archive of an image says what it is of. */
function engine(error?: Error) {
  const removed: (string | undefined)[] = [];
  const archives: RunArchives['archives'] = {
    async *save(image, names) {
      if (error) throw error;
      yield Buffer.from(`${image} as ${names.join()}`);
    },
    async remove(images) {
      removed.push(...images);
    },
  };
  return { archives, removed };
}

test('saves the image of each target into the file of its artifact, and removes all images', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-archives-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  const targets = [target('a', DOCKER), target('b', TAR, OCI), target('c', DOCKER)];
  const files = [0, 1, 2, 3].map((i) => join(dir, String(i)));
  const { archives, removed } = engine();
  using halt = new Halt(new AbortController().signal, 60_000);
  const images = ['image-a', undefined, 'image-c'];
  expect(await saveArchives({ archives, targets, images, files, artifact: undefined }, true, halt)).toBe(true);
  expect(await readFile(files[0] ?? '', 'utf8')).toBe('image-a as a');
  expect(await readFile(files[3] ?? '', 'utf8')).toBe('image-c as c');
  expect(removed).toEqual(images);
});

test('saves a single image into the artifact itself', async () => {
  const written: string[] = [];
  const artifact = { write: async (data: Buffer) => void written.push(data.toString()) };
  using halt = new Halt(new AbortController().signal, 60_000);
  const run = { ...engine(), targets: [target('a', DOCKER)], images: ['image-a'], files: [], artifact };
  expect(await saveArchives(run, true, halt)).toBe(true);
  expect(written.join('')).toBe('image-a as a');
});

test('halts the run if an image can’t be saved, and removes it', async () => {
  const { archives, removed } = engine(new Error('the engine is gone'));
  using halt = new Halt(new AbortController().signal, 60_000);
  const artifact = { write: async () => undefined };
  const run = { archives, targets: [target('a', DOCKER)], images: ['image-a'], files: [], artifact };
  expect(await saveArchives(run, true, halt)).toBe(false);
  expect(halt.reason).toEqual({
    type: 'fault',
    failure: { code: 'infrastructure', message: 'the image could not be saved from the engine: the engine is gone' },
  });
  expect(removed).toEqual(['image-a']);
});

test('saves nothing of a run that has failed, and removes what it has loaded', async () => {
  const { archives, removed } = engine(new Error('not to be called'));
  using halt = new Halt(new AbortController().signal, 60_000);
  const run = { archives, targets: [target('a', DOCKER)], images: ['image-a'], files: [], artifact: undefined };
  expect(await saveArchives(run, false, halt)).toBe(false);
  expect(halt.reason).toBeUndefined();
  expect(removed).toEqual(['image-a']);
});
