import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, truncate, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { SnapshotBook, TreeStore } from '@kiln/blobs';
import type { BuildView } from '@kiln/contracts';
import { byteString, type Digest, decodeTimes, digestOf } from '@kiln/trees';
import { filePart, rawTar, type TreeSpecs, treeOf } from '@kiln/trees/testing';
import { pino } from 'pino';
import { pack } from 'tar-stream';
import { afterEach, describe, expect, test } from 'vitest';
import { redisForFile } from '../testing/for-file.ts';
import { problemIn } from '../testing/problem-in.ts';
import { sendParts } from '../testing/send-parts.ts';
import { TestApi } from '../testing/test-api.ts';
import { uploadTo } from '../testing/upload-form.ts';
import { sweepTrees } from '../upkeep/sweep-trees.ts';

const DAY_MS = 86_400_000;
const BUILDS = ['builds:read', 'builds:write'] as const;
const redis = await redisForFile();
let api: TestApi;
afterEach(() => api[Symbol.asyncDispose]());
const start = async (...[config, given]: Parameters<typeof TestApi.start>) => {
  api = await TestApi.start(config, { redis, ...given });
};

async function send(specs: TreeSpecs): Promise<Digest> {
  const { root, parts } = treeOf(specs);
  const answer = await sendParts(api, parts);
  if (!answer.ok) throw new Error(await answer.text());
  return root;
}

const submit = (source: object, more: object = {}, headers: Record<string, string> = {}) =>
  api.post('/v1/builds', { source: { type: 'upload', name: 'app', ...source }, ...more }, headers);
const request = (more: object = {}) => JSON.stringify({ source: { type: 'upload', name: 'app' }, ...more });

describe('a build of a tree that was uploaded before', () => {
  test('is accepted by the digest of its root', async () => {
    await start();
    const digest = await send({ Dockerfile: 'FROM scratch', src: { in: { 'a.c': 'int a;' } } });
    const answer = await submit({ digest });
    expect(answer.status).toBe(202);
    expect(await answer.json()).toMatchObject({ request: { source: { digest }, mtimes: 'stable' } });
  });

  test.each<[string, TreeSpecs, string, readonly string[] | undefined]>([
    ['that runs something', { Dockerfile: 'FROM debian\nRUN make' }, 'Dockerfile', ['linux/arm64']],
    ['that only copies', { Dockerfile: 'FROM scratch\nCOPY a /', a: 'a' }, 'Dockerfile', []],
    [
      'in a directory, found through a link, and longer than what is stored with the directory',
      {
        build: { in: { a: 'x', 'Dockerfile.x': `FROM debian\n${'# comment\n'.repeat(4_000)}RUN make` } },
        Dockerfile: { link: 'build/Dockerfile.x' },
      },
      'Dockerfile',
      ['linux/arm64'],
    ],
    [
      'after other files in its directory',
      { build: { in: { a: 'FROM debian\nRUN make', b: 'FROM scratch\nCOPY a /' } } },
      'build/b',
      [],
    ],
    ['of another frontend', { Dockerfile: '# syntax=example.org/x\nRUN make' }, 'Dockerfile', undefined],
  ])('notes the platforms for which it runs programs, by a Dockerfile %s', async (_, specs, dockerfile, runs) => {
    await start();
    const digest = await send(specs);
    const { id } = (await (
      await submit({ digest }, { platforms: ['linux/arm64/v8'], dockerfile })
    ).json()) as BuildView;
    expect((await api.state.builds.record(id))?.runPlatforms).toEqual(runs);
    const plain = (await (await submit({ digest }, { dockerfile })).json()) as BuildView;
    expect(await api.state.builds.record(plain.id)).not.toHaveProperty('runPlatforms');
  });

  test('needs the Dockerfile in the tree, found through links that stay inside', async () => {
    await start();
    const digest = await send({
      real: { in: { 'Dockerfile.x': 'FROM scratch' } },
      Dockerfile: { link: 'real/Dockerfile.x' },
      out: { link: '../Dockerfile' },
      dir: { in: {} },
    });
    expect((await submit({ digest })).status).toBe(202);
    expect((await submit({ digest }, { dockerfile: 'real/Dockerfile.x' })).status).toBe(202);
    expect(await problemIn(await submit({ digest }, { dockerfile: 'docker/Dockerfile' }))).toMatchObject({
      ...{ code: 'context_invalid', status: 422 },
      errors: [
        { field: 'dockerfile', got: 'docker/Dockerfile', expected: 'a file in the context, which has 5 entries' },
      ],
    });
    expect(await problemIn(await submit({ digest }, { dockerfile: 'dir' }))).toMatchObject({ code: 'context_invalid' });
    expect(await problemIn(await submit({ digest }, { dockerfile: 'out' }))).toMatchObject({
      ...{ code: 'context_invalid' },
      errors: [{ field: 'context.out', got: 'a symbolic link that leads out of the context' }],
    });
  });

  test('may be untrusted, as may the upload', async () => {
    await start();
    const { headers } = await api.token({ scopes: BUILDS, trust: 'untrusted' });
    const tree = treeOf({ Dockerfile: 'FROM scratch' });
    expect((await sendParts(api, tree.parts, '', headers)).status).toBe(200);
    const answer = await submit({ digest: tree.root }, {}, headers);
    expect(await answer.json()).toMatchObject({ trust: 'untrusted', team: 'web' });
  });

  test('may name further directories, which the team must have, with their times', async () => {
    await start();
    const digest = await send({ Dockerfile: 'FROM scratch' });
    const lib = await send({ 'lib.c': 'int l;', more: { in: { x: 'x' } } });
    const [right, wrong] = [filePart(Buffer.alloc(24, 1)), filePart(Buffer.alloc(16, 1))];
    expect((await sendParts(api, [right, wrong])).status).toBe(200);
    const named = (fields: object) =>
      submit({ digest }, { buildContexts: { lib: { type: 'upload', digest: lib, ...fields } } });
    expect(await (await named({ times: right.digest })).json()).toMatchObject({
      request: { buildContexts: { lib: { type: 'upload', digest: lib, times: right.digest } } },
    });
    expect(await problemIn(await named({ times: wrong.digest }))).toMatchObject({
      ...{ code: 'context_invalid' },
      errors: [{ field: 'buildContexts.lib.times', got: 'a file of 16 bytes' }],
    });
    const { headers } = await api.token({ scopes: BUILDS });
    const own = treeOf({ Dockerfile: 'FROM scratch' });
    expect((await sendParts(api, own.parts, '', headers)).status).toBe(200);
    const buildContexts = { lib: { type: 'oci-layout', digest: lib, image: ':latest' } };
    expect(await problemIn(await submit({ digest: own.root }, { buildContexts }, headers))).toMatchObject({
      ...{ code: 'context_not_found', errors: [{ field: 'buildContexts.lib.digest', got: lib }] },
    });
    const git = { source: { type: 'git', url: 'https://example.org/a.git' }, buildContexts: { 'UPPER=': {} } };
    expect(await problemIn(await api.post('/v1/builds', git))).toMatchObject({
      ...{ code: 'invalid_request' },
      errors: [{ field: 'buildContexts["UPPER="]', expected: 'the name of a stage or image, in lower case' }],
    });
  });

  test('needs the trees of its further targets, with their Dockerfiles', async () => {
    await start();
    const digest = await send({ Dockerfile: 'FROM scratch' });
    const target = await send({ 'base.Dockerfile': 'FROM debian\nRUN make' });
    const baked = (fields: object, more: object = {}) => {
      const base = { source: { type: 'upload', name: 'app', digest: target }, ...fields };
      return submit({ digest }, { bake: { name: 'app', targets: { base } }, ...more });
    };
    expect((await baked({ dockerfile: 'base.Dockerfile' })).status).toBe(202);
    expect(await problemIn(await baked({}))).toMatchObject({
      ...{ code: 'context_invalid', errors: [{ field: 'bake.targets.base.dockerfile', got: 'Dockerfile' }] },
    });
    const gone = { source: { type: 'upload', name: 'app', digest: digestOf(Buffer.from('gone')) } };
    expect(await problemIn(await baked(gone))).toMatchObject({
      ...{ code: 'context_not_found', errors: [{ field: 'bake.targets.base.source.digest' }] },
    });
    const platforms = ['linux/arm64'];
    const answer = await baked({ dockerfile: 'base.Dockerfile', platforms }, { platforms });
    const { id } = (await answer.json()) as BuildView;
    // Its own Dockerfile runs nothing.
    expect((await api.state.builds.record(id))?.runPlatforms).toEqual(platforms);
  });

  test('is refused if the team’s limit is lower than the bytes of its files', async () => {
    await start();
    const { headers } = await api.token({ scopes: BUILDS });
    const tree = treeOf({ Dockerfile: 'FROM scratch', big: 'x'.repeat(50_000) });
    expect((await sendParts(api, tree.parts, '', headers)).status).toBe(200);
    await api.state.limits.change({ kind: 'team', name: 'web' }, { contextBytes: 50_000 });
    expect(await problemIn(await submit({ digest: tree.root }, {}, headers))).toMatchObject({ code: 'body_too_large' });
    const larger = treeOf({ a: { in: { b: 'x'.repeat(30_000), c: 'y'.repeat(30_000) } } });
    expect(await problemIn(await sendParts(api, larger.parts, '', headers))).toMatchObject({
      ...{ code: 'body_too_large', errors: [{ field: 'body', expected: 'at most 50000 bytes' }] },
    });
  });
});

describe('a tar', () => {
  /** Packs a context whose files have these times, s. */
  async function tarAt(mtime: number): Promise<Buffer> {
    const packing = pack();
    const at = new Date(mtime * 1_000);
    packing.entry({ name: 'b/', type: 'directory', mtime: at });
    packing.entry({ name: 'b/x', mtime: at, mode: 0o755 }, 'x');
    packing.entry({ name: 'Dockerfile', mtime: at }, 'FROM scratch');
    packing.entry({ name: 'large', mtime: at }, 'l'.repeat(100_000));
    packing.entry({ name: 'again', type: 'link', linkname: 'large', mtime: at });
    packing.entry({ name: 'link', type: 'symlink', linkname: '../out', mtime: at });
    packing.finalize();
    return buffer(packing);
  }

  test('that makes the same tree is the same request with other times, too, unless these are asked for', async () => {
    await start();
    const send = async (mtime: number, more: object, key: string) => {
      const body = new FormData();
      body.set('request', request(more));
      body.set('context', new Blob([new Uint8Array(await tarAt(mtime))]));
      return api.fetch('/v1/builds', { method: 'POST', body, headers: { 'idempotency-key': key } });
    };
    const first = (await (await send(1, {}, 'k')).json()) as BuildView;
    expect(await (await send(2, {}, 'k')).json()).toMatchObject({ id: first.id });
    const submitted = { mtimes: 'submitted' };
    const second = (await (await send(1, submitted, 'l')).json()) as BuildView;
    expect(await (await send(1, submitted, 'l')).json()).toMatchObject({ id: second.id });
    expect(await problemIn(await send(2, submitted, 'l'))).toMatchObject({ code: 'idempotency_key_reused' });
    const [a, b] = [first.request.source, second.request.source];
    expect(a).toMatchObject({ digest: b.type === 'upload' && b.digest });
    // Of b and link only.
    const [some, all] = [a, b].map((source) => (source as { times: Digest }).times);
    expect(await api.trees.file('default', some as Digest)).toBe(2 * 8);
    expect(await api.trees.file('default', all as Digest)).toBe(6 * 8);
  });

  test('becomes the tree that the same files make, with its times', async () => {
    await start();
    const answer = await uploadTo(api, ['request', request({ mtimes: 'submitted' })], ['context', await tarAt(1.5)]);
    const { source } = ((await answer.json()) as BuildView).request;
    const { digest, times } = source as { digest: Digest; times: Digest };
    const node = await api.trees.directory('default', digest);
    expect(node.type === 'entries' && node.entries.map(({ name, type }) => [name, type])).toEqual([
      ['Dockerfile', 'file'],
      ['again', 'file'],
      ['b', 'directory'],
      ['large', 'file'],
      ['link', 'symlink'],
    ]);
    const large = digestOf(Buffer.from('l'.repeat(100_000)));
    expect(node).toMatchObject({ entries: [{}, { digest: large }, {}, { digest: large }, { target: '../out' }] });
    expect(await api.trees.file('default', large)).toBe(100_000);
    for await (const part of await api.trees.open('default', { directories: [], files: [times] })) {
      const paths = ['Dockerfile', 'again', 'b', 'b/x', 'large', 'link'].map(byteString);
      const read = decodeTimes(await buffer(part.content), paths);
      expect([...read.values()]).toEqual(paths.map(() => 1_000_000_000n));
    }
    expect(await api.temps()).toEqual([]);
  });

  test('keeps the last of two entries of one name, and a hard link to the first one', async () => {
    await start();
    const tar = rawTar(
      { name: 'Dockerfile', content: 'first' },
      { name: 'link', type: '1', target: 'Dockerfile' },
      { name: 'Dockerfile', content: 'second' },
    );
    const answer = await uploadTo(api, ['request', request()], ['context', tar]);
    const { root } = treeOf({ Dockerfile: 'second', link: 'first' });
    expect(await answer.json()).toMatchObject({ request: { source: { digest: root } } });
  });

  test('leaves nothing behind if it is refused', async () => {
    await start();
    const tar = rawTar({ name: 'large', content: 'l'.repeat(100_000) }, { name: 'x', content: 'x' });
    expect(await problemIn(await uploadTo(api, ['request', request()], ['context', tar]))).toMatchObject({
      code: 'context_invalid',
    });
    expect(await api.temps()).toEqual([]);
    expect(await Array.fromAsync(api.blobs.list('trees'))).toEqual([]);
    expect(await api.state.storage.usedBy('default')).toBe(0);
  });
});

describe('an upload of parts', () => {
  test('onto a full disk is refused; what arrived whole is kept, and later ones are accepted', async () => {
    const mount = await mkdtemp(join(tmpdir(), 'kiln-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', mount]);
    try {
      await start({ blobReserveBytes: 0 }, { blobDir: mount });
      const small = treeOf({ a: 'small' });
      const parts = [...small.parts, filePart('x'.repeat(3_000_000))];
      expect(await problemIn(await sendParts(api, parts))).toMatchObject({ code: 'disk_full', status: 507 });
      expect(await api.temps()).toEqual([]);
      expect(await api.trees.tree('default', small.root)).toBeDefined();
      expect((await sendParts(api, [filePart('y'.repeat(500_000))])).status).toBe(200);
    } finally {
      execFileSync('umount', ['-l', mount]);
      await rm(mount, { recursive: true, force: true });
    }
  });

  test('whose process dies leaves what was stored, and temporary files that are cleaned up', async () => {
    await start();
    const dead = new TreeStore({
      blobs: api.blobs,
      horizonMs: DAY_MS,
      exclusively: (_, work) => work(),
      now: Date.now,
    });
    const limits = { maxEntries: 100, maxFileBytes: 1_000_000 };
    const writer = dead.write({ team: 'default', limits, take: async () => {} });
    const [stored, lost] = [treeOf({ a: 'stored' }), treeOf({ b: 'lost' })];
    for (const part of stored.parts) await writer.add(part);
    await writer.flush();
    for (const part of lost.parts) await writer.add(part);
    expect(await api.temps()).toHaveLength(1);
    expect(await api.trees.tree('default', stored.root)).toBeDefined();
    expect(await api.trees.tree('default', lost.root)).toBeUndefined();
    expect(await api.blobs.deleteLeftovers(Date.now() + 1_000)).toBe(1);
  });
});

describe('the sweep of trees', () => {
  const quiet = pino({ level: 'silent' });
  const { signal } = new AbortController();
  const sweep = () =>
    sweepTrees({ ...api.state, trees: api.trees, snapshots: new SnapshotBook(api.blobs) }, Date.now(), quiet, signal);

  /** Makes everything look unused for longer than it is kept. */
  async function age(): Promise<void> {
    const at = new Date(Date.now() - 30 * DAY_MS);
    for await (const { key } of api.blobs.list('trees')) await utimes(join(api.blobs.dir, key), at, at);
  }

  test('keeps the trees and times of builds until they have ended, and then counts nothing any longer', async () => {
    await start();
    const digest = await send({ Dockerfile: 'FROM scratch', src: { in: { big: 'b'.repeat(50_000) } } });
    const lib = await send({ lib: 'named' });
    await send({ other: 'tree' });
    const times = filePart(Buffer.alloc(24));
    await sendParts(api, [times]);
    const buildContexts = { lib: { type: 'upload', digest: lib } };
    const answer = await submit({ digest, times: times.digest }, { mtimes: 'submitted', buildContexts });
    const { id } = (await answer.json()) as BuildView;
    await age();
    expect(await sweep()).toBe(1);
    const kept = await Array.fromAsync(api.blobs.list('trees'), ({ sizeBytes }) => sizeBytes);
    expect(kept).toHaveLength(5);
    expect(await api.state.storage.usedBy('default')).toBe(kept.reduce((sum, bytes) => sum + bytes, 0));
    await api.fetch(`/v1/builds/${id}/cancel`, { method: 'POST' });
    expect(await sweep()).toBe(5);
    expect(await api.state.storage.usedBy('default')).toBe(0);
    const retry = () => api.post(`/v1/builds/${id}/retry`, '');
    expect(await problemIn(await retry())).toMatchObject({ code: 'not_retriable' });
    await send({ Dockerfile: 'FROM scratch', src: { in: { big: 'b'.repeat(50_000) } } });
    await sendParts(api, [times]);
    expect(await problemIn(await retry())).toMatchObject({
      ...{ code: 'not_retriable', errors: [{ field: 'buildContexts.lib.digest' }] },
    });
    await send({ lib: 'named' });
    expect((await retry()).status).toBe(202);
  });

  test('sweeps the other teams’ trees if one team’s cannot be read, and forgets teams without objects', async () => {
    await start();
    await send({ a: 'a' });
    const { headers } = await api.token({ scopes: BUILDS });
    await sendParts(api, treeOf({ b: 'b' }).parts, '', headers);
    await age();
    await send({ young: 'young' });
    const [{ key } = { key: '' }] = await Array.fromAsync(api.blobs.list('trees/default/d'));
    for await (const { key: each, usedAt } of api.blobs.list('trees/default/d'))
      if (usedAt > Date.now() - DAY_MS) await truncate(join(api.blobs.dir, each), 3);
    await api.state.storage.charge('trees/gone', 5, [{ team: 'gone' }]);
    await sweep();
    expect(await api.blobs.stat(key)).toBeDefined();
    expect(await Array.fromAsync(api.blobs.list('trees/web'))).toEqual([]);
    expect(await api.state.storage.usedBy('web')).toBe(0);
    await sweepTrees(
      { ...api.state, trees: api.trees, snapshots: new SnapshotBook(api.blobs) },
      Date.now() + 1_000,
      quiet,
      signal,
    );
    expect(await api.state.storage.usedBy('gone')).toBe(0);
  });
});

test('the time limit of Redis doesn’t end the storing of a context', async () => {
  await start({ storeTimeoutMs: 1_000 });
  const locked = Promise.withResolvers<void>();
  const tar = rawTar({ name: 'Dockerfile', content: 'FROM scratch' });
  expect((await uploadTo(api, ['request', request()], ['context', tar])).status).toBe(202);
  for await (const { key } of api.blobs.list('trees')) await utimes(join(api.blobs.dir, key), new Date(0), new Date(0));
  // Replacing old objects waits for this lock.
  const holding = api.state.treeLocks.exclusively('default', () => locked.promise);
  const again = uploadTo(api, ['request', request()], ['context', tar]);
  setTimeout(locked.resolve, 1_500);
  expect((await again).status).toBe(202);
  await holding;
});
