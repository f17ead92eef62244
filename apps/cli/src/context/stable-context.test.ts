import { rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { PartStore } from '../testing/part-store.ts';
import { sendTo } from '../testing/send-to.ts';
import { TempDir } from '../testing/temp-dir.ts';
import { DigestCache } from './digests/digest-cache.ts';
import { readLocalContext } from './local-context.ts';
import { withStableContext } from './stable-context.ts';

const list = async (dir: TempDir) => (await readLocalContext({ cwd: dir.path, path: '.', dockerfile: undefined })).tree;

async function optionsFor(dir: TempDir, home?: TempDir) {
  const cache = await DigestCache.open({ home: home?.path, root: dir.path, nowMs: Date.now() });
  return { tree: await list(dir), listAgain: () => list(dir), cache, times: undefined };
}

it('reads a context again that changed before it was sent, and sends it as it is then', async () => {
  await using dir = await TempDir.with({ Dockerfile: 'FROM x', a: 'old', gone: '' });
  const store = new PartStore();
  let uses = 0;
  const stored = await withStableContext(await optionsFor(dir), async (context) => {
    uses += 1;
    if (uses === 1) {
      await writeFile(join(dir.path, 'a'), 'new');
      await rm(join(dir.path, 'gone'));
    }
    return sendTo(store, context);
  });
  expect(uses).toBe(2);
  expect(stored.map(({ path, text }) => [path, text])).toEqual([
    ['Dockerfile', 'FROM x'],
    ['a', 'new'],
  ]);
});

it('gives up on a context that keeps changing', async () => {
  await using dir = await TempDir.with({ Dockerfile: 'FROM x', a: '0' });
  let uses = 0;
  const using = withStableContext(await optionsFor(dir), async (context) => {
    uses += 1;
    await writeFile(join(dir.path, 'a'), `${uses}`);
    return sendTo(new PartStore(), context);
  });
  await expect(using).rejects.toThrow(
    `${dir.path}/a changed while it was being read, 3 times; make sure that nothing writes to the context`,
  );
  expect(uses).toBe(3);
});

it('forgets a remembered digest that is wrong although the file looks as it did', async () => {
  await using dir = await TempDir.with({ Dockerfile: 'FROM x', a: 'right' });
  await using home = await TempDir.with({});
  const old = new Date(1_600_000_000_000);
  await utimes(join(dir.path, 'a'), old, old);
  const options = await optionsFor(dir, home);
  const a = options.tree.children.find(({ name }) => name === 'a');
  if (a?.type !== 'file') throw new Error('no file a');
  options.cache.put('a' as typeof a.name, a.state, '0'.repeat(64), Date.now() + 60_000);
  await options.cache.save();
  const again = await optionsFor(dir, home);
  let uses = 0;
  const stored = await withStableContext(again, (context) => {
    uses += 1;
    return sendTo(new PartStore(), context);
  });
  expect([uses, stored.at(-1)?.text]).toEqual([2, 'right']);
});
