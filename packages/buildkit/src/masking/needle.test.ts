import { seededBytes } from '@kiln/runtime/testing';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Needle } from './needle.ts';

/** Where the needle ends in a stream of these parts, and how much of it the stream ends with. */
function search(text: string, parts: readonly string[]) {
  const needle = new Needle(text);
  const ends: number[] = [];
  let before = 0;
  for (const part of parts) {
    needle.feed(part, (end) => ends.push(before + end));
    before += part.length;
  }
  return { ends, matched: needle.matched };
}

/** The same, by trying every place. */
function slowSearch(text: string, stream: string) {
  const starts = Array.from(stream, (_, at) => at);
  const ends = starts.filter((at) => stream.startsWith(text, at)).map((at) => at + text.length);
  const first = starts.find((at) => stream.length - at < text.length && text.startsWith(stream.slice(at)));
  return { ends, matched: first === undefined ? 0 : stream.length - first };
}

test('finds each occurrence, also those that overlap, and the longest beginning at the end, however the stream is split', () => {
  const letters = (minLength: number, maxLength: number) =>
    fc.string({ unit: fc.constantFrom('a', 'b'), minLength, maxLength });
  fc.assert(
    fc.property(letters(1, 12), fc.array(letters(0, 25), { maxLength: 6 }), (text, parts) => {
      expect(search(text, parts)).toEqual(slowSearch(text, parts.join('')));
    }),
    { numRuns: 1_000, seed: 1 },
  );
});

test('finds a long text that repeats itself in parts of any size', () => {
  const text = seededBytes(50, 'needle').toString('hex').repeat(40);
  const stream = `${text.slice(100)}${text.repeat(3).slice(7)}`;
  const parts = Array.from({ length: Math.ceil(stream.length / 77) }, (_, i) => stream.slice(i * 77, i * 77 + 77));
  expect(search(text, parts)).toEqual(slowSearch(text, stream));
});
