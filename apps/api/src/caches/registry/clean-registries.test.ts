import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CleanAnswer } from '@kiln/contracts';
import { allowedHosts } from '@kiln/runtime';
import { TestRedis } from '@kiln/state/testing';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { PATIENT } from '../../testing/patient.ts';
import { TestApi } from '../../testing/test-api.ts';
import { type CleanDeps, cleanRegistries } from './clean-registries.ts';

const DAY_MS = 24 * 3_600_000;
const [USER, PASSWORD] = ['robot', 'opensesame-4711'];
/** bcrypt of the password, made by htpasswd -B. */
const HTPASSWD = `${USER}:$2y$05$abcdefghijklmnopqrstuuNS4OnT/b0DtFv/mehW4Q4o9mA8vYX62\n`;
const CACHE = 'application/vnd.buildkit.cacheconfig.v0';
const IMAGE = 'application/vnd.oci.image.config.v1+json';
const authorization = `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString('base64')}`;

let dir: string;
let redis: TestRedis;
let api: TestApi;
let deleting: Registry;
let keeping: Registry;
const wrote = (ref: string, days: number, team = 'web') =>
  api.state.cacheReferences.wrote({ team, repo: 'app', trust: 'trusted' }, [ref], Date.now() - days * DAY_MS);

interface Registry {
  readonly host: string;
  readonly process: ChildProcess;
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-clean-'));
  await writeFile(join(dir, 'htpasswd'), HTPASSWD);
  redis = await TestRedis.start();
  [deleting, keeping] = await Promise.all([startRegistry('deleting', true), startRegistry('keeping', false)]);
  api = await TestApi.start({ cacheCleanMs: 0 }, { redis, allowed: allowedHosts.parse('loopback') });
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
  for (const { process } of [deleting, keeping]) await kill(process);
  await rm(dir, { recursive: true, force: true });
});
beforeEach(async () => {
  for (const { team, ref } of await api.state.cacheReferences.list()) await api.state.cacheReferences.forget(team, ref);
  for (const { host } of [deleting, keeping]) {
    const content = { kind: 'registry', username: USER, password: PASSWORD } as const;
    await api.state.secrets.set({ team: 'web', name: host, untrustedOk: false, content, updatedBy: 'test' });
  }
});

async function kill(process: ChildProcess): Promise<void> {
  if (process.exitCode !== null || process.signalCode !== null) return;
  const ended = once(process, 'exit');
  process.kill('SIGKILL');
  await ended;
}

/** Starts the real registry (CNCF Distribution), which deletes manifests or not. */
async function startRegistry(name: string, deletes: boolean): Promise<Registry> {
  const free = createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  const host = `127.0.0.1:${(free.address() as AddressInfo).port}`;
  free.close();
  const config = {
    version: '0.1',
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(dir, name) }, delete: { enabled: deletes } },
    http: { addr: host },
    auth: { htpasswd: { realm: 'test', path: join(dir, 'htpasswd') } },
  };
  // JSON is valid YAML.
  const file = join(dir, `${name}.yml`);
  await writeFile(file, JSON.stringify(config));
  const process = spawn('docker-registry', ['serve', file], { stdio: 'ignore' });
  await vi.waitFor(async () => expect((await fetch(`http://${host}/v2/`)).status).toBe(401), PATIENT);
  return { host, process };
}

/** Pushes a manifest whose config has this media type, as BuildKit does with `image-manifest=true`. `text` makes its digest. */
async function push({ host }: Registry, ref: string, mediaType: string, text = ref): Promise<string> {
  const [repo = '', tag = ''] = ref.split(':');
  const blob = JSON.stringify({ text });
  const digest = `sha256:${createHash('sha256').update(blob).digest('hex')}`;
  const base = `http://${host}/v2/${repo}`;
  const { headers } = await fetch(`${base}/blobs/uploads/`, { method: 'POST', headers: { authorization } });
  const upload = `${headers.get('location')}&digest=${digest}`;
  await fetch(upload, { method: 'PUT', body: blob, headers: { authorization } });
  const type = 'application/vnd.oci.image.manifest.v1+json';
  const config = { mediaType, digest, size: blob.length };
  const body = JSON.stringify({ schemaVersion: 2, mediaType: type, config, layers: [] });
  const headersOfPut = { authorization, 'content-type': type };
  const { status } = await fetch(`${base}/manifests/${tag}`, { method: 'PUT', body, headers: headersOfPut });
  expect(status).toBe(201);
  return `${host}/${ref}`;
}

async function exists(ref: string): Promise<boolean> {
  const [, host, repo, tag] = /^([^/]+)\/(.+):(.+)$/.exec(ref) ?? [];
  const headers = { authorization, accept: 'application/vnd.oci.image.manifest.v1+json' };
  return (await fetch(`http://${host}/v2/${repo}/manifests/${tag}`, { headers })).ok;
}

async function clean(body: object = {}): Promise<Record<string, string>> {
  const answer = await api.post('/v1/caches/clean-registries', body);
  expect(answer.status).toBe(200);
  const { references } = (await answer.json()) as CleanAnswer;
  return Object.fromEntries(references.map(({ ref, result }) => [ref, result]));
}
const known = async () => (await api.state.cacheReferences.list()).map(({ ref }) => ref).sort();

test('deletes caches that no build has used for 14 days, after a dry run that deletes nothing', async () => {
  const [old, fresh] = [await push(deleting, 'app:old', CACHE), await push(deleting, 'app:fresh', CACHE)];
  await Promise.all([wrote(old, 15), wrote(fresh, 13)]);
  expect(await clean({ dryRun: true })).toEqual({ [old]: 'would_delete' });
  expect([await exists(old), await known()]).toEqual([true, [fresh, old]]);
  expect(await clean()).toEqual({ [old]: 'deleted' });
  expect([await exists(old), await exists(fresh), await known()]).toEqual([false, true, [fresh]]);
  expect(await clean()).toEqual({});
});

test('an import by a build is a use, but makes no reference one that Kiln has written', async () => {
  const ref = await push(deleting, 'app:imported', CACHE);
  await wrote(ref, 15);
  await api.state.cacheReferences.used('web', [ref, 'r.example/other:cache'], Date.now());
  expect([await clean(), await known()]).toEqual([{}, [ref]]);
});

test('deletes nothing but caches, and no manifest that a reference in use has as well', async () => {
  const image = await push(deleting, 'app:1', IMAGE);
  const [twin, used] = [await push(deleting, 'app:a', CACHE, 'twin'), await push(deleting, 'app:b', CACHE, 'twin')];
  const gone = `${deleting.host}/app:gone`;
  await Promise.all([wrote(image, 15), wrote(twin, 15), wrote(used, 1, 'other'), wrote(gone, 15)]);
  expect(await clean()).toEqual({ [image]: 'not_a_cache', [twin]: 'kept', [gone]: 'gone' });
  expect([await exists(image), await exists(twin), await known()]).toEqual([true, true, [twin, used].sort()]);
});

test('says that a registry deletes nothing, remembers it for the schedule, and asks again if a person does', async () => {
  const ref = await push(keeping, 'app:old', CACHE);
  await wrote(ref, 15);
  const answer = await api.post('/v1/caches/clean-registries', {});
  const { references } = (await answer.json()) as CleanAnswer;
  expect(references).toMatchObject([
    {
      ref,
      result: 'unsupported',
      detail: expect.stringMatching(/^the registry deletes no manifests: DELETE .*: got status 405/),
    },
  ]);
  expect([...(await api.state.cacheReferences.refusing()).keys()]).toEqual([keeping.host]);
  await kill(keeping.process);
  // Only a call asks the registry, and finds it away; the schedule relies on what it knows.
  expect(await clean()).toEqual({ [ref]: 'failed' });
  await using scheduled = await TestApi.start(
    { cacheCleanMs: 60_000 },
    { redis, allowed: allowedHosts.parse('loopback'), namespace: api.state.keys.prefix.slice(1, -2) },
  );
  await expect.poll(() => scheduled.logged.join(''), PATIENT).toContain('"result":"unsupported"');
  expect(scheduled.logged.join('')).toContain(`${keeping.host} deletes no manifests (since `);
});

test('without a login, at a refused address and for another team nothing is deleted', async () => {
  const ref = await push(deleting, 'app:private', CACHE);
  await wrote(ref, 15, 'other');
  expect(await clean()).toEqual({ [ref]: 'failed' });
  expect(await clean({ team: 'web' })).toEqual({});
  await using guarded = await TestApi.start({}, { redis });
  await guarded.state.cacheReferences.wrote({ team: 'web', repo: 'app', trust: 'trusted' }, [ref], 1);
  const answer = await guarded.post('/v1/caches/clean-registries', {});
  expect(await answer.json()).toMatchObject({
    references: [{ result: 'failed', detail: expect.stringContaining('KILN_ALLOWED_HOSTS') }],
  });
  expect(await exists(ref)).toBe(true);
});

test.each(['list', 'refusing', 'get', 'acceptedBy', 'forget'] as const)(
  'a cleaning that is broken off because Redis fails at %s is finished by the next one',
  async (failing) => {
    const [old, used] = [await push(deleting, 'app:old', CACHE), await push(deleting, 'app:used', CACHE)];
    await Promise.all([wrote(old, 15), wrote(used, 1)]);
    const { cacheReferences } = api.state;
    const down = () => Promise.reject(new Error('LOADING Redis is loading the dataset in memory'));
    const references = new Proxy<CleanDeps['references']>(cacheReferences, {
      get: (target, name) => (name === failing ? down : Reflect.get(target, name).bind(target)),
    });
    const at = { unusedSince: Date.now() - 14 * DAY_MS, now: Date.now(), refusedForMs: 0 };
    const broken = cleanRegistries(
      { references, secrets: api.state.buildSecrets, fetch },
      at,
      new AbortController().signal,
    );
    await expect(broken).rejects.toThrow('LOADING');
    // What is deleted already is only forgotten.
    const wasDeleted = failing === 'acceptedBy' || failing === 'forget';
    expect([await exists(old), await exists(used), await known()]).toEqual([!wasDeleted, true, [old, used].sort()]);
    expect(await clean()).toEqual({ [old]: wasDeleted ? 'gone' : 'deleted' });
    expect(await known()).toEqual([used]);
    expect(await exists(used)).toBe(true);
  },
);
