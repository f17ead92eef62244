import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cacheLimits } from './budget-settings.ts';
import { workerSettings } from './settings.ts';
import { healingSettings, idleSettings, trustSettings } from './trust-settings.ts';

const KEY = Buffer.alloc(32, 7).toString('base64');
const BASE = { KILN_HOST_NAME: 'h1', KILN_DATA_DIR: '/data' };
const DIRECT = { ...BASE, KILN_REDIS_URL: 'redis://r', KILN_SECRET_KEY: KEY };
const JOIN = { ...BASE, KILN_JOIN_URL: 'https://kiln.example', KILN_JOIN_TOKEN: 'a-token' };

describe('workerSettings', () => {
  test('reads access by the worker’s own settings, with the shared directory or the API for blobs', () => {
    expect(workerSettings({ ...DIRECT, KILN_BLOB_DIR: '/blobs' }).access).toEqual({
      type: 'direct',
      redisUrl: 'redis://r',
      namespace: 'kiln',
      secretKeys: [Buffer.alloc(32, 7)],
      blobs: { place: { dir: '/blobs' }, reserveBytes: 1024 ** 3 },
    });
    expect(workerSettings({ ...DIRECT, KILN_API_URL: 'http://api', KILN_TOKEN: 't' }).access).toMatchObject({
      blobs: { url: 'http://api', token: 't' },
    });
  });

  test('reads where the S3 store is that it shares with the API', () => {
    const s3 = { KILN_S3_BUCKET: 'b-1', KILN_S3_ENDPOINT: 'http://s3:9000', KILN_S3_PREFIX: 'kiln' };
    expect(workerSettings({ ...DIRECT, ...s3 }).access).toMatchObject({
      blobs: {
        place: { s3: { bucket: 'b-1', endpoint: 'http://s3:9000', prefix: 'kiln', spoolDir: '/data/uploads' } },
      },
    });
  });

  test('reads access by joining, optionally with the worker’s own Redis URL', async () => {
    const access = { type: 'join', url: 'https://kiln.example', token: 'a-token' };
    expect(workerSettings(JOIN).access).toEqual({ ...access, redisUrl: undefined });
    expect(workerSettings({ ...JOIN, KILN_REDIS_URL: 'redis://nat' }).access).toEqual({
      ...access,
      redisUrl: 'redis://nat',
    });
    const dir = await mkdtemp(join(tmpdir(), 'kiln-settings-'));
    await writeFile(join(dir, 'token'), 'a-token\n');
    const { KILN_JOIN_TOKEN: _, ...rest } = JOIN;
    expect(workerSettings({ ...rest, KILN_JOIN_TOKEN_FILE: join(dir, 'token') }).access).toMatchObject(access);
    await rm(dir, { recursive: true });
  });

  test.each([
    [
      BASE,
      'KILN_REDIS_URL: got nothing, expected a Redis URL (redis://, rediss://, unix:// or redis+sentinel://), or KILN_JOIN_URL',
    ],
    [DIRECT, 'KILN_API_URL: got nothing, expected one of KILN_BLOB_DIR'],
    [
      { ...DIRECT, KILN_BLOB_DIR: '/b', KILN_S3_BUCKET: 'b-1' },
      'KILN_API_URL: got nothing, expected one of KILN_BLOB_DIR',
    ],
    [
      { ...DIRECT, KILN_API_URL: 'http://api', KILN_S3_BUCKET: 'b-1' },
      'KILN_API_URL: got "http://api", expected one of KILN_BLOB_DIR',
    ],
    [{ ...JOIN, KILN_S3_BUCKET: 'b-1' }, 'KILN_S3_BUCKET: got "b-1", expected it to be unset'],
    [{ ...JOIN, KILN_BLOB_DIR: '/b' }, 'KILN_BLOB_DIR: got "/b", expected it to be unset together with KILN_JOIN_URL'],
    [
      { ...JOIN, KILN_JOIN_URL: 'kiln.example' },
      'KILN_JOIN_URL: got "kiln.example", expected an http:// or https:// URL',
    ],
    [{ ...JOIN, KILN_JOIN_TOKEN: '' }, 'KILN_JOIN_TOKEN: got nothing, expected a value, or KILN_JOIN_TOKEN_FILE'],
    [{ ...JOIN, KILN_JOIN_TOKEN: 'two words' }, 'KILN_JOIN_TOKEN: got a value that is not shown, expected a token'],
    [{ ...JOIN, KILN_JOIN_TOKEN_FILE: '/f' }, 'KILN_JOIN_TOKEN: set as well as KILN_JOIN_TOKEN_FILE'],
    [{ ...JOIN, KILN_SLOTS: '0' }, 'KILN_SLOTS: got "0", expected a whole number of at least 1'],
    [{ ...JOIN, KILN_EXIT_WHEN_DRAINED: 'maybe' }, 'KILN_EXIT_WHEN_DRAINED: got "maybe", expected true or false'],
    [
      { ...JOIN, KILN_LABELS: 'Disk=x' },
      'KILN_LABELS: got "Disk=x", expected label=value,…: a label of lower-case letters',
    ],
    [{ ...JOIN, KILN_TRUST: 'both' }, 'KILN_TRUST: got "both", expected trusted or untrusted'],
    [{ ...JOIN, KILN_ISOLATION: 'none' }, 'KILN_ISOLATION: got "none", expected team, repo or pool'],
    [
      { ...JOIN, KILN_FRONTENDS: 'docker/dockerfile:1' },
      'KILN_FRONTENDS: got "docker/dockerfile:1", expected none, any',
    ],
    [{ ...JOIN, KILN_FRONTENDS: 'a/b, none' }, 'KILN_FRONTENDS: got "a/b, none", expected none, any'],
    [
      { ...JOIN, KILN_CACHE_BUDGET_BYTES: '1000', KILN_UNTRUSTED_CACHE_BUDGET_BYTES: '1000' },
      'KILN_UNTRUSTED_CACHE_BUDGET_BYTES: got "1000", expected less than KILN_CACHE_BUDGET_BYTES (1000)',
    ],
    [
      { ...JOIN, KILN_CACHE_BUDGET: '40%', KILN_CACHE_BUDGET_BYTES: '1000' },
      'KILN_CACHE_BUDGET: got "40%", expected it to be unset together with KILN_CACHE_BUDGET_BYTES',
    ],
    [{ ...JOIN, KILN_CACHE_BUDGET: 'half' }, 'KILN_CACHE_BUDGET: got "half", expected a size such as 200GB, or'],
    [{ ...JOIN, KILN_CACHE_BUDGET: '101%' }, 'KILN_CACHE_BUDGET: got "101%", expected a size such as 200GB, or'],
    [{ ...JOIN, KILN_REPO_CACHE_CAP: '0' }, 'KILN_REPO_CACHE_CAP: got "0", expected more than 0'],
    [{ ...JOIN, KILN_TEAM_CACHE_CAP: '0%' }, 'KILN_TEAM_CACHE_CAP: got "0%", expected more than 0'],
    [{ ...JOIN, KILN_REPO_ARCHIVE_CAP: '0' }, 'KILN_REPO_ARCHIVE_CAP: got "0", expected more than 0'],
    [{ ...JOIN, KILN_REPO_ARCHIVE_CAP: '10%' }, 'KILN_REPO_ARCHIVE_CAP: got "10%", expected a size such as 200GB'],
    [{ ...JOIN, KILN_MIN_FREE_DISK: '60%' }, 'KILN_MIN_FREE_DISK: got "60%", expected at most 50% of the disk'],
    [
      { ...JOIN, KILN_CACHE_BUDGET: '1k', KILN_UNTRUSTED_CACHE_BUDGET_BYTES: '1024' },
      'KILN_UNTRUSTED_CACHE_BUDGET_BYTES: got "1024", expected less than KILN_CACHE_BUDGET (1024)',
    ],
    [{ ...JOIN, KILN_LABELS: 'disk=a b' }, 'expected label=value,…: letters, digits and . _ -'],
  ])('refuses %j', (env, words) => {
    expect(() => workerSettings(env)).toThrow(words);
  });

  test('names a setting in errors as the user gave it', () => {
    const nameOf = (variable: string) => (variable === 'KILN_SLOTS' ? '--slots' : variable);
    expect(() => workerSettings({ ...JOIN, KILN_SLOTS: 'x' }, nameOf)).toThrow(
      '--slots: got "x", expected a whole number',
    );
  });
});

test('reads the privileges that an operator grants, and refuses others', () => {
  const of = (KILN_ENTITLEMENTS: string, more = {}) => workerSettings({ ...JOIN, KILN_ENTITLEMENTS, ...more });
  expect(trustSettings(of('network.host, security.insecure'))).toMatchObject({
    entitlements: ['network.host', 'security.insecure'],
  });
  expect(trustSettings(of('none'))).not.toHaveProperty('entitlements');
  expect(() => of('device')).toThrow('none, or network.host and security.insecure, separated by commas');
  const restricted = { KILN_BUILD_EGRESS: 'listed,r.example.org' };
  expect(() => of('network.host', restricted)).toThrow('none, because KILN_BUILD_EGRESS restricts builds');
});

test('trustSettings and idleSettings return the options that are set', () => {
  const frontends = ['docker.io/docker/dockerfile'];
  expect(trustSettings(workerSettings(JOIN))).toEqual({ frontends });
  expect(idleSettings(workerSettings(JOIN))).toEqual({ builderIdleMs: 1_800_000 });
  expect(idleSettings(workerSettings({ ...JOIN, KILN_BUILDER_IDLE_MS: '0' }))).toEqual({});
  const all = {
    ...{ KILN_TRUST: 'untrusted', KILN_CACHE_BUDGET_BYTES: '1000', KILN_UNTRUSTED_CACHE_BUDGET_BYTES: '999' },
    ...{ KILN_UNTRUSTED_DOCKER_CONFIG: '/previews', KILN_ISOLATION: 'repo', KILN_FRONTENDS: 'a/b, r.example:5000/c' },
  };
  expect(trustSettings(workerSettings({ ...JOIN, ...all }))).toEqual({
    ...{ trust: 'untrusted', cacheBudgetBytes: 1_000, untrustedCacheBudgetBytes: 999 },
    ...{ untrustedDockerConfigDir: '/previews', isolation: 'repo' },
    frontends: ['docker.io/a/b', 'r.example:5000/c'],
  });
  const of = (text: string) => trustSettings(workerSettings({ ...JOIN, KILN_FRONTENDS: text })).frontends;
  expect([of('none'), of('any')]).toEqual([[], 'any']);
});

test('reads limits of caches as sizes or percentages', () => {
  const read = (env: Record<string, string>) => workerSettings({ ...JOIN, ...env });
  expect(trustSettings(read({ KILN_CACHE_BUDGET: '40%' }))).toMatchObject({ cacheBudgetShare: 0.4 });
  expect(trustSettings(read({ KILN_CACHE_BUDGET: '2GiB' }))).toMatchObject({ cacheBudgetBytes: 2 * 1024 ** 3 });
  const limits = { KILN_MIN_FREE_DISK: '5%', KILN_REPO_CACHE_CAP: '10g', KILN_TEAM_CACHE_CAP: '50%' };
  expect(cacheLimits(read(limits))).toEqual({
    ...{ minFreeDisk: { share: 0.05 }, repoCacheCap: { bytes: 10 * 1024 ** 3 }, teamCacheCap: { share: 0.5 } },
  });
  expect(cacheLimits(read({ KILN_REPO_ARCHIVE_CAP: '2g' }))).toEqual({ repoArchiveCapBytes: 2 * 1024 ** 3 });
  expect(cacheLimits(read({ KILN_MIN_FREE_DISK: '0' }))).toEqual({ minFreeDisk: { bytes: 0 } });
  expect(cacheLimits(read({}))).toEqual({});
});

test('workerSettings reads labels separated by commas', () => {
  expect(workerSettings({ ...JOIN, KILN_LABELS: 'disk=nvme, gpu ,zone=a.b' }).KILN_LABELS).toEqual({
    disk: 'nvme',
    gpu: '',
    zone: 'a.b',
  });
  expect(workerSettings({ ...JOIN, KILN_EXIT_WHEN_DRAINED: 'true' })).toMatchObject({
    KILN_LABELS: {},
    KILN_EXIT_WHEN_DRAINED: true,
  });
});

test.each([
  ['7d', 604_800_000],
  ['0', 0],
  ['90m', 5_400_000],
])('keeps broken states for %s', (text, keepBrokenMs) => {
  expect(healingSettings(workerSettings({ ...JOIN, KILN_KEEP_BROKEN_STATE: text }))).toEqual({ keepBrokenMs });
});

test.each(['a week', '-1d', '7'])('refuses %j as how long broken states are kept', (text) => {
  expect(() => workerSettings({ ...JOIN, KILN_KEEP_BROKEN_STATE: text })).toThrow(
    /KILN_KEEP_BROKEN_STATE.*expected 0, or a duration/,
  );
});
