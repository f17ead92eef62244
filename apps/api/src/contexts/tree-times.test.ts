import type { BuildView } from '@kiln/contracts';
import type { Digest, TreePart } from '@kiln/trees';
import { filePart, type TreeSpecs, treeOf } from '@kiln/trees/testing';
import { afterEach, describe, expect, test } from 'vitest';
import { redisForFile } from '../testing/for-file.ts';
import { problemIn } from '../testing/problem-in.ts';
import { sendParts } from '../testing/send-parts.ts';
import { TestApi } from '../testing/test-api.ts';

const redis = await redisForFile();
let api: TestApi;
afterEach(() => api[Symbol.asyncDispose]());
const start = async () => {
  api = await TestApi.start({}, { redis });
};

async function send(specs: TreeSpecs): Promise<Digest> {
  const { root, parts } = treeOf(specs);
  expect((await sendParts(api, parts)).status).toBe(200);
  return root;
}

const submit = (source: object, more: object = {}, headers: Record<string, string> = {}) =>
  api.post('/v1/builds', { source: { type: 'upload', name: 'app', ...source }, ...more }, headers);

describe('a build of a tree that was uploaded before', () => {
  test('with the times that were submitted needs one for each entry', async () => {
    await start();
    const digest = await send({ Dockerfile: 'FROM scratch', x: 'x' });
    const mtimes = 'submitted';
    const [right, wrong] = [filePart(Buffer.alloc(16, 1)), filePart(Buffer.alloc(24, 1))];
    expect(await problemIn(await submit({ digest }, { mtimes }))).toMatchObject({
      ...{ code: 'invalid_request', errors: [{ field: 'source.times', got: 'nothing' }] },
    });
    expect(await problemIn(await submit({ digest, times: right.digest }, { mtimes }))).toMatchObject({
      ...{ code: 'context_not_found', errors: [{ field: 'source.times', got: right.digest }] },
    });
    expect((await sendParts(api, [right, wrong])).status).toBe(200);
    expect(await problemIn(await submit({ digest, times: wrong.digest }, { mtimes }))).toMatchObject({
      ...{ code: 'context_invalid', errors: [{ field: 'source.times', expected: '8 bytes for each of 2 entries' }] },
    });
    expect((await submit({ digest, times: right.digest }, { mtimes })).status).toBe(202);
  });

  test('may come with the times of its directories and links, which make no other request of it', async () => {
    await start();
    const digest = await send({ Dockerfile: 'FROM scratch', d: { in: { l: { link: 'x' } } } });
    const [one, other, long, odd] = [16, 16, 40, 15].map((size, i) => filePart(Buffer.alloc(size, i)));
    expect((await sendParts(api, [one, other, long, odd] as TreePart[])).status).toBe(200);
    for (const wrong of [long, odd])
      expect(await problemIn(await submit({ digest, times: wrong?.digest }))).toMatchObject({
        code: 'context_invalid',
        errors: [{ field: 'source.times', expected: '8 bytes for each directory and symbolic link among 3 entries' }],
      });
    const gone = `sha256:${'0'.repeat(64)}`;
    expect(await problemIn(await submit({ digest, times: gone }))).toMatchObject({
      ...{ code: 'context_not_found', errors: [{ field: 'source.times', got: gone }] },
    });
    const key = { 'idempotency-key': 'times' };
    const first = (await (await submit({ digest, times: one?.digest }, {}, key)).json()) as BuildView;
    expect(first.request.source).toMatchObject({ times: one?.digest });
    expect(await (await submit({ digest, times: other?.digest }, {}, key)).json()).toMatchObject({ id: first.id });
  });
});
