import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import type { BuildView, Problem } from '@kiln/contracts';
import { contextKey } from '@kiln/contracts';
import { TestRedis } from '@kiln/state/testing';
import { climbingLinks, rawTar, twofoldTar } from '@kiln/trees/testing';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Packed, tarOf } from '../testing/pack.ts';
import { TestApi, TOKEN } from '../testing/test-api.ts';

let redis: TestRedis;
let api: TestApi;

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());
afterEach(async () => {
  // Whatever became of the uploads, none leaves a temporary file.
  await vi.waitFor(async () => expect(await api.temps()).toEqual([]));
  await api[Symbol.asyncDispose]();
});

const start = async (config: Parameters<typeof TestApi.start>[0] = {}, blobDir?: string) => {
  api = await TestApi.start(config, { redis, ...(blobDir !== undefined && { blobDir }) });
};
const REQUEST = { source: { type: 'upload', name: 'app' } };
const BOUNDARY = 'xxBOUNDARYxx';

type Part = readonly [name: string, content: string | Buffer];

function multipart(...parts: readonly Part[]): Buffer {
  const bodies = parts.map(([name, content]) =>
    Buffer.concat([
      Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"; filename="f"\r\n\r\n`),
      Buffer.from(content),
      Buffer.from('\r\n'),
    ]),
  );
  return Buffer.concat([...bodies, Buffer.from(`--${BOUNDARY}--\r\n`)]);
}

const upload = (...parts: readonly Part[]) => send(multipart(...parts));

function send(body: Buffer): Promise<Response> {
  return api.fetch('/v1/builds', {
    method: 'POST',
    headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` },
    body: new Uint8Array(body),
  });
}

async function refused(answer: Response, status: number, code: string): Promise<Problem> {
  const problem = (await answer.json()) as Problem;
  expect(problem).toMatchObject({ status, code });
  expect(answer.status).toBe(status);
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  expect((await api.state.builds.list({}, { limit: 10 })).builds).toEqual([]);
  return problem;
}

const stored = async () => Array.fromAsync(api.blobs.list('contexts'));

describe('a good context', () => {
  test.each(['request first', 'context first', 'gzipped'])('is stored by its digest: %s', async (how) => {
    await start();
    const tar = await tarOf('Dockerfile', 'src/main.c');
    const context = how === 'gzipped' ? gzipSync(tar) : tar;
    const parts: Part[] = [
      ['request', JSON.stringify(REQUEST)],
      ['context', context],
    ];
    const answer = await upload(...(how === 'context first' ? parts.reverse() : parts));
    expect(answer.status).toBe(202);
    const digest = `sha256:${createHash('sha256').update(context).digest('hex')}`;
    expect((await answer.json()) as BuildView).toMatchObject({
      repo: 'app',
      request: { source: { type: 'upload', digest } },
    });
    expect(await stored()).toEqual([contextKey(digest)]);
    const read = await api.fetch(`/v1/contexts/${digest}`);
    expect(Buffer.from(await read.arrayBuffer()).equals(context)).toBe(true);
    expect(read.headers.get('content-length')).toBe(String(context.length));
  });

  test('a browser’s or fetch’s own form does as well', async () => {
    await start();
    const form = new FormData();
    form.set('request', JSON.stringify(REQUEST));
    form.set('context', new Blob([new Uint8Array(await tarOf('Dockerfile'))]), 'context.tar');
    expect((await api.fetch('/v1/builds', { method: 'POST', body: form })).status).toBe(202);
  });

  test('may hold links that lead out: they stay links', async () => {
    await start();
    const links: Packed[] = [
      { name: 'abs', type: 'symlink', linkname: '/etc/passwd' },
      { name: 'rootfs/up', type: 'symlink', linkname: '../../../etc' },
    ];
    const answer = await upload(['request', JSON.stringify(REQUEST)], ['context', await tarOf('Dockerfile', ...links)]);
    expect(answer.status).toBe(202);
  });

  test('it can be named by a later build, and must be there', async () => {
    await start();
    const view = (await (
      await upload(['request', JSON.stringify(REQUEST)], ['context', await tarOf('Dockerfile')])
    ).json()) as BuildView;
    const { source } = view.request;
    expect((await api.post('/v1/builds', { source })).status).toBe(202);
    const gone = { ...source, digest: `sha256:${'0'.repeat(64)}` };
    const answer = await api.post('/v1/builds', { source: gone });
    expect(await answer.json()).toMatchObject({ code: 'context_not_found', errors: [{ field: 'source.digest' }] });
  });
});

describe('a bad context', () => {
  test.each<[string, Packed]>([
    ['../escape', { name: '../escape' }],
    ['/etc/passwd', { name: '/etc/passwd' }],
    ['hard', { name: 'hard', type: 'link', linkname: '../secret' }],
    ['dev', { name: 'dev', type: 'character-device' }],
    ['blk', { name: 'blk', type: 'block-device' }],
    ['pipe', { name: 'pipe', type: 'fifo' }],
    ['missing', { name: 'missing', type: 'link', linkname: 'nowhere' }],
    ['Dockerfile/x', { name: 'Dockerfile/x' }],
  ])('with %s is refused by the entry’s name', async (name, entry) => {
    await start();
    const answer = await upload(
      ['request', JSON.stringify(REQUEST)],
      ['context', gzipSync(await tarOf('Dockerfile', entry))],
    );
    const { errors } = await refused(answer, 422, 'context_invalid');
    expect(errors[0]?.field).toBe(/^[a-z]+$/.test(name) ? `context.${name}` : `context["${name}"]`);
    expect(await stored()).toEqual([]);
  });

  test('with a name over 4 KiB, shown shortened', async () => {
    await start();
    const answer = await upload(
      ['request', JSON.stringify(REQUEST)],
      ['context', await tarOf({ name: `${'n'.repeat(200)}/`.repeat(25), type: 'directory' })],
    );
    const { errors } = await refused(answer, 422, 'context_invalid');
    expect(errors[0]).toMatchObject({ got: expect.stringContaining('a name of'), expected: 'at most 4095 bytes' });
    expect(errors[0]?.field.length).toBeLessThan(200);
  });

  test('that two readers would read differently', async () => {
    await start();
    const links = climbingLinks(3, 'docker');
    const tar = twofoldTar(links, [{ name: 'Dockerfile', content: 'FROM scratch' }]);
    for (const context of [tar, gzipSync(tar)]) {
      const answer = await upload(['request', JSON.stringify(REQUEST)], ['context', context]);
      const { errors } = await refused(answer, 422, 'context_invalid');
      expect(errors[0]).toMatchObject({ field: 'context', got: expect.stringContaining('a line end in "comment"') });
    }
    expect(await stored()).toEqual([]);
  });

  test('whose Dockerfile lies outside of it', async () => {
    await start();
    const request = JSON.stringify({ ...REQUEST, dockerfile: 'sub/config.json' });
    const answer = await upload(['request', request], ['context', rawTar(...climbingLinks(3, 'docker'))]);
    const { errors } = await refused(answer, 422, 'context_invalid');
    expect(errors).toEqual([
      {
        field: 'context["sub/config.json"]',
        got: expect.stringMatching(/^a path through the symbolic link ".*" that leads out of the context$/),
        expected: 'a file inside the context',
      },
    ]);
  });

  test('that is no tar at all', async () => {
    await start();
    await refused(
      await upload(['request', JSON.stringify(REQUEST)], ['context', 'PK\x03\x04 a zip, say'.repeat(100)]),
      422,
      'context_invalid',
    );
    await refused(await upload(['request', JSON.stringify(REQUEST)], ['context', '']), 422, 'context_invalid');
  });

  test('without the Dockerfile', async () => {
    await start();
    const answer = await upload(
      ['request', JSON.stringify({ ...REQUEST, dockerfile: 'docker/Dockerfile' })],
      ['context', await tarOf('Dockerfile')],
    );
    const { errors } = await refused(answer, 422, 'context_invalid');
    expect(errors[0]).toMatchObject({ field: 'dockerfile', got: 'docker/Dockerfile' });
  });

  test('of another digest than the request says', async () => {
    await start();
    const source = { ...REQUEST.source, digest: `sha256:${'0'.repeat(64)}` };
    const answer = await upload(['request', JSON.stringify({ source })], ['context', await tarOf('Dockerfile')]);
    expect((await refused(answer, 422, 'context_invalid')).errors[0]?.field).toBe('source.digest');
  });

  test('larger than allowed', async () => {
    await start({ maxContextBytes: 10_000 });
    const answer = await upload(['request', JSON.stringify(REQUEST)], ['context', Buffer.alloc(2_000_000)]);
    await refused(answer, 413, 'body_too_large');
  });

  test('a gzip bomb', async () => {
    await start({ maxUnpackedContextBytes: 10_000_000 });
    const tar = await tarOf('Dockerfile');
    const bomb = gzipSync(Buffer.concat([Buffer.alloc(200_000_000), tar]), { level: 9 });
    const { detail } = await refused(
      await upload(['request', JSON.stringify(REQUEST)], ['context', bomb]),
      422,
      'context_invalid',
    );
    expect(detail).toContain('10000000 bytes when unpacked');
  });
});

describe('a bad form', () => {
  test.each<[string, number, string, () => Part[]]>([
    ['no request', 400, 'invalid_request', () => [['context', TAR]]],
    ['no context', 400, 'invalid_request', () => [['request', JSON.stringify(REQUEST)]]],
    [
      'an unknown part',
      400,
      'invalid_request',
      () => [
        ['request', JSON.stringify(REQUEST)],
        ['more', 'x'],
      ],
    ],
    [
      'two requests',
      400,
      'invalid_request',
      () => [
        ['request', JSON.stringify(REQUEST)],
        ['request', '{}'],
      ],
    ],
    [
      'a request that is no JSON',
      400,
      'malformed_json',
      () => [
        ['request', '{"source":'],
        ['context', TAR],
      ],
    ],
    [
      'a git source',
      400,
      'invalid_request',
      () => [
        ['request', '{"source":{"type":"git","url":"https://x.y/z"}}'],
        ['context', TAR],
      ],
    ],
  ])('%s', async (_what, status, code, parts) => {
    await start();
    await refused(await upload(...parts()), status, code);
  });

  test('without a boundary', async () => {
    await start();
    const answer = await api.fetch('/v1/builds', {
      method: 'POST',
      headers: { 'content-type': 'multipart/form-data' },
      body: 'x',
    });
    await refused(answer, 400, 'malformed_multipart');
  });

  test('a bad request is refused before the context is read, and the client that asks first sends nothing', async () => {
    await start();
    const head = multipart(['request', '{"source":{"type":"upload","name":"app"},"nope":1}'])
      .toString()
      .replace(`--${BOUNDARY}--\r\n`, '');
    const { status, body } = await new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
      const call = httpRequest(`${api.api.url}/v1/builds`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${TOKEN}`,
          'content-type': `multipart/form-data; boundary=${BOUNDARY}`,
          'content-length': 5_000_000_000,
        },
      });
      call.on('response', async (answer) => resolve({ status: answer.statusCode, body: await text(answer) }));
      call.on('error', reject);
      call.write(`${head}--${BOUNDARY}\r\nContent-Disposition: form-data; name="context"; filename="f"\r\n\r\n`);
      call.write(Buffer.alloc(100_000));
    });
    expect(status).toBe(400);
    expect(JSON.parse(body)).toMatchObject({ code: 'invalid_request', errors: [{ field: 'nope' }] });

    const unauthorized = await new Promise((resolve) => {
      const call = httpRequest(`${api.api.url}/v1/builds`, {
        method: 'POST',
        headers: { expect: '100-continue', 'content-type': 'application/json', 'content-length': 1_000_000 },
      });
      call.on('continue', () => resolve('told to send'));
      call.on('response', (answer) => resolve(answer.statusCode));
      call.on('error', () => {});
      call.flushHeaders();
    });
    expect(unauthorized).toBe(401);
  });
});

describe('a context that does not arrive whole', () => {
  test('cut-off tar, gzip and form', async () => {
    await start();
    const tar = await tarOf('Dockerfile', 'a', 'b');
    const request: Part = ['request', JSON.stringify(REQUEST)];
    await refused(await upload(request, ['context', tar.subarray(0, 1024)]), 400, 'context_incomplete');
    await refused(await upload(request, ['context', tar.subarray(0, 700)]), 400, 'context_incomplete');
    await refused(await upload(request, ['context', gzipSync(tar).subarray(0, -20)]), 400, 'context_incomplete');
    await refused(await upload(request, ['context', gzipSync(tar.subarray(0, 1024))]), 400, 'context_incomplete');
    const whole = multipart(request, ['context', tar]);
    await refused(await send(whole.subarray(0, -BOUNDARY.length)), 400, 'context_incomplete');
    await refused(await send(whole.subarray(0, -3000)), 400, 'context_incomplete');
    expect(await stored()).toEqual([]);
  });

  test('5 GB declared, and the client goes away', async () => {
    await start({ maxContextBytes: 8e9 });
    const socket = connect(api.api.port, '127.0.0.1');
    socket.write(
      `POST /v1/builds HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Length: 5000000000\r\nContent-Type: multipart/form-data; boundary=${BOUNDARY}\r\n\r\n`,
    );
    const body = multipart(['request', JSON.stringify(REQUEST)], ['context', await tarOf('Dockerfile')]);
    socket.write(body.subarray(0, -600));
    await vi.waitFor(async () => expect(await api.temps()).toHaveLength(1));
    socket.destroy();
    await vi.waitFor(async () => expect(await api.temps()).toEqual([]));
    await vi.waitFor(() => expect(api.logged.join('')).toContain('"cutOff":true'));
    expect(api.logged.join('')).not.toContain('request failed');
    expect((await api.state.builds.list({}, { limit: 1 })).builds).toEqual([]);
  });

  test('the client falls silent', async () => {
    await start({ uploadIdleMs: 50 });
    const socket = connect(api.api.port, '127.0.0.1');
    const body = multipart(['request', JSON.stringify(REQUEST)], ['context', await tarOf('Dockerfile')]);
    socket.write(
      `POST /v1/builds HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Length: 5000000\r\nContent-Type: multipart/form-data; boundary=${BOUNDARY}\r\n\r\n`,
    );
    socket.write(body.subarray(0, -600));
    expect((await buffer(socket)).toString()).toContain('"code":"context_incomplete"');
  });

  test('the disk is full', async () => {
    const mount = await mkdtemp(join(tmpdir(), 'kiln-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', mount]);
    try {
      await start({ blobReserveBytes: 0 }, mount);
      const context = Buffer.concat([await tarOf('Dockerfile')].concat(Buffer.alloc(3_000_000)));
      await refused(await upload(['request', JSON.stringify(REQUEST)], ['context', context]), 507, 'disk_full');
      expect(await api.temps()).toEqual([]);
      expect((await upload(['request', JSON.stringify(REQUEST)], ['context', await tarOf('Dockerfile')])).status).toBe(
        202,
      );
    } finally {
      execFileSync('umount', ['-l', mount]);
      await rm(mount, { recursive: true, force: true });
    }
  });
});

const TAR = await tarOf('Dockerfile');
