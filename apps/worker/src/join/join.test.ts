import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { freePort } from '@kiln/runtime/testing';
import { TestRedis } from '@kiln/state/testing';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { JoinFailed, joinPool } from './join.ts';

let redis: TestRedis;
const servers: Server[] = [];

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** Starts an API that answers every request with `status` and `body`. */
async function api(status: number, body: unknown, host = '127.0.0.1'): Promise<string> {
  const server = createServer((_request, response) =>
    response
      .writeHead(status, { 'content-type': 'application/json' })
      .end(typeof body === 'string' ? body : JSON.stringify(body)),
  );
  servers.push(server);
  server.listen(0, host);
  await once(server, 'listening');
  return `http://${host}:${(server.address() as AddressInfo).port}`;
}

const GRANT = { namespace: 'pool', secretKey: Buffer.alloc(32, 1).toString('base64') };
const refusal = (status: number, code: string, detail: string) => ({
  ...{ type: 'about:blank', title: 't', status, code, detail },
  errors: [],
});
const join = (url: string, redisUrl?: string) => joinPool({ url, token: 't', hostName: 'h1', redisUrl });

test('returns the API’s grant once its Redis answers, with the worker’s own Redis URL if it has one', async () => {
  const grant = { ...GRANT, redisUrl: redis.url };
  expect(await join(await api(200, grant))).toEqual(grant);
  expect(await join(await api(200, { ...GRANT, redisUrl: 'redis://nowhere.invalid' }), redis.url)).toEqual(grant);
});

describe('throws JoinFailed with the reason', () => {
  test.each([
    [
      401,
      refusal(401, 'unauthorized', 'the bearer token is not one of this Kiln'),
      /refused the join token: the bearer token is not one/,
    ],
    [
      403,
      refusal(403, 'forbidden', 'this is a user’s token'),
      /refused to let this worker join: this is a user’s token/,
    ],
    [
      409,
      refusal(409, 'join_impossible', 'start kiln up with --listen-workers'),
      /start kiln up with --listen-workers \[join_impossible\]/,
    ],
    [404, '<h1>Not found</h1>', /has no route for workers to join; check that it is the URL of Kiln’s API/],
    [200, '<h1>Welcome</h1>', /is not a Kiln API of a compatible version/],
    [503, refusal(503, 'unavailable', 'Redis does not answer'), /Redis does not answer \[unavailable\]/],
  ])('if the API answers %i %j', async (status, body, words) => {
    const url = await api(status, body);
    const error = await join(url).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(JoinFailed);
    expect((error as Error).message).toMatch(words);
    expect((error as Error).message).toContain(url);
  });

  test('if no API answers', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    await expect(join(url)).rejects.toThrow(/can't be reached: .*ECONNREFUSED.*that the API is running.*KILN_HOST/);
  });

  test('if Redis does not answer, without its password in the message', async () => {
    const port = await freePort();
    const url = await api(200, { ...GRANT, redisUrl: `redis://:pw@127.0.0.1:${port}` });
    await expect(join(url)).rejects.toThrow(
      new RegExp(
        `accepted the join token, but its Redis .* \\(Redis at 127.0.0.1:${port}: .*ECONNREFUSED.*KILN_WORKER_REDIS_URL`,
      ),
    );
    await expect(join(url)).rejects.not.toThrow(/:pw@/);
    const gone = await api(200, { ...GRANT, redisUrl: 'unix:///nowhere/redis.sock' });
    await expect(join(gone)).rejects.toThrow(/Redis at \/nowhere\/redis.sock: .*ENOENT/);
  });

  test('if the API is on another machine and gives a loopback address for Redis', async () => {
    const own = Object.values(networkInterfaces())
      .flatMap((each) => each ?? [])
      .find(({ internal, family }) => !internal && family === 'IPv4');
    if (!own) throw new Error('this machine has no address but loopback');
    const url = await api(200, { ...GRANT, redisUrl: 'redis://127.0.0.1:6379' }, own.address);
    await expect(join(url)).rejects.toThrow(/its Redis is at 127\.0\.0\.1, which refers to this machine itself/);
  });
});
