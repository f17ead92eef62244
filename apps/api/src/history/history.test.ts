import { type BuildView, HISTORY_PREFIX } from '@kiln/contracts';
import { type HistoryStore, openState } from '@kiln/state';
import { FaultyRedis } from '@kiln/state/testing';
import { pino } from 'pino';
import { beforeEach, describe, expect, test } from 'vitest';
import { redisForFile } from '../testing/for-file.ts';
import { PATIENT } from '../testing/patient.ts';
import { TestApi } from '../testing/test-api.ts';
import { BuildArchiver } from './archive-builds.ts';
import { BuildDocuments } from './build-documents.ts';
import { pruneDocuments } from './prune-documents.ts';
import { wholeBuilds } from './whole-builds.ts';

const quiet = pino({ level: 'silent' });
const { signal } = new AbortController();
const LATER = Date.now() + 3_600_000;
/** Too large to stay in Redis. */
const LARGE = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`ARG_${i}`, `${i * 104_729}`]));

const redis = await redisForFile();
let api: TestApi;

beforeEach(async () => {
  const started = await TestApi.start({ archiveIntervalMs: 50, historyIntervalMs: 3_600_000 }, { redis });
  api = started;
  return () => started[Symbol.asyncDispose]();
});

const archiver = () => new BuildArchiver(api.state.history, api.blobs, quiet);
const archive = () => archiver().round(LATER, signal);

async function blobKeys(): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of api.blobs.list(HISTORY_PREFIX)) keys.push(key);
  return keys.sort();
}

async function ended(request: Parameters<TestApi['submit']>[0] = {}): Promise<string> {
  const { id } = await api.submit(request);
  const attempt = await api.run(id);
  await attempt.log({ t: 1, type: 'note', message: 'hello' });
  await attempt.settle({ end: 'succeeded', steps: { total: 3, cached: 1 }, result: { digest: `sha256:${id}` } });
  return id;
}

/** Everything that clients can read about a build. */
async function answers(id: string): Promise<unknown[]> {
  const paths = ['', '/placement', '/logs?format=ndjson', '?wait=1'];
  return Promise.all(paths.map(async (path) => (await api.fetch(`/v1/builds/${id}${path}`)).text()));
}

const pageOf = async (query: string) => (await api.fetch(`/v1/builds?${query}`)).json();

describe('archived builds', () => {
  test.each([
    ['small ones', {}],
    ['those that are too large for Redis', { buildArgs: LARGE }],
  ])('%s are answered as before: view, placement, log and lists', async (_, request) => {
    const id = await ended(request);
    await ended();
    const before = [await answers(id), await pageOf('limit=1'), await pageOf('state=succeeded&team=default')];
    expect(JSON.parse((before[0] as string[])[1] ?? '').decisions).toHaveLength(1);
    expect(await archive()).toBe(2);
    expect((await api.state.builds.get(id))?.archived?.isCut).toBe('buildArgs' in request);
    expect(await blobKeys()).toHaveLength(1);
    expect([await answers(id), await pageOf('limit=1'), await pageOf('state=succeeded&team=default')]).toEqual(before);
  });

  test('can be retried with their whole request, are replayed by idempotency key, and can’t be canceled', async () => {
    const body = {
      source: { type: 'git', url: 'https://git.example/app' },
      buildArgs: LARGE,
      secrets: { npm: 'hunter22' },
    };
    const first = (await (await api.post('/v1/builds', body, { 'idempotency-key': 'k' })).json()) as BuildView;
    const { request } = first;
    const canceled = await (await api.post(`/v1/builds/${first.id}/cancel`, '')).json();
    await archive();
    const retried = (await (await api.post(`/v1/builds/${first.id}/retry`, '')).json()) as BuildView;
    expect(retried).toMatchObject({ state: 'queued', request, retryOf: first.id });
    expect(await api.state.builds.secretsOf(retried.id)).toEqual({ npm: 'hunter22' });
    const replayed = await api.post('/v1/builds', body, { 'idempotency-key': 'k' });
    expect(replayed.headers.get('idempotency-replayed')).toBe('true');
    expect(await replayed.json()).toMatchObject({ id: first.id, state: 'canceled', request });
    expect(await (await api.post(`/v1/builds/${first.id}/cancel`, '')).json()).toEqual(canceled);
  });

  test('that share a run have its placement and log', async () => {
    const request = {
      dedupe: true,
      source: { type: 'git', url: 'https://git.example/app', ref: 'a'.repeat(40) },
    } as const;
    const run = await api.submit(request);
    const sharer = await api.submit(request);
    expect(sharer.sharedRun).toBe(run.id);
    const attempt = await api.run(run.id);
    await attempt.log({ t: 1, type: 'note', message: 'hello' });
    await attempt.settle({ end: 'succeeded' });
    await api.state.followUps.run();
    const before = await answers(sharer.id);
    expect(await archive()).toBe(2);
    expect(await answers(sharer.id)).toEqual(before);
  });

  test('whose blob is lost are answered with a clear error, and don’t break lists', async () => {
    const id = await ended({ buildArgs: LARGE });
    const small = await ended();
    await archive();
    for (const key of await blobKeys()) await api.blobs.delete(key);
    for (const path of [`/v1/builds/${id}`, `/v1/builds/${id}/placement`, `/v1/builds/${small}/placement`]) {
      const answer = await api.fetch(path);
      expect(answer.status).toBe(503);
      expect(await answer.json()).toMatchObject({
        code: 'unavailable',
        detail: expect.stringMatching(/^the document of build \w+ cannot be read from blob history\/.*: no such blob$/),
      });
    }
    expect((await api.post(`/v1/builds/${id}/retry`, '')).status).toBe(503);
    expect((await api.view(small)).id).toBe(small);
    // The record alone, without the document, is still readable.
    expect(await api.state.builds.record(id)).toMatchObject({ id, state: 'succeeded', team: 'default' });
    expect(await pageOf('')).toMatchObject({ builds: [{ id: small }, { id, state: 'succeeded' }] });
  });
});

describe('the archiver', () => {
  test('archives builds once their time in Redis is over, also those of an earlier version', async () => {
    const id = await ended();
    expect(await archiver().round(Date.now() - 60_000, signal)).toBe(0);
    expect((await api.state.builds.get(id))?.archived).toBeUndefined();
    const namespace = api.state.keys.prefix.slice(1, -2);
    await using _other = await TestApi.start(
      { buildArchiveMs: 0, historyIntervalMs: 20 },
      { redis, namespace, blobDir: api.dir },
    );
    await expect.poll(async () => (await api.state.builds.get(id))?.archived, PATIENT).toBeDefined();
    expect(await api.view(id)).toMatchObject({ state: 'succeeded' });
  });

  test('loses nothing if it dies between blob and Redis: the next one repeats the work, and the orphaned blob is deleted', async () => {
    const id = await ended();
    const before = await answers(id);
    const { history } = api.state;
    const dying: Pick<HistoryStore, 'claim' | 'release' | 'ended' | 'read' | 'shrink'> = {
      claim: (holder) => history.claim(holder),
      release: async () => {},
      ended: (...range) => history.ended(...range),
      read: (ids) => history.read(ids),
      shrink: () => Promise.reject(new Error('killed')),
    };
    await expect(new BuildArchiver(dying, api.blobs, quiet).round(LATER, signal)).rejects.toThrow('killed');
    expect(await answers(id)).toEqual(before);
    // Its claim lasts for a while.
    expect(await archive()).toBe(0);
    await api.state.redis.del(api.state.keys.historyClaim());
    expect(await archive()).toBe(1);
    expect(await answers(id)).toEqual(before);
    expect(await blobKeys()).toHaveLength(2);
    const hoursLater = Date.now() + 2 * 3_600_000;
    const prune = (now: number) => pruneDocuments(history, api.blobs, now, quiet, signal);
    expect(await prune(hoursLater)).toBe(0);
    await history.purge(LATER, 10);
    await api.state.redis.set(api.state.keys.historyPurged(), hoursLater);
    // They are too young: a process may be about to reference them.
    expect(await prune(Date.now())).toBe(0);
    expect(await prune(hoursLater)).toBe(2);
    expect(await blobKeys()).toEqual([]);
  });

  test('loses nothing by an error of any call to Redis', async () => {
    await using proxy = await FaultyRedis.start(redis.url);
    await using faulty = await openState({
      ...{ redisUrl: proxy.url, namespace: api.state.keys.prefix.slice(1, -2), secretKey: Buffer.alloc(32, 1) },
      onError: () => {},
    });
    const archiving = new BuildArchiver(faulty.history, api.blobs, quiet);
    const whole = wholeBuilds(api.state.builds, new BuildDocuments(api.blobs), quiet);
    let calls = 0;
    const stored = async (id: string) => {
      const { record, spec } = (await whole.get(id)) ?? {};
      return { record, spec, decisions: await whole.decisions(id) };
    };
    for (const kind of ['OOM', 'reset', 'lost reply'] as const) {
      for (let at = 0, isOver = false; !isOver; at += 1) {
        const id = await ended({ buildArgs: LARGE });
        const before = await stored(id);
        let seen = 0;
        proxy.fault = () => (seen++ === at ? kind : undefined);
        await archiving.round(LATER, signal).catch(() => 0);
        proxy.fault = () => undefined;
        isOver = seen <= at;
        calls = Math.max(calls, seen);
        expect(await stored(id)).toEqual(before);
        await api.state.redis.del(api.state.keys.historyClaim());
        await archive();
        expect((await api.state.builds.get(id))?.archived?.isCut).toBe(true);
        expect(await stored(id)).toEqual(before);
      }
    }
    expect(calls).toBeGreaterThanOrEqual(6);
  });

  test('shares its work with other processes: each build is archived once', async () => {
    const ids = new Set<string>();
    for (let i = 0; i < 40; i += 1) ids.add(await ended());
    const moved = await Promise.all([archiver(), archiver(), archiver()].map((one) => one.round(LATER, signal)));
    expect(moved.reduce((sum, count) => sum + count)).toBe(ids.size);
    expect(await blobKeys()).toHaveLength(1);
    for (const id of ids) expect((await api.view(id)).id).toBe(id);
  });

  test('skips builds that must wait', async () => {
    const { state } = api;
    const run = await ended({ dedupe: true });
    const other = await ended();
    await state.redis.sadd(state.keys.due(), 'somebody');
    expect(await archive()).toBe(1);
    expect((await state.builds.get(run))?.archived).toBeUndefined();
    expect((await state.builds.get(other))?.archived).toBeDefined();
    await state.redis.del(state.keys.due());
    expect(await archive()).toBe(1);
  });
});
