import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { TREE_PARTS_TYPE } from '@kiln/contracts';
import { digestOf, readParts, type TreePart, writeParts } from '@kiln/trees';
import { filePart, type MadeTree, treeOf } from '@kiln/trees/testing';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { redisForFile } from '../testing/for-file.ts';
import { PATIENT } from '../testing/patient.ts';
import { problemIn } from '../testing/problem-in.ts';
import { partsRequest, sendParts } from '../testing/send-parts.ts';
import { TestApi, TOKEN } from '../testing/test-api.ts';

const MIB = 1024 * 1024;
const WRITE = { scopes: ['builds:read', 'builds:write'] } as const;
const redis = await redisForFile();
let api: TestApi;
afterEach(() => api[Symbol.asyncDispose]());
const start = async (...given: Parameters<typeof TestApi.start>) => {
  api = await TestApi.start(given[0], { redis, ...given[1] });
};

const BIG = Buffer.alloc(3 * MIB, 'large ');
const TREE = treeOf({ Dockerfile: 'FROM scratch', big: BIG.toString(), src: { in: { 'a.c': 'int a;' } } });
const digestsOf = ({ parts }: MadeTree) => ({
  directories: parts.flatMap((part) => (part.type === 'directory' ? [part.object.digest] : [])),
  files: parts.flatMap((part) => (part.type === 'file' ? [part.digest] : [])),
});
const ALL = digestsOf(TREE);
const missing = async (wanted: object = ALL, headers: Record<string, string> = {}, query = '') =>
  (await api.post(`/v1/trees/missing${query}`, wanted, headers)).json();
const withoutBeginnings = (files: readonly string[]) => files.map((digest) => ({ digest, storedBytes: 0 }));

test.each([
  ['as it is', undefined],
  ['gzipped', 'gzip'],
  ['as zstd', 'zstd'],
] as const)('stores what is missing, sent %s, and gives it back', async (_, encoding) => {
  await start();
  expect(await missing()).toEqual({ directories: ALL.directories, files: withoutBeginnings(ALL.files) });
  const { body, headers } = await partsRequest(TREE.parts);
  const compress = { gzip: gzipSync, zstd: zstdCompressSync, none: (bytes: Uint8Array) => bytes }[encoding ?? 'none'];
  const answer = await api.fetch('/v1/trees', {
    method: 'POST',
    body: new Uint8Array(compress(body)),
    headers: { ...headers, ...(encoding && { 'content-encoding': encoding }) },
  });
  expect(answer.status).toBe(200);
  expect(await answer.json()).toEqual({ directories: 2, files: 1, bytes: expect.any(Number) });
  expect(await missing()).toEqual({ directories: [], files: [] });
  const read = await api.post('/v1/trees/read', ALL);
  expect(read.headers.get('content-type')).toBe(TREE_PARTS_TYPE);
  const got: string[] = [];
  for await (const part of readParts(read.body as ReadableStream<Uint8Array>)) {
    const bytes = await buffer(part.content);
    got.push(part.type === 'file' ? `${part.digest} ${bytes.equals(BIG)}` : `${part.object.digest} ${bytes}`);
  }
  expect(got).toEqual([
    ...[`${ALL.directories[0]} int a;`, `${ALL.directories[1]} FROM scratch`, `${ALL.files[0]} true`],
  ]);
  expect(await api.temps()).toEqual([]);
});

test('another team’s objects are to a team what no objects are', async () => {
  await start();
  const web = await api.token(WRITE);
  const ops = await api.token({ ...WRITE, team: 'ops' });
  expect((await sendParts(api, TREE.parts, '', web.headers)).status).toBe(200);
  const invented = { directories: ALL.directories.map(other), files: ALL.files.map(other) };
  const asked = JSON.stringify(await missing(ALL, ops.headers));
  const random = JSON.stringify(await missing(invented, ops.headers));
  expect(asked.replaceAll(/sha256:[0-9a-f]{64}/g, 'x')).toBe(random.replaceAll(/sha256:[0-9a-f]{64}/g, 'x'));
  const read = await api.post('/v1/trees/read', ALL, ops.headers);
  expect(await problemIn(read)).toMatchObject({ code: 'tree_part_not_found', errors: [{ got: ALL.directories[0] }] });
  const top = TREE.parts.at(-1) as TreePart;
  expect(await problemIn(await sendParts(api, [top], '', ops.headers))).toMatchObject({ code: 'tree_incomplete' });
  const source = { type: 'upload', name: 'app', digest: TREE.root };
  expect(await problemIn(await api.post('/v1/builds', { source }, ops.headers))).toMatchObject({
    ...{ code: 'context_not_found', errors: [{ field: 'source.digest', got: TREE.root }] },
  });
  for (const path of ['/v1/trees/missing?team=web', '/v1/trees/read?team=web', '/v1/trees?team=web']) {
    const body = path.startsWith('/v1/trees?')
      ? sendParts(api, [], '?team=web', ops.headers)
      : api.post(path, ALL, ops.headers);
    expect(await problemIn(await body)).toMatchObject({
      code: 'forbidden',
      errors: [{ field: 'query team', got: '"web"' }],
    });
  }
});

function other(digest: string): string {
  return `sha256:${[...digest.slice(7)].reverse().join('')}`;
}

describe('refuses', () => {
  test('a directory before what it names, naming what is missing', async () => {
    await start();
    const [leaf] = ALL.directories;
    const problem = await problemIn(
      await sendParts(
        api,
        TREE.parts.filter((part) => part.type === 'file' || part.object.digest !== leaf),
      ),
    );
    expect(problem).toMatchObject({
      ...{ code: 'tree_incomplete', status: 422 },
      errors: [
        {
          field: 'body',
          got: `the directory ${TREE.root}, which names the directory ${leaf}`,
          expected: `the directory ${leaf} before it`,
        },
      ],
    });
    // What arrived whole before is stored.
    expect(await missing()).toMatchObject({ files: [] });
  });

  test('content with another digest than it says', async () => {
    await start();
    const lie = { ...filePart('x'.repeat(40_000)), digest: digestOf(Buffer.from('y')) };
    expect(await problemIn(await sendParts(api, [lie]))).toMatchObject({
      ...{ code: 'context_invalid', errors: [{ field: 'body', expected: lie.digest }] },
    });
    expect(await Array.fromAsync(api.blobs.list('trees'))).toEqual([]);
  });

  test.each<[string, Record<string, string>, string | Buffer, string, object]>([
    [
      'another media type',
      { 'content-type': 'text/plain' },
      'x',
      'unsupported_media_type',
      { field: 'header Content-Type' },
    ],
    ['another encoding', { 'content-encoding': 'br' }, 'x', 'unsupported_media_type', { got: 'br' }],
    ['no parts', {}, 'something else altogether', 'context_invalid', { expected: 'kiln-tree-parts-1' }],
    ['a stream that ends early', {}, 'kiln-tree-parts-1\nD', 'context_incomplete', { got: 'a stream that is cut off' }],
    [
      'a damaged zstd stream',
      { 'content-encoding': 'zstd' },
      'no zstd at all',
      'context_invalid',
      { got: 'a damaged zstd stream' },
    ],
    [
      'a damaged gzip stream',
      { 'content-encoding': 'gzip' },
      'no gzip',
      'context_invalid',
      { got: 'a damaged gzip stream' },
    ],
  ])('%s', async (_, headers, body, code, error) => {
    await start();
    const all = { 'content-type': TREE_PARTS_TYPE, ...headers };
    const answer = await api.fetch('/v1/trees', {
      method: 'POST',
      body: new Uint8Array(Buffer.from(body)),
      headers: all,
    });
    expect(await problemIn(answer)).toMatchObject({ code, errors: [error] });
  });

  test('what unpacks to more than a context may have', async () => {
    await start({ maxUnpackedContextBytes: 2 * MIB });
    const { body, headers } = await partsRequest([filePart(BIG)]);
    const init = { body: new Uint8Array(zstdCompressSync(body)), headers: { ...headers, 'content-encoding': 'zstd' } };
    const problem = await problemIn(await api.fetch('/v1/trees', { method: 'POST', ...init }));
    expect(problem).toMatchObject({ code: 'body_too_large', errors: [{ field: 'body' }] });
  });

  test('more parts than a context has, however little they unpack to', async () => {
    await start({ maxContextEntries: 100 });
    const empty = treeOf({}).parts[0] as TreePart;
    expect((await sendParts(api, Array(201).fill(empty))).status).toBe(200);
    expect(await problemIn(await sendParts(api, Array(202).fill(empty)))).toMatchObject({
      ...{ code: 'body_too_large', errors: [{ field: 'body', expected: 'at most 201 parts' }] },
    });
  });

  test('a context of too many entries, before its last directories are sent', async () => {
    await start({ maxContextEntries: 4 });
    const names = (of: string) => Object.fromEntries([1, 2].map((i) => [`${of}${i}`, of]));
    const { parts } = treeOf({ a: { in: names('a') }, b: { in: names('b') }, c: { in: names('c') } });
    expect(await problemIn(await sendParts(api, parts.slice(0, 3)))).toMatchObject({
      code: 'context_invalid',
      errors: [{ field: 'body', got: 'a context of more than 4 entries' }],
    });
    expect(await missing({ directories: digestsOf({ parts } as MadeTree).directories.slice(0, 2) })).toMatchObject({
      directories: [],
    });
  });

  test('a build whose Dockerfile is too large to be read', async () => {
    await start();
    const { parts, root } = treeOf({ Dockerfile: Buffer.alloc(4 * MIB + 1, '#\n') });
    expect((await sendParts(api, parts)).status).toBe(200);
    const source = { type: 'upload', name: 'app', digest: root };
    expect(await problemIn(await api.post('/v1/builds', { source }))).toMatchObject({
      ...{
        code: 'context_invalid',
        errors: [{ got: `a file of ${4 * MIB + 1} bytes`, expected: `at most ${4 * MIB} bytes` }],
      },
    });
  });

  test('more than a context may have as it is sent', async () => {
    await start({ maxContextBytes: MIB });
    expect(await problemIn(await sendParts(api, [filePart(BIG)]))).toMatchObject({
      ...{ code: 'body_too_large', errors: [{ field: 'body', expected: `at most ${MIB} bytes` }] },
    });
  });

  test.each([
    ['a digest of another form', { directories: ['sha256:x'] }, 'directories[0]'],
    ['too many digests', { directories: Array(4_000).fill(TREE.root), files: Array(97).fill(TREE.root) }, 'files'],
    ['an unknown field', { dirs: [] }, 'dirs'],
  ])('%s', async (_, wanted, field) => {
    await start();
    for (const path of ['/v1/trees/missing', '/v1/trees/read'])
      expect(await problemIn(await api.post(path, wanted))).toMatchObject({
        code: 'invalid_request',
        errors: [{ field }],
      });
  });
});

test('a credential uploads only so many contexts at a time, as parts or tars', async () => {
  await start({ maxUploadsByCredential: 2 });
  const [one, other] = [await api.token(WRITE), await api.token(WRITE)];
  const open = [1, 2].map(() => {
    const sent = httpRequest(`${api.api.url}/v1/trees`, {
      method: 'POST',
      headers: { ...one.headers, 'content-type': TREE_PARTS_TYPE, expect: '100-continue' },
    });
    sent.on('error', () => {});
    sent.flushHeaders();
    return sent;
  });
  await Promise.all(open.map((sent) => once(sent, 'continue')));
  const refused = await sendParts(api, TREE.parts, '', one.headers);
  expect(refused.headers.get('retry-after')).toBe('5');
  expect(await problemIn(refused)).toMatchObject({
    ...{ code: 'too_many_requests', errors: [{ field: 'uploads of the credential', expected: 'at most 2 at a time' }] },
  });
  const form = new FormData();
  form.set('request', '{}');
  const tar = await api.fetch('/v1/builds', { method: 'POST', body: form, headers: one.headers });
  expect(await problemIn(tar)).toMatchObject({ code: 'too_many_requests' });
  expect(
    (await api.post('/v1/builds', { source: { type: 'upload', name: 'app', digest: TREE.root } }, one.headers)).status,
  ).toBe(404);
  expect((await sendParts(api, TREE.parts, '', other.headers)).status).toBe(200);
  for (const sent of open) sent.destroy();
  await vi.waitFor(async () => expect((await sendParts(api, TREE.parts, '', one.headers)).status).toBe(200), PATIENT);
});

describe('an upload that breaks off', () => {
  /** Sends the beginning of a stream, and cuts the connection once the API has it. */
  async function cutOff(parts: Iterable<TreePart>, bytes: number): Promise<void> {
    const body = await buffer(writeParts(parts));
    const headers = {
      authorization: `Bearer ${TOKEN}`,
      'content-type': TREE_PARTS_TYPE,
      'content-length': body.length,
    };
    const sent = httpRequest(`${api.api.url}/v1/trees`, { method: 'POST', headers });
    sent.on('error', () => {});
    await new Promise<void>((resolve) => sent.write(body.subarray(0, bytes), () => resolve()));
    await vi.waitFor(async () => expect((await api.temps()).length).toBeGreaterThan(0), PATIENT);
    const closed = new Promise((resolve) => sent.once('close', resolve));
    sent.destroy();
    await closed;
  }

  test('leaves what arrived whole, and is continued where it was; until then its bytes count for the team', async () => {
    await start();
    const used = () => api.state.storage.usedBy('default');
    const setLimit = (storedBytes: number | 'unlimited') =>
      api.state.limits.change({ kind: 'team', name: 'default' }, { storedBytes });
    const leaf = treeOf({ 'a.c': 'int a;' });
    await cutOff([...leaf.parts, filePart(BIG)], 2 * MIB);
    await vi.waitFor(async () => {
      expect(await missing({ directories: [leaf.root] })).toMatchObject({ directories: [] });
      expect(await missing()).toMatchObject({ files: [{ storedBytes: expect.toSatisfy((n: number) => n > MIB) }] });
    }, PATIENT);
    const { files } = (await missing()) as { files: { storedBytes: number }[] };
    const offset = files[0]?.storedBytes ?? 0;
    await vi.waitFor(async () => {
      expect((await used()) - offset).toSatisfy((bytes: number) => bytes > 0 && bytes < 1_000);
    }, PATIENT);
    await setLimit(4 * MIB);
    await vi.waitFor(async () => {
      const other = await sendParts(api, [filePart(Buffer.alloc(4 * MIB - offset, 'other'))]);
      expect(await problemIn(other)).toMatchObject({ code: 'storage_quota_exceeded' });
    }, PATIENT);
    await setLimit('unlimited');
    const wrong = await sendParts(api, [filePart(BIG, offset + 1)]);
    expect(await problemIn(wrong)).toMatchObject({
      code: 'tree_incomplete',
      errors: [{ expected: `at most byte ${offset}` }],
    });
    expect(
      (await sendParts(api, [filePart(BIG, offset), ...TREE.parts.filter(({ type }) => type === 'directory')])).status,
    ).toBe(200);
    expect(await missing()).toEqual({ directories: [], files: [] });
    expect(await api.temps()).toEqual([]);
    const entries = await Array.fromAsync(api.state.storage.entries());
    const blobs = await Array.fromAsync(api.blobs.list('trees'));
    expect(entries.map(({ key }) => key)).toEqual(['trees/default']);
    expect(await used()).toBe(blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
  });

  test('that became too slow ends with an answer, and leaves what arrived whole', async () => {
    await start({ uploadIdleMs: 200 });
    const body = await buffer(writeParts(TREE.parts));
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': TREE_PARTS_TYPE };
    const sent = httpRequest(`${api.api.url}/v1/trees`, { method: 'POST', headers });
    sent.on('error', () => {});
    sent.write(body.subarray(0, -100));
    const [response] = (await once(sent, 'response')) as [import('node:http').IncomingMessage];
    expect(JSON.parse(String(await buffer(response)))).toMatchObject({ code: 'context_incomplete', status: 400 });
    expect(await missing()).toMatchObject({ files: [] });
    sent.destroy();
  });
});

describe('two API processes', () => {
  test('share what is stored, and restart a file that the other one has the beginning of', async () => {
    await start();
    const namespace = api.state.keys.prefix.slice(1, -2);
    await using second = await TestApi.start({}, { redis, namespace, blobDir: api.dir });
    expect((await sendParts(api, TREE.parts)).status).toBe(200);
    expect(await (await second.post('/v1/trees/missing', ALL)).json()).toEqual({ directories: [], files: [] });
    expect(await problemIn(await sendParts(second, [filePart(BIG.subarray(1), 10)]))).toMatchObject({
      ...{ code: 'tree_incomplete', errors: [{ expected: 'the whole file' }] },
    });
  });
});

describe('the storage of a team', () => {
  const setLimit = (storedBytes: number) =>
    api.fetch('/v1/limits/teams/web', {
      method: 'PATCH',
      body: JSON.stringify({ storedBytes }),
      headers: { 'content-type': 'application/json' },
    });

  test('has one entry for all its trees, which grows by what is new', async () => {
    await start();
    const { headers } = await api.token(WRITE);
    const { bytes } = (await (await sendParts(api, TREE.parts, '', headers)).json()) as { bytes: number };
    expect(await api.state.storage.usedBy('web')).toBe(bytes);
    await sendParts(api, TREE.parts, '', headers);
    expect(await api.state.storage.usedBy('web')).toBe(bytes);
    const entries = await Array.fromAsync(api.state.storage.entries());
    expect(entries).toMatchObject([{ key: 'trees/web', sizeBytes: bytes, teams: ['web'] }]);
  });

  test('is never exceeded, also not while an upload arrives; what arrived whole is counted', async () => {
    await start();
    const { headers } = await api.token(WRITE);
    await setLimit(2 * MIB);
    const small = filePart('s'.repeat(100_000));
    const problem = await problemIn(await sendParts(api, [small, filePart(BIG)], '', headers));
    expect(problem).toMatchObject({
      code: 'storage_quota_exceeded',
      errors: [{ field: 'limit storedBytes of the team' }],
    });
    expect(await api.state.storage.usedBy('web')).toBe(100_000);
    expect(await api.temps()).toEqual([]);
  });
});
