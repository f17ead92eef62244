import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { ArtifactRefused } from '@kiln/buildkit';
import { freePort } from '@kiln/runtime/testing';
import { afterEach, expect, test } from 'vitest';
import { ApiBlobs } from './api-blobs.ts';

const REF = { buildId: 'b1', attempt: 1, host: 'h', incarnation: 'i' };
const STORED = { digest: 'sha256:1', sizeBytes: 5 };

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function listen(answer: RequestListener, port = 0): Promise<number> {
  server = createServer(answer).listen(port, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const blobsAt = (port: number, awayMs?: number) =>
  new ApiBlobs(`http://127.0.0.1:${port}/`, 'token', awayMs === undefined ? {} : { awayMs });

test('openContext reads a context, and returns undefined for one that is gone', async () => {
  const blobs = blobsAt(
    await listen((request, response) => {
      response.statusCode = request.url === '/v1/contexts/sha256:1' ? 200 : 404;
      response.end(request.headers.authorization);
    }),
  );
  const content = await blobs.openContext('sha256:1');
  expect(content && (await text(content))).toBe('Bearer token');
  expect(await blobs.openContext('sha256:2')).toBeUndefined();
});

test('openContext waits for an API that is away or being replaced', async () => {
  const port = await freePort();
  const opened = blobsAt(port).openContext('sha256:1');
  let calls = 0;
  await listen((_, response) => {
    calls += 1;
    response.statusCode = calls === 1 ? 503 : 200;
    response.end('a tar');
  }, port);
  const content = await opened;
  expect(content && (await text(content))).toBe('a tar');
  expect(calls).toBe(2);
});

test('openContext gives up when its signal aborts, and after a time with the reason', async () => {
  const port = await freePort();
  const stop = new AbortController();
  const opened = blobsAt(port).openContext('sha256:1', stop.signal);
  stop.abort('cancel');
  await expect(opened).rejects.toThrow();
  await expect(blobsAt(port, 0).openContext('sha256:1')).rejects.toThrow(
    `the API at http://127.0.0.1:${port} can’t be reached: connect ECONNREFUSED 127.0.0.1:${port}`,
  );
});

test('storeArtifact sends the artifact once, when the API answers', async () => {
  const port = await freePort();
  const stored = blobsAt(port).storeArtifact(REF, Readable.from(['a tar']));
  const calls: string[] = [];
  await listen(async (request, response) => {
    calls.push(`${request.method} ${request.url} ${await text(request)}`);
    response.end(JSON.stringify(STORED));
  }, port);
  expect(await stored).toEqual(STORED);
  expect(calls).toEqual(['GET /readyz ', 'PUT /v1/artifacts/b1-1 a tar']);
});

test('does not repeat a request that the API has refused', async () => {
  let calls = 0;
  const blobs = blobsAt(
    await listen((_, response) => {
      calls += 1;
      response.writeHead(401).end();
    }),
  );
  await expect(blobs.openContext('sha256:1')).rejects.toThrow('reading context sha256:1: got status 401 from the API');
  expect(calls).toBe(1);
});

test.each([
  ['body_too_large', 413, 'artifact_too_large'],
  ['storage_quota_exceeded', 403, 'storage_quota_exceeded'],
  ['storage_full', 507, 'storage_full'],
])('storeArtifact rejects with ArtifactRefused if the API answers %s', async (code, status, failure) => {
  const answer = { type: 'urn:x', title: 'x', status, code, detail: 'why' };
  const blobs = blobsAt(
    await listen((request, response) => {
      response.writeHead(request.method === 'PUT' ? status : 200).end(JSON.stringify(answer));
    }),
  );
  const refused = blobs.storeArtifact(REF, Readable.from(['a tar']));
  await expect(refused).rejects.toThrow(ArtifactRefused);
  await expect(refused).rejects.toMatchObject({
    failure: { code: failure, message: 'the artifact was not stored: why' },
  });
});

test('storeArtifact makes no request before the first byte, for which the API would not wait long enough', async () => {
  const port = await listen(async (request, response) => {
    await text(request);
    response.end(JSON.stringify(STORED));
  });
  Object.assign(server as Server, { keepAliveTimeout: 50, headersTimeout: 100 });
  let asked = 0;
  server?.on('request', () => {
    asked += 1;
  });
  const content = new PassThrough();
  const stored = blobsAt(port).storeArtifact(REF, content);
  await new Promise((resolve) => setImmediate(resolve));
  expect(asked).toBe(0);
  content.write('a ');
  content.end('tar');
  expect(await stored).toEqual(STORED);
  const broken = new PassThrough();
  const failed = blobsAt(port).storeArtifact(REF, broken);
  broken.destroy(new Error('the build failed'));
  await expect(failed).rejects.toThrow('the build failed');
});
