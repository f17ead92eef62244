import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { treeOf } from '@kiln/trees/testing';
import { beforeEach, expect, test } from 'vitest';
import { apiForFile } from '../testing/for-file.ts';
import { tarOf } from '../testing/pack.ts';
import { REQUEST_PART, uploadTo } from '../testing/upload-form.ts';

const DAY_MS = 86_400_000;
const api = await apiForFile({ contextRetentionMs: 10 * DAY_MS });
const tar = await tarOf('Dockerfile');
const { root: digest } = treeOf({ Dockerfile: 'content of Dockerfile' });
const hex = digest.slice('sha256:'.length);
const key = `trees/default/d/${hex.slice(0, 2)}/${hex.slice(2)}`;

async function unused(days: number): Promise<void> {
  const then = new Date(Date.now() - days * DAY_MS);
  await utimes(join(api.dir, key), then, then);
}
const daysUnused = async () => Math.round((Date.now() - ((await api.blobs.stat(key))?.usedAt ?? 0)) / DAY_MS);
const source = { type: 'upload', name: 'app', digest } as const;

beforeEach(async () => {
  expect((await uploadTo(api, REQUEST_PART, ['context', tar])).status).toBe(202);
});

test.each<[string, () => Promise<number>]>([
  [
    'a question whether it is missing',
    async () => (await api.post('/v1/trees/missing', { directories: [digest] })).status,
  ],
  ['another upload', async () => (await uploadTo(api, REQUEST_PART, ['context', tar])).status],
  ['a build that names it', async () => (await api.post('/v1/builds', { source })).status],
  [
    'a retry of a build with it',
    async () => {
      const { id } = await api.submit({ source });
      await api.fetch(`/v1/builds/${id}/cancel`, { method: 'POST' });
      await unused(5);
      return (await api.fetch(`/v1/builds/${id}/retry`, { method: 'POST' })).status;
    },
  ],
])('a context is kept longer by %s', async (_who, use) => {
  await unused(5);
  expect(await use()).toBeLessThan(300);
  expect(await daysUnused()).toBe(0);
});

test('a use isn’t noted again soon after the last one', async () => {
  await unused(0.6);
  const before = await api.blobs.stat(key);
  expect((await api.post('/v1/builds', { source })).status).toBe(202);
  expect(await api.blobs.stat(key)).toEqual(before);
});
