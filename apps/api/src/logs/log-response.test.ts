import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setImmediate as tick } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { LogResponse } from './log-response.ts';

/** Opens a response whose client reads nothing. */
async function paused(): Promise<{ response: ServerResponse; client: Socket }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  client.pause();
  client.write('GET / HTTP/1.0\r\n\r\n');
  const [, response] = (await once(server, 'request')) as [unknown, ServerResponse];
  onTestFinished(() => {
    client.destroy();
    server.close();
  });
  return { response, client };
}

const PIECE = Buffer.alloc(100_000);

/** Writes until the client can't take more; returns the written bytes and the pending write. */
async function fill(
  output: LogResponse,
  response: ServerResponse,
): Promise<{ written: number; waiting: Promise<void> }> {
  for (let written = PIECE.length; ; written += PIECE.length) {
    const waiting = output.write(PIECE);
    const isDone = await Promise.race([
      waiting.then(() => true),
      tick()
        .then(tick)
        .then(tick)
        .then(() => false),
    ]);
    if (!isDone && response.writableNeedDrain) return { written, waiting };
    await waiting;
  }
}

test('a stuck client has only one chunk pending, however long the log is', async () => {
  const { response, client } = await paused();
  using output = new LogResponse(response, { text: ': alive\n\n', everyMs: 1 });
  const { written, waiting } = await fill(output, response);
  expect(response.writableLength).toBeLessThanOrEqual(PIECE.length + 100);
  // No keep-alive is written behind it.
  const length = response.writableLength;
  for (let i = 0; i < 50; i += 1) await tick();
  expect(response.writableLength).toBe(length);
  let read = 0;
  client.on('data', (bytes) => {
    read += bytes.length;
  });
  client.resume();
  await waiting;
  response.end();
  await once(client, 'end');
  expect(read).toBeGreaterThanOrEqual(written);
});

test('a stuck client that disconnects releases the writer', async () => {
  const { response, client } = await paused();
  using output = new LogResponse(response);
  const { waiting } = await fill(output, response);
  client.destroy();
  await waiting;
  await output.write(PIECE);
});
