import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { filePart, treeOf } from '@kiln/trees/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { redisForFile } from '../testing/for-file.ts';
import { problemIn } from '../testing/problem-in.ts';
import { sendParts } from '../testing/send-parts.ts';
import { TestApi } from '../testing/test-api.ts';

const run = promisify(execFile);
const MIB = 1024 * 1024;
// Only root may make a small disk.
const isRoot = process.getuid?.() === 0;
const redis = await redisForFile();

let blobDir: string;
beforeAll(async () => {
  if (!isRoot) return;
  blobDir = await mkdtemp(join(tmpdir(), 'kiln-small-'));
  await run('mount', ['-t', 'tmpfs', '-o', `size=${8 * MIB}`, 'tmpfs', blobDir]);
});
afterAll(async () => {
  if (!isRoot) return;
  await run('umount', [blobDir]);
  await rmdir(blobDir);
});

test.skipIf(!isRoot)(
  'an upload that fills the disk is refused, leaves and counts only what arrived whole, and a smaller one is stored',
  async () => {
    await using api = await TestApi.start({ blobReserveBytes: 0 }, { redis, blobDir });
    const small = filePart(randomBytes(2 * MIB));
    const { parts, root } = treeOf({ Dockerfile: 'FROM scratch', big: randomBytes(16 * MIB) });
    const refused = await sendParts(api, [small, ...parts]);
    expect(await problemIn(refused)).toMatchObject({
      ...{ code: 'disk_full', status: 507, detail: expect.stringContaining('the disk for contexts') },
    });
    expect(await api.temps()).toEqual([]);
    const sizes = (await Array.fromAsync(api.blobs.list('trees'))).map(({ sizeBytes }) => sizeBytes);
    expect(sizes).toEqual([small.sizeBytes]);
    expect(await api.state.storage.usedBy('default')).toBe(small.sizeBytes);
    const source = { type: 'upload', name: 'app', digest: root } as const;
    expect((await api.post('/v1/builds', { source })).status).toBe(404);

    const fits = treeOf({ Dockerfile: 'FROM scratch', big: randomBytes(MIB) });
    expect((await sendParts(api, fits.parts)).status).toBe(200);
    expect((await api.post('/v1/builds', { source: { ...source, digest: fits.root } })).status).toBe(202);
  },
);
