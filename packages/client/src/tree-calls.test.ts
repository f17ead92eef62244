import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { KilnClient } from './client.ts';
import { KilnProblem, KilnUnreachable } from './errors.ts';
import { serve } from './testing/serve.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const STORED = { directories: 1, files: 2, bytes: 3 };

async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

test('asks for what is missing of a team’s trees', async () => {
  const answer = { directories: [DIGEST], files: [{ digest: DIGEST, storedBytes: 7 }] };
  let seen = '';
  const url = await serve(async (request, response) => {
    seen = `${request.method} ${request.url} ${await buffer(request)}`;
    response.end(JSON.stringify(answer));
  });
  const client = new KilnClient({ url });
  expect(await client.missingTreeParts({ directories: [DIGEST] }, { team: 'web' })).toEqual(answer);
  expect(seen).toBe(`POST /v1/trees/missing?team=web {"directories":["${DIGEST}"]}`);
});

test('sends parts as a stream, with their type and encoding', async () => {
  let seen: unknown;
  const url = await serve(async (request, response) => {
    const { 'content-type': type, 'content-encoding': encoding } = request.headers;
    seen = { type, encoding, url: request.url, body: String(await buffer(request)) };
    response.end(JSON.stringify(STORED));
  });
  const sent = await new KilnClient({ url }).sendTreeParts(chunks('a', 'b'), { encoding: 'zstd' });
  expect(sent).toEqual(STORED);
  expect(seen).toEqual({ type: 'application/vnd.kiln.tree-parts', encoding: 'zstd', url: '/v1/trees', body: 'ab' });
});

test('takes no more from the source than the connection does, and stops when it is refused', async () => {
  let ended = false;
  let taken = 0;
  const refuse = Promise.withResolvers<void>();
  const server = createServer(async (request, response) => {
    request.pause();
    await refuse.promise;
    const problem = { type: 'x', title: 'x', status: 422, code: 'tree_incomplete', detail: 'd', errors: [] };
    response.writeHead(422).end(JSON.stringify(problem));
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        taken += 1;
        yield Buffer.alloc(1024 * 1024);
        await turn();
      }
    } finally {
      ended = true;
    }
  }
  const client = new KilnClient({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  const sending = client.sendTreeParts(endless());
  sending.catch(() => {});
  // The buffers of the sockets are full once nothing more is taken.
  for (let before = -1; before !== taken; ) {
    before = taken;
    for (let i = 0; i < 1_000; i += 1) await turn();
  }
  expect(taken).toBeLessThan(64);
  refuse.resolve();
  await expect(sending).rejects.toThrow(KilnProblem);
  await turn();
  expect(ended).toBe(true);
  server.closeAllConnections();
  server.close();
});

test('throws what the source of the parts throws, not that the connection broke', async () => {
  const url = await serve((request) => void request.resume());
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('a');
    throw new Error('a.txt changed while it was read');
  }
  await expect(new KilnClient({ url }).sendTreeParts(broken())).rejects.toThrow('a.txt changed while it was read');
});

test('reads parts, and reports an answer that breaks off', async () => {
  const url = await serve(
    (_, response) => void response.end('parts'),
    (_, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('some', () => response.destroy());
    },
  );
  const client = new KilnClient({ url });
  const read = async () => String(Buffer.concat(await Array.fromAsync(client.readTreeParts({ files: [DIGEST] }))));
  expect(await read()).toBe('parts');
  await expect(read()).rejects.toThrow(KilnUnreachable);
});
