import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@kiln/runtime/testing';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { FaultyRedis } from '../testing/faulty-redis.ts';
import { TestRedis } from '../testing/test-redis.ts';
import { connectRedis, InvalidRedisUrl, RedisUnreachable, reachRedis, redisOptions } from './connect.ts';

describe('redisOptions', () => {
  test.each([
    ['redis://h', { host: 'h', port: 6379 }],
    ['redis://u:p%40ss@h:7000/3', { host: 'h', port: 7000, username: 'u', password: 'p@ss', db: 3 }],
    ['redis://:pw@h', { host: 'h', port: 6379, password: 'pw' }],
    ['rediss://h:1', { host: 'h', port: 1, tls: { servername: 'h' } }],
    ['unix:///run/r.sock', { path: '/run/r.sock' }],
    ['unix:///run/a:b@c/r.sock', { path: '/run/a:b@c/r.sock' }],
    ['unix://:p%40ss@/run/r.sock', { path: '/run/r.sock', password: 'p@ss' }],
    [
      'redis+sentinel://:pw@a:1,b/main/2',
      {
        sentinels: [
          { host: 'a', port: 1 },
          { host: 'b', port: 26379 },
        ],
        name: 'main',
        password: 'pw',
        db: 2,
      },
    ],
  ])('parses %s', (url, options) => {
    expect(redisOptions(url)).toEqual(options);
  });

  test.each(['', 'h:6379', 'http://h', 'redis://h/db', 'redis+sentinel://a:1'])('rejects %j', (url) => {
    expect(() => redisOptions(url)).toThrow(InvalidRedisUrl);
  });
});

test('a connection that stops answering is replaced and its commands are sent again; one that blocks on purpose is kept', async () => {
  await using server = await TestRedis.start();
  await using proxy = await FaultyRedis.start(server.url, { silenceMs: 600_000 });
  const errors: string[] = [];
  const redis = connectRedis(proxy.url, ({ message }) => errors.push(message), 200);
  let silent = false;
  proxy.fault = ({ name }) => {
    if (silent || name !== 'incr') return undefined;
    silent = true;
    return 'silence';
  };
  expect(await redis.incr('a')).toBe(1);
  expect(errors).toEqual([expect.stringMatching(/didn't receive any in 200ms/)]);
  const blocked = redis.duplicate();
  expect(await blocked.blpop('none', 1)).toBe(null);
  expect(blocked.options.socketTimeout).toBeGreaterThan(10_000);
  blocked.disconnect();
  redis.disconnect();
});

test('closing a connection while it reconnects rejects the commands that wait for it', async () => {
  await using server = await TestRedis.start();
  const redis = connectRedis(server.url, () => {});
  await redis.ping();
  await server.down();
  const waiting = redis.ping();
  await vi.waitFor(() => expect(redis.status).toBe('reconnecting'), { timeout: 60_000, interval: 1 });
  redis.disconnect();
  await expect(waiting).rejects.toThrow('Connection is closed.');
});

test('closing a connection before it is ready again rejects the commands that the last one did not answer', async () => {
  await using server = await TestRedis.start();
  const redis = connectRedis(server.url, () => {});
  await redis.ping();
  const unanswered = redis.blpop('none', 0);
  await server.down('SIGKILL');
  // The next one accepts connections, and answers nothing.
  const path = redisOptions(server.url).path ?? '';
  await rm(path, { force: true });
  const silent = createServer().listen(path);
  await vi.waitFor(() => expect(redis.status).toBe('connect'), { timeout: 60_000, interval: 1 });
  redis.disconnect();
  await expect(unanswered).rejects.toThrow('Connection is closed.');
  silent.close();
});

describe('a real server', () => {
  let dir: string;
  const ports = { plain: 0, tls: 0, sentinel: 0 };
  const children: ReturnType<typeof spawn>[] = [];

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kiln-connect-'));
    for (const name of ['plain', 'tls', 'sentinel'] as const) ports[name] = await freePort();
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
    const files = ['-keyout', join(dir, 'key.pem'), '-out', join(dir, 'cert.pem')];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', ...subject, ...files], {
      stdio: 'ignore',
    });
    const tls = ['--tls-port', String(ports.tls), '--tls-cert-file', join(dir, 'cert.pem')];
    const tlsMore = ['--tls-key-file', join(dir, 'key.pem'), '--tls-auth-clients', 'no', '--save', ''];
    const auth = ['--requirepass', 'pw', '--masterauth', 'pw', '--dir', dir];
    children.push(
      spawn('redis-server', ['--port', String(ports.plain), ...tls, ...tlsMore, ...auth], { stdio: 'ignore' }),
    );
    await writeFile(
      join(dir, 'sentinel.conf'),
      `port ${ports.sentinel}\nsentinel monitor main 127.0.0.1 ${ports.plain} 1\nsentinel auth-pass main pw\n`,
    );
    children.push(spawn('redis-server', [join(dir, 'sentinel.conf'), '--sentinel'], { stdio: 'ignore' }));
  });
  afterAll(async () => {
    for (const child of children) {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    }
    await rm(dir, { recursive: true, force: true });
  });

  test('is reached with a password', async () => {
    const redis = connectRedis(`redis://:pw@127.0.0.1:${ports.plain}`, () => {});
    expect(await redis.ping()).toBe('PONG');
    redis.disconnect();
  });

  test('is tried once by reachRedis, whose error contains the address and the cause but no password', async () => {
    await reachRedis(`redis://:pw@127.0.0.1:${ports.plain}`, 5_000);
    const tried = (url: string, timeoutMs = 5_000) => reachRedis(url, timeoutMs).catch((error: unknown) => error);
    const at = `Redis at 127.0.0.1:${ports.plain}: `;
    expect(await tried(`redis://:no@127.0.0.1:${ports.plain}`)).toMatchObject({
      code: 'redis_unreachable',
      message: expect.stringContaining(`${at}WRONGPASS`),
    });
    expect(await tried(`redis://127.0.0.1:${ports.plain}`)).toMatchObject({
      message: expect.stringContaining(`${at}NOAUTH`),
    });
    const free = await freePort();
    expect(await tried(`redis://:pw@127.0.0.1:${free}`)).toMatchObject({
      message: expect.stringMatching(new RegExp(`^Redis at 127.0.0.1:${free}: .*ECONNREFUSED`)),
    });
    expect(await tried('unix:///nowhere/redis.sock')).toMatchObject({
      message: expect.stringMatching(/^Redis at \/nowhere\/redis.sock: .*ENOENT/),
    });
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    const late = await tried(`redis://127.0.0.1:${port}`, 100);
    expect(late).toBeInstanceOf(RedisUnreachable);
    expect(late).toMatchObject({ message: `Redis at 127.0.0.1:${port}: no answer within 0.1 s` });
    silent.close();
  });

  test('is reached through Sentinel', async () => {
    const redis = connectRedis(`redis+sentinel://:pw@127.0.0.1:${ports.sentinel}/main`, () => {});
    expect(await redis.ping()).toBe('PONG');
    expect(redis.options.sentinels).toHaveLength(1);
    redis.disconnect();
  });

  test('is reached over TLS only if its certificate is trusted', async () => {
    const script = `
      import { connectRedis } from ${JSON.stringify(new URL('./connect.ts', import.meta.url).href)};
      const redis = connectRedis('rediss://:pw@localhost:${ports.tls}', (error) => {
        console.log(error.code ?? error.message);
        process.exit(3);
      });
      console.log(await redis.ping());
      redis.disconnect();`;
    const answer = async (env: NodeJS.ProcessEnv) => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], { env: { ...process.env, ...env } });
      let said = '';
      child.stdout.on('data', (chunk) => {
        said += chunk;
      });
      await once(child, 'close');
      return said.trim();
    };
    expect(await answer({ NODE_EXTRA_CA_CERTS: join(dir, 'cert.pem') })).toBe('PONG');
    expect(await answer({})).toMatch(/SELF_SIGNED|self-signed/i);
  });
});
