import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseBytes, parseDuration } from './units.ts';

describe('parseDuration', () => {
  test.each([
    ['90s', 90],
    ['20m', 1_200],
    ['1h30m', 5_400],
    ['0s', 0],
    ['2d', 172_800],
    ['2w', 1_209_600],
  ])('parses %s as %i seconds', (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });

  test.each(['', '90', 's', '1.5h', '-1s', '1h 30m', '1h30', '1y', '1H', ' 1s', '1s\n', `${'9'.repeat(400)}s`])(
    'returns undefined for %j',
    (text) => {
      expect(parseDuration(text)).toBeUndefined();
    },
  );
});

describe('parseBytes', () => {
  test.each([
    ['0', 1000, 0],
    ['512', 1024, 512],
    ['512b', 1024, 512],
    ['512m', 1024, 512 * 1024 ** 2],
    ['2g', 1024, 2 * 1024 ** 3],
    ['2GB', 1024, 2 * 1024 ** 3],
    ['1.5GiB', 1024, 1.5 * 1024 ** 3],
    ['64MB', 1000, 64_000_000],
    ['64 kB', 1000, 64_000],
    ['1.5TB', 1000, 1_500_000_000_000],
    ['64MiB', 1000, 64 * 1024 ** 2],
  ] as const)('parses %s with base %i as %i bytes', (text, base, bytes) => {
    expect(parseBytes(text, base)).toBe(bytes);
  });

  test.each(['', 'MB', '1,5GB', '-1MB', '1e3', '5x', '1MBB', '.5m', `${'9'.repeat(15)}T`, '1MB\n'])(
    'returns undefined for %j',
    (text) => {
      expect(parseBytes(text, 1000)).toBeUndefined();
    },
  );

  test('returns a whole number of bytes or undefined for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'0123456789.kMGib ') }), (text) => {
        const bytes = parseBytes(text, 1024);
        if (bytes !== undefined) expect(Number.isSafeInteger(bytes) && bytes >= 0).toBe(true);
      }),
    );
  });
});
