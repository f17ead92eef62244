import type { ByteString } from '@kiln/trees';
import { describe, expect, it } from 'vitest';
import { RecordIndex, type RecordLayout } from './record-index.ts';

/** A record is the length of its path and the path. */
const LAYOUT: RecordLayout = { path: 2, endOf: (bytes, at) => at + 2 + bytes.readUInt16LE(at) };
const HEAD = Buffer.from('head');

function bufferOf(paths: readonly string[]): Buffer {
  const records = paths.map((path) => {
    const length = Buffer.alloc(2);
    length.writeUInt16LE(path.length);
    return Buffer.concat([length, Buffer.from(path, 'latin1')]);
  });
  return Buffer.concat([HEAD, ...records]);
}

describe('RecordIndex', () => {
  it('finds each of many paths in any bytes, and no other', () => {
    const paths = Array.from({ length: 5_000 }, (_, i) => `d${i % 70}/${String.fromCharCode(i % 256)}${i}\xff`);
    const bytes = bufferOf(paths);
    const index = RecordIndex.of(bytes, HEAD.length, bytes.length, LAYOUT);
    expect(index?.offsets).toHaveLength(paths.length);
    const wrong = paths.filter((path, i) => index?.get(path as ByteString) !== index?.offsets[i]);
    expect(wrong).toEqual([]);
    const others = paths.flatMap((path) => [path.slice(1), `${path}x`, path.slice(0, -1)]);
    expect(others.filter((path) => index?.get(path as ByteString) !== undefined)).toEqual([]);
  });

  it('finds nothing without records', () => {
    expect(RecordIndex.of(HEAD, HEAD.length, HEAD.length, LAYOUT)?.get('' as ByteString)).toBeUndefined();
  });

  it('refuses records that are cut off', () => {
    const bytes = bufferOf(['one', 'two']);
    for (const cut of [1, 3, 4]) {
      expect(RecordIndex.of(bytes, HEAD.length, bytes.length - cut, LAYOUT)).toBeUndefined();
    }
  });
});
