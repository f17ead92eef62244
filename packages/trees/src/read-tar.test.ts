import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { pack } from 'tar-stream';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readTar } from './read-tar.ts';
import { collect, pieces } from './testing/collect.ts';
import { CLOSE, paxRecord, rawEntry, rawPax, rawTar, signed, twofoldTar } from './testing/index.ts';

const name = fc
  .array(fc.stringMatching(/^[a-zé0-9 ._-]{1,40}$/), { minLength: 1, maxLength: 8 })
  .map((parts) => parts.join('/'))
  .filter((path) => !path.split('/').some((part) => part === '.' || part === '..'));

const small = (tar: Buffer) => collect(tar).then((entries) => entries.map(({ name: found }) => found));
const file = (path = 'f') => rawEntry({ name: path, content: 'text' });

describe('readTar', () => {
  test('finds every packed entry, however the bytes are split', async () => {
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
          const entries = await collect(await buffer(packing as unknown as Readable), {}, sizes);
          expect(entries.map((found) => [found.name.replace(/\/$/, ''), found.type, found.target, found.text])).toEqual(
            packed.map((one) => [
              one.name.replace(/\/$/, ''),
              one.type,
              'linkname' in one ? one.linkname : '',
              'size' in one ? 'x'.repeat(one.size) : '',
            ]),
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  test.each(['gnu', 'pax', 'ustar', 'v7', 'oldgnu'])('reads archives of GNU tar in the format %s', async (format) => {
    const dir = mkdtempSync(join(tmpdir(), 'kiln-tar-'));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    const long =
      format === 'gnu' || format === 'pax' || format === 'oldgnu' ? `${'d'.repeat(120)}/${'f'.repeat(120)}` : 'd/f';
    mkdirSync(join(dir, long.split('/')[0] ?? ''));
    writeFileSync(join(dir, long), 'x'.repeat(1234));
    symlinkSync(long, join(dir, 'link'));
    linkSync(join(dir, long), join(dir, 'same'));
    const tar = execFileSync('tar', ['-c', `--format=${format}`, '--sort=name', '-C', dir, '.']);
    const entries = await collect(tar, {}, [700]);
    expect(entries.map((entry) => [entry.name, entry.target, entry.type, entry.sizeBytes])).toEqual([
      ['./', '', 'directory', 0],
      [`./${long.split('/')[0]}/`, '', 'directory', 0],
      [`./${long}`, '', 'file', 1234],
      ['./link', long, 'symlink', 0],
      ['./same', `./${long}`, 'hardlink', 0],
    ]);
  });

  test('reads archives of git archive, with the commit in a global header', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'kiln-tar-'));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    const git = (...args: string[]) =>
      execFileSync('git', ['-C', dir, '-c', 'user.name=t', '-c', 'user.email=t@localhost', ...args]);
    git('init', '--quiet');
    writeFileSync(join(dir, 'Dockerfile'), 'FROM scratch');
    git('add', '.');
    git('commit', '--quiet', '-m', 'one');
    expect(await small(git('archive', 'HEAD'))).toEqual(['Dockerfile']);
    expect(await small(gzipSync(git('archive', 'HEAD')))).toEqual(['Dockerfile']);
  });

  test('distinguishes a truncated archive from a complete one, wherever it is cut', async () => {
    const tar = rawTar(file('Dockerfile'), file('b'));
    for (let at = 1; at <= tar.length - CLOSE.length; at += 37) {
      await expect(small(tar.subarray(0, at)), `cut at ${at}`).rejects.toMatchObject({ code: 'tar_cut_off' });
    }
    const gzipped = gzipSync(tar);
    for (let at = 3; at < gzipped.length; at += 5) {
      await expect(small(gzipped.subarray(0, at)), `cut at ${at}`).rejects.toMatchObject({ code: 'tar_cut_off' });
    }
    expect(await small(tar.subarray(0, -512))).toEqual(['Dockerfile', 'b']);
    await expect(small(Buffer.alloc(0))).rejects.toMatchObject({ got: 'nothing' });
  });

  const long = (type: string, content: string) => rawEntry({ name: '././@LongLink', type, content });
  const spoiled = (offset: number, bytes: string) => {
    const block = file();
    block.write(bytes, offset, 'latin1');
    return Buffer.concat([signed(block.subarray(0, 512)), block.subarray(512)]);
  };
  test.each<[string, Buffer]>([
    ['a line break in a pax value', twofoldTar([file('hidden')])],
    ['a line break in a pax path', rawTar(rawPax([paxRecord('path', 'a\nb')]), file())],
    ['a zero byte in a pax value', rawTar(rawPax([paxRecord('path', 'a\0b')]), file())],
    ['a line break in an extended attribute', rawTar(rawPax([paxRecord('SCHILY.xattr.user.x', 'a\nb')]), file())],
    ['a repeated key', rawTar(rawPax([paxRecord('path', 'a'), paxRecord('path', 'b')]), file())],
    ['a record longer than its header', rawTar(rawPax([Buffer.from('99 path=a\n')]), file())],
    ['a record without an end', rawTar(rawPax([Buffer.from('9 path=ab')]), file())],
    ['a record with a wrong length', rawTar(rawPax([Buffer.from('8 path=a\n')]), file())],
    ['a record with an ambiguous length', rawTar(rawPax([Buffer.from('010 path=a\n')]), file())],
    ['data after the records', rawTar(rawPax([paxRecord('path', 'a'), Buffer.from('\0\0')]), file())],
    ['a global header', rawTar(rawPax([paxRecord('path', 'a')], 'g'), file())],
    ['a global comment that is not a commit', rawTar(rawPax([paxRecord('comment', 'x')], 'g'), file())],
    ['a global header between entries', rawTar(file(), rawPax([paxRecord('comment', 'a'.repeat(40))], 'g'), file('g'))],
    ['two global headers', rawTar(...Array(2).fill(rawPax([paxRecord('comment', 'a'.repeat(40))], 'g')), file())],
    ['a size that disagrees', rawTar(rawPax([paxRecord('size', '0')]), file())],
    ['a size that is not a number', rawTar(rawPax([paxRecord('size', '4 ')]), file())],
    ['a size in another notation', rawTar(rawPax([paxRecord('size', '0x4')]), file())],
    ['a time that is not a number', rawTar(rawPax([paxRecord('mtime', '1x')]), file())],
    ['a mode that is not a number', rawTar(spoiled(100, '75x'))],
    ['another character set', rawTar(rawPax([paxRecord('hdrcharset', 'BINARY')]), file())],
    ['a sparse file of GNU', rawTar({ name: 'f', type: 'S' })],
    ['a sparse file of pax', rawTar(rawPax([paxRecord('GNU.sparse.name', '../../etc/p')]), file())],
    ['a sparse file of star', rawTar(rawPax([paxRecord('SCHILY.realsize', '7')]), file())],
    ['two names', rawTar(rawPax([paxRecord('path', 'a')]), long('L', 'b\0'), file())],
    ['two long names', rawTar(long('L', 'a\0'), long('L', 'b\0'), file())],
    ['two extended headers', rawTar(rawPax([paxRecord('path', 'a')]), rawPax([paxRecord('mtime', '1')]), file())],
    ['an extended header before the end', rawTar(rawPax([paxRecord('path', 'a')]))],
    ['an empty extended header', rawTar({ name: 'x', type: 'x' }, file())],
    ['a too large extended header', rawTar({ name: 'x', type: 'x', size: 2 ** 31 })],
    ['a long name with a zero byte in it', rawTar(long('L', 'a\0b\0'), file())],
    ['an empty long name', rawTar(long('L', '\0'), file())],
    ['content of a directory', rawTar({ name: 'd/', type: '5', content: 'x' })],
    ['content of a symbolic link', rawTar({ name: 'l', type: '2', target: 'f', content: 'x' })],
    ['content of a hard link', rawTar(file(), { name: 'l', type: '1', target: 'f', content: 'x' })],
    ['an unknown type', rawTar({ name: 'f', type: 'Z' })],
    ['a device', rawTar({ name: 'null', type: '3' })],
    ['a fifo', rawTar({ name: 'pipe', type: '6' })],
    ['a file with the target of a link', rawTar({ name: 'f', target: 'g' })],
    ['a link without a target', rawTar({ name: 'f', type: '2' })],
    ['a link whose name ends in a slash', rawTar({ name: 'f/', type: '2', target: 'g' })],
    ['a file whose long name is that of a directory', rawTar(rawPax([paxRecord('path', 'a/')]), file())],
    ['an old directory with content', rawTar({ name: 'd/', content: 'x' })],
    ['no name', rawTar({ name: '' })],
    ['a name with data after its end', rawTar(spoiled(10, 'x'))],
    ['a name that is not UTF-8', rawTar(spoiled(1, '\xff'))],
    ['a size that is not octal', rawTar(spoiled(124, '12x'))],
    ['a negative size', rawTar(spoiled(124, '\xff\xff\xff'))],
    ['an unknown format', rawTar(spoiled(257, 'gustar'))],
    ['a wrong checksum', Buffer.concat([file().fill('x', 300, 301), CLOSE])],
    ['a second archive', Buffer.concat([rawTar(file()), rawTar(file('g'))])],
    ['an entry after one block of zeros', Buffer.concat([file(), CLOSE.subarray(512), rawTar(file('g'))])],
    ['data that is not an archive', Buffer.alloc(2048, 'hello ')],
  ])('refuses %s', async (_what, tar) => {
    await expect(small(tar)).rejects.toMatchObject({ code: 'tar_fault' });
  });

  test('accepts unknown keys, whatever their names', async () => {
    const records = ['constructor', '__proto__', 'toString'].map((key) => paxRecord(key, 'x'));
    expect(await small(rawTar(rawPax(records), file()))).toEqual(['f']);
  });

  test('accepts a size that only an extended header can express, and one equal to the header’s', async () => {
    expect(await small(rawTar(rawPax([paxRecord('size', '4')]), file()))).toEqual(['f']);
    // The eight GiB of content are missing, which proves that the size was accepted.
    const large = Buffer.concat([rawPax([paxRecord('size', `${8 ** 11}`)]), rawEntry({ name: 'f' }), CLOSE]);
    await expect(small(large)).rejects.toMatchObject({ code: 'tar_cut_off' });
  });

  test('accepts binary attributes only if allowed, and discards them', async () => {
    const tar = rawTar(rawPax([paxRecord('SCHILY.xattr.security.capability', Buffer.from([1, 0, 10, 255]))]), file());
    await expect(small(tar)).rejects.toMatchObject({ code: 'tar_fault' });
    expect((await collect(tar, { allowBinaryAttributes: true })).map(({ name: found }) => found)).toEqual(['f']);
  });

  test('rejects a too long archive before reading all of it', async () => {
    let read = 0;
    async function* endless(): AsyncGenerator<Buffer> {
      yield rawEntry({ name: 'f', size: 2 ** 30 });
      for (;;) {
        read += 65_536;
        yield Buffer.alloc(65_536);
      }
    }
    const reading = (async () => {
      for await (const _ of readTar(endless(), { maxBytes: 2 ** 20 }));
    })();
    await expect(reading).rejects.toMatchObject({ code: 'tar_fault', expected: 'at most 1048576 bytes when unpacked' });
    expect(read).toBeLessThan(2 ** 21);
  });

  test('throws its source’s error, and closes the source when the iteration is ended early', async () => {
    const broken = new Error('connection lost');
    async function* failing(): AsyncGenerator<Buffer> {
      yield rawTar(file()).subarray(0, 700);
      throw broken;
    }
    const reading = (async () => {
      for await (const entry of readTar(failing())) for await (const _ of entry.content);
    })();
    await expect(reading).rejects.toBe(broken);
    const source = pieces(rawTar(file('a'), file('b'), file('c')), [100]);
    const closed = new Promise((resolve) => source.on('error', () => {}).once('close', resolve));
    for await (const _ of readTar(source)) break;
    await closed;
  });

  test('returns entries or a TarFault for any bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 3_000 }), async (bytes) => {
        const outcome = await small(Buffer.from(bytes)).catch((error: { code?: string }) => error.code);
        expect(['tar_fault', 'tar_cut_off']).toContain(outcome);
      }),
      { numRuns: 60 },
    );
  });
});
