import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { encodeHead } from '@kiln/trees';
import { expect, test } from 'vitest';
import { treeBudgets } from './host-trees.ts';

const log = { debug() {}, info() {}, warn() {}, error() {} };

test('counts the trees that are on the disk for their class, and removes those of a class that is not built for', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'kiln-trees-'));
  const scratchDir = join(parent, 'scratch');
  for (const [name, bytes] of [
    ['scratch', 1],
    ['scratch-trusted-0123', 20],
    ['scratch-untrusted', 300],
    ['scratch-untrusted-0123', 4000],
    ['other', 50_000],
  ] as const) {
    const tree = join(parent, name, 'trees', 'domain', 'repos', 'repo', '0');
    await mkdir(join(tree, 'own'), { recursive: true });
    await writeFile(join(tree, 'record'), encodeHead({ bytes }));
  }
  const both = await treeBudgets({ scratchDir, treeBudgetBytes: 100_000, log });
  expect([both.trusted.usedBytes, both.untrusted.usedBytes]).toEqual([21, 4300]);
  expect([both.trusted.limitBytes, both.untrusted.limitBytes]).toEqual([75_000, 25_000]);
  const one = await treeBudgets({ scratchDir, treeBudgetBytes: 10, trust: 'untrusted', log });
  expect([one.trusted.usedBytes, one.untrusted.usedBytes]).toEqual([0, 0]);
  await rm(parent, { recursive: true });
});

test('removes the trees of a domain whose builder does not run, also for a worker that isn’t root', async () => {
  const { gid } = await stat('/var/run/docker.sock');
  const at = (...parts: string[]) => JSON.stringify(join(import.meta.dirname, ...parts));
  const script = `
    import { engine, FROM, lab } from ${at('..', 'testing', 'lab.ts')};
    import { beginTree } from ${at('..', 'testing', 'tree-lab.ts')};
    import { treesIn } from ${at('..', 'testing', 'on-disk.ts')};
    import { removeTrees } from ${at('host-trees.ts')};
    await using own = await lab();
    const build = beginTree(own, 'mine', { Dockerfile: FROM + '\\nCOPY . /c', d: { dir: { a: '1' } } });
    const { end } = await build.outcome;
    const before = await treesIn(own.options.scratchDir);
    await own.builder.close();
    await removeTrees(own.options, engine);
    console.log(JSON.stringify({ end, before: before.length, after: await treesIn(own.options.scratchDir) }));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module-typescript', '--eval', script], {
    env: { ...process.env, HOME: '/tmp' },
    ...(process.getuid?.() === 0 && { uid: 10_001, gid }),
  });
  expect(JSON.parse(stdout)).toEqual({ end: 'succeeded', before: 1, after: [] });
});
