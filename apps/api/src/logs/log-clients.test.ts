import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { redisForFile } from '../testing/for-file.ts';
import { PATIENT } from '../testing/patient.ts';
import { eventsIn, output, startedBuild } from '../testing/read-log.ts';
import { TestApi, TOKEN } from '../testing/test-api.ts';

const redis = await redisForFile();
let api: TestApi;
afterEach(() => api[Symbol.asyncDispose]());
const start = async (config: Parameters<typeof TestApi.start>[0] = {}) => {
  api = await TestApi.start(config, { redis });
};

const DONE = { end: 'succeeded' } as const;
const logs = (id: string, query = '', headers: Record<string, string> = {}) =>
  api.fetch(`/v1/builds/${id}/logs${query}`, { headers });

test('a client that pauses delays nobody and still gets everything', async () => {
  await start({ logRingBytes: 200_000, logPageCacheBytes: 200_000 });
  const { id, attempt } = await startedBuild(api);
  const socket = connect(api.api.port, '127.0.0.1');
  socket.pause();
  socket.write(`GET /v1/builds/${id}/logs?format=ndjson HTTP/1.0\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`);
  const fast = logs(id, '?format=sse').then(eventsIn);
  const records = 1_500;
  for (let i = 0; i < records; i += 10) {
    await attempt.log(...Array.from({ length: 10 }, (_, n) => output(i + n, `${'x'.repeat(20_000)}\n`)));
  }
  await attempt.settle(DONE);
  expect(await fast).toHaveLength(records + 1);
  let text = '';
  socket.setEncoding('utf8');
  socket.on('data', (chunk) => {
    text += chunk;
  });
  socket.resume();
  await once(socket, 'end');
  const ids = [...text.matchAll(/^\{"id":"1\.(\d+)"/gm)].map(([, seq]) => Number(seq));
  expect(ids).toEqual(Array.from({ length: records + 1 }, (_, i) => i + 1));
});

test('closing the API ends event streams, answers waiting requests and takes no longer than its time-out', async () => {
  await start({ closeTimeoutMs: 5_000 });
  const { id, attempt } = await startedBuild(api);
  await attempt.log(output(1));
  const watching = logs(id, '?format=sse').then((answer) => answer.text());
  const waiting = api.fetch(`/v1/builds/${id}?wait=300`).then((answer) => answer.json());
  await vi.waitFor(() => expect(api.logged.length).toBeGreaterThan(0), PATIENT);
  const idle = connect(api.api.port, '127.0.0.1');
  await once(idle, 'connect');
  // Both are under way once a later request has been answered.
  await api.fetch('/healthz');
  await vi.waitFor(async () => expect(await api.state.redis.client('LIST')).toMatch(/cmd=xread/), PATIENT);
  const closedIdle = once(idle, 'close');
  await api.api.close();
  expect(await watching).toContain(': this process is stopping; reconnect');
  expect(await waiting).toMatchObject({ state: 'running' });
  await closedIdle;
  await expect(fetch(`${api.api.url}/healthz`)).rejects.toThrow();
});

describe('long streams', () => {
  const REST_MS = 1_000;
  const BIG = `${'x'.repeat(200_000)}\n`;

  /** Requests a log on a socket of its own; `read` returns what has arrived so far. */
  async function open(id: string, format: string) {
    const socket = connect(api.api.port, '127.0.0.1');
    let read = '';
    socket.on('data', (chunk) => {
      read += chunk.toString('latin1');
    });
    socket.on('error', () => {});
    const closed = once(socket, 'close');
    await once(socket, 'connect');
    socket.write(
      `GET /v1/builds/${id}/logs?format=${format} HTTP/1.1\r\nHost: k\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`,
    );
    return { socket, closed, read: () => read };
  }

  test('are dropped if the client reads nothing, in every format, but not if it reads slowly', async () => {
    await start({ socketIdleMs: 2 * REST_MS, sseHeartbeatMs: REST_MS / 4 });
    const { id, attempt } = await startedBuild(api);
    const dead = await Promise.all(['text', 'ndjson', 'sse'].map((format) => open(id, format)));
    const slow = await open(id, 'text');
    for (const { socket } of [...dead, slow]) socket.pause();
    // A little at a time.
    const timer = setInterval(() => void slow.socket.read(64 * 1024), 10);
    const cutOff = () => api.logged.filter((line) => line.includes('"cutOff":true')).length;
    try {
      // More than the system's buffers hold.
      for (let i = 0; i < 20; i += 1) await attempt.log(...[1, 2, 3, 4, 5].map((n) => output(i * 5 + n, BIG)));
      await expect.poll(cutOff, PATIENT).toBe(3);
      expect(slow.socket.closed).toBe(false);
    } finally {
      clearInterval(timer);
      for (const { socket } of [...dead, slow]) socket.destroy();
    }
  });

  test.each(['text', 'ndjson'])('are kept while quiet, as %s', async (format) => {
    await start({ socketIdleMs: REST_MS, sseHeartbeatMs: REST_MS / 4 });
    const { id, attempt } = await startedBuild(api);
    const { socket, closed, read } = await open(id, format);
    await attempt.log(output(1, 'first\n'));
    await expect.poll(read, PATIENT).toContain('first');
    const since = performance.now();
    await expect.poll(() => performance.now() - since, PATIENT).toBeGreaterThan(2.5 * REST_MS);
    await attempt.log(output(2, 'second\n'));
    await attempt.settle(DONE);
    await expect.poll(read, PATIENT).toContain('second');
    // Chunks of one newline: keep-alives.
    expect(read().includes('\r\n1\r\n\n\r\n')).toBe(format === 'ndjson');
    socket.end();
    await closed;
  });

  test('are limited per credential, and one that ends makes room', async () => {
    await start({ maxStreamsByCredential: 2 });
    const { id } = await startedBuild(api);
    const [one, other] = await Promise.all([
      api.token({ team: '*', scopes: ['builds:read', 'logs:read'] }),
      api.token({ team: '*', scopes: ['logs:read'] }),
    ]);
    const stop = new AbortController();
    const follow = (headers: Record<string, string>, signal?: AbortSignal) =>
      api.fetch(`/v1/builds/${id}/logs`, { headers, ...(signal && { signal }) });
    const first = await follow(one.headers, stop.signal);
    const second = await follow(one.headers);
    const refused = await follow(one.headers);
    expect([first.status, second.status, refused.status, refused.headers.get('retry-after')]).toEqual([
      200,
      200,
      429,
      '5',
    ]);
    expect(await refused.json()).toMatchObject({
      code: 'too_many_requests',
      errors: [{ field: 'streams of the credential', expected: 'at most 2 at a time' }],
    });
    expect((await api.fetch(`/v1/builds/${id}?wait=1`, { headers: one.headers })).status).toBe(429);
    expect((await api.fetch('/v1/builds', { headers: one.headers })).status).toBe(200);
    const others = await follow(other.headers);
    const admins = await Promise.all([1, 2, 3].map(() => follow({})));
    expect([others, ...admins].map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    stop.abort();
    await expect
      .poll(async () => {
        const again = await follow(one.headers);
        await again.body?.cancel();
        return again.status;
      }, PATIENT)
      .toBe(200);
    await Promise.all([second, others, ...admins].map((answer) => answer.body?.cancel()));
  });
});
