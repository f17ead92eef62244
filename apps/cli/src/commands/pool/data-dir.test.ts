import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDataDir } from './data-dir.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-data-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

test('openDataDir keeps token, key and identity across restarts, unreadable for others', async () => {
  const first = await openDataDir(join(dir, 'kiln'));
  await first.announce('http://x');
  expect(JSON.parse(await readFile(join(first.path, 'client.json'), 'utf8'))).toEqual({
    url: 'http://x',
    token: first.token,
  });
  for (const file of ['token', 'join-token', 'redis.password', 'secret.key', 'client.json']) {
    expect((await stat(join(first.path, file))).mode & 0o077).toBe(0);
  }
  await first[Symbol.asyncDispose]();
  await expect(stat(join(first.path, 'client.json'))).rejects.toThrow();
  await using second = await openDataDir(join(dir, 'kiln'));
  const kept = ({ token, joinToken, redisPassword, machine }: typeof first) => [
    token,
    joinToken,
    redisPassword,
    machine,
  ];
  expect(kept(second)).toEqual(kept(first));
  expect(new Set(kept(first)).size).toBe(4);
  expect(second.secretKeys).toEqual(first.secretKeys);
  expect(second.secretKeys.map(({ length }) => length)).toEqual([32]);
});

test('openDataDir replaces the lock of a process that is gone or is not kiln up', async () => {
  const data = await openDataDir(dir);
  await data[Symbol.asyncDispose]();
  await writeFile(join(dir, 'up.pid'), '999999999');
  await (await openDataDir(dir))[Symbol.asyncDispose]();
  await writeFile(join(dir, 'up.pid'), String(process.ppid));
  await (await openDataDir(dir))[Symbol.asyncDispose]();
});
