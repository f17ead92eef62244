import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { rawTar } from '@kiln/trees/testing';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { redisForFile } from '../testing/for-file.ts';
import { tarOf } from '../testing/pack.ts';
import { PATIENT } from '../testing/patient.ts';
import { TestApi, TOKEN } from '../testing/test-api.ts';
import {
  BOUNDARY,
  expectRefusal,
  multipart,
  type Part,
  REQUEST_PART,
  sendForm,
  uploadTo,
} from '../testing/upload-form.ts';

const redis = await redisForFile();
let api: TestApi;
afterEach(async () => {
  // However the uploads ended, none leaves a temporary file.
  await vi.waitFor(async () => expect(await api.temps()).toEqual([]), PATIENT);
  await api[Symbol.asyncDispose]();
});

const TAR = await tarOf('Dockerfile');
const start = async (config: Parameters<typeof TestApi.start>[0] = {}, blobDir?: string) => {
  api = await TestApi.start(config, { redis, ...(blobDir !== undefined && { blobDir }) });
};
const stored = () => Array.fromAsync(api.blobs.list('contexts'), ({ key }) => key);

describe('a bad form', () => {
  test.each<[string, number, string, () => Part[]]>([
    ['no request', 400, 'invalid_request', () => [['context', TAR]]],
    ['no request and no tar', 400, 'invalid_request', () => [['context', 'nothing like a tar']]],
    ['no context', 400, 'invalid_request', () => [REQUEST_PART]],
    ['an unknown part', 400, 'invalid_request', () => [REQUEST_PART, ['more', 'x']]],
    ['two requests', 400, 'invalid_request', () => [REQUEST_PART, ['request', '{}']]],
    [
      'a request that is not JSON',
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
  ])('with %s is refused', async (_what, status, code, parts) => {
    await start();
    await expectRefusal(api, await uploadTo(api, ...parts()), status, code);
  });

  test('without a boundary is refused', async () => {
    await start();
    const answer = await api.fetch('/v1/builds', {
      method: 'POST',
      headers: { 'content-type': 'multipart/form-data' },
      body: 'x',
    });
    await expectRefusal(api, answer, 400, 'malformed_multipart');
  });

  test('with an invalid request is refused before the context is read', async () => {
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
  });
});

test('a client that sends Expect: 100-continue and is refused is not told to send its body', async () => {
  await start();
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

describe('a context that does not arrive completely', () => {
  test('is refused if its tar, its gzip or the form is cut off', async () => {
    await start();
    const tar = await tarOf('Dockerfile', 'a', 'b');
    await expectRefusal(
      api,
      await uploadTo(api, REQUEST_PART, ['context', tar.subarray(0, 1024)]),
      400,
      'context_incomplete',
    );
    await expectRefusal(
      api,
      await uploadTo(api, REQUEST_PART, ['context', tar.subarray(0, 700)]),
      400,
      'context_incomplete',
    );
    await expectRefusal(
      api,
      await uploadTo(api, REQUEST_PART, ['context', gzipSync(tar).subarray(0, -20)]),
      400,
      'context_incomplete',
    );
    await expectRefusal(
      api,
      await uploadTo(api, REQUEST_PART, ['context', gzipSync(tar.subarray(0, 1024))]),
      400,
      'context_incomplete',
    );
    const whole = multipart(REQUEST_PART, ['context', tar]);
    await expectRefusal(api, await sendForm(api, whole.subarray(0, -BOUNDARY.length)), 400, 'context_incomplete');
    await expectRefusal(api, await sendForm(api, whole.subarray(0, -3000)), 400, 'context_incomplete');
    expect(await stored()).toEqual([]);
  });

  test('leaves nothing behind if the client disconnects after declaring 5 GB', async () => {
    await start({ maxContextBytes: 8e9 });
    const socket = connect(api.api.port, '127.0.0.1');
    socket.write(
      `POST /v1/builds HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Length: 5000000000\r\nContent-Type: multipart/form-data; boundary=${BOUNDARY}\r\n\r\n`,
    );
    const body = multipart(REQUEST_PART, ['context', await tarOf('Dockerfile')]);
    socket.write(body.subarray(0, -600));
    await vi.waitFor(async () => expect(await api.temps()).toHaveLength(1), PATIENT);
    socket.destroy();
    await vi.waitFor(async () => expect(await api.temps()).toEqual([]), PATIENT);
    await vi.waitFor(() => expect(api.logged.join('')).toContain('"cutOff":true'), PATIENT);
    expect(api.logged.join('')).not.toContain('request failed');
    expect((await api.state.builds.list({}, { limit: 1 })).builds).toEqual([]);
  });

  test('is refused if the client stops sending', async () => {
    await start({ uploadIdleMs: 50 });
    const socket = connect(api.api.port, '127.0.0.1');
    const body = multipart(REQUEST_PART, ['context', await tarOf('Dockerfile')]);
    socket.write(
      `POST /v1/builds HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Length: 5000000\r\nContent-Type: multipart/form-data; boundary=${BOUNDARY}\r\n\r\n`,
    );
    socket.write(body.subarray(0, -600));
    expect((await buffer(socket)).toString()).toContain('"code":"context_incomplete"');
  });

  test('is refused if the disk is full, and later ones are accepted', async () => {
    const mount = await mkdtemp(join(tmpdir(), 'kiln-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', mount]);
    try {
      await start({ blobReserveBytes: 0 }, mount);
      const large = { name: 'large', content: 'x'.repeat(3_000_000) };
      const context = rawTar({ name: 'Dockerfile', content: 'FROM scratch' }, large);
      await expectRefusal(api, await uploadTo(api, REQUEST_PART, ['context', context]), 507, 'disk_full');
      expect(await api.temps()).toEqual([]);
      expect((await uploadTo(api, REQUEST_PART, ['context', await tarOf('Dockerfile')])).status).toBe(202);
    } finally {
      execFileSync('umount', ['-l', mount]);
      await rm(mount, { recursive: true, force: true });
    }
  });
});
