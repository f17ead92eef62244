import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { problem } from '@kiln/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ApiConfig } from '../config.ts';
import { redisForFile } from '../testing/for-file.ts';
import { PATIENT } from '../testing/patient.ts';
import { TestApi, TOKEN } from '../testing/test-api.ts';

const redis = await redisForFile();

const start = (config: Partial<ApiConfig>) => TestApi.start(config, { redis });

/** Opens a connection, and collects everything that arrives on it. */
async function open(api: TestApi): Promise<{ socket: Socket; ended: Promise<string> }> {
  const socket = connect(api.api.port, '127.0.0.1');
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
  });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return { socket, ended: once(socket, 'close').then(() => text) };
}

/** Sends the text at once, then a byte of `drip` every 20 ms until the connection ends; returns what arrived. */
async function slowly(api: TestApi, first: string, drip = ''): Promise<string> {
  const { socket, ended } = await open(api);
  socket.write(first);
  let at = 0;
  const timer = setInterval(() => {
    if (drip !== '' && socket.writable) socket.write(drip[at++ % drip.length] ?? '');
  }, 20);
  return ended.finally(() => clearInterval(timer));
}

/** Parses the single answer on a connection as a problem. */
function problemIn(text: string) {
  const [head = '', body = ''] = text.split('\r\n\r\n');
  expect(head).toMatch(/^content-type: application\/problem\+json$/im);
  const parsed = problem.parse(JSON.parse(body));
  expect(head).toMatch(new RegExp(`^HTTP/1.1 ${parsed.status} `));
  expect(parsed.instance).toBe(`urn:kiln:request:${/^x-request-id: (\S+)$/im.exec(head)?.[1]}`);
  return parsed;
}

const POST = `POST /v1/builds HTTP/1.1\r\nHost: k\r\nAuthorization: Bearer ${TOKEN}\r\n`;
const JSON_BODY = 'Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{';

describe('slow clients', () => {
  test('that don’t finish their header fields get an answer and are disconnected', async () => {
    await using api = await start({ headersTimeoutMs: 300 });
    const answer = problemIn(await slowly(api, 'GET /v1/builds HTTP/1.1\r\nHost: k\r\nX-Slow: ', 'x'));
    expect(answer).toMatchObject({ status: 408, code: 'request_timeout' });
  });

  test('that don’t finish a body get an answer and are disconnected, however steadily they drip', async () => {
    await using api = await start({ bodyTimeoutMs: 300 });
    const answer = problemIn(await slowly(api, POST + JSON_BODY, ' '));
    expect(answer).toMatchObject({ status: 408, code: 'request_timeout', errors: [{ field: 'body' }] });
    const silent = problemIn(await slowly(api, POST + JSON_BODY));
    expect(silent).toMatchObject({ status: 408, code: 'request_timeout' });
    expect((await api.fetch('/v1/builds')).status).toBe(200);
  });

  test('that send too much get an answer before they have sent everything', async () => {
    await using api = await start({ maxJsonBytes: 5_000 });
    const head = `${POST}Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n`;
    const answer = problemIn(await slowly(api, `${head}"${'x'.repeat(10_000)}`));
    expect(answer).toMatchObject({ status: 413, code: 'body_too_large' });
  });

  test('that drip a context are refused, and leave nothing behind', async () => {
    await using api = await start({ uploadIdleMs: 300 });
    const part = `--b\r\nContent-Disposition: form-data; name="request"\r\n\r\n${JSON.stringify({
      source: { type: 'upload', name: 'app' },
    })}\r\n--b\r\nContent-Disposition: form-data; name="context"; filename="c"\r\n\r\n`;
    const head = `${POST}Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n`;
    expect(problemIn(await slowly(api, head + part, 'x'))).toMatchObject({ status: 400, code: 'context_incomplete' });
    expect(await api.temps()).toEqual([]);
  });

  test('that send no further request are disconnected', async () => {
    await using api = await start({ keepAliveMs: 100 });
    const text = await slowly(api, 'GET /healthz HTTP/1.1\r\nHost: k\r\n\r\n');
    expect(text).toMatch(/^HTTP\/1.1 200 OK/);
    expect(text).toMatch(/ok\n$/);
  });

  test('that neither send nor read anything during a request are disconnected', async () => {
    await using api = await start({ socketIdleMs: 200, bodyTimeoutMs: 60_000 });
    expect(await slowly(api, POST + JSON_BODY)).toBe('');
  });

  test('that follow quiet builds are not disconnected, in any log format', async () => {
    // Long enough that no request of this test takes as long on a busy machine.
    await using api = await start({ socketIdleMs: 1_000, sseHeartbeatMs: 300 });
    const { id } = await api.submit();
    const attempt = await api.run(id);
    const formats = ['text', 'ndjson', 'sse'];
    const logs = formats.map(async (format) => (await api.fetch(`/v1/builds/${id}/logs?format=${format}`)).text());
    // By then an idle connection has been closed.
    expect(await slowly(api, POST + JSON_BODY)).toBe('');
    expect(await slowly(api, POST + JSON_BODY)).toBe('');
    await attempt.log({ t: 1, type: 'note', message: 'at last' });
    await attempt.settle({ end: 'succeeded' });
    for (const text of await Promise.all(logs)) expect(text).toContain('at last');
  });

  test('share the maximum number of connections', async () => {
    await using api = await start({ maxConnections: 2 });
    const held = [await open(api), await open(api)];
    await using third = { ...(await open(api)), [Symbol.asyncDispose]: async () => {} };
    expect(await third.ended).toBe('');
    expect(api.logged.join('')).toContain('connections refused');
    for (const { socket } of held) socket.destroy();
    await Promise.all(held.map(({ ended }) => ended));
    await expect
      .poll(async () => (await fetch(`${api.api.url}/healthz`).catch(() => undefined))?.status, PATIENT)
      .toBe(200);
  });
});

describe('a request that is not valid HTTP', () => {
  let api: TestApi;
  beforeAll(async () => {
    api = await start({});
  });
  afterAll(() => api[Symbol.asyncDispose]());

  test.each([
    ['nonsense', 'hello there\r\n\r\n', 400, 'malformed_http'],
    ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400, 'malformed_http'],
    ['no Host', 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 'malformed_http'],
    [
      'two lengths',
      'POST /v1/builds HTTP/1.1\r\nHost: k\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      400,
      'malformed_http',
    ],
    [
      'a length and chunks',
      'POST /v1/builds HTTP/1.1\r\nHost: k\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
      'malformed_http',
    ],
    ['a bare line feed in a field', 'GET / HTTP/1.1\r\nHost: k\r\nX: a\nb\r\n\r\n', 400, 'malformed_http'],
    ['endless fields', `GET / HTTP/1.1\r\nHost: k\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'headers_too_large'],
    ['a proxy’s method', 'CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n', 405, 'method_not_allowed'],
    [
      'another expectation',
      'GET / HTTP/1.1\r\nHost: k\r\nExpect: cake\r\nConnection: close\r\n\r\n',
      400,
      'invalid_request',
    ],
    [
      'an upgrade',
      'GET /v2 HTTP/1.1\r\nHost: k\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n',
      404,
      'not_found',
    ],
  ])('with %s is answered with a problem', async (_what, bytes, status, code) => {
    const { socket, ended } = await open(api);
    socket.write(Buffer.from(bytes, 'latin1'));
    expect(problemIn(await ended)).toMatchObject({ status, code });
  });
});

/** One address for several APIs: forwards connections to the API in `to`. */
async function frontDoor(to: () => number): Promise<{ server: Server; url: string }> {
  const server = createServer((client) => {
    const inner = connect(to(), '127.0.0.1');
    for (const [from, other] of [
      [client, inner],
      [inner, client],
    ] as const) {
      from.on('error', () => other.destroy());
      from.pipe(other);
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, url: `http://127.0.0.1:${(server.address() as { port: number }).port}` };
}

test('a stopping process sends log followers to another one, which continues without gap or repeat', async () => {
  await using first = await start({ sseRetryMs: 10 });
  const namespace = first.state.keys.prefix.slice(1, -2);
  await using second = await TestApi.start({ sseRetryMs: 10 }, { redis, namespace, blobDir: first.blobs.dir });
  let now = first;
  const { server, url } = await frontDoor(() => now.api.port);
  const { id } = await first.submit();
  const attempt = await first.run(id);
  const seen: string[] = [];
  const rounds: string[] = [];
  /** Reconnects with the last id until there is nothing more, as an EventSource does. */
  const following = (async () => {
    for (let last = ''; ; ) {
      const answer = await fetch(`${url}/v1/builds/${id}/logs?format=sse`, {
        headers: { authorization: `Bearer ${TOKEN}`, ...(last && { 'last-event-id': last }) },
      });
      if (answer.status === 204) return;
      const text = await answer.text();
      rounds.push(text);
      const ids = [...text.matchAll(/^id: (\S+)$/gm)].map(([, one]) => one ?? '');
      seen.push(...ids);
      last = ids.at(-1) ?? last;
    }
  })();
  const note = (n: number) => ({ t: n, type: 'note', message: `${n}` }) as const;
  for (let n = 0; n < 50; n += 1) await attempt.log(note(n));
  await expect.poll(() => first.logged.join('').length, PATIENT).toBeGreaterThan(0);
  now = second;
  const closed = first.api.close();
  for (let n = 50; n < 100; n += 1) await attempt.log(note(n));
  await closed;
  for (let n = 100; n < 120; n += 1) await attempt.log(note(n));
  await attempt.settle({ end: 'succeeded' });
  await following;
  server.close();
  expect(rounds.length).toBeGreaterThan(1);
  expect(rounds[0]).toContain('this process is stopping; reconnect');
  expect(seen).toEqual(Array.from({ length: 121 }, (_, i) => `1.${i + 1}`));
});

test('a stop waits for requests under way, but not for connections without a complete request', async () => {
  // Longer than the test's time limit, so that waiting for a connection makes it fail.
  await using stopping = await start({ closeTimeoutMs: 1_000_000, keepAliveMs: 1_000_000 });
  const [silent, half] = [await open(stopping), await open(stopping)];
  half.socket.write('GET /healthz HTTP/1.1\r\nHost: k\r\n');
  // Connections are accepted in order, so after this answer the server knows both.
  const { id } = await stopping.submit();
  const stream = await stopping.fetch(`/v1/builds/${id}/logs?format=sse`);
  await stopping.api.close();
  await Promise.all([silent.ended, half.ended]);
  expect(await stream.text()).toContain('this process is stopping; reconnect');
});
