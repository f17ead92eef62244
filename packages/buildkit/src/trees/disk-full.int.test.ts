import { execFile } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TestTree } from '@kiln/trees/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FROM, type Lab, lab } from '../testing/lab.ts';
import { treesIn } from '../testing/on-disk.ts';
import { allTrees, beginTree } from '../testing/tree-lab.ts';

const run = promisify(execFile);
const DISK_BYTES = 40_000_000;
// Only root may make a small disk.
const isRoot = process.getuid?.() === 0;

let scratchDir: string;
let small: Lab;
beforeAll(async () => {
  if (!isRoot) return;
  scratchDir = await mkdtemp(join(tmpdir(), 'kiln-small-'));
  await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', scratchDir]);
  small = await lab({ scratchDir });
});
afterAll(async () => {
  if (!isRoot) return;
  await small.builder.close();
  await run('umount', [scratchDir]);
});

const FITS: TestTree = { Dockerfile: `${FROM}\nCOPY . /c\nRUN cat /c/a`, a: 'fits' };
const FULL = { end: 'failed', failure: { code: 'disk_full' } };

test.skipIf(!isRoot)(
  'fails a build whose context does not fit, drops its tree, and builds the next one that fits',
  async () => {
    const build = async (tree: TestTree) => {
      const { outcome, output } = beginTree(small, 'small', tree, { spec: { noCache: true } });
      return { ...(await outcome), output: output() };
    };
    expect(await build(FITS)).toMatchObject({ end: 'succeeded', output: 'fits' });
    expect(await build({ ...FITS, big: Buffer.alloc(2 * DISK_BYTES, 'x') })).toMatchObject(FULL);
    expect(await treesIn(scratchDir)).toEqual([]);
    expect(await build(FITS)).toMatchObject({ end: 'succeeded', output: 'fits' });
    // Small files have to wait on the same disk before anything is changed.
    const many = Array.from({ length: 3000 }, (_, i) => [`f${i}`, Buffer.alloc(30_000, `${i} `)] as const);
    expect(await build({ ...FITS, many: { dir: Object.fromEntries(many) } })).toMatchObject(FULL);
    expect(await build(FITS)).toMatchObject({ end: 'succeeded', output: 'fits' });
    for (const { is, expected } of Object.values(await allTrees(small))) expect(is).toEqual(expected);
  },
  120_000,
);
