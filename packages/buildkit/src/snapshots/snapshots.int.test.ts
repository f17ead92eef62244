import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { MountOwner } from '@kiln/domain';
import { paxRecord, rawEntry, rawPax, rawTar } from '@kiln/trees/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildkitConnector } from '../control/buildkit-connection.ts';
import { BuildkitControl } from '../control/buildkit-control.ts';
import { Builder, cacheNamespace, MountUnreachable } from '../index.ts';
import { builderName, containerOf } from '../lifecycle/builder-names.ts';
import { begin, engine, FROM, IMAGES, type Lab, lab, removeBuilder } from '../testing/lab.ts';
import { type PrivateEngine, startPrivateEngine } from '../testing/private-engine.ts';
import { BASE, smallRoot } from '../testing/small-root.ts';

/** The engine's own BuildKit. Nothing else builds there, so that all its records are this file's. */
let own: PrivateEngine;
let warm: Lab;
let cold: Lab;
let root: Buffer;
beforeAll(async () => {
  [own, root, cold] = await Promise.all([
    startPrivateEngine([IMAGES.tool, IMAGES.debian]),
    smallRoot(PROGRAMS),
    lab({ driver: 'docker-container' }),
  ]);
  const scratchDir = join(own.dir, 'scratch');
  await mkdir(scratchDir);
  warm = await lab({ driver: 'docker', scratchDir, dockerSocket: own.socket, engineSocketPath: own.innerSocket });
});
afterAll(async () => {
  await Promise.all([warm[Symbol.asyncDispose](), cold[Symbol.asyncDispose]()]);
  await own[Symbol.asyncDispose]();
  await removeBuilder(cold);
});

const PROGRAMS = ['find', 'sort', 'du', 'sha256sum', 'ls', 'wc', 'touch']
  .map((name) => `/usr/bin/${name}`)
  .map((path) => (path === '/usr/bin/ls' || path === '/usr/bin/touch' ? path.slice(4) : path));
const never = new AbortController().signal;
const namespace = (repo: string) => cacheNamespace({ repo, team: 'default', scope: 'repo' });
const unique = () => `repo-${Math.random()}`;

async function build(of: Lab, repo: string, command: string, mount = 'id=c,target=/c', files = {}): Promise<string> {
  const base = of === cold ? BASE : FROM;
  const dockerfile = `FROM scratch AS files\nCOPY . /\n${base}\nENV UNIQUE=${Math.random()}\nRUN --mount=type=cache,${mount} --mount=from=files,target=/in ${command}`;
  const running = begin(of.builder, {
    repo,
    dockerfile,
    files: { x: '', ...(of === cold && { 'root.tar': root }), ...files },
  });
  expect(await running.outcome).toMatchObject({ end: 'succeeded' });
  return running.output();
}

async function save(of: Lab, repo: string, id = 'c') {
  let tar = Buffer.alloc(0);
  const read = await of.builder.saveMount(
    { namespace: namespace(repo), id },
    async (content) => {
      tar = await buffer(content);
    },
    never,
  );
  return { ...read, tar };
}

const seed = (of: Lab, repo: string, tar: Buffer, id = 'c', owner?: MountOwner) =>
  of.builder.seedMount(
    { namespace: namespace(repo), id, owner },
    { sizeBytes: tar.length, content: Readable.from([tar]) },
    never,
  );

const mountsOf = async (of: Lab, repo: string) =>
  (await of.builder.inventory()).mounts.filter(({ id }) => id.startsWith(namespace(repo)));

async function records(of: Lab): Promise<string[]> {
  const connector =
    of === warm
      ? buildkitConnector(own.engine, undefined)
      : buildkitConnector(engine, containerOf(builderName(of.options)));
  await using control = await BuildkitControl.open(connector);
  return (await control.diskUsage())
    .map(({ description }) => description)
    .filter((text) => text.includes('kiln-snapshot-'));
}

const odd = rawTar(rawPax([paxRecord('SCHILY.xattr.user.color', Buffer.from('blue\0\xff', 'latin1'))]), {
  name: 'attributed',
  content: 'x',
});

const MAKE = `cd /c && chmod 2751 . && chown 12:34 . && mkdir -p deep/er empty && echo a > deep/er/a && ln deep/er/a hard && ln -s /etc/passwd out \
  && ln -s ../nowhere dangling && chmod 6755 hard && chown 1000:2000 empty && chmod 1777 empty && mkfifo pipe \
  && printf z > "$(printf 'b\\377d\\nname')" && echo q > "a'b\\"c,d \\$e" && truncate -s 300M sparse && echo end >> sparse \
  && tar --xattrs --xattrs-include='*' -xf /in/odd.tar \
  && touch -h -d '2001-02-03 04:05:06.123456789Z' out deep/er/a deep empty . && touch .hidden ..odd`;
const LIST = `cd /c && find . -printf '%P|%y|%m|%U:%G|%n|%T@|%s|%l\\n' | sort && du -k sparse && sha256sum hard .hidden && getfattr -d attributed 2>/dev/null || :`;

test('carries a mount from one builder to another as it is: names of any bytes, owners, modes, links, times, holes and attributes', async () => {
  const repo = unique();
  await build(warm, repo, MAKE, undefined, { 'odd.tar': odd });
  const before = await build(warm, repo, LIST);
  const { tar, entries } = await save(warm, repo);
  expect(tar.length).toBeLessThan(200_000);
  expect(entries).toBe(14);
  expect(tar.includes('SCHILY.xattr.user.color=blue\0\xff', 0, 'latin1')).toBe(true);
  expect(await seed(cold, repo, tar)).toBe('seeded');
  expect(await build(cold, repo, LIST)).toBe(before);
  // While the kernel writes files back it may count too few blocks for one, which tar then stores as sparse: the same contents in other bytes.
  const areSame = async () => (await save(cold, repo)).tar.equals((await save(warm, repo)).tar);
  await expect.poll(areSame, { timeout: 60_000 }).toBe(true);
  expect((await cold.builder.inventory()).mounts.map(({ id }) => id)).toContain(`${namespace(repo)}/c`);
  expect(await records(warm)).toEqual([]);
  // Only the mount itself.
  expect((await records(cold)).filter((text) => !text.startsWith('cached mount'))).toEqual([]);
});

test.for([
  ['target=/root/.npm', '/root/.npm'],
  ['id=go:mod/x-1,target=/c', 'go:mod/x-1'],
] as const)('finds the mount of %s by its id', async ([mount, id]) => {
  const repo = unique();
  await build(warm, repo, 'touch /root/.npm/x /c/x || :', mount);
  expect((await warm.builder.inventory()).mounts.map((each) => each.id)).toContain(`${namespace(repo)}/${id}`);
  expect((await save(warm, repo, id)).entries).toBe(1);
});

test('leaves a mount that the builder has as it is', async () => {
  const repo = unique();
  await build(cold, repo, 'echo own > /c/own');
  expect(await seed(cold, repo, rawTar({ name: './other', content: 'x' }))).toBe('kept');
  expect(await build(cold, repo, 'ls -A /c')).toBe('own\n');
});

test('refuses a mount that BuildKit gives to no other RUN, and leaves nothing in its place', async () => {
  const repo = unique();
  await build(warm, repo, 'touch /c/x', 'id=c,target=/c,from=files');
  await expect(save(warm, repo)).rejects.toThrow(MountUnreachable);
  expect((await mountsOf(warm, repo)).map(({ records }) => records)).toEqual([[expect.any(String)]]);
  expect(await records(warm)).toEqual([]);
});

test('carries a mount whose RUN sets an owner and a mode, and keeps it warm on both builders while other records are removed', async () => {
  const repo = unique();
  const mount = 'id=c,target=/c,uid=1000,gid=2000,mode=0700';
  await build(warm, repo, 'mkdir /c/own && touch /c/x && chown 5:6 /c/own', mount);
  const { tar, owner } = await save(warm, repo);
  expect(owner).toEqual({ uid: 1000, gid: 2000, mode: 0o700 });
  expect(await seed(cold, repo, tar, 'c', owner)).toBe('seeded');
  const list = "find /c -printf '%p %m %U:%G\\n' | sort";
  for (const of of [warm, cold]) {
    // With them goes every step that used the mount.
    const { layers } = await of.builder.inventory();
    await of.builder.prune(layers.map(({ id }) => id));
    expect(await build(of, repo, list, mount)).toBe('/c 700 1000:2000\n/c/own 755 5:6\n/c/x 644 0:0\n');
    expect(await mountsOf(of, repo)).toMatchObject([{ records: [expect.any(String)] }]);
  }
  expect(await records(warm)).toEqual([]);
});

test('lets no build see a mount that is being filled, and removes it if the stream breaks or the archive is cut short', async () => {
  const repo = unique();
  const whole = rawTar(
    { name: './', type: '5', mode: 0o755 },
    { name: './a', content: 'a' },
    { name: './b', content: Buffer.alloc(100_000, 1) },
  );
  const cut = Buffer.concat([whole.subarray(0, 50_000)]);
  await expect(seed(cold, repo, cut)).rejects.toThrow(/Unexpected EOF/);
  const broken = async function* () {
    yield whole.subarray(0, 1024);
    throw new Error('the store is away');
  };
  const place = { namespace: namespace(repo), id: 'c' };
  const into = { sizeBytes: whole.length, content: broken() };
  await expect(cold.builder.seedMount(place, into, never)).rejects.toThrow('the store is away');
  expect((await cold.builder.inventory()).mounts.filter(({ id }) => id.startsWith(namespace(repo)))).toEqual([]);
  expect(await records(cold)).not.toContainEqual(expect.stringContaining(namespace(repo)));
  expect(await seed(cold, repo, whole)).toBe('seeded');
  expect(await build(cold, repo, 'ls -A /c')).toBe('a\nb\n');
});

test.for(['shared', 'locked'])(
  'gives a build with sharing=%s nothing of a mount while it is filled',
  async (sharing) => {
    const repo = unique();
    const big = rawTar(
      { name: './', type: '5', mode: 0o755 },
      ...Array.from({ length: 4_000 }, (_, i) => ({ name: `./${i}`, content: `${i}` })),
    );
    const done = seed(warm, repo, big);
    let isDone = false;
    const settled = () => {
      isDone = true;
    };
    done.then(settled, settled);
    const counts: number[] = [];
    do counts.push(Number(await build(warm, repo, 'ls -A /c | wc -l', `id=c,target=/c,sharing=${sharing}`)));
    while (!isDone && counts.length < 20);
    await done;
    expect(counts.filter((count) => count !== 0 && count !== 4_000)).toEqual([]);
  },
);

test('writes nothing of a hostile archive outside of the mount', async () => {
  const repo = unique();
  await build(warm, repo, 'echo safe > /c/other', 'id=other,target=/c');
  const hostile = rawTar(
    { name: './', type: '5', mode: 0o755 },
    { name: '../../../evil', content: 'x' },
    { name: '/kiln/evil', content: 'x' },
    { name: './up', type: '2', target: '../..' },
    { name: './up/evil', content: 'x' },
    { name: './bin', type: '2', target: '/bin' },
    { name: './bin/mv', content: 'x' },
    rawEntry({ name: './twice', content: '1' }),
    rawEntry({ name: './twice', content: '2' }),
    { name: './passwd', type: '1', target: '/etc/passwd' },
  );
  await seed(warm, repo, hostile).catch(() => undefined);
  expect(await build(warm, repo, 'ls -A /c && cat /c/other', 'id=other,target=/c')).toBe('other\nsafe\n');
  expect(
    await build(warm, repo, 'find /kiln / -xdev -name evil 2>/dev/null | grep -v ^/c; :', 'id=third,target=/c'),
  ).toBe('');
  expect((await records(warm)).filter((text) => !text.startsWith('cached mount'))).toEqual([]);
});

// Last, because it takes the builder from the other tests.
test('removes a mount that a killed worker had filled in part before the builder’s next build', async () => {
  const repo = unique();
  await seed(cold, repo, rawTar({ name: './', type: '5', mode: 0o755 }, { name: './half', content: 'x' }));
  const description = (await records(cold)).find((text) => text.includes(namespace(repo))) ?? '';
  const mark = /kiln-snapshot-[0-9a-f]+/.exec(description)?.[0] ?? '';
  // What the journal has until a run has ended.
  await writeFile(join(cold.options.scratchDir, 'snapshots', mark), '');
  await using next = await Builder.start(cold.options);
  expect((await records(cold)).filter((text) => text.includes(mark))).toEqual([]);
  expect((await next.inventory()).mounts.map(({ id }) => id)).not.toContain(`${namespace(repo)}/c`);
});
