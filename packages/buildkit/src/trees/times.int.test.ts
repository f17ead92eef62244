import { type ByteString, decodeTimes, encodeTimes } from '@kiln/trees';
import type { TestTree } from '@kiln/trees/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FROM, type Lab, lab, type RunningBuild } from '../testing/lab.ts';
import { buildTree, type SentTimes } from '../testing/tree-lab.ts';

let shared: Lab;
beforeAll(async () => {
  shared = await lab();
});
afterAll(() => shared[Symbol.asyncDispose]());

const built = (repo: string, tree: TestTree, spec: object = {}, times: SentTimes = {}) =>
  buildTree(shared, repo, tree, spec, times);

/** Mounts for `MAKE`. */
const mountOf = (id: string) => `--mount=type=cache,id=${id},target=/m`;
/** A make in a cache mount: an object for each source, made of it if it is newer. Prints the sources that it compiles, and then all objects. */
const MAKE =
  'cd /c/src && for f in *; do if [ ! -e /m/$f.o ] || [ $f -nt /m/$f.o ]; then printf "%s " $f; cat $f > /m/$f.o; fi; done; cat /m/*.o';

test('lets make compile only what has changed, from contexts without times; also when it changes back', async () => {
  const mount = `make-${Date.now()}`;
  const dockerfile = `${FROM}\nRUN ${mountOf(mount)} --mount=type=bind,target=/c ${MAKE}`;
  const tree = (a: string, b: string): TestTree => ({ Dockerfile: dockerfile, src: { dir: { a, b } } });
  const run = async (a: string, b: string) => (await built(mount, tree(a, b))).output();
  expect(await run('1', '1')).toBe('a b 11');
  expect(await run('1', '2')).toBe('b 12');
  expect(await run('1', '3')).toBe('b 13');
  // The context has changed, so the step runs; none of the sources has.
  const more = { ...tree('1', '3'), other: 'x' };
  expect((await built(mount, more)).output()).toBe('13');
  expect((await built(mount, { ...more, src: { dir: { a: '1', b: '2' } } })).output()).toBe('b 12');
});

test('says so if COPY may bring back an earlier time, as it does with plain buildx', async () => {
  const mount = `copy-${Date.now()}`;
  // Otherwise layers of an earlier run of this test come back, too: a mount's id is no part of a step's cache key.
  const dockerfile = [FROM, 'COPY id /id', 'COPY src /c/src', 'ARG N', `RUN ${mountOf(mount)} ${MAKE}`].join('\n');
  const tree = (a: string): TestTree => ({ Dockerfile: dockerfile, id: mount, src: { dir: { a } } });
  const notes = ({ records }: RunningBuild) =>
    records.flatMap((record) => (record.type === 'note' ? [record.message] : [])).join();
  const run = (a: string, n: string) => built(mount, tree(a), { buildArgs: { N: n } });
  expect((await run('1', '1')).output()).toBe('a 1');
  const second = await run('2', '2');
  expect(second.output()).toBe('a 2');
  expect(notes(second)).toBe('');
  // The layer of the first COPY comes back with its time, before that of the object: the object of 2 is taken for up to date.
  const third = await run('1', '3');
  expect(third.output()).toBe('2');
  expect(notes(third)).toContain('"src/a": same content as in an earlier build, but not as in the last one');
  // What the note advises helps.
  const anew = await built(mount, tree('1'), { buildArgs: { N: '3' }, noCache: true });
  expect(anew.output()).toBe('a 1');
});

test('gives directories and links that are new to the host the times that were sent, and no other file or link', async () => {
  const dockerfile = `${FROM}\nARG N\nRUN --network=none --mount=type=bind,target=/c cd /c && stat -c '%n %Y' d d/e l m new 2>&1; test ! d/x -ot /etc/hostname`;
  const tree = (more: TestTree): TestTree => {
    const d = { dir: { e: { dir: {} }, x: 'x' } };
    return { Dockerfile: dockerfile, d, l: { link: 'd' }, m: { link: 'd' }, ...more };
  };
  const run = async (of: TestTree, count: number, s: bigint) => {
    const bytes = encodeTimes(Array.from({ length: count }, () => s * 1_000_000_000n));
    const read = async () => (paths: readonly ByteString[]) => decodeTimes(bytes, paths);
    const build = await built('sent', of, { noCache: true }, { directoryTimes: { id: `${s}`, read } });
    return build.output().replace(/^stat: .*\n/gm, '');
  };
  const [first, second] = [981_158_400n, 1_000_000_000n];
  expect(await run(tree({}), 4, first)).toBe(`d ${first}\nd/e ${first}\nl ${first}\nm ${first}\n`);
  const changed = await run(tree({ m: { link: 'd/e' }, new: { dir: {} } }), 5, second);
  expect(changed).toMatch(new RegExp(`^d ${first}\nd/e ${first}\nl ${first}\nm (\\d+)\nnew ${second}\n$`));
  // A link that leads elsewhere now has a time as a file that has changed.
  expect(Number(/^m (\d+)$/m.exec(changed)?.[1])).toBeGreaterThan(1_700_000_000);
});
