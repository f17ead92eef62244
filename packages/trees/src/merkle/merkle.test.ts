import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ByteString, byteString, fromBytes, shownBytes, toBytes } from './byte-string.ts';
import { type DirectoryObject, decodeDirectory, digestOf, encodeDirectory, inlineFiles } from './directory.ts';
import { contentBytes, readParts, type TreePart, writeParts } from './parts-stream.ts';
import { entriesOf } from './read-entries.ts';
import type { Digest, DirectoryNode, Entry } from './tree-entry.ts';

const name = fc
  .uint8Array({ minLength: 1, maxLength: 255 })
  .map(fromBytes)
  .filter((text) => text !== '.' && text !== '..' && !/[/\0]/.test(text));
const digest = fc.uint8Array({ minLength: 1, maxLength: 4 }).map(digestOf);
const mode = fc.nat({ max: 0o7777 });
const target = fc
  .uint8Array({ minLength: 1, maxLength: 300 })
  .map(fromBytes)
  .filter((text) => !text.includes('\0'));
const entry: fc.Arbitrary<Entry> = fc.oneof(
  fc.record({
    ...{ type: fc.constant('file' as const), name, mode, digest },
    sizeBytes: fc.integer({ min: 1, max: 2 ** 40 }),
  }),
  fc.record({ type: fc.constant('directory' as const), name, mode, digest }),
  fc.record({ type: fc.constant('symlink' as const), name, target }),
);
const entries = fc.uniqueArray(entry, { maxLength: 40, selector: (each) => each.name });

const file = (path: string, text: string, fileMode = 0o644): Entry => ({
  type: 'file',
  name: byteString(path),
  mode: fileMode,
  sizeBytes: Buffer.byteLength(text),
  digest: digestOf(Buffer.from(text)),
});

const last = (objects: readonly DirectoryObject[]) => objects.at(-1) as DirectoryObject;

describe('encodeDirectory', () => {
  it('gives the same bytes for the same entries in any order, and decodes to them', () => {
    fc.assert(
      fc.property(entries, fc.nat(), (all, turn) => {
        const one = last(encodeDirectory(all));
        const cut = all.length === 0 ? 0 : turn % all.length;
        expect(last(encodeDirectory([...all.slice(cut), ...all.slice(0, cut)])).bytes.equals(one.bytes)).toBe(true);
        const decoded = decodeDirectory(one.bytes);
        expect(decoded.digest).toBe(one.digest);
        expect(decoded.node).toEqual(one.node);
      }),
    );
  });

  it('rejects every change of a byte, or reads it as another directory', () => {
    fc.assert(
      fc.property(entries, fc.nat(), fc.integer({ min: 1, max: 255 }), (all, place, flip) => {
        const { bytes, digest: before } = last(encodeDirectory(all));
        const at = place % bytes.length;
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] as number) ^ flip;
        let read: DirectoryObject;
        try {
          read = decodeDirectory(changed);
        } catch (error) {
          expect(error).toHaveProperty('name', 'TreeFault');
          return;
        }
        expect(read.digest).not.toBe(before);
        // One directory has one encoding only.
        if (read.node.type === 'entries')
          expect(last(encodeDirectory(read.node.entries)).bytes.equals(changed)).toBe(true);
      }),
    );
  });

  it.each([
    ['', 'got the name ""'],
    ['..', 'got the name ".."'],
    ['a/b', 'got the name "a/b"'],
    ['a\0', 'got the name "a\\u0000"'],
    ['x'.repeat(256), 'got a name of 256 bytes'],
  ])('rejects the name %j', (bad, message) => {
    expect(() => encodeDirectory([file(bad, '')])).toThrow(message);
  });

  it('rejects two entries of one name, whichever types they have', () => {
    const link: Entry = { type: 'symlink', name: byteString('a'), target: byteString('b') };
    expect(() => encodeDirectory([file('a', ''), link])).toThrow('got two entries of one name');
  });

  it('keeps names that are not UTF-8', () => {
    const odd = fromBytes(Uint8Array.of(0xff, 0x0a, 0x41));
    const { node } = decodeDirectory(last(encodeDirectory([{ type: 'symlink', name: odd, target: odd }])).bytes);
    expect(node.type === 'entries' && toBytes(node.entries[0]?.name as ByteString)).toEqual(
      Buffer.from([0xff, 0x0a, 0x41]),
    );
    expect(shownBytes(odd)).toBe('\ufffd\nA');
  });

  it('divides a directory of 100,000 files, so that one change changes two small objects', () => {
    const many = Array.from({ length: 100_000 }, (_, i) => file(`f${i}`, 'x'));
    const before = encodeDirectory(many);
    const after = encodeDirectory([...many.slice(1), file('f0', 'y')]);
    const known = new Set(before.map((object) => object.digest));
    const changed = after.filter((object) => !known.has(object.digest));
    expect(changed).toHaveLength(2);
    expect(Math.max(...changed.map(({ bytes }) => bytes.length))).toBeLessThan(64 * 1024);
    expect(decodeDirectory(last(after).bytes).node.type).toBe('parts');
  });
});

describe('entriesOf', () => {
  const many = encodeDirectory(Array.from({ length: 2_000 }, (_, i) => file(`f${i}`, 'x')));
  const stored = new Map(many.map((object) => [object.digest, object.node]));
  const read = async (digest: string) => stored.get(digest as Digest) as DirectoryNode;

  it('returns the entries of a divided directory by name', async () => {
    const entries = await entriesOf(last(many).node, read);
    expect(entries.map(({ name }) => name)).toEqual(Array.from({ length: 2_000 }, (_, i) => `f${i}`).sort());
  });

  it('rejects parts that overlap, are empty, out of order, or hold names of other parts', async () => {
    const [one, two] = last(many).node.type === 'parts' ? many.map(({ digest }) => digest) : [];
    const parts = (...digests: (Digest | undefined)[]): DirectoryNode => ({
      type: 'parts',
      parts: digests as Digest[],
    });
    await expect(entriesOf(parts(one, one), read)).rejects.toThrow('got parts of a directory out of order');
    await expect(entriesOf(parts(two, one), read)).rejects.toThrow('got parts of a directory out of order');
    const empty = async (): Promise<DirectoryNode> => ({ type: 'entries', entries: [] });
    await expect(entriesOf(parts(one), empty)).rejects.toThrow('without entries');
    const mixed = async (): Promise<DirectoryNode> => ({ type: 'entries', entries: [file('a', ''), file('b', '')] });
    await expect(entriesOf(parts(one), mixed)).rejects.toThrow('got an entry in the wrong part of its directory');
  });
});

describe('a stream of parts', () => {
  const texts = ['one', '', 'three'.repeat(1000)];
  const object = last(
    encodeDirectory([...texts.map((text, i) => file(`f${i}`, text)), file('big', 'x'.repeat(40_000))]),
  );
  const big = Buffer.from('x'.repeat(40_000));
  const parts = (): TreePart[] => [
    { type: 'file', digest: digestOf(big), sizeBytes: big.length, offset: 0, content: chunked(big) },
    { type: 'directory', object, content: chunked(Buffer.from(texts.join(''))) },
  ];

  it('carries directories with their small files, and large files, in chunks of any size', async () => {
    const bytes = await gathered(writeParts(parts()));
    for (const size of [1, 7, 1000, 1_000_000]) {
      const seen: unknown[] = [];
      for await (const part of readParts(chunked(bytes, size))) {
        const content = await gathered(part.content);
        expect(content).toHaveLength(contentBytes(part));
        seen.push(part.type === 'file' ? [part.digest, part.sizeBytes] : [part.object.digest, content.toString()]);
      }
      expect(seen).toEqual([
        [digestOf(big), 40_000],
        [object.digest, texts.join('')],
      ]);
    }
  });

  it('checks content that its reader skips', async () => {
    const bytes = await gathered(writeParts(parts()));
    bytes[bytes.indexOf('three')] = 0x54;
    const read = async () => {
      for await (const _ of readParts(chunked(bytes)));
    };
    await expect(read()).rejects.toThrow(/"f2": got content with the digest sha256:\w{64}, expected sha256:/);
  });

  it('rejects every shortened stream as cut off', async () => {
    const bytes = await gathered(writeParts(parts()));
    for (const length of [0, 5, 18, 60, 40_000, bytes.length - 1]) {
      const read = async () => {
        for await (const _ of readParts(chunked(bytes.subarray(0, length))));
      };
      await expect(read()).rejects.toHaveProperty('code', 'tree_cut_off');
    }
  });

  it('rejects content of another length than its entry says, before it is sent', async () => {
    const short: TreePart = { type: 'directory', object, content: chunked(Buffer.from('one')) };
    await expect(gathered(writeParts([short]))).rejects.toThrow('got content of another length');
    expect(inlineFiles(object.node).map(({ sizeBytes }) => sizeBytes)).toEqual([3, 5000]);
  });

  it('continues a file at a byte, without its digest', async () => {
    const rest: TreePart = {
      type: 'file',
      digest: digestOf(big),
      sizeBytes: big.length,
      offset: 39_990,
      content: chunked(big.subarray(39_990)),
    };
    for await (const part of readParts(writeParts([rest]))) {
      expect(part).toMatchObject({ type: 'file', offset: 39_990, sizeBytes: 40_000 });
      expect(await gathered(part.content)).toHaveLength(10);
    }
  });
});

async function* chunked(bytes: Buffer, size = 4096): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function gathered(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}
