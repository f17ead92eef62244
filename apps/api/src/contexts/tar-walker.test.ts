import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import fc from 'fast-check';
import { pack } from 'tar-stream';
import { describe, expect, onTestFinished, test } from 'vitest';
import { tarOf } from '../testing/pack.ts';
import { type TarEntry, TarWalker } from './tar-walker.ts';

/** Walks `tar`, cut into pieces of the given sizes in turn. */
function walk(tar: Buffer, sizes: readonly number[] = [65_536]): { entries: TarEntry[]; isWhole: boolean } {
  const entries: TarEntry[] = [];
  const walker = new TarWalker((entry) => entries.push(entry));
  for (let at = 0, i = 0; at < tar.length; i += 1) {
    const size = sizes[i % sizes.length] ?? 1;
    walker.write(tar.subarray(at, at + size));
    at += size;
  }
  return { entries, isWhole: walker.isWhole() };
}

const name = fc
  .array(fc.stringMatching(/^[a-zé0-9 ._-]{1,40}$/), { minLength: 1, maxLength: 8 })
  .map((parts) => parts.join('/'))
  .filter((path) => !path.split('/').some((part) => part === '.' || part === '..'));

describe('TarWalker', () => {
  test('finds every entry that was packed, however the bytes are cut', async () => {
    const entry = fc.oneof(
      fc.record({ type: fc.constant('file' as const), name, size: fc.nat(2_000) }),
      fc.record({ type: fc.constant('directory' as const), name }),
      fc.record({ type: fc.constant('symlink' as const), name, linkname: name }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(entry, { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 1_500 }), { minLength: 1 }),
        async (packed, sizes) => {
          const packing = pack();
          for (const one of packed) packing.entry(one, 'size' in one ? 'x'.repeat(one.size) : '');
          packing.finalize();
          const { entries, isWhole } = walk(await buffer(packing as unknown as Readable), sizes);
          expect(isWhole).toBe(true);
          expect(entries.map((found) => found.name.replace(/\/$/, ''))).toEqual(
            packed.map((one) => one.name.replace(/\/$/, '')),
          );
          expect(entries.map((found) => [found.type, found.target, found.sizeBytes])).toEqual(
            packed.map((one) => [one.type, 'linkname' in one ? one.linkname : '', 'size' in one ? one.size : 0]),
          );
        },
      ),
      { numRuns: 200 },
    );
  });

  test.each(['gnu', 'pax', 'ustar', 'v7', 'oldgnu'])('reads what GNU tar writes as %s', (format) => {
    const dir = mkdtempSync(join(tmpdir(), 'kiln-tar-'));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    const long =
      format === 'gnu' || format === 'pax' || format === 'oldgnu' ? `${'d'.repeat(120)}/${'f'.repeat(120)}` : 'd/f';
    mkdirSync(join(dir, long.split('/')[0] ?? ''));
    writeFileSync(join(dir, long), 'x'.repeat(1234));
    symlinkSync(long, join(dir, 'link'));
    linkSync(join(dir, long), join(dir, 'same'));
    const tar = execFileSync('tar', ['-c', `--format=${format}`, '--sort=name', '-C', dir, '.']);
    const { entries, isWhole } = walk(tar, [700]);
    expect(isWhole).toBe(true);
    expect(entries).toEqual([
      { name: './', target: '', type: 'directory', sizeBytes: 0 },
      { name: `./${long.split('/')[0]}/`, target: '', type: 'directory', sizeBytes: 0 },
      { name: `./${long}`, target: '', type: 'file', sizeBytes: 1234 },
      { name: './link', target: long, type: 'symlink', sizeBytes: 0 },
      { name: './same', target: `./${long}`, type: 'hardlink', sizeBytes: 0 },
    ]);
  });

  test('tells a cut-off archive from a whole one, wherever it is cut', async () => {
    const tar = await tarOf('Dockerfile', 'a/b');
    const close = tar.length - 1024;
    for (let at = 1; at <= close; at += 1) expect(walk(tar.subarray(0, at)).isWhole, `cut at ${at}`).toBe(false);
    expect(walk(tar).isWhole).toBe(true);
  });

  test('a damaged header is no header', async () => {
    const tar = await tarOf('Dockerfile');
    tar[3] = 0xff;
    expect(() => walk(tar)).toThrow('a block that should be a header is none');
    expect(() => walk(Buffer.alloc(2048, 'hello '))).toThrow();
  });

  test('an extended header that would fill the memory is refused before it is read', () => {
    expect(() => walk(header({ type: 'x', size: 2 ** 31 }))).toThrow('an extended header of 2147483648 bytes');
    expect(() => walk(header({ type: 'L', size: 2 ** 31 }))).toThrow('an extended header of');
  });

  test('sparse files and unknown types are refused: their names or sizes stand elsewhere', () => {
    expect(() => walk(header({ type: 'S', size: 0 }))).toThrow('of the unknown type "S"');
    const pax = '31 GNU.sparse.name=../../etc/p\n\n';
    const block = Buffer.alloc(512);
    block.write(pax.replace('31', String(pax.length - 1)));
    expect(() => walk(Buffer.concat([header({ type: 'x', size: pax.length - 1 }), block]))).toThrow('a sparse file');
  });

  test('any bytes give entries or a fault, never a hang or another error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3_000 }), (bytes) => {
        try {
          walk(Buffer.from(bytes), [100]);
        } catch (error) {
          expect(error).toMatchObject({ code: 'tar_fault' });
        }
      }),
    );
  });
});

function header({ type, size }: { type: string; size: number }): Buffer {
  const block = Buffer.alloc(512);
  block.write('name');
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  block.write(type, 156);
  block.write('ustar\x0000', 257);
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
