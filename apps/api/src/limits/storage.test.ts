import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { SnapshotBook } from '@kiln/blobs';
import { artifactKey, type BuildView, contextKey, logKey, type OwnLimits } from '@kiln/contracts';
import { pino } from 'pino';
import { pack } from 'tar-stream';
import { describe, expect, test } from 'vitest';
import { apiForFile, redisForFile } from '../testing/for-file.ts';
import { PATIENT } from '../testing/patient.ts';
import { problemIn } from '../testing/problem-in.ts';
import { TestApi } from '../testing/test-api.ts';
import { pruneBlobs } from '../upkeep/prune-blobs.ts';
import { recountStorage } from '../upkeep/recount-storage.ts';
import { sweepTrees } from '../upkeep/sweep-trees.ts';

const MIB = 1024 * 1024;
const JOIN = { tokens: ['a-join-token'], redisUrl: 'redis://x', namespace: 'x', secretKey: 'x' };
const WORKER = { authorization: 'Bearer a-join-token' };
const quiet = pino({ level: 'silent' });
const { signal } = new AbortController();
const redis = await redisForFile();
const api = await apiForFile({ join: JOIN }, { redis });

const setLimits = (team: string, change: object, on = api) =>
  on.state.limits.change({ kind: 'team', name: team }, change);

async function upload(team: string, tar: Uint8Array, { contextFirst = false, on = api } = {}): Promise<Response> {
  const form = new FormData();
  const request = () => form.set('request', JSON.stringify({ team, source: { type: 'upload', name: 'app' } }));
  if (!contextFirst) request();
  form.set('context', new Blob([new Uint8Array(tar)]));
  if (contextFirst) request();
  return on.fetch('/v1/builds', { method: 'POST', body: form });
}

/** Packs a context of slightly more than that many bytes, unique for each name. */
async function bigTar(name: string, bytes: number): Promise<Buffer> {
  const packing = pack();
  packing.entry({ name: 'Dockerfile' }, 'FROM scratch');
  packing.entry({ name }, Buffer.alloc(bytes, 1));
  packing.finalize();
  return buffer(packing as unknown as Readable);
}

async function digestOf(answer: Response): Promise<string> {
  expect(answer.status).toBe(202);
  const { request } = (await answer.json()) as BuildView;
  return request.source.type === 'upload' ? (request.source.digest ?? '') : '';
}

/** Sends an artifact in chunks, as a worker does. */
function putArtifact(name: string, pieces: number, pieceBytes = MIB, on = api): Promise<Response> {
  const body = Readable.from(Array.from({ length: pieces }, () => Buffer.alloc(pieceBytes, 1)));
  return on.fetch(`/v1/artifacts/${name}`, {
    method: 'PUT',
    body: Readable.toWeb(body) as unknown as NonNullable<RequestInit['body']>,
    headers: WORKER,
    ...{ duplex: 'half' },
  });
}

async function runningBuild(team: string, on = api): Promise<{ id: string; name: string }> {
  const { id } = await on.submit({ team, output: { type: 'artifact' } });
  const { ref } = await on.run(id);
  return { id, name: `${id}-${ref.attempt}` };
}

describe('a team’s quota', () => {
  test.each([false, true])(
    'stops an upload that goes over it and counts nothing of it; context first: %s',
    async (contextFirst) => {
      const team = contextFirst ? 'quota-a' : 'quota-b';
      await setLimits(team, { storedBytes: MIB });
      const refused = await upload(team, await bigTar(team, 2 * MIB), { contextFirst });
      expect([refused.status, await problemIn(refused)]).toMatchObject([
        403,
        {
          code: 'storage_quota_exceeded',
          detail: expect.stringContaining(
            `team ${team} may store ${MIB} bytes (limit storedBytes) and already stores 0: wait until`,
          ),
          errors: [{ field: 'limit storedBytes of the team', expected: `at most ${MIB} bytes` }],
        },
      ]);
      await expect.poll(() => api.temps(), PATIENT).toEqual([]);
      expect(await api.state.storage.usedBy(team)).toBe(0);
      await digestOf(await upload(team, await bigTar(team, 1_000)));
      expect(await api.state.storage.usedBy(team)).toBeGreaterThan(1_000);
    },
  );

  test('counts a context once, for each team that uploaded it, until it is swept', async () => {
    const tar = await bigTar('both', 50_000);
    const digest = await digestOf(await upload('one', tar));
    const once = await api.state.storage.usedBy('one');
    expect(once).toBeGreaterThan(50_000);
    await digestOf(await upload('one', tar));
    await digestOf(await upload('two', tar));
    const byDigest = (team: string) =>
      api.post('/v1/builds', { team, source: { type: 'upload', name: 'app', digest } });
    expect((await byDigest('one')).status).toBe(202);
    expect(await problemIn(await byDigest('three'))).toMatchObject({ code: 'context_not_found' });
    const used = () => Promise.all(['one', 'two', 'three'].map((team) => api.state.storage.usedBy(team)));
    expect(await used()).toEqual([once, once, 0]);
  });

  test('is shown to the team with its usage', async () => {
    const { headers } = await api.token({ team: 'shown' });
    await setLimits('shown', { storedBytes: 5 * MIB });
    await api.state.storage.charge('contexts/shown', 123, [{ team: 'shown' }]);
    const own = (await (await api.fetch('/v1/limits', { headers })).json()) as OwnLimits;
    expect(own.team).toMatchObject({
      storedBytes: 123,
      limits: { storedBytes: 5 * MIB, artifactBytes: 16 * 1024 * MIB },
    });
    expect(own.token?.storedBytes).toBeUndefined();
  });

  test('limits a build’s log to what is left of it, but never below 1 MiB', async () => {
    await setLimits('logs', { storedBytes: 10 * MIB, logBytes: 'unlimited' });
    const limitOfNext = async () => {
      const { id } = await api.submit({ team: 'logs' });
      return (await api.state.builds.get(id))?.record.maxLogBytes;
    };
    await api.state.storage.charge('contexts/logs', 3 * MIB, [{ team: 'logs' }]);
    expect(await limitOfNext()).toBe(7 * MIB);
    await api.state.storage.charge('contexts/logs', 10 * MIB, [{ team: 'logs' }]);
    expect(await limitOfNext()).toBe(MIB);
  });
});

describe('an artifact', () => {
  test('over its limit or its team’s quota is refused while it is sent; others are counted', async () => {
    await setLimits('art', { artifactBytes: 3 * MIB, storedBytes: 5 * MIB });
    const { id, name } = await runningBuild('art');
    const tooLarge = await putArtifact(name, 40);
    expect([tooLarge.status, await problemIn(tooLarge)]).toMatchObject([
      413,
      {
        code: 'body_too_large',
        errors: [{ field: 'artifact', expected: `at most ${3 * MIB} bytes (limit artifactBytes)` }],
      },
    ]);
    expect((await putArtifact(name, 3)).status).toBe(201);
    expect(await api.state.storage.usedBy('art')).toBe(3 * MIB);
    const second = await runningBuild('art');
    const overQuota = await putArtifact(second.name, 3);
    expect([overQuota.status, (await problemIn(overQuota)).code]).toEqual([403, 'storage_quota_exceeded']);
    await expect.poll(() => api.temps(), PATIENT).toEqual([]);
    expect(await api.blobs.stat(artifactKey(second.id, 1))).toBeUndefined();
    const deleted = await pruneBlobs(
      {
        list: (kind) => api.blobs.list(kind),
        deleteLeftovers: (before) => api.blobs.deleteLeftovers(before),
        stat: async () => ({ sizeBytes: 1, usedAt: 0 }),
        delete: (key) => api.blobs.delete(key),
      },
      { logRetentionMs: Infinity, contextRetentionMs: Infinity, artifactRetentionMs: 0, tempRetentionMs: Infinity },
      ...([Date.now(), quiet, signal] as const),
    );
    expect([deleted, await api.blobs.stat(artifactKey(id, 1))]).toEqual([1, undefined]);
  });
});

describe('a nearly full blob store', () => {
  test('refuses contexts and artifacts, naming the reason, and still stores logs', async () => {
    await using full = await TestApi.start({ join: JOIN, blobReserveBytes: Number.MAX_SAFE_INTEGER }, { redis });
    const refused = await upload('web', await bigTar('web', 1_000), { on: full });
    expect([refused.status, await problemIn(refused)]).toMatchObject([
      507,
      {
        code: 'storage_full',
        detail: expect.stringMatching(
          /^the blob store has \d+ bytes free and reserves \d+ for logs \(KILN_BLOB_RESERVE_BYTES\)/,
        ),
      },
    ]);
    const { id } = await full.submit({ team: 'web', output: { type: 'artifact' } });
    const attempt = await full.run(id);
    const artifact = await putArtifact(`${id}-1`, 2, MIB, full);
    expect([artifact.status, (await problemIn(artifact)).code]).toEqual([507, 'storage_full']);
    expect(await full.temps()).toEqual([]);
    await attempt.log({ t: 0, type: 'note', message: 'still here' });
    await attempt.settle({ end: 'failed', failure: { code: 'build_failed', message: 'x' } });
    await expect.poll(() => full.blobs.stat(logKey(id, 1)), PATIENT).toBeDefined();
    await expect
      .poll(() => full.state.storage.usedBy('web'), PATIENT)
      .toBe((await full.blobs.stat(logKey(id, 1)))?.sizeBytes);
  });
});

describe('the recount', () => {
  test('restores entries of existing blobs, drops those of missing ones, and leaves uploads under way alone', async () => {
    await using own = await TestApi.start({ join: JOIN }, { redis });
    const { state } = own;
    const key = contextKey(`sha256:${'a'.repeat(64)}`);
    await own.blobs.put(key, Readable.from([Buffer.alloc(20_000)]));
    for (const team of ['r', 's']) {
      await state.contextTeams.grant(`sha256:${'a'.repeat(64)}`, team, 1_000_000);
      await state.storage.charge(key, 20_000, [{ team }]);
    }
    await digestOf(await upload('trees', await bigTar('r', 20_000), { on: own }));
    const { name } = await runningBuild('r', own);
    expect((await putArtifact(name, 1, 3_000, own)).status).toBe(201);
    const used = () => Promise.all(['r', 's', 'trees'].map((team) => state.storage.usedBy(team)));
    const inTrees = await state.storage.usedBy('trees');
    expect(inTrees).toBeGreaterThan(20_000);
    const right = [23_000, 20_000, inTrees] as const;
    expect(await used()).toEqual(right);
    const again = (now = Date.now()) => recountStorage({ ...state, blobs: own.blobs }, now, quiet, signal);
    expect(await again()).toBe(0);

    await state.redis.del(state.keys.storageBlobs(), state.keys.storageUsed());
    expect(await again()).toBe(2);
    expect(await used()).toEqual([23_000, 20_000, 0]);
    await sweepTrees({ ...state, trees: own.trees, snapshots: new SnapshotBook(own.blobs) }, Date.now(), quiet, signal);
    expect(await used()).toEqual(right);
    await state.storage.charge(key, 7, []);
    await state.storage.charge('uploads/of-a-dead-process', 1_000, [{ team: 'r' }]);
    expect(await again()).toBe(1);
    expect(await used()).toEqual([24_000, 20_000, inTrees]);
    expect(await again(Date.now() + 11 * 60_000)).toBe(1);
    expect(await used()).toEqual(right);
  });
});
