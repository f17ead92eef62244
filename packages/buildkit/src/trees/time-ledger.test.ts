import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ByteString, ListedEntry, TimedEntry } from '@kiln/trees';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EntryMemory } from './entry-memory.ts';
import { TimeLedger } from './time-ledger.ts';

let root: string;
let dirs = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'kiln-ledger-'));
});
afterAll(() => rm(root, { recursive: true }));

const newDir = () => join(root, String(dirs++));

/** Contents by path; a path that isn't there has none. */
type Files = Readonly<Record<string, string>>;

function listingOf(files: Files): ListedEntry[] {
  const paths = Object.keys(files).sort();
  const below = paths.filter((path) => path.startsWith('d/')).map((path) => `${path} ${files[path]}`);
  const file = (path: string) =>
    ({ type: 'file', path, mode: 0o644, sizeBytes: 1, contentId: files[path] }) as ListedEntry;
  return [
    ...paths.filter((path) => !path.startsWith('d/')).map(file),
    { type: 'directory', path: 'd' as ByteString, mode: 0o755, contentId: below.join() },
    ...paths.filter((path) => path.startsWith('d/')).map(file),
  ];
}

async function give(ledger: TimeLedger, files: Files, nowMs: number) {
  const given = { id: JSON.stringify(files), entries: async () => [] as readonly TimedEntry[] };
  const result = await ledger.give(given, listingOf(files), nowMs);
  const times = Object.fromEntries(result.entries.map(({ path, mtimeNs }) => [path, mtimeNs]));
  return { ...result, times };
}

describe('the ledger of times', () => {
  test('keeps the time of what is given again, and gives anything else the present, also a file that changes back', async () => {
    const ledger = new TimeLedger(newDir(), new EntryMemory(1_000));
    const first = await give(ledger, { a: '1', b: '1' }, 1000);
    first.running[Symbol.dispose]();
    const second = await give(ledger, { a: '2', b: '1' }, 2000);
    second.running[Symbol.dispose]();
    const third = await give(ledger, { a: '1', b: '1' }, 3000);
    third.running[Symbol.dispose]();
    const ns = (ms: number) => BigInt(ms + 1) * 1_000_000n;
    expect([first, second, third].map(({ times }) => [times.a, times.b])).toEqual([
      [ns(1000), ns(1000)],
      [ns(2000), ns(1000)],
      [ns(3000), ns(1000)],
    ]);
    expect([first, second, third].map(({ returned }) => returned)).toEqual([[], [], ['a']]);
  });

  test.each([1, 20, 100])('notices the return of %i files with earlier content, and of no others', async (count) => {
    const ledger = new TimeLedger(newDir(), new EntryMemory(1_000));
    const files = (content: string) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${i}`, `${content}${i}`]));
    const returned: string[][] = [];
    for (const content of ['1', '2', '1', '3', '2']) {
      const given = await give(ledger, { ...files(content), other: `${returned.length}` }, 1000);
      given.running[Symbol.dispose]();
      returned.push([...given.returned]);
    }
    const all = Object.keys(files('')).sort();
    expect(returned).toEqual([[], [], all, [], all]);
  });

  test('gives a path that was absent a new time, and moves forward although the clock goes back', async () => {
    const dir = newDir();
    for (const [files, ms] of [
      [{ a: '1', b: '1' }, 5000],
      [{ a: '1' }, 6000],
    ] as const)
      (await give(new TimeLedger(dir, new EntryMemory(1_000)), files, ms)).running[Symbol.dispose]();
    const { times } = await give(new TimeLedger(dir, new EntryMemory(1_000)), { a: '1', b: '1' }, 10);
    expect(times.b).toBeGreaterThan(times.a as bigint);
  });

  test('gives a path a new time if a build with other content of it ran beside the last one', async () => {
    const ledger = new TimeLedger(newDir(), new EntryMemory(1_000));
    const beside = await give(ledger, { a: 'other', b: '1' }, 1000);
    const last = await give(ledger, { a: '1', b: '1' }, 2000);
    expect(last.issue).toBeUndefined();
    for (const { running } of [beside, last]) running[Symbol.dispose]();
    const next = await give(ledger, { a: '1', b: '1' }, 3000);
    expect(next.times.a).toBeGreaterThan(last.times.a as bigint);
    expect(next.times.b).toBe(last.times.b);
    // From then on nothing has to be written.
    expect(next.issue).toBe(await ledger.issue());
    const same = await ledger.resume(next.issue, { id: 'x', entries: async () => next.entries });
    expect(same).toBeDefined();
  });

  test('forgets everything for a build with submitted times', async () => {
    const ledger = new TimeLedger(newDir(), new EntryMemory(1_000));
    const first = await give(ledger, { a: '1' }, 1000);
    first.running[Symbol.dispose]();
    const cleared = await ledger.clear({ id: 'x', entries: async () => [] });
    cleared.running[Symbol.dispose]();
    expect(await ledger.resume(first.issue, { id: 'x', entries: async () => [] })).toBeUndefined();
    expect((await give(ledger, { a: '1' }, 2000)).times.a).toBeGreaterThan(first.times.a as bigint);
  });

  test('gives new and changed directories the time that was sent, and files none that is later for one from the future', async () => {
    const ledger = new TimeLedger(newDir(), new EntryMemory(1_000));
    const given = async (files: Files, ms: number, sent: bigint) => {
      const tree = { id: JSON.stringify(files), entries: async () => [] as readonly TimedEntry[] };
      const result = await ledger.give(tree, listingOf(files), ms, new Map([['d' as ByteString, sent]]));
      result.running[Symbol.dispose]();
      return Object.fromEntries(result.entries.map(({ path, mtimeNs }) => [path, mtimeNs]));
    };
    const latest = 2n ** 63n - 1n;
    expect(await given({ a: '1', 'd/x': '1' }, 1000, 7n)).toMatchObject({ d: 7n, 'd/x': 1_001_000_000n });
    // It is as it was.
    expect(await given({ a: '2', 'd/x': '1' }, 2000, 8n)).toMatchObject({ a: 2_001_000_000n, d: 7n });
    expect(await given({ a: '2', 'd/x': '2' }, 3000, latest)).toMatchObject({ d: latest, 'd/x': 3_001_000_000n });
    expect(await given({ a: '3', 'd/x': '2' }, 4000, 9n)).toMatchObject({ a: 4_001_000_000n, d: latest });
  });

  test('treats a damaged file as none', async () => {
    const dir = newDir();
    const first = await give(new TimeLedger(dir, new EntryMemory(1_000)), { a: '1' }, 1000);
    const { truncate } = await import('node:fs/promises');
    await truncate(join(dir, 'given'), 50);
    expect((await give(new TimeLedger(dir, new EntryMemory(1_000)), { a: '1' }, 2000)).times.a).toBeGreaterThan(
      first.times.a as bigint,
    );
  });
});

/** A target of make: what it was made of, and when. */
interface Target {
  readonly from: string;
  readonly atNs: bigint;
}

type Step =
  | { readonly type: 'begin'; readonly files: Files }
  | { readonly type: 'make'; readonly build: number }
  | { readonly type: 'end'; readonly build: number }
  | { readonly type: 'submitted'; readonly files: Files }
  | { readonly type: 'restart' };

const PREREQUISITES: readonly (readonly string[])[] = [['a'], ['b', 'd/x'], ['d'], ['a', 'b', 'd/x', 'd/y']];

// Few, so that they come back.
const files = fc.constantFrom<Files>(
  { a: '1', b: '1', 'd/x': '1' },
  { a: '2', b: '1', 'd/x': '1' },
  { a: '1', b: '1', 'd/x': '2', 'd/y': '1' },
  { b: '2', 'd/y': '2' },
);
const build = fc.nat(2);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ type: fc.constant('begin' as const), files }) },
    { weight: 6, arbitrary: fc.record({ type: fc.constant('make' as const), build }) },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('end' as const), build }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('submitted' as const), files }) },
    { weight: 1, arbitrary: fc.constant({ type: 'restart' as const }) },
  ),
  { minLength: 4, maxLength: 20 },
);

test('never lets make consider a target up to date that it would have rebuilt differently in a fresh checkout', async () => {
  let upToDate = 0;
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const dir = newDir();
      let ledger = new TimeLedger(dir, new EntryMemory(1_000));
      let clock = 1000;
      const targets: (Target | undefined)[] = PREREQUISITES.map(() => undefined);
      let running: (Awaited<ReturnType<typeof give>> & { files: Files; checkoutNs: bigint })[] = [];
      for (const step of all) {
        clock += 10;
        const now = BigInt(clock) * 1_000_000n;
        if (step.type === 'begin') {
          running.push({ ...(await give(ledger, step.files, clock)), files: step.files, checkoutNs: now });
        } else if (step.type === 'submitted') {
          // The worst case: it makes everything, at some time in the future of its files.
          const cleared = await ledger.clear({ id: 's', entries: async () => [] });
          cleared.running[Symbol.dispose]();
          targets.fill({ from: 'submitted', atNs: now });
        } else if (step.type === 'restart') {
          ledger = new TimeLedger(dir, new EntryMemory(1_000));
          running = [];
        } else {
          const one = running[step.build % Math.max(1, running.length)];
          if (!one) continue;
          if (step.type === 'end') {
            one.running[Symbol.dispose]();
            running = running.filter((each) => each !== one);
            continue;
          }
          for (const [i, paths] of PREREQUISITES.entries()) {
            const from = JSON.stringify(
              paths.map((path) => listingOf(one.files).find((entry) => entry.path === path) ?? null),
            );
            const target = targets[i];
            const newest = (times: readonly (bigint | undefined)[]) =>
              times.reduce<bigint>((max, time) => (time !== undefined && time > max ? time : max), 0n);
            const there = paths.filter((path) => one.times[path] !== undefined);
            // A rule whose prerequisite is missing fails, in whichever checkout.
            if (there.length < paths.length) continue;
            const isUpToDate = target !== undefined && newest(there.map((path) => one.times[path])) <= target.atNs;
            if (!isUpToDate) targets[i] = { from, atNs: now };
            else if (target.from === from) upToDate += 1;
            else expect(target.atNs, JSON.stringify(all)).toBeGreaterThanOrEqual(one.checkoutNs);
          }
        }
      }
      await rm(dir, { recursive: true, force: true });
    }),
    { numRuns: 150 },
  );
  // It would be no use if everything were always made.
  expect(upToDate).toBeGreaterThan(20);
}, 120_000);
