import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { redisForFile } from '../testing/for-file.ts';
import { problemIn } from '../testing/problem-in.ts';
import { TestApi } from '../testing/test-api.ts';

const redis = await redisForFile();
const SCRIPT = 'console.log("the page")';
let dir: string;
let api: TestApi;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-page-'));
  await mkdir(join(dir, 'assets'));
  await writeFile(join(dir, 'index.html'), '<!doctype html><base href="./" /><script src="./assets/a-1.js"></script>');
  await writeFile(join(dir, 'assets/a-1.js'), SCRIPT);
  await writeFile(join(dir, 'assets/a-1.js.br'), brotliCompressSync(SCRIPT));
  await writeFile(join(dir, 'assets/a-1.js.gz'), gzipSync(SCRIPT));
  await writeFile(join(dir, '.sources'), 'secret');
  api = await TestApi.start({ pageDir: dir }, { redis });
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await rm(dir, { recursive: true });
});

const HTML = { accept: 'text/html,application/xhtml+xml' };
const get = (path: string, headers: Record<string, string> = HTML, method = 'GET') =>
  fetch(api.api.url + path, { method, headers });

/** The headers of an answer whose encoding `fetch` would hide. */
function rawHeaders(path: string, accepted: string): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    request(`${api.api.url}${path}`, { headers: { 'accept-encoding': accepted } }, (answer) => {
      answer.resume();
      resolve(answer.headers);
    })
      .on('error', reject)
      .end();
  });
}

describe('the page', () => {
  test.each([
    ['/', './'],
    ['/builds', './'],
    ['/builds/01k', '../'],
    ['/a/b/c?x=1', '../../'],
  ])('at %s is the document whose links begin at %s, so that it works below any path', async (path, base) => {
    const answer = await get(path);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(await answer.text()).toContain(`<base href="${base}" />`);
  });

  test('may load nothing from elsewhere, run nothing inline, and be framed by nobody', async () => {
    const { headers } = await get('/');
    const policy = headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain('unsafe');
    expect(Object.fromEntries(headers)).toMatchObject({
      'x-frame-options': 'DENY',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-cache',
    });
  });

  test('has files that may be kept for ever, compressed as the browser accepts it', async () => {
    expect(await (await get('/assets/a-1.js', {})).text()).toBe(SCRIPT);
    for (const [accepted, encoding] of [
      ['gzip, deflate, br', 'br'],
      ['gzip', 'gzip'],
      ['br;q=0, identity', undefined],
    ] as const) {
      expect(await rawHeaders('/assets/a-1.js', accepted)).toMatchObject({
        ...(encoding && { 'content-encoding': encoding }),
        'cache-control': 'public, max-age=31536000, immutable',
        'content-type': 'text/javascript; charset=utf-8',
        vary: 'Accept-Encoding',
      });
    }
    expect(await rawHeaders('/assets/a-1.js', 'br;q=0, identity')).not.toHaveProperty('content-encoding');
  });

  test('does not stand in for routes of the API, for files that are not there, or for programs', async () => {
    for (const path of [
      '/v1/nothing',
      '/v2/builds',
      '/auth/nothing',
      '/assets/gone.js',
      '/.sources',
      '/../package.json',
    ]) {
      expect(await problemIn(await get(path)), path).toMatchObject({ status: 404, code: 'not_found' });
    }
    expect(await problemIn(await get('/builds', { accept: 'application/json' }))).toMatchObject({ status: 404 });
    expect((await get('/', HTML, 'POST')).status).toBe(404);
    expect((await get('/', HTML, 'HEAD')).headers.get('content-type')).toContain('text/html');
  });
});

test('tells how to build the page where it is not built', async () => {
  await using bare = await TestApi.start({ pageDir: join(dir, 'none') }, { redis });
  const answer = await fetch(bare.api.url);
  expect([answer.status, await answer.text()]).toEqual([404, expect.stringContaining('infra/setup builds it')]);
});
