import { describe, expect, test } from 'vitest';
import { liveLogLimits, type MemoryLevel, memoryLevel } from './memory-level.ts';

const MIB = 1024 * 1024;
const levels = (shares: readonly number[]) => {
  let level: MemoryLevel = 'ok';
  return shares.map((share) => {
    level = memoryLevel({ usedBytes: share * 1_000, limitBytes: 1_000 }, level);
    return level;
  });
};

describe('memoryLevel', () => {
  test('is full from 85 % until it falls below 80 %', () => {
    expect(levels([0.1, 0.849, 0.85, 0.81, 0.8, 0.799, 0.84])).toEqual([
      'ok',
      'ok',
      'full',
      'full',
      'full',
      'ok',
      'ok',
    ]);
  });

  test('is critical from 95 % until it falls below 90 %, and then still full', () => {
    expect(levels([0.95, 0.91, 0.899, 0.94, 0.79])).toEqual(['critical', 'critical', 'full', 'full', 'ok']);
    expect(levels([1.2, 0.5])).toEqual(['critical', 'ok']);
  });

  test('is ok if the memory has no limit', () => {
    expect(memoryLevel({ usedBytes: 1e15 }, 'critical')).toBe('ok');
  });
});

describe('liveLogLimits', () => {
  test('gives live logs a quarter of the memory, at most 256 MiB', () => {
    expect(liveLogLimits({ logBytes: 4 * MIB }, 64 * MIB)).toEqual({ logBytes: 4 * MIB, allBytes: 16 * MIB });
    expect(liveLogLimits({ logBytes: 4 * MIB }, 64 * 1024 * MIB)).toEqual({ logBytes: 4 * MIB, allBytes: 256 * MIB });
    expect(liveLogLimits({ logBytes: 4 * MIB }, undefined)).toEqual({ logBytes: 4 * MIB, allBytes: 256 * MIB });
  });

  test('uses an operator’s budget, and gives one log at most half of it', () => {
    expect(liveLogLimits({ logBytes: 4 * MIB, allBytes: 2 * MIB }, 64 * MIB)).toEqual({
      logBytes: MIB,
      allBytes: 2 * MIB,
    });
  });

  test('reduces a budget to half of the memory', () => {
    expect(liveLogLimits({ logBytes: 4 * MIB, allBytes: 99 * MIB }, 64 * MIB).allBytes).toBe(32 * MIB);
  });
});
