import { once } from 'node:events';
import { connect } from 'node:net';
import type { LogRecord } from '@kiln/contracts';
import { TestRedis } from '@kiln/state/testing';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { TestApi, type TestAttempt, TOKEN } from '../testing/test-api.ts';

let redis: TestRedis;
let api: TestApi;

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());
afterEach(() => api[Symbol.asyncDispose]());
const start = async (config: Parameters<typeof TestApi.start>[0] = {}) => {
  api = await TestApi.start(config, { redis });
};

const DONE = { end: 'succeeded' } as const;
const output = (n: number, data = `line ${n} \u001b[31mred\u001b[0m\n`): LogRecord => ({
  t: n,
  type: 'output',
  step: 1,
  stream: 'stdout',
  data,
});
const step = (state: 'started' | 'completed'): LogRecord => ({
  t: 0,
  type: 'step',
  step: 1,
  name: '[1/1] RUN make',
  state,
  ...(state === 'completed' && { ms: 1500 }),
});

const logs = (id: string, query = '', headers: Record<string, string> = {}) =>
  api.fetch(`/v1/builds/${id}/logs${query}`, { headers });

/** Ids and types of an event stream, in order. */
async function events(answer: Response): Promise<string[]> {
  expect(answer.headers.get('content-type')).toBe('text/event-stream');
  return [...(await answer.text()).matchAll(/^id: (.*)\nevent: (.*)\ndata: (.*)\n\n/gm)].map(([, id, event, data]) => {
    const record = JSON.parse(data ?? '') as { id: string; type: string };
    expect(Object.keys(record)[0]).toBe('id');
    expect([record.id, record.type]).toEqual([id, event]);
    return `${id} ${event}`;
  });
}

async function started(): Promise<{ id: string; attempt: TestAttempt }> {
  const { id } = await api.submit();
  return { id, attempt: await api.run(id) };
}

describe('formats', () => {
  test('server-sent events, from before the first attempt to the end', async () => {
    await start();
    const { id } = await api.submit();
    const answer = await logs(id, '?format=sse');
    expect(answer.headers.get('x-accel-buffering')).toBe('no');
    const attempt = await api.run(id);
    await attempt.log(step('started'), output(1));
    await attempt.log(output(2));
    await attempt.settle(DONE);
    const text = await answer.clone().text();
    expect(text.startsWith('retry: 1000\n\n')).toBe(true);
    expect(await events(answer)).toEqual(['1.1 step', '1.2 output', '1.3 output', '1.4 end']);
  });

  test('NDJSON and text, by name or by Accept; ANSI colours survive', async () => {
    await start();
    const { id, attempt } = await started();
    await attempt.log(step('started'), output(1), step('completed'));
    await attempt.settle(DONE);
    for (const answer of [await logs(id, '?format=ndjson'), await logs(id, '', { accept: 'application/x-ndjson' })]) {
      const records = (await answer.text())
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(records.map((record) => record.id)).toEqual(['1.1', '1.2', '1.3', '1.4']);
      expect(records[1]).toMatchObject({ type: 'output', data: 'line 1 \u001b[31mred\u001b[0m\n' });
    }
    for (const answer of [await logs(id, '?format=text'), await logs(id, '', { accept: 'text/plain' })]) {
      expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8');
      const text = await answer.text();
      expect(text).toContain('#1 [1/1] RUN make\n');
      expect(text).toContain('line 1 \u001b[31mred\u001b[0m\n');
      expect(text).toContain('#1 DONE 1.5s\n');
      expect(text).toContain('kiln: succeeded\n');
    }
    expect((await logs(id, '', { accept: '*/*' })).headers.get('content-type')).toBe('text/event-stream');
  });

  test('heartbeats keep a quiet stream alive', async () => {
    await start({ sseHeartbeatMs: 5 });
    const { id, attempt } = await started();
    const answer = await logs(id, '?format=sse');
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (!text.includes(': alive\n\n: alive\n\n')) text += (await reader?.read())?.value ?? '';
    await attempt.settle(DONE);
    await reader?.cancel();
  });
});

describe('resuming', () => {
  test('by header or query, within a batch, over attempts', async () => {
    await start();
    const { id, attempt } = await started();
    await attempt.log(output(1), output(2), output(3));
    await attempt.lose();
    const second = await api.run(id);
    await second.log(output(4), output(5));
    await second.settle(DONE);
    const all = ['1.1 output', '1.2 output', '1.3 output', '1.4 end', '2.1 output', '2.2 output', '2.3 end'];
    expect(await events(await logs(id, '?format=sse'))).toEqual(all);
    for (let has = 1; has < all.length; has += 1) {
      const last = all[has - 1]?.split(' ')[0] ?? '';
      expect(await events(await logs(id, '?format=sse', { 'last-event-id': last }))).toEqual(all.slice(has));
      expect(await events(await logs(id, `?format=sse&after=${last}`))).toEqual(all.slice(has));
    }
    expect(await events(await logs(id, '?format=sse&attempt=1'))).toEqual(all.slice(0, 4));
    expect(await events(await logs(id, '?format=sse&attempt=2', { 'last-event-id': '1.2' }))).toEqual(all.slice(4));
  });

  test('whoever has all of it is told not to come back', async () => {
    await start();
    const { id, attempt } = await started();
    await attempt.log(output(1));
    await attempt.settle(DONE);
    expect((await logs(id, '', { 'last-event-id': '1.2' })).status).toBe(204);
    const bad = await logs(id, '', { 'last-event-id': 'x' });
    expect(await bad.json()).toMatchObject({
      code: 'invalid_request',
      errors: [{ field: 'header Last-Event-ID', got: 'x' }],
    });
  });

  test('without follow a running build’s log ends with what there is', async () => {
    await start();
    const { id, attempt } = await started();
    await attempt.log(output(1));
    expect(await events(await logs(id, '?format=sse&follow=false'))).toEqual(['1.1 output']);
    expect(await events(await logs(id, '?format=sse&follow=false', { 'last-event-id': '1.1' }))).toEqual([]);
  });

  test('a reader in the middle goes on from the archive when the stream has expired, and the archive is what it was', async () => {
    await start({ logRingBytes: 100_000, logPageCacheBytes: 1 });
    const { id, attempt } = await started();
    const expected: string[] = [];
    for (let i = 0; i < 60; i += 1) {
      await attempt.log(output(2 * i, 'x'.repeat(10_000)), output(2 * i + 1, 'é'.repeat(5_000)));
      expected.push(`1.${2 * i + 1} output`, `1.${2 * i + 2} output`);
    }
    const answer = await logs(id, '?format=sse');
    await attempt.settle(DONE);
    await vi.waitFor(() => expect(api.logged.join('')).toContain('log archived'), 10_000);
    await api.state.redis.del(api.state.keys.log(id, 1));
    expected.push('1.121 end');
    expect(await events(answer)).toEqual(expected);
    expect(await events(await logs(id, '?format=sse'))).toEqual(expected);
    expect(await events(await logs(id, '?format=sse', { 'last-event-id': '1.77' }))).toEqual(expected.slice(77));
    expect((await logs(id, '', { 'last-event-id': '1.121' })).status).toBe(204);
  });
});

describe('ends and absences', () => {
  test('a build canceled in the queue ends its log', async () => {
    await start();
    const { id } = await api.submit();
    const answer = await logs(id, '?format=sse');
    await api.fetch(`/v1/builds/${id}/cancel`, { method: 'POST' });
    expect(await events(answer)).toEqual(['1.1 end']);
    expect(await events(await logs(id, '?format=sse'))).toEqual(['1.1 end']);
    expect((await logs(id, '', { 'last-event-id': '1.1' })).status).toBe(204);
  });

  test('a log that is no longer kept', async () => {
    await start();
    const { id, attempt } = await started();
    await attempt.settle(DONE);
    await vi.waitFor(() => expect(api.logged.join('')).toContain('log archived'), 10_000);
    await api.state.redis.del(api.state.keys.log(id, 1));
    for await (const key of api.blobs.list('logs')) await api.blobs.delete(key);
    expect(await (await logs(id)).json()).toMatchObject({ status: 404, code: 'log_not_found' });
    expect((await logs(id, '', { 'last-event-id': '1.1' })).status).toBe(404);
  });
});

describe('slow readers and closing', () => {
  test('a reader that doesn’t read holds up nobody and still gets everything', async () => {
    await start({ logRingBytes: 200_000, logPageCacheBytes: 200_000 });
    const { id, attempt } = await started();
    const socket = connect(api.api.port, '127.0.0.1');
    socket.pause();
    socket.write(`GET /v1/builds/${id}/logs?format=ndjson HTTP/1.0\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`);
    const fast = logs(id, '?format=sse').then(events);
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

  test('closing ends event streams, answers who waits, and is done within its bound', async () => {
    await start({ closeTimeoutMs: 5_000 });
    const { id, attempt } = await started();
    await attempt.log(output(1));
    const watching = logs(id, '?format=sse').then((answer) => answer.text());
    const waiting = api.fetch(`/v1/builds/${id}?wait=300`).then((answer) => answer.json());
    await vi.waitFor(() => expect(api.logged.length).toBeGreaterThan(0));
    const idle = connect(api.api.port, '127.0.0.1');
    await once(idle, 'connect');
    // Both are under way once a later request has been answered.
    await api.fetch('/healthz');
    await vi.waitFor(async () => expect(await api.state.redis.client('LIST')).toMatch(/cmd=xread/));
    const closedIdle = once(idle, 'close');
    await api.api.close();
    expect(await watching).toContain(': this process is stopping; reconnect');
    expect(await waiting).toMatchObject({ state: 'running' });
    await closedIdle;
    await expect(fetch(`${api.api.url}/healthz`)).rejects.toThrow();
  });
});

describe('clients that stay', () => {
  const REST_MS = 1_000;
  const PATIENT = { timeout: 20_000 };
  const BIG = `${'x'.repeat(200_000)}\n`;

  /** Asks by a socket of its own; `read` is what it has taken so far. */
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

  test('one that reads nothing is dropped, whatever the format; one that reads slowly is not', async () => {
    await start({ socketIdleMs: 2 * REST_MS, sseHeartbeatMs: REST_MS / 4 });
    const { id, attempt } = await started();
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

  test.each(['text', 'ndjson'])('a quiet %s stream is kept', async (format) => {
    await start({ socketIdleMs: REST_MS, sseHeartbeatMs: REST_MS / 4 });
    const { id, attempt } = await started();
    const { socket, closed, read } = await open(id, format);
    await attempt.log(output(1, 'first\n'));
    await expect.poll(read, PATIENT).toContain('first');
    const since = performance.now();
    await expect.poll(() => performance.now() - since, PATIENT).toBeGreaterThan(2.5 * REST_MS);
    await attempt.log(output(2, 'second\n'));
    await attempt.settle(DONE);
    await expect.poll(read, PATIENT).toContain('second');
    // Chunks of one line end: signs of life.
    expect(read().includes('\r\n1\r\n\n\r\n')).toBe(format === 'ndjson');
    socket.end();
    await closed;
  });

  test('one credential has so many streams at most, whatever others have; one that ends makes room', async () => {
    await start({ maxStreamsByCredential: 2 });
    const { id } = await started();
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
      })
      .toBe(200);
    await Promise.all([second, others, ...admins].map((answer) => answer.body?.cancel()));
  });
});
