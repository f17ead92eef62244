import { randomUUID } from 'node:crypto';
import { type ByteString, MerkleSource } from '@kiln/trees';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { begin, engine, FROM, IMAGES, type Lab, lab, removeImages, toolContainerOf } from '../testing/lab.ts';
import { treesIn } from '../testing/on-disk.ts';
import { beginTree, stored } from '../testing/tree-lab.ts';

/** A tool image as others publish it, without GNU’s touch. Its package manager adds that, or fails. */
async function poorImage(packages: string): Promise<string> {
  const image = `kiln.local/poor-tool:${randomUUID().slice(0, 8)}`;
  const script = `cd /usr/local/bin && printf '#!/bin/sh\nexit 1' > touch && printf '#!/bin/sh\n${packages}' > apk && chmod +x touch apk`;
  const container = await engine.createContainer({ Image: IMAGES.tool, Entrypoint: [], Cmd: ['sh', '-c', script] });
  await container.start();
  await container.wait();
  const [repo, tag] = image.split(':');
  await container.commit({ repo, tag });
  await container.remove();
  return image;
}

let poor: Lab;
let image: string;
beforeAll(async () => {
  image = await poorImage('echo no network; exit 1');
  poor = await lab({ toolImage: image });
});
afterAll(async () => {
  await poor[Symbol.asyncDispose]();
  await removeImages([image]);
});

const TREE = {
  Dockerfile: `${FROM}\nCOPY . /c\nRUN cd /c && stat -c '%a %Y %N' a big d d/l`,
  '.dockerignore': 'Dockerfile\n.dockerignore\n',
  a: { file: 'x', mode: 0o4751 },
  big: Buffer.alloc(100_000, 'b'),
  d: { dir: { l: { link: '../a' } }, mode: 0o700 },
};

test('builds a tree on a host whose tool image can’t keep it, and says so', async () => {
  expect(poor.warnings).toEqual([
    'GNU tools could not be added to the tool image',
    'no working trees: the tool image lacks GNU tar, xargs or touch',
  ]);
  const build = beginTree(poor, 'poor', TREE, { spec: { noCache: true } });
  expect(await build.outcome).toMatchObject({ end: 'succeeded' });
  const times = build.output().match(/ \d{10} /g) ?? [];
  expect(times).toHaveLength(4);
  for (const time of times) expect(Math.abs(Number(time) - Date.now() / 1000)).toBeLessThan(100);
  expect(build.output()).toMatch(/^4751 .*'a'\n644 .*'big'\n700 .*'d'\n777 .*'d\/l' -> '..\/a'\n$/);
  const notes = build.records.filter((record) => record.type === 'note');
  expect(notes.map(({ message }) => message).join()).toContain('this host keeps no working trees');
  expect(await treesIn(poor.options.scratchDir)).toEqual([]);
});

test('gives entries there the times that were submitted', async () => {
  const read = async () => (paths: readonly ByteString[]) =>
    new Map(paths.map((path) => [path, 1_234_567_890_000_000_000n]));
  const build = beginTree(poor, 'poor', TREE, { spec: { noCache: true } }, { times: { id: 'times', read } });
  expect(await build.outcome).toMatchObject({ end: 'succeeded' });
  expect(build.output().match(/ 1234567890 /g)).toHaveLength(4);
});

test('names a tree there that is no longer stored', async () => {
  const digest = `sha256:${'2'.repeat(64)}` as const;
  const open = (spoolFile: string) => new MerkleSource(digest, stored, { spoolFile });
  const { outcome } = begin(poor.builder, { repo: 'poor', source: { type: 'tree', id: digest, open } });
  expect((await outcome).failure).toMatchObject({
    code: 'context_invalid',
    message: expect.stringContaining('no longer stored'),
  });
});

test('adds GNU’s programs to a tool image that lacks them, once, and keeps trees then', async () => {
  const lacking = await poorImage('echo "$@" > /added; rm /usr/local/bin/touch');
  const { Id } = await engine.getImage(lacking).inspect();
  const made = `kiln-tool:${Id.replace('sha256:', '').slice(0, 12)}`;
  const first = await lab({ toolImage: lacking });
  const created = (await engine.getImage(made).inspect()).Created;
  expect(first.warnings).toEqual([]);
  const { outcome } = beginTree(first, 'rich', TREE);
  expect(await outcome).toMatchObject({ end: 'succeeded' });
  expect(await treesIn(first.options.scratchDir)).toHaveLength(1);
  await first[Symbol.asyncDispose]();
  const second = await lab({ toolImage: lacking });
  expect((await engine.getImage(made).inspect()).Created).toBe(created);
  const { Config } = await toolContainerOf(second).inspect();
  expect(Config.Image).toBe(made);
  await second[Symbol.asyncDispose]();
  await removeImages([made, lacking]);
});
