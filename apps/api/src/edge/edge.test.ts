import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Problem } from '@kiln/contracts';
import { TestRedis } from '@kiln/state/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PATIENT } from '../testing/patient.ts';
import { TestApi } from '../testing/test-api.ts';
import { hook, TestForge } from '../testing/test-forge.ts';
import { capConnections } from './connection-cap.ts';

const MIB = 1024 * 1024;
const PER_MINUTE = 30;
let redis: TestRedis;
let api: TestApi;
let forge: TestForge;

beforeAll(async () => {
  redis = await TestRedis.start();
  // Clients are told apart by the X-Forwarded-For of a proxy on this machine.
  api = await TestApi.start(
    { trustProxy: ['loopback'], strangerRequestsPerMinute: PER_MINUTE, bodyIdleMs: 1_000 },
    { redis },
  );
  forge = await TestForge.start(api);
  await forge.connect('github');
});
afterAll(async () => {
  await forge[Symbol.asyncDispose]();
  await api[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

const from = (ip: string, headers: Record<string, string> = {}) => ({ 'x-forwarded-for': ip, ...headers });
const bare = (path: string, headers: Record<string, string>) => fetch(api.api.url + path, { headers });
const pingFrom = (ip: string) => {
  const ping = hook('github', 'ping');
  return forge.send({ ...ping, headers: { ...ping.headers, ...from(ip) } });
};

/** Begins a webhook that declares 25 MiB, sends `bytes` of them, and then nothing. */
async function declare(
  ip: string,
  bytes: number,
  { to = api, declared = 25 * MIB } = {},
): Promise<{ socket: Socket; answer: Promise<string> }> {
  const socket = connect(to.api.port, '127.0.0.1');
  socket.on('error', () => {});
  const answer = text(socket).catch(() => '');
  await once(socket, 'connect');
  socket.write(
    `POST /v1/hooks/github/github HTTP/1.1\r\nHost: k\r\nX-Forwarded-For: ${ip}\r\nContent-Type: application/json\r\nContent-Length: ${declared}\r\n\r\n`,
  );
  if (bytes > 0) await new Promise<void>((resolve) => socket.write(Buffer.alloc(bytes, 32), () => resolve()));
  return { socket, answer };
}

describe('idle connections without a credential', () => {
  test('that declare large bodies delay no webhook, and get an answer that they are too slow', async () => {
    const idle = await Promise.all(Array.from({ length: 60 }, (_, i) => declare(`198.51.100.${i}`, 1)));
    expect((await pingFrom('203.0.113.1')).status).toBe(202);
    for (const { answer } of idle) expect(await answer).toContain('"code":"request_timeout"');
  });

  test('that have sent nearly all of large bodies are dropped for a webhook, whatever their addresses', async () => {
    const memory = { maxHookBytes: MIB, maxHookMemoryBytes: 2 * MIB };
    await using other = await TestApi.start({ trustProxy: ['loopback'], ...memory }, { redis });
    const own = await TestForge.start(other);
    await own.connect('github');
    const idle = await Promise.all(
      Array.from({ length: 3 }, (_, i) => declare(`2001:db8:0:${i}::1`, 700_000, { to: other, declared: MIB })),
    );
    const ping = hook('github', 'ping');
    expect((await own.send({ ...ping, headers: { ...ping.headers, ...from('203.0.113.2') } })).status).toBe(202);
    const dropped = await Promise.race(idle.map(({ answer }) => answer));
    expect(dropped).toContain('"code":"unavailable"');
    for (const { socket } of idle) socket.destroy();
    await own[Symbol.asyncDispose]();
  });
});

describe('callers without a valid credential', () => {
  test('are limited by address, without delaying a known token, a signed webhook or health checks', async () => {
    const ip = '203.0.113.10';
    const { headers } = await api.token({ scopes: ['builds:read'] });
    const known = () => bare('/v1/builds', from(ip, headers));
    expect((await known()).status).toBe(200);
    for (let i = 0; i < PER_MINUTE; i += 1) expect((await bare('/v1/builds', from(ip))).status).toBe(401);
    const refused = await bare('/v1/builds', from(ip));
    expect([refused.status, Number(refused.headers.get('retry-after'))]).toEqual([429, expect.any(Number)]);
    expect(refused.headers.get('content-type')).toBe('application/problem+json');
    expect((await refused.json()) as Problem).toMatchObject({
      code: 'too_many_requests',
      errors: [{ field: 'address' }],
    });
    expect((await pingFrom(ip)).status).toBe(429);
    expect((await known()).status).toBe(200);
    for (const path of ['/healthz', '/readyz']) expect((await bare(path, from(ip))).status).toBe(200);
    expect((await bare('/v1/builds', from('203.0.113.11'))).status).toBe(401);
    expect((await bare('/v1/builds', {})).status).toBe(401);

    // Signed webhooks are unlimited.
    for (let i = 0; i < PER_MINUTE + 5; i += 1) expect((await pingFrom('203.0.113.12')).status).toBe(202);
  });

  test('that guess tokens are stopped after a few guesses', async () => {
    const ip = '203.0.113.20';
    const guess = async (i: number) =>
      (await bare('/v1/builds', from(ip, { authorization: `Bearer guess-${i}` }))).status;
    expect([await guess(1), await guess(2), await guess(3), await guess(4)]).toEqual([401, 401, 401, 429]);
    const { headers } = await api.token({ scopes: ['builds:read'] });
    expect((await bare('/v1/builds', from(ip, headers))).status).toBe(429);
  });
});

test('limits the connections of one address, and a closed one makes room', async () => {
  const refused: string[] = [];
  const server = createServer();
  capConnections(server, {
    max: 2,
    isExempt: () => false,
    refuse: (socket, network) => {
      refused.push(network);
      socket.destroy();
    },
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const open = async () => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const [closed] = [once(socket, 'close')];
    await once(socket, 'connect');
    return { socket, closed };
  };
  const [first] = [await open(), await open()];
  await (await open()).closed;
  expect(refused).toEqual(['127.0.0.1']);
  const count = () => new Promise<number>((resolve) => server.getConnections((_, n) => resolve(n)));
  first?.socket.destroy();
  await expect.poll(count, PATIENT).toBe(1);
  await open();
  await expect.poll(count, PATIENT).toBe(2);
  expect(refused).toHaveLength(1);
  server.closeAllConnections();
  server.close();
});
