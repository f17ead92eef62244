import { expect, test } from 'vitest';
import { imageBytes } from './image-size.ts';

const image = (config: string, ...layers: [string, number][]) => ({
  config: { digest: config, size: 7 },
  layers: layers.map(([digest, size]) => ({ digest, size })),
});
const attested = { 'vnd.docker.reference.type': 'attestation-manifest' };
const STORED: Record<string, object> = {
  amd: image('ca', ['base', 1_000], ['a', 20]),
  arm: image('cb', ['base', 1_000], ['b', 300]),
  index: {
    manifests: [
      { digest: 'amd', size: 1 },
      { digest: 'arm', size: 1 },
      { digest: 'provenance', size: 1, annotations: attested },
    ],
  },
};
const read = async (digest: string) => Buffer.from(JSON.stringify(STORED[digest]));

test('adds up configuration and layers of an image', async () => {
  expect(await imageBytes('amd', read)).toBe(1_027);
});

test('counts a layer that platforms share once, and no attestations', async () => {
  expect(await imageBytes('index', read)).toBe(1_000 + 20 + 300 + 2 * 7);
});

test('rejects what is neither a manifest nor an index', async () => {
  await expect(imageBytes('x', async () => Buffer.from('{"config":1}'))).rejects.toThrow(
    'not the manifest of an image',
  );
});
