import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { type ByteString, byteString, MerkleSource } from '@kiln/trees';
import type { TestTree } from '@kiln/trees/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { begin, FROM, type Lab, lab, type RunningBuild, runAs, uniqueSeconds, until } from '../testing/lab.ts';
import { onDisk, treesIn } from '../testing/on-disk.ts';
import { tar } from '../testing/tar.ts';
import { allTrees, beginTree, buildTree, recordOf, sentBytes, stored, treeSource } from '../testing/tree-lab.ts';

let shared: Lab;
beforeAll(async () => {
  shared = await lab();
});
afterAll(() => shared[Symbol.asyncDispose]());

const built = (repo: string, tree: TestTree, spec: object = {}) => buildTree(shared, repo, tree, spec);

/** Checks that all trees on the disk are exactly what their records say. */
async function expectExact(): Promise<void> {
  for (const { is, expected } of Object.values(await allTrees(shared))) expect(is).toEqual(expected);
}

/** Returns the trees of the builds of `repo` that `build` makes. */
async function newTrees(build: () => Promise<unknown>): Promise<string[]> {
  const before = await treesIn(shared.options.scratchDir);
  await build();
  return (await treesIn(shared.options.scratchDir)).filter((dir) => !before.includes(dir));
}

test('keeps named contexts beside the tree, and sends and writes only what has changed in them', async () => {
  const large = Buffer.alloc(3_000_000, 'l');
  // The engine's cache outlives the test.
  const one = randomUUID();
  const build = async (lib: TestTree) => {
    const source = treeSource(lib);
    const spec = { buildContexts: { lib: { type: 'upload', digest: source.id } } };
    const main = { Dockerfile: `${FROM}\nCOPY --from=lib . /l\nRUN cat /l/small` };
    const running = beginTree(shared, 'named', main, { spec, contexts: [{ ...source, name: 'lib' }] });
    expect(await running.outcome).toMatchObject({ end: 'succeeded' });
    return running;
  };
  const [dir = ''] = await newTrees(async () => {
    expect(sentBytes(await build({ small: one, large }))).toBeGreaterThan(3_000_000);
  });
  const [name = ''] = await readdir(join(dir, 'named'));
  const inode = async () => (await stat(join(dir, 'named', name, 'own', 'context', 'large'))).ino;
  const before = await inode();
  // On a loaded machine BuildKit may still hold its copy for the build before, and then takes another one.
  const sentLittle = async (lib: () => TestTree) => {
    const builds: RunningBuild[] = [];
    await until(async () => sentBytes(builds[builds.push(await build(lib())) - 1] as RunningBuild) < 20_000);
    return builds.at(-1) as RunningBuild;
  };
  const unchanged = await sentLittle(() => ({ small: one, large }));
  expect((await unchanged.outcome).steps).toEqual({ total: 2, cached: 2 });
  let two = '';
  const changed = await sentLittle(() => {
    two = randomUUID();
    return { small: two, large };
  });
  expect(changed.output()).toBe(two);
  expect(await inode()).toBe(before);
});

describe('a working tree', () => {
  const LIST = `${FROM}\nCOPY . /c\nRUN cd /c && find . -mindepth 1 -printf '%y %m %p %l|'`;
  const long = 'n'.repeat(255);
  const odd: TestTree = {
    Dockerfile: LIST,
    'bytes:caf\xe9': 'latin1',
    'new\nline': '',
    'C:notes': 'x',
    'e\u0301': 'decomposed',
    '\u00e9': 'composed',
    '-dash': '',
    '..x': '',
    'back\\slash': '',
    [long]: { dir: { [long]: { dir: { [long]: 'deep', l: { link: `../${'t'.repeat(300)}` } } } } },
    empty: { dir: {}, mode: 0o1777 },
    strict: { dir: { in: { file: 'x', mode: 0o600 }, also: { dir: { f: 'y' }, mode: 0o555 } }, mode: 0o555 },
    set: { file: 'x', mode: 0o6755 },
    group: { file: 'x', mode: 0o666 },
    out: { link: '/etc/passwd' },
    up: { link: '../../../../x' },
    big: Buffer.alloc(200_000, 'b'),
  };

  test('is exactly the build’s tree, with any names, modes and links, and with any umask', async () => {
    const before = process.umask(0o077);
    try {
      const output = (await built('odd', odd, { noCache: true })).output();
      expect(output).toContain('f 6755 ./set |');
      expect(output).toContain('d 1777 ./empty |');
      expect(output).toContain('d 555 ./strict |');
      expect(output).toContain('l 777 ./out /etc/passwd|');
      expect(output.split('|')).toHaveLength(24);
      await expectExact();
    } finally {
      process.umask(before);
    }
  });

  test('becomes any other tree: other types, modes only, removed, and back', async () => {
    const variants: TestTree[] = [
      odd,
      {
        Dockerfile: LIST,
        empty: 'now a file',
        strict: { link: 'group' },
        set: { dir: { f: 'x' } },
        group: { file: 'x', mode: 0o600 },
        out: 'a file',
        up: { dir: {} },
        big: Buffer.alloc(200_000, 'c'),
      },
      { ...odd, strict: { dir: { in: { file: 'x', mode: 0o640 } }, mode: 0o500 } },
      { ...odd, strict: { dir: { in: { file: 'changed', mode: 0o640 } }, mode: 0o500 } },
      { Dockerfile: LIST, strict: { dir: {}, mode: 0o555 } },
      odd,
    ];
    const made = await newTrees(async () => {
      for (const tree of variants) {
        await built('variants', tree);
        await expectExact();
      }
    });
    expect(made).toHaveLength(1);
  });

  test('is not written to at all if nothing has changed, and BuildKit gets only what has', async () => {
    const many = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`f${i}`, Buffer.alloc(10_000, `${i} `)]));
    const tree = { Dockerfile: `${FROM}\nCOPY d /d`, d: { dir: many } };
    let first: RunningBuild | undefined;
    const [dir = ''] = await newTrees(async () => {
      first = await built('unchanged', tree);
    });
    expect(sentBytes(first as RunningBuild)).toBeGreaterThan(2_000_000);
    const states = async () => {
      const times = join(dir, '..', '..', '..', 'times');
      const below = async (at: string) => (await readdir(at, { recursive: true })).map((name) => join(at, name));
      const paths = [dir, times, ...(await below(dir)), ...(await below(times))];
      return await Promise.all(
        paths.sort().map(async (path) => {
          const { ino, ctimeNs, mtimeNs } = await lstat(path, { bigint: true });
          return { path, ino, ctimeNs, mtimeNs };
        }),
      );
    };
    const before = await states();
    const reads = stored.reads.length;
    expect(sentBytes(await built('unchanged', tree))).toBeLessThan(20_000);
    expect(await states()).toEqual(before);
    expect(stored.reads).toHaveLength(reads);
    const changed = { ...tree, d: { dir: { ...many, f7: Buffer.alloc(10_000, 'changed') } } };
    expect(sentBytes(await built('unchanged', changed))).toBeLessThan(40_000);
  });

  test('reads the Dockerfile and its ignore file within the tree, through links, and follows new ones', async () => {
    const tree: TestTree = {
      Dockerfile: { link: 'docker/main' },
      docker: { dir: { main: `${FROM}\nCOPY . /c\nRUN ls /c | tr '\\n' ' '` } },
      '.dockerignore': { link: 'docker/../ignored' },
      ignored: 'docker\n',
      a: '1',
    };
    expect((await built('files', tree, { noCache: true })).output()).toBe('Dockerfile a ignored ');
    const { '.dockerignore': _, ...rest } = tree;
    expect((await built('files', rest, { noCache: true })).output()).toBe('Dockerfile a docker ignored ');
    const outside = beginTree(shared, 'files', { ...rest, Dockerfile: { link: '/etc/passwd' } });
    expect(await outside.outcome).toMatchObject({
      failure: {
        code: 'context_invalid',
        message: expect.stringContaining('a symbolic link that leads out of the context'),
      },
    });
    const missing = beginTree(shared, 'files', { a: '1' });
    expect((await missing.outcome).failure?.code).toBe('dockerfile_missing');
  });

  test('is another one for each of two builds of a repo that run side by side', async () => {
    const dockerfile = `${FROM}\nCOPY . /c\nRUN cat /c/a && sleep ${uniqueSeconds()}`;
    const made = await newTrees(async () => {
      const both = ['1', '2'].map((a) => beginTree(shared, 'beside', { Dockerfile: dockerfile, a }));
      for (const [i, build] of both.entries()) await until(() => build.output() === `${i + 1}`);
      await expectExact();
      for (const build of both) build.stop('cancel');
      for (const build of both) expect(await build.outcome).toMatchObject({ end: 'canceled' });
    });
    expect(made).toHaveLength(2);
    const [one, two] = await Promise.all(made.map(async (dir) => ({ ...(await recordOf(dir)).head, dir })));
    expect(one?.nodeId).not.toBe(two?.nodeId);
    expect((await stat(join(made[0] as string, 'own'))).uid).not.toBe((await stat(join(made[1] as string, 'own'))).uid);
    // The next build finds the one that is like it.
    expect(await newTrees(() => built('beside', { Dockerfile: `${FROM}\nCOPY . /c`, a: '1' }))).toEqual([]);
  });

  test('is another one for another repo, with another node id', async () => {
    const tree = { Dockerfile: `${FROM}\nCOPY . /c`, a: '1' };
    const [mine = ''] = await newTrees(() => built('one', tree));
    const [other = ''] = await newTrees(() => built('two', tree));
    const [a, b] = [await recordOf(mine), await recordOf(other)];
    expect(a.head.id).toBe(b.head.id);
    expect(a.head.nodeId).not.toBe(b.head.nodeId);
  });
});

/** Runs a command in the tool container as a tree's user. */
async function asUserOf(of: Lab, dir: string, script: string): Promise<{ stdout: string; stderr: string }> {
  const { uid } = await stat(join(dir, 'own'));
  return await runAs(of, `${uid}:${uid}`, script);
}

describe('a tree’s own user', () => {
  const tree = (x: string): TestTree => ({
    Dockerfile: `${FROM}\nCOPY . /c\nRUN cat /c/d/*`,
    d: { dir: { x, y: 'y' } },
  });

  test('gains nothing by replacing a directory by a link: nothing beyond its own rights is done in the tree', async () => {
    await using own = await lab();
    const victim = join(own.options.scratchDir, 'victim');
    await mkdir(victim, { mode: 0o755 });
    await writeFile(join(victim, 'x'), 'untouched', { mode: 0o644 });
    const before = await lstat(join(victim, 'x'), { bigint: true });
    const run = async (x: string) => (await beginTree(own, 'hostile', tree(x)).outcome).end;
    expect(await run('1')).toBe('succeeded');
    const [dir = ''] = await treesIn(own.options.scratchDir);
    const links = ['d', 'context', 'dockerfile'];
    for (const [i, link] of links.entries()) {
      const parent = link === 'd' ? 'context' : '.';
      const { stderr } = await asUserOf(
        own,
        dir,
        `cd ${dir}/own/${parent} && rm -r ${link} && ln -s ${victim} ${link}`,
      );
      expect(stderr).toBe('');
      await run(`${i + 2}`);
    }
    await own.builder.removeTrees();
    expect(await treesIn(own.options.scratchDir)).toEqual([]);
    expect(await readFile(join(victim, 'x'), 'utf8')).toBe('untouched');
    expect((await lstat(join(victim, 'x'), { bigint: true })).ctimeNs).toBe(before.ctimeNs);
    expect(await readdir(victim)).toEqual(['x']);
  });

  test('can neither read another tree nor what this process keeps beside its own', async () => {
    const [mine = ''] = await newTrees(() => built('mine', tree('1')));
    const [other = ''] = await newTrees(() => built('other', tree('2')));
    const tries = [
      `cat ${other}/own/context/Dockerfile ${other}/own/dockerfile/Dockerfile ${other}/record ${other}/dockerfile`,
      `cat ${mine}/record ${mine}/dockerfile; ls ${mine} ${mine}/.. ${mine}/../.. ${mine}/../../../times`,
      `rm -rf ${mine}/record; echo x > ${mine}/record; mv ${mine}/own ${mine}/other`,
    ];
    for (const script of tries) {
      const { stdout, stderr } = await asUserOf(shared, mine, script);
      expect({ script, stdout, stderr }).toEqual({
        ...{ script, stdout: '' },
        stderr: expect.stringMatching(/denied/i),
      });
    }
    await expectExact();
  });
});

test('gives entries exactly the times that were submitted, and never hides a change behind one of them', async () => {
  const ns = (path: string) => BigInt(Buffer.from(path).readUInt8(0)) * 1_000_000_007n - 100_000_000_000n;
  const read = async () => (paths: readonly ByteString[]) => new Map(paths.map((path) => [path, ns(path)]));
  const [dir = ''] = await newTrees(async () => {
    for (const a of ['1', '2', '1']) {
      const tree = { Dockerfile: `${FROM}\nCOPY . /c\nRUN cat /c/a`, a, d: { dir: { l: { link: 'a' } } } };
      const build = beginTree(shared, 'submitted', tree, { spec: { noCache: true } }, { times: { id: 'same', read } });
      expect(await build.outcome).toMatchObject({ end: 'succeeded' });
      expect(build.output()).toBe(a);
    }
  });
  expect((await recordOf(dir)).head.submitted).toBe(true);
  const found = await onDisk(join(dir, 'own', 'context'));
  for (const path of ['a', 'Dockerfile', 'd', 'd/l']) expect(found[path]).toContain(` ${ns(path)} `);
});

test('fails a build whose tree is no longer stored, and builds the tar that an older version stored instead', async () => {
  const id = `sha256:${'1'.repeat(64)}` as const;
  const source = {
    ...{ type: 'tree' as const, id },
    open: (spoolFile: string) => new MerkleSource(id, stored, { spoolFile }),
  };
  const gone = await begin(shared.builder, { repo: 'old', source }).outcome;
  expect(gone).toMatchObject({
    end: 'failed',
    failure: { code: 'context_invalid', message: expect.stringContaining('no longer stored') },
  });
  const bytes = tar({ Dockerfile: `${FROM}\nCOPY a /a\nRUN cat /a`, a: 'from a tar' });
  const old = begin(shared.builder, {
    ...{ repo: 'old', spec: { noCache: true } },
    source: { ...source, tar: async () => Readable.from([bytes]) },
  });
  expect(await old.outcome).toMatchObject({ end: 'succeeded' });
  expect(old.output()).toBe('from a tar');
});

test('has 100,000 files in one directory, and changes one of them', async () => {
  const many: Record<string, string> = Object.fromEntries(
    Array.from({ length: 100_000 }, (_, i) => [`file ${i}`, `${i}`]),
  );
  const dockerfile = `FROM scratch\nCOPY Dockerfile /`;
  const [dir = ''] = await newTrees(() => built('many', { Dockerfile: dockerfile, d: { dir: many } }));
  expect(await readdir(join(dir, 'own', 'context', 'd'))).toHaveLength(100_000);
  await built('many', { Dockerfile: dockerfile, d: { dir: { ...many, 'file 5': 'changed' } } });
  expect(await readFile(join(dir, 'own', 'context', 'd', 'file 5'), 'utf8')).toBe('changed');
  expect((await recordOf(dir)).entries.find(({ path }) => path === byteString('d/file 99999'))).toBeDefined();
}, 240_000);

test('works for a worker that isn’t root, which may not even read the tree', async () => {
  const { gid } = await stat('/var/run/docker.sock');
  const at = (file: string) => JSON.stringify(join(import.meta.dirname, '..', 'testing', file));
  const script = `
    import { readdirSync } from 'node:fs';
    import { FROM, lab } from ${at('lab.ts')};
    import { beginTree } from ${at('tree-lab.ts')};
    import { treesIn } from ${at('on-disk.ts')};
    await using own = await lab();
    const outputs = [];
    for (const a of ['1', '2', '2']) {
      const tree = { Dockerfile: FROM + '\\nCOPY . /c\\nRUN cat /c/d/a', d: { dir: { a }, mode: 0o500 } };
      const build = beginTree(own, 'mine', tree, { spec: { noCache: true } });
      outputs.push((await build.outcome).end + ' ' + build.output());
    }
    const dirs = await treesIn(own.options.scratchDir);
    let read = 'read';
    try { readdirSync(dirs[0] + '/own') } catch (error) { read = error.code }
    await own.builder.removeTrees();
    console.log(JSON.stringify({ outputs, trees: dirs.length, read, left: await treesIn(own.options.scratchDir) }));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module-typescript', '--eval', script], {
    env: { ...process.env, HOME: '/tmp' },
    ...(process.getuid?.() === 0 && { uid: 10_001, gid }),
  });
  expect(JSON.parse(stdout)).toEqual({
    outputs: ['succeeded 1', 'succeeded 2', 'succeeded 2'],
    trees: 1,
    read: 'EACCES',
    left: [],
  });
});
