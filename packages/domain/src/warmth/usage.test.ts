import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type AttemptUsage, learnUsage, type RepoUsage } from './usage.ts';

const attempt = (mounts: Record<string, number>, layerBytes = 0, sizesAreFloors = false): AttemptUsage => ({
  mounts: Object.entries(mounts).map(([id, bytes]) => ({ id, bytes })),
  layerBytes,
  sizesAreFloors,
});
const after = (...attempts: AttemptUsage[]) =>
  attempts.reduce<RepoUsage | undefined>((usage, used) => learnUsage(usage, 'app', used), undefined);
const sizes = (usage: RepoUsage | undefined) =>
  Object.fromEntries((usage?.mounts ?? []).map(({ id, bytes }) => [id, bytes]));

test('learnUsage takes the first build’s sizes, and smooths those of later ones', () => {
  expect(after(attempt({ 'a/x': 100 }, 50))).toEqual({
    repo: 'app',
    mounts: [{ id: 'a/x', bytes: 100, missed: 0 }],
    layerBytes: 50,
  });
  expect(sizes(after(attempt({ 'a/x': 100 }), attempt({ 'a/x': 200, 'a/y': 1 })))).toEqual({ 'a/x': 150, 'a/y': 1 });
});

test('learnUsage never reduces a size by a floor', () => {
  expect(sizes(after(attempt({ 'a/x': 100 }), attempt({ 'a/x': 4 }, 0, true)))).toEqual({ 'a/x': 100 });
});

test('learnUsage keeps the mounts after a build that used none', () => {
  const once = after(attempt({ 'a/x': 100 }));
  const cached = Array.from({ length: 50 }).reduce<RepoUsage | undefined>(
    (usage) => learnUsage(usage, 'app', attempt({})),
    once,
  );
  expect(cached?.mounts).toEqual(once?.mounts);
});

test('learnUsage forgets a mount only after many builds without it', () => {
  const others = (count: number) => Array.from({ length: count }, () => attempt({ 'a/y': 1 }));
  expect(sizes(after(attempt({ 'a/x': 100 }), ...others(10)))).toHaveProperty(['a/x']);
  expect(sizes(after(attempt({ 'a/x': 100 }), ...others(11)))).toEqual({ 'a/y': 1 });
  const again = after(attempt({ 'a/x': 100 }), ...others(10), attempt({ 'a/x': 100 }), ...others(10));
  expect(sizes(again)).toHaveProperty(['a/x']);
});

test('learnUsage lets layers grow at once and shrink slowly', () => {
  expect(after(attempt({}, 100), attempt({}, 300))?.layerBytes).toBe(300);
  expect(after(attempt({}, 100), attempt({}, 0))?.layerBytes).toBe(80);
});

test('learnUsage keeps a bounded number of mounts, those of the newest build first', () => {
  const attempts = fc.array(
    fc.record({
      mounts: fc.uniqueArray(
        fc.record({ id: fc.integer({ min: 0, max: 200 }).map((n) => `a/${n}`), bytes: fc.nat() }),
        {
          selector: ({ id }) => id,
          maxLength: 40,
        },
      ),
      layerBytes: fc.nat(),
      sizesAreFloors: fc.boolean(),
    }),
    { minLength: 1, maxLength: 12 },
  );
  fc.assert(
    fc.property(attempts, (all) => {
      const usage = after(...all);
      const kept = new Set(usage?.mounts.map(({ id }) => id));
      expect(usage?.mounts).toHaveLength(kept.size);
      expect(kept.size).toBeLessThanOrEqual(64);
      for (const { id } of all.at(-1)?.mounts ?? []) expect(kept).toContain(id);
      for (const mount of usage?.mounts ?? []) expect(Number.isSafeInteger(mount.bytes)).toBe(true);
    }),
  );
});
