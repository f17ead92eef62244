import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@kiln/runtime';
import { connectRedis, reachRedis } from '@kiln/state';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RedisNotStarted, startPrivateRedis } from './private-redis.ts';

const log = createLogger({ app: 'test', level: 'silent' });
let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-redis-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('startPrivateRedis', () => {
  test('configures Redis for Kiln, and restarts it with its data after a crash', async () => {
    await using server = await startPrivateRedis(dir, log);
    const redis = connectRedis(server.url, () => {});
    expect(await redis.config('GET', 'appendonly')).toEqual(['appendonly', 'yes']);
    expect(await redis.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
    expect(await redis.config('GET', 'port')).toEqual(['port', '0']);
    await redis.set('kept', 'yes');
    const crashed = server.pid() ?? 0;
    process.kill(crashed, 'SIGKILL');
    expect(await redis.get('kept')).toBe('yes');
    expect(server.pid()).not.toBe(crashed);
    redis.disconnect();
  });

  test('puts the socket elsewhere if the path of the data directory is long', async () => {
    const long = join(dir, 'x'.repeat(100));
    await mkdir(long);
    await using server = await startPrivateRedis(long, log);
    expect(server.url.length).toBeLessThan(110);
    const redis = connectRedis(server.url, () => {});
    expect(await redis.ping()).toBe('PONG');
    redis.disconnect();
  });

  test('listens for workers only with a password, which is not on a command line', async () => {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address() as { port: number };
    probe.close();
    await once(probe, 'close');
    const listen = { address: '127.0.0.1', port, password: 'a-password' };
    await using server = await startPrivateRedis(dir, log, { listen });
    expect(server.workerUrl).toBe(`redis://:a-password@127.0.0.1:${port}`);
    await reachRedis(server.url, 5_000);
    await reachRedis(server.workerUrl ?? '', 5_000);
    await expect(reachRedis(`redis://127.0.0.1:${port}`, 5_000)).rejects.toThrow('NOAUTH');
    await expect(reachRedis(server.url.replace(':a-password@', ''), 5_000)).rejects.toThrow('NOAUTH');
    expect(await readFile(`/proc/${server.pid()}/cmdline`, 'utf8')).not.toContain('a-password');
    const crashed = server.pid() ?? 0;
    const redis = connectRedis(server.workerUrl ?? '', () => {});
    process.kill(crashed, 'SIGKILL');
    expect(await redis.set('after', 'crash')).toBe('OK');
    redis.disconnect();
    await expect(startPrivateRedis(await mkdtemp(join(dir, 'second-')), log, { listen })).rejects.toThrow(/in use/i);
  });

  test('throws RedisNotStarted with the reason if it can’t start', async () => {
    await expect(startPrivateRedis(dir, log, { command: 'no-such-redis' })).rejects.toThrow(RedisNotStarted);
    await expect(startPrivateRedis(dir, log, { command: 'no-such-redis' })).rejects.toThrow(
      /cannot start no-such-redis/,
    );
    await expect(startPrivateRedis(join(dir, 'nowhere'), log)).rejects.toThrow(/nowhere/);
  });
});
