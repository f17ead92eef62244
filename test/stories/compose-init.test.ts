import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { compose, composeInit } from '../support/compose.ts';

let dir: string;
let file: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-init-'));
  file = join(dir, '.env');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function settings(): Promise<Record<string, string>> {
  const lines = (await readFile(file, 'utf8')).trim().split('\n');
  return Object.fromEntries(lines.map((line) => [line.split('=')[0], line.slice(line.indexOf('=') + 1)]));
}

async function socketGroup(): Promise<string> {
  return `${(await stat('/var/run/docker.sock')).gid}`;
}

test('generates secrets that only its user can read, and keeps them when it runs again', async () => {
  await composeInit('--env-file', file);
  const made = await settings();
  expect(made).toMatchObject({
    COMPOSE_PROFILES: 'pool',
    KILN_REDIS_PASSWORD: expect.stringMatching(/^[0-9a-f]{64}$/),
    KILN_TOKEN: expect.stringMatching(/^[0-9a-f]{64}$/),
    KILN_HOST_NAME: expect.stringMatching(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/),
    KILN_DOCKER_GID: await socketGroup(),
  });
  expect(Buffer.from(made.KILN_SECRET_KEY ?? '', 'base64')).toHaveLength(32);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const text = await readFile(file, 'utf8');
  expect(await composeInit('--env-file', file)).toBe('');
  expect(await readFile(file, 'utf8')).toBe(text);

  await rm(file);
  await composeInit('--env-file', file);
  expect((await settings()).KILN_TOKEN).not.toBe(made.KILN_TOKEN);
});

test('keeps existing settings, and makes a file private that others could read', async () => {
  await writeFile(file, '# mine\nKILN_SLOTS=8\nKILN_HOST_NAME=builder-1');
  await chmod(file, 0o644);
  await composeInit('--env-file', file);
  expect(await readFile(file, 'utf8')).toMatch(
    /^# mine\nKILN_SLOTS=8\nKILN_HOST_NAME=builder-1\nCOMPOSE_PROFILES=pool\n/,
  );
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

test('prints the settings for a further machine, and adds only that machine’s own when it runs there', async () => {
  await writeFile(file, 'KILN_BIND=10.0.0.5\nKILN_PORT=7800\n');
  await composeInit('--env-file', file);
  const pool = await settings();
  const printed = await composeInit('--env-file', file, 'join', '10.0.0.5');
  await writeFile(file, printed);
  await composeInit('--env-file', file);
  expect(await settings()).toEqual({
    KILN_REDIS_ADDRESS: '10.0.0.5:6379',
    KILN_API_URL: 'http://10.0.0.5:7800',
    KILN_REDIS_PASSWORD: pool.KILN_REDIS_PASSWORD,
    KILN_SECRET_KEY: pool.KILN_SECRET_KEY,
    KILN_TOKEN: pool.KILN_TOKEN,
    KILN_HOST_NAME: pool.KILN_HOST_NAME,
    KILN_DOCKER_GID: pool.KILN_DOCKER_GID,
  });
});

test('rejects an address for further machines at which the pool does not listen', async () => {
  await composeInit('--env-file', file);
  await expect(composeInit('--env-file', file, 'join', '10.0.0.5')).rejects.toThrow(/KILN_BIND in .* is 127\.0\.0\.1/);
});

test('generates no secrets for a further machine, because it needs the pool’s', async () => {
  await writeFile(file, 'KILN_REDIS_ADDRESS=10.0.0.5:6379\n');
  await expect(composeInit('--env-file', file)).rejects.toThrow(/has no KILN_SECRET_KEY/);
  expect(await readFile(file, 'utf8')).toBe('KILN_REDIS_ADDRESS=10.0.0.5:6379\n');
});

test('names the socket if there is no engine', async () => {
  await writeFile(file, 'KILN_DOCKER_SOCKET=/nowhere.sock\n');
  await expect(composeInit('--env-file', file)).rejects.toThrow(/\/nowhere\.sock is not a socket/);
});

test.each([['KILN_REDIS_PASSWORD'], ['KILN_SECRET_KEY'], ['KILN_TOKEN']])(
  'compose refuses to start without %s',
  async (name) => {
    await composeInit('--env-file', file);
    const text = await readFile(file, 'utf8');
    expect(await compose(['--env-file', file, 'config', '--services'])).toContain('redis');
    await writeFile(file, text.replace(new RegExp(`^${name}=.*\n`, 'm'), ''));
    await expect(compose(['--env-file', file, 'config'])).rejects.toThrow(
      new RegExp(`${name}.*run infra/compose-init`),
    );
  },
);

test('gives workers more time to stop than their drain takes', async () => {
  await composeInit('--env-file', file);
  const config = JSON.parse(await compose(['--env-file', file, 'config', '--format', 'json']));
  const { stop_grace_period: grace, environment } = config.services.worker;
  expect(grace).toBe('6m0s');
  expect(Number(environment.KILN_DRAIN_SECONDS)).toBeLessThan(360 - 30);
});
