import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { run } from '../../testing/run.ts';
import { TempDir } from '../../testing/temp-dir.ts';
import { withFakeApi } from '../../testing/with-fake-api.ts';
import { checkThisMachine } from './check-machine.ts';
import { checkAnswer } from './check-server.ts';

const cli = withFakeApi();

const OK = { area: 'redis', subject: 'maxmemory-policy', status: 'ok', found: 'noeviction' };
const PROBLEM = {
  ...{ area: 'scheduler', subject: 'leader', status: 'problem', found: 'no scheduler leads' },
  advice: 'start a scheduler: no build gets a host',
};

describe('kiln doctor', () => {
  test('exits with 0 if there are only warnings, and prints what was found, and below it what to do', async () => {
    const warning = { ...PROBLEM, status: 'warning', found: 'one scheduler', advice: 'start another one' };
    cli.api.checks = [OK, warning];
    const { code, out } = await cli.run('doctor');
    expect(code).toBe(0);
    expect(out).toMatch(/^ok {7}server http:\/\/\S+: ready, answers in \d+ ms\n/);
    expect(out).toContain(
      'ok       redis maxmemory-policy: noeviction\n' +
        'warning  scheduler leader: one scheduler\n' +
        '         → start another one\n',
    );
    expect(out).toMatch(/\n4 checks: 0 problems, 1 warnings, 0 unknown\n$/);
  });

  test('exits with 1 if there is a problem, also as JSON', async () => {
    cli.api.checks = [OK, PROBLEM];
    const { code, out } = await cli.run('doctor --json');
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ ok: false, checks: expect.arrayContaining([OK, PROBLEM]) });
  });

  test('says what is missing to a token that may not see the inside of the pool', async () => {
    cli.api.refusals.set('GET /v1/checks', [
      { status: 403, code: 'forbidden', detail: 'needs the scope hosts:operate' },
    ]);
    const { code, out } = await cli.run('doctor');
    expect(code).toBe(0);
    expect(out).toContain('unknown  server pool: needs the scope hosts:operate\n');
    expect(out).toContain('→ use a token with the scope hosts:operate\n');
  });

  test('finds a pool that accepts nothing, and a server that is not ready', async () => {
    cli.api.readiness = [200, 'ready\nnot accepting builds or webhooks: Redis is nearly full (store_full)\n'];
    expect(await cli.run('doctor')).toMatchObject({
      code: 1,
      out: expect.stringContaining(': not accepting builds or webhooks: Redis is nearly full (store_full)\n'),
    });
    cli.api.readiness = [503, 'Kiln’s Redis responded with an error'];
    expect((await cli.run('doctor')).out).toContain('is not ready: 503 Kiln’s Redis responded with an error\n');
  });

  test('names a server that is not there, where its address is from, and a missing address', async () => {
    const gone = await run('doctor', { env: { KILN_URL: 'http://127.0.0.1:9', KILN_TOKEN: 't' } });
    expect(gone).toMatchObject({ code: 1, out: expect.stringContaining('which is from KILN_URL') });
    expect(gone.out).toMatch(/^PROBLEM {2}server http:\/\/127\.0\.0\.1:9: can’t be reached: /);
    await using home = await TempDir.with({});
    const none = await run('doctor', { env: { HOME: home.path, KILN_DATA_DIR: join(home.path, 'none') } });
    expect(none).toMatchObject({
      code: 1,
      out: expect.stringContaining('PROBLEM  server address: no server is configured'),
    });
  });
});

test('a clock that is wrong and a certificate that ends are seen in the server’s answer', () => {
  const now = Date.parse('2026-01-02T12:00:00Z');
  const answer = { status: 200, text: 'ready\n', askedAt: now, roundTripMs: 10 };
  const day = 24 * 3_600_000;
  expect(checkAnswer('https://kiln', { ...answer, date: now + 90_000, certificateEnds: now + 3 * day })).toMatchObject([
    { area: 'server', status: 'ok' },
    { area: 'clock', subject: 'this machine', status: 'problem', found: expect.stringMatching(/behind the server$/) },
    { area: 'certificate', subject: 'https://kiln', status: 'warning', found: 'expires on 2026-01-05, in 3 days' },
  ]);
  expect(checkAnswer('http://kiln', { ...answer, date: now - 400, certificateEnds: undefined })).toMatchObject([
    { area: 'server', status: 'ok' },
    { area: 'clock', status: 'ok' },
  ]);
});

describe('kiln doctor --local', () => {
  test('checks engine, images, disk, registry, pool and ports by the settings of a worker', async () => {
    await using dir = await TempDir.with({});
    const socket = join(dir.path, 'engine.sock');
    await using _engine = await serving(socket, (path) =>
      path === '/version' ? { Version: '26.1.5', Arch: 'amd64' } : path.includes('docker%3Acli') ? {} : undefined,
    );
    const registry = await serving(0, () => ({}));
    await using _registry = registry;
    const pool = await serving(0, (path) => (path === '/readyz' || path === '/healthz' ? {} : undefined));
    await using _pool = pool;
    const checks = await checkThisMachine(
      {
        ...{ KILN_DOCKER_SOCKET: socket, KILN_DATA_DIR: join(dir.path, 'not', 'yet'), HOME: dir.path },
        KILN_REGISTRY_PLAIN_HTTP: `127.0.0.1:${registry.port}`,
        ...{ KILN_JOIN_URL: `http://127.0.0.1:${pool.port}`, KILN_HEALTH_PORT: String(pool.port) },
        KILN_REDIS_URL: 'redis://127.0.0.1:9',
      },
      [`127.0.0.1:${registry.port}`],
    );
    const lines = checks.map(({ area, subject, status, found }) => `${status} ${area} ${subject}: ${found}`);
    expect(lines).toContain(`ok engine ${socket}: Docker Engine 26.1.5, amd64`);
    expect(lines).toContain('ok engine KILN_TOOL_IMAGE: docker:cli is there');
    expect(lines).toContain('warning engine KILN_BUILDKIT_IMAGE: moby/buildkit:buildx-stable-1 is not there yet');
    expect(lines).toContainEqual(expect.stringMatching(/ disk \S+: [\d.]+ of [\d.]+ GB are free$/));
    expect(lines).toContainEqual(expect.stringMatching(/^ok registry 127\.0\.0\.1:\d+: answers with 200 in \d+ ms$/));
    expect(lines).toContain(`ok server http://127.0.0.1:${pool.port}: ready`);
    expect(lines).toContain(`ok port KILN_HEALTH_PORT: a worker or scheduler has ${pool.port}`);
    expect(lines).toContainEqual(expect.stringMatching(/^problem redis KILN_REDIS_URL: Redis at 127\.0\.0\.1:9: /));
  });

  test('finds an engine that is not there, and settings that are not valid', async () => {
    await using dir = await TempDir.with({});
    const env = {
      HOME: dir.path,
      KILN_DOCKER_SOCKET: join(dir.path, 'none.sock'),
      KILN_REGISTRY_PLAIN_HTTP: '127.0.0.1:9',
    };
    const checks = await checkThisMachine(env, ['127.0.0.1:9']);
    expect(checks.filter(({ status }) => status === 'problem').map(({ area }) => area)).toEqual(['engine', 'registry']);
    expect(await checkThisMachine({ ...env, KILN_BUILD_CPUS: 'many' }, [])).toMatchObject([
      {
        area: 'host',
        subject: 'settings',
        status: 'problem',
        found: expect.stringContaining('KILN_BUILD_CPUS: got "many"'),
      },
    ]);
  });
});

/** Serves JSON on a socket or port; 404 where `answer` returns undefined. */
async function serving(where: string | 0, answer: (path: string) => object | undefined) {
  const server = createServer((request, response) => {
    const body = answer(request.url ?? '');
    response.writeHead(body ? 200 : 404, { 'Content-Type': 'application/json' }).end(JSON.stringify(body ?? {}));
  });
  await new Promise<void>((resolve) =>
    where === 0 ? server.listen(0, '127.0.0.1', resolve) : server.listen(where, resolve),
  );
  return {
    port: where === 0 ? (server.address() as AddressInfo).port : 0,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
