import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import type { ByteString } from '../merkle/byte-string.ts';
import { splicesOf } from './record-delta.ts';
import type { TimedEntry } from './timed-entry.ts';
import { decodeRecord, encodeDelta, encodeRecord } from './tree-record.ts';

const files = fc.dictionary(fc.constantFrom('a', 'b', 'b.x', 'c', 'é', 'f'), fc.tuple(fc.nat(2), fc.nat(2)));

function entriesOf(contents: Record<string, readonly [content: number, ns: number]>): TimedEntry[] {
  return Object.keys(contents)
    .sort()
    .map((path) => {
      const [content, ns] = contents[path] as [number, number];
      const at = { path: path as ByteString, mtimeNs: BigInt(ns) };
      if (content === 2) return { ...at, type: 'symlink', target: 'café\n' as ByteString };
      return { ...at, type: 'file', mode: 0o644, sizeBytes: 1, contentId: String(content) };
    });
}

function written(versions: readonly (readonly TimedEntry[])[]): string {
  const [first = [], ...rest] = versions;
  let text = [...encodeRecord({ head: { issue: 0 }, entries: first })].join('');
  for (const [i, after] of rest.entries())
    text += encodeDelta({ issue: i + 1 }, splicesOf(versions[i] as TimedEntry[], after, 99) ?? []);
  return text;
}

describe('a record', () => {
  test('has what the last delta made of it', () => {
    fc.assert(
      fc.property(fc.array(files, { minLength: 1, maxLength: 5 }), (all) => {
        const versions = all.map(entriesOf);
        const expected = { head: { issue: all.length - 1 }, entries: versions.at(-1) };
        expect(decodeRecord(written(versions))).toEqual(expected);
      }),
    );
  });

  test('counts as absent if it was cut off anywhere, or a line is missing', () => {
    const versions = [
      { a: [0, 0], b: [1, 1] },
      { a: [1, 2], b: [1, 1] },
      { b: [1, 1], c: [2, 3] },
    ] as const;
    const text = written(versions.map((each) => entriesOf(each)));
    const wholes = [2, 4, 6].map((lines) => text.split('\n').slice(0, lines).join('\n').length + 1);
    for (let at = 0; at <= text.length; at += 1)
      expect(decodeRecord(text.slice(0, at)) !== undefined, `${at}`).toBe(wholes.includes(at));
    for (let i = 0; i < 6; i += 1) expect(decodeRecord(text.split('\n').toSpliced(i, 1).join('\n'))).toBeUndefined();
  });

  test('is the same in one piece or in several', () => {
    for (const count of [0, 1, 999, 1000, 1001, 2500]) {
      const contents = Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${i}`, [i % 3, i] as const]));
      const record = { head: { issue: 1 }, entries: entriesOf(contents) };
      expect(decodeRecord([...encodeRecord(record)].join(''))).toEqual(record);
    }
  });

  test('is compared with the one before without an index of its paths, if only contents and times differ', () => {
    const before = entriesOf({ a: [0, 0], b: [0, 0], c: [0, 0], d: [0, 0] });
    const index = vi.spyOn(before, 'map');
    const after = entriesOf({ a: [0, 0], b: [1, 1], c: [0, 0], d: [0, 1] });
    expect(splicesOf(before, after, 9)).toEqual([
      { at: 1, removed: 1, added: after.slice(1, 2) },
      { at: 3, removed: 1, added: after.slice(3) },
    ]);
    expect(index).not.toHaveBeenCalled();
  });

  test('has no delta where more differs than is worth it, or the order does', () => {
    const [one, other] = [entriesOf({ a: [0, 0], b: [0, 0] }), entriesOf({ a: [0, 1], b: [0, 1] })];
    expect(splicesOf(one, other, 1)).toBeUndefined();
    expect(splicesOf(one, one.toReversed(), 9)).toBeUndefined();
    expect(splicesOf(one, other, 2)).toEqual([{ at: 0, removed: 2, added: other }]);
  });
});
