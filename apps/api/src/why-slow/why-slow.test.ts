import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { type BuildRequestInput, traceKey, type WhySlowView } from '@kiln/contracts';
import type { AttemptTrace } from '@kiln/domain';
import { type MadeTree, treeOf } from '@kiln/trees/testing';
import { describe, expect, test } from 'vitest';
import { apiForFile, redisForFile } from '../testing/for-file.ts';
import { sendParts } from '../testing/send-parts.ts';

const redis = await redisForFile();
const api = await apiForFile({}, { redis });

const COPY = { name: '[1/2] COPY src /src', key: 'copy', digest: 'sha256:c', inputs: [], cached: true };
const RUN = { name: '[2/2] RUN make', key: 'run', digest: 'sha256:r', inputs: [0], cached: true };

const pack = (trace: object) => gzipSync(JSON.stringify(trace));
const upload = async (tree: MadeTree, name: string) => {
  await sendParts(api, tree.parts);
  return { type: 'upload', name, digest: tree.root } as const;
};
const SOURCES = (text: string) => treeOf({ Dockerfile: 'FROM scratch', src: { in: { 'main.c': text, same: 's' } } });

interface Ran {
  readonly request: Partial<BuildRequestInput>;
  readonly trace?: Partial<AttemptTrace> | undefined;
  readonly end?: 'succeeded' | 'failed' | 'canceled';
}

/** Runs a build, and stores a record of it as a worker would. */
async function ran({ request, trace, end = 'succeeded' }: Ran): Promise<string> {
  const { id, team } = await api.submit(request);
  const attempt = await api.run(id);
  const startedAt = Date.now();
  const failure = { code: 'step_failed', message: 'exit code 1' } as const;
  if (end === 'canceled') await api.fetch(`/v1/builds/${id}/cancel`, { method: 'POST' });
  await attempt.settle(end === 'succeeded' ? { end } : { end, failure });
  const { source, buildArgs = {} } = request;
  if (trace) {
    const stored: AttemptTrace = {
      version: 1,
      ...{
        build: id,
        attempt: 1,
        host: 'h1',
        domain: 'trusted',
        repo: team,
        end,
        startedAt,
        endedAt: startedAt + 10_000,
      },
      ...{ keyId: 'k', noCache: false, cacheScope: 'repo', platforms: [], secrets: {}, args: buildArgs },
      context: { type: 'tree', id: source?.type === 'upload' ? (source.digest ?? '') : '' },
      steps: [COPY, RUN],
      ...trace,
    };
    await api.blobs.put(traceKey(id, 1), Readable.from([pack(stored)]));
  }
  return id;
}

async function whySlow(id: string, query = ''): Promise<WhySlowView> {
  const answer = await api.fetch(`/v1/builds/${id}/why-slow${query}`);
  expect(answer.status).toBe(200);
  return (await answer.json()) as WhySlowView;
}

const missed = (from: number) => ({ cached: false, startedAt: from, completedAt: from + 1_000 });

describe('a build that is explained', () => {
  test('is compared with the last successful one like it, file by file', async () => {
    const source = await upload(SOURCES('before'), 'files');
    await ran({ request: { source }, trace: { host: 'h2' } });
    const baseline = await ran({ request: { source }, trace: {} });
    // Neither a failed one, nor one with another target.
    await ran({ request: { source }, trace: {}, end: 'failed' });
    await ran({ request: { source, target: 'other' }, trace: {} });
    const at = Date.now();
    const id = await ran({
      request: { source: await upload(SOURCES('after'), 'files') },
      trace: {
        steps: [
          { ...COPY, digest: 'sha256:c2', ...missed(at) },
          { ...RUN, digest: 'sha256:r2', ...missed(at + 2_000) },
        ],
        startedAt: at,
        endedAt: at + 4_000,
        mounts: [
          { id: 'n//c', beforeBytes: 0, afterBytes: 5 },
          { id: 'n//d', beforeBytes: 7, afterBytes: 7 },
          { id: 'n//e' },
        ],
        secrets: { tok: 'other' },
      },
    });
    const view = await whySlow(id);
    expect(view).toMatchObject({
      ...{ build: id, attempt: 1, host: 'h1', end: 'succeeded', changedSecrets: ['tok'] },
      comparedWith: { build: baseline, attempt: 1, host: 'h1' },
      steps: { total: 2, cached: 0, first: 0 },
      mounts: [{ state: 'cold' }, { state: 'warm' }, { state: 'unknown' }],
      usual: { builds: 2 },
    });
    expect(view.steps?.list.map(({ cause }) => cause)).toEqual([
      {
        ...{ type: 'files_changed', added: 0, changed: 1, removed: 0 },
        paths: [{ path: 'src/main.c', change: 'changed' }],
      },
      { type: 'parent_missed', parent: 0 },
    ]);
    const { totalMs, queueMs = 0, ...kinds } = view.time ?? { totalMs: 0 };
    expect(kinds).toEqual({ contextMs: 0, pullMs: 0, runMs: 2_000, exportMs: 0, idleMs: 2_000 });
    expect(totalMs).toBe(queueMs + 4_000);
    // Nothing was learned of the repo yet.
    expect(view.coldMs).toBeUndefined();
  });

  test('says that it could not compare files whose tree is no longer stored', async () => {
    const old = SOURCES('old and gone');
    await ran({ request: { source: await upload(old, 'swept') }, trace: {} });
    const id = await ran({
      request: { source: await upload(SOURCES('new'), 'swept') },
      trace: { steps: [{ ...COPY, digest: 'sha256:x', ...missed(1) }] },
    });
    await rm(join(api.dir, 'trees'), { recursive: true });
    expect((await whySlow(id)).steps?.list[0]?.cause).toEqual({
      type: 'unknown',
      compared: ['instruction'],
      notCompared: [{ what: 'files', why: 'tree_swept' }],
    });
  });

  test('names what the host has evicted of its layers since the last build, and the repo that needed the room only within the team', async () => {
    const source = await upload(SOURCES('evicted'), 'evicted');
    await ran({ request: { source }, trace: { startedAt: 1_000, endedAt: 2_000 } });
    const id = await ran({
      request: { source },
      trace: { steps: [COPY, { ...RUN, ...missed(1) }], layers: { lost: 1, of: 2, since: 2_000 } },
    });
    const { repo } = await api.view(id);
    const evicted = { bytes: 7, reason: 'budget', repo } as const;
    const of = (at: number, rest: object = {}) => JSON.stringify({ at, ...evicted, ...rest });
    const { redis: store, keys } = api.state;
    await store.lpush(
      keys.hostEvictions('h1'),
      ...[of(1_500), of(3_000, { roomFor: 'big' }), of(4_000, { roomFor: 'team other secret' })],
      ...[of(5_000, { mount: 'm' }), of(6_000, { repo: 'big' })],
    );
    expect((await whySlow(id)).steps?.list[1]?.cause).toMatchObject({
      ...{ type: 'evicted', lost: 1, of: 2 },
      evictions: [
        { at: '1970-01-01T00:00:03.000Z', bytes: 7, reason: 'budget', roomFor: 'big' },
        { at: '1970-01-01T00:00:04.000Z', bytes: 7, reason: 'budget' },
      ],
    });
  });

  test('is compared with a build on another host if there is none on its own, and says so', async () => {
    const source = await upload(SOURCES('hosts'), 'hosts');
    await ran({ request: { source }, trace: { host: 'h2', args: { A: '1' } } });
    const id = await ran({ request: { source }, trace: { steps: [{ ...RUN, inputs: [], ...missed(1) }] } });
    const view = await whySlow(id);
    expect(view.comparedWith?.host).toBe('h2');
    expect(view.steps?.list[0]?.cause).toEqual({ type: 'first_on_host' });
  });

  test('may have failed or been canceled, and has no earlier build to be compared with', async () => {
    for (const end of ['failed', 'canceled'] as const) {
      const source = await upload(SOURCES(end), `first-${end}`);
      const error = end === 'canceled' ? 'context canceled' : 'exit code: 1';
      const steps = [COPY, { ...RUN, ...missed(1), error }];
      const view = await whySlow(await ran({ request: { source }, trace: { steps }, end }));
      expect(view).toMatchObject({ end, steps: { total: 2, cached: 1, first: 1 } });
      expect(view.steps?.list[1]).toEqual({ name: RUN.name, state: end, ms: 1_000, cause: { type: 'first_build' } });
      expect(view.comparedWith).toBeUndefined();
      expect(view.savedMs).toBeUndefined();
    }
  });

  test('shows the run that it shares', async () => {
    const source = { type: 'git', url: 'https://git.example/shared', ref: 'a'.repeat(40) } as const;
    const run = await api.submit({ source, dedupe: true });
    const sharer = await api.submit({ source, dedupe: true });
    expect(sharer.sharedRun).toBe(run.id);
    expect(await whySlow(sharer.id)).toEqual({ build: sharer.id, notRecorded: 'not_started' });
    const attempt = await api.run(run.id);
    expect(await whySlow(sharer.id)).toEqual({ build: sharer.id, attempt: 1, host: 'h1', notRecorded: 'running' });
    await attempt.settle({ end: 'succeeded' });
    expect(await whySlow(run.id)).toMatchObject({ attempt: 1, end: 'succeeded', notRecorded: 'storing' });
    await api.state.followUps.run();
    const trace = {
      version: 1,
      build: run.id,
      attempt: 1,
      host: 'h1',
      repo: 'r',
      end: 'succeeded',
      startedAt: 1,
      endedAt: 2,
    };
    const rest = {
      keyId: 'k',
      noCache: false,
      cacheScope: 'repo',
      platforms: [],
      args: {},
      secrets: {},
      steps: [COPY],
    };
    await api.blobs.put(traceKey(run.id, 1), Readable.from([pack({ ...trace, ...rest, aNewerField: 1 })]));
    expect(await whySlow(sharer.id)).toMatchObject({ build: sharer.id, steps: { total: 1, cached: 1 } });
  });

  test('shows the attempt that is asked for, and refuses one that it doesn’t have', async () => {
    const { id } = await api.submit({ source: { type: 'git', url: 'https://git.example/attempts' } });
    await (await api.run(id)).lose();
    await api.run(id);
    expect(await whySlow(id)).toMatchObject({ attempt: 2, notRecorded: 'running' });
    expect(await whySlow(id, '?attempt=1')).toMatchObject({ attempt: 1, end: 'lost', notRecorded: 'not_recorded' });
    const refused = await api.fetch(`/v1/builds/${id}/why-slow?attempt=3`);
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({
      code: 'invalid_request',
      detail: 'query attempt: expected an attempt of the build, the last of which is 2',
    });
  });

  test('is not explained by a record that is damaged, of another build, or too large', async () => {
    const source = { type: 'git', url: 'https://git.example/damaged' } as const;
    const id = await ran({ request: { source } });
    for (const packed of [Buffer.from('no gzip'), pack({ version: 2 }), gzipSync(Buffer.alloc(20_000_000))]) {
      await api.blobs.put(traceKey(id, 1), Readable.from([packed]));
      expect(await whySlow(id)).toMatchObject({ notRecorded: 'not_recorded' });
    }
  });

  test('shows what caches saved by what was learned of the repo', async () => {
    const source = await upload(SOURCES('learned'), 'learned');
    const id = await ran({ request: { source }, trace: { endedAt: Date.now() + 20_000, startedAt: Date.now() } });
    const track = { mean: 90_000, samples: 3, drift: 0, spread: 0 };
    const repo = { estimate: { cold: track }, demand: { value: 1, at: 1 } };
    const { redis: store, keys } = api.state;
    await store.hset(keys.learnedRepos(), (await api.view(id)).repo, JSON.stringify(repo));
    const view = await whySlow(id);
    expect(view.coldMs).toBe(90_000);
    expect(view.savedMs).toBeGreaterThan(69_000);
    expect(view.savedMs).toBeLessThan(71_000);
  });
});

describe('the record of an attempt', () => {
  const put = (name: string, body: Buffer) =>
    api.fetch(`/v1/traces/${name}`, {
      method: 'PUT',
      body: new Uint8Array(body),
      headers: { 'content-type': 'application/gzip' },
    });

  test('is stored for an attempt that the build has, within a size, and isn’t counted for the team', async () => {
    const { id } = await api.submit();
    await api.run(id);
    expect((await put(`${id}-2`, pack({}))).status).toBe(400);
    expect((await put(`${id}-1`, Buffer.alloc(600_000))).status).toBe(413);
    expect((await put(`${id}-1`, pack({}))).status).toBe(204);
    expect(await api.blobs.stat(traceKey(id, 1))).toBeDefined();
    expect(await api.state.storage.entry(traceKey(id, 1))).toBeUndefined();
  });
});
