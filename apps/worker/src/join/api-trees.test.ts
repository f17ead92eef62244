import { once } from 'node:events';
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer, json } from 'node:stream/consumers';
import { type Digest, digestOf, type TreePart, type WantedParts, writeParts } from '@kiln/trees';
import { filePart, treeOf } from '@kiln/trees/testing';
import { afterEach, expect, test } from 'vitest';
import { ApiTrees } from './api-trees.ts';

const BIG = 'big '.repeat(100_000);
const TREE = treeOf({ Dockerfile: 'FROM scratch', src: { in: { 'a.c': 'int a;' } } });
const PARTS = new Map(
  [...TREE.parts, filePart(BIG)].map((part) => [part.type === 'file' ? part.digest : part.object.digest, part]),
);
const BIG_DIGEST = digestOf(Buffer.from(BIG));
const ALL = { directories: TREE.parts.map((part) => digestFor(part)), files: [BIG_DIGEST] };

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function listen(answer: RequestListener, port = 0): Promise<string> {
  server = createServer(answer).listen(port, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Answers as the API does; `cut` breaks the connection after that many bytes. */
async function answer(wanted: WantedParts, response: ServerResponse, cut?: number): Promise<void> {
  const parts = [...wanted.directories, ...wanted.files].map((digest) => PARTS.get(digest) as TreePart);
  const body = await buffer(writeParts(parts));
  if (cut === undefined) return void response.end(body);
  response.writeHead(200, { 'content-length': body.length });
  response.write(body.subarray(0, cut), () => response.destroy());
}

async function read(url: string, wanted: WantedParts, options?: { awayMs: number }, signal?: AbortSignal) {
  const got: [Digest, string][] = [];
  for await (const part of new ApiTrees(url, 'token', options).of('web').read(wanted, signal))
    got.push([digestFor(part), String(await buffer(part.content))]);
  return got;
}

function digestFor(part: TreePart): Digest {
  return part.type === 'file' ? part.digest : part.object.digest;
}

const EXPECTED = [
  [ALL.directories[0], 'int a;'],
  [ALL.directories[1], 'FROM scratch'],
  [BIG_DIGEST, BIG],
];

test('reads directories and files of a team', async () => {
  let seen = '';
  const url = await listen(async (request, response) => {
    seen = `${request.method} ${request.url} ${request.headers.authorization}`;
    await answer((await json(request)) as WantedParts, response);
  });
  expect(await read(url, ALL)).toEqual(EXPECTED);
  expect(seen).toBe('POST /v1/trees/read?team=web Bearer token');
});

test.each([
  ['between parts', (full: number) => full - BIG.length - 50],
  ['in the middle of a file', (full: number) => full - BIG.length / 2],
  ['in the middle of a directory', () => 30],
  ['just before the end', (full: number) => full - 1],
])('goes on where it was if the answer breaks off %s, and asks for nothing twice that it has whole', async (_, cut) => {
  const full = (await buffer(writeParts(PARTS.values()))).length;
  const asked: WantedParts[] = [];
  const url = await listen(async (request, response) => {
    const wanted = (await json(request)) as WantedParts;
    asked.push(wanted);
    await answer(wanted, response, asked.length === 1 ? cut(full) : undefined);
  });
  expect(await read(url, ALL)).toEqual(EXPECTED);
  const later = asked.slice(1).flatMap(({ directories, files }) => [...directories, ...files]);
  expect(later.length).toBeLessThanOrEqual(ALL.directories.length + 1);
  if (cut(full) > full - BIG.length) expect(later).toEqual(cut(full) === full - 1 ? [] : [BIG_DIGEST]);
});

test('waits for an API that is being replaced, but not forever', async () => {
  let calls = 0;
  const url = await listen(async (request, response) => {
    calls += 1;
    if (calls <= 2) response.writeHead(503).end();
    else await answer((await json(request)) as WantedParts, response);
  });
  await expect(read(url, ALL, { awayMs: 0 })).rejects.toMatchObject({ problem: { status: 503 } });
  expect(await read(url, ALL)).toEqual(EXPECTED);
});

test('stops waiting when its signal aborts', async () => {
  const stop = new AbortController();
  const url = await listen((_, response) => {
    response.writeHead(503).end();
    stop.abort(new Error('canceled'));
  });
  await expect(read(url, ALL, undefined, stop.signal)).rejects.toThrow('canceled');
});

test('says which object is no longer stored', async () => {
  const problem = {
    ...{ type: 'x', title: 'x', status: 404, code: 'tree_part_not_found', detail: 'd' },
    errors: [{ field: 'body', got: BIG_DIGEST, expected: 'x' }],
  };
  const url = await listen((_, response) => void response.writeHead(404).end(JSON.stringify(problem)));
  await expect(read(url, ALL)).rejects.toMatchObject({ code: 'tree_part_missing', digest: BIG_DIGEST });
});

test('rejects content that is not what was asked for', async () => {
  const lie = { ...filePart('y'.repeat(BIG.length)), digest: BIG_DIGEST };
  const url = await listen(async (_, response) => void response.end(await buffer(writeParts([lie]))));
  await expect(read(url, { directories: [], files: [BIG_DIGEST] })).rejects.toMatchObject({ code: 'tree_fault' });
});
