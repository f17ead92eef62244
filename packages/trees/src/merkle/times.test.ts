import fc from 'fast-check';
import { expect, it } from 'vitest';
import { byteString } from './byte-string.ts';
import { decodeTimes, encodeTimes } from './times.ts';

it('keeps times to the nanosecond, also before 1970', () => {
  fc.assert(
    fc.property(fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), { maxLength: 20 }), (times) => {
      const paths = times.map((_, i) => byteString(`f${i}`));
      expect([...decodeTimes(encodeTimes(times), paths).values()]).toEqual(times);
    }),
  );
});

it('rejects times for another number of entries', () => {
  expect(() => decodeTimes(Buffer.alloc(16), [byteString('a')])).toThrow(
    'got times of 16 bytes, expected 8 bytes for each of 1 entries',
  );
});
