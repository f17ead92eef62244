import { expect, test } from 'vitest';
import { bytesToFree, isLowOnDisk } from './low-disk.ts';

const free = (freeBytes: number) => ({ freeBytes, minFreeBytes: 100 });

test('a host becomes low on disk below the minimum, and recovers only well above it', () => {
  const levels = [101, 100, 99, 100, 119, 120, 100, 99];
  let isLow = false;
  const seen = levels.map((bytes) => (isLow = isLowOnDisk(free(bytes), isLow)));
  expect(seen).toEqual([false, false, true, true, true, false, false, true]);
});

test('what is evicted is enough to recover', () => {
  for (const bytes of [0, 50, 99, 119]) {
    const after = bytes + bytesToFree(free(bytes));
    expect(isLowOnDisk(free(after), true)).toBe(false);
  }
  expect(bytesToFree(free(1_000))).toBe(0);
});

test('without a minimum no host is low on disk', () => {
  expect(isLowOnDisk({ freeBytes: 0, minFreeBytes: 0 }, true)).toBe(false);
});
