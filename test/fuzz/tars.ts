import { execFile, execFileSync } from 'node:child_process';
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { type EntryTree, indexTar, TarFault, unpackTar } from '@kiln/trees';
import { BLOCK_BYTES, CLOSE, paxRecord, type RawHeader, rawEntry, rawPax, signed } from '@kiln/trees/testing';
import fc from 'fast-check';

const FORMATS = ['gnu', 'pax', 'ustar', 'v7'] as const;

/** Packs a small tree with GNU tar, in each of its formats. */
function packedByGnu(): Buffer[] {
  const dir = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim();
  try {
    const script =
      'mkdir -p d/é && echo one > d/f && ln -s ../d/f d/é/l && ln d/f h && chmod 2755 d && ln -s /etc out && : > empty';
    execFileSync('sh', ['-c', script], { cwd: dir });
    const long = `${'n'.repeat(60)}/${'m'.repeat(60)}`;
    execFileSync('sh', ['-c', `mkdir ${long.split('/')[0]} && echo long > ${long}`], { cwd: dir });
    const tar = (format: string, ...more: string[]) =>
      execFileSync('tar', ['-c', `--format=${format}`, '--sort=name', ...more, '-C', dir, '.']);
    return FORMATS.map((format) => (format === 'v7' ? tar(format, `--exclude=./${long}`) : tar(format)));
  } finally {
    execFileSync('rm', ['-rf', dir]);
  }
}

// Few names, so that entries collide.
const name = fc.constantFrom(
  'a',
  'b',
  'a/b',
  'b/a',
  './a',
  'a/',
  'l',
  'l/x',
  'd/../a',
  '../x',
  '/abs',
  '.',
  'é',
  'a//b',
  'C:x',
);
const target = fc.constantFrom('', 'a', 'b', 'a/b', '../x', '/etc/passwd', 'l', '.', './a');
const content = fc.constantFrom('', 'x', 'some text', 'y'.repeat(600), rawEntry({ name: 'hidden', content: 'h' }));
const header: fc.Arbitrary<RawHeader> = fc
  .record({
    name,
    type: fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom('0', '5', '2', '1') },
      fc.constantFrom('7', '\0', '6', 'S', 'g', 'Z'),
    ),
    target,
    mode: fc.constantFrom(0o644, 0o755, 0o4711, 0o600, 0o1777, 0),
    content,
    size: fc.option(fc.constantFrom(0, 1, 512, 2 ** 31), { nil: undefined, freq: 20 }),
  })
  // Mostly as a packer would write it: only links have targets, only files have content.
  .chain((made) =>
    fc.boolean().map((asMade) => {
      const { size, ...rest } = made;
      if (asMade) return { ...rest, ...(size !== undefined && { size }) };
      const isLink = rest.type === '1' || rest.type === '2';
      return {
        ...rest,
        target: isLink ? rest.target || 'a' : '',
        content: '07'.includes(rest.type) ? rest.content : '',
      };
    }),
  );
const record = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(
        'path',
        'linkpath',
        'size',
        'mtime',
        'comment',
        'SCHILY.xattr.user.x',
        'GNU.sparse.name',
        'uid',
        'hdrcharset',
      ),
      fc.oneof(
        name,
        fc.constantFrom('0', '1', '9', '1700000000.5', '-1', 'x\n11 size=0', 'a\0b', '', '12x', 'a'.repeat(40)),
      ),
    )
    .map(([key, value]) => paxRecord(key, value)),
  fc
    .constantFrom('9 path=x\n', '99 path=x\n', '010 path=x\n', ' 9 path=\n', '9 path=xy')
    .map((text) => Buffer.from(text)),
);
const meta = fc.oneof(
  { weight: 5, arbitrary: fc.array(record, { minLength: 1, maxLength: 3 }).map((records) => rawPax(records)) },
  { weight: 1, arbitrary: fc.array(record, { minLength: 1, maxLength: 2 }).map((records) => rawPax(records, 'g')) },
  { weight: 2, arbitrary: name.map((text) => rawEntry({ name: '././@LongLink', type: 'L', content: `${text}\0` })) },
  { weight: 1, arbitrary: target.map((text) => rawEntry({ name: '././@LongLink', type: 'K', content: `${text}\0` })) },
);
const made = fc
  .array(fc.oneof({ weight: 4, arbitrary: header.map(rawEntry) }, { weight: 1, arbitrary: meta }), {
    minLength: 1,
    maxLength: 6,
  })
  .map((parts) => Buffer.concat([...parts, CLOSE]));

interface Change {
  readonly block: number;
  readonly offset: number;
  readonly byte: number;
  readonly how: 'byte' | 'insert' | 'remove' | 'double';
  readonly inserted: Buffer;
}

/** An archive made by GNU tar or by the generator, with altered bytes of headers (and valid checksums), and with blocks inserted, removed or doubled. */
export const changedTar: fc.Arbitrary<Buffer> = fc
  .tuple(
    fc.oneof({ weight: 2, arbitrary: fc.constantFrom(...packedByGnu()) }, { weight: 3, arbitrary: made }),
    fc.array(
      fc.record({
        block: fc.nat(),
        offset: fc.oneof(
          fc.nat(BLOCK_BYTES - 1),
          fc.constantFrom(0, 99, 100, 106, 124, 130, 134, 136, 156, 157, 257, 262, 345),
        ),
        byte: fc.oneof(fc.constantFrom(0, 0x20, 0x2f, 0x30, 0x31, 0x37, 0x80, 0xff), fc.nat(255)),
        how: fc.oneof(
          { weight: 5, arbitrary: fc.constant('byte' as const) },
          fc.constantFrom('insert', 'remove', 'double'),
        ),
        inserted: meta,
      }),
      { maxLength: 2 },
    ),
  )
  .map(([tar, changes]) => changes.reduce(changed, tar));

function changed(tar: Buffer, { block, offset, byte, how, inserted }: Change): Buffer {
  const headers = headersOf(tar);
  const at = headers[block % Math.max(1, headers.length)];
  if (at === undefined) return tar;
  const [before, one, after] = [
    tar.subarray(0, at),
    tar.subarray(at, at + BLOCK_BYTES),
    tar.subarray(at + BLOCK_BYTES),
  ];
  switch (how) {
    case 'byte': {
      const flipped = Buffer.from(one);
      flipped[offset] = byte;
      return Buffer.concat([before, offset >= 148 && offset < 156 ? flipped : signed(flipped), after]);
    }
    case 'insert':
      return Buffer.concat([before, inserted, one, after]);
    case 'remove':
      return Buffer.concat([before, after]);
    case 'double':
      return Buffer.concat([before, one, one, after]);
  }
}

/** Offsets of blocks with a valid checksum, including headers that are hidden in content. */
function headersOf(tar: Buffer): number[] {
  const offsets: number[] = [];
  for (let at = 0; at + BLOCK_BYTES <= tar.length; at += BLOCK_BYTES) {
    const block = tar.subarray(at, at + BLOCK_BYTES);
    const stored = Number.parseInt(block.toString('latin1', 148, 156).trim(), 8);
    const sum = block.reduce((total, one, i) => total + (i >= 148 && i < 156 ? 0x20 : one), 0);
    if (sum === stored) offsets.push(at);
  }
  return offsets;
}

/**
 * Reads an archive by the API's gate, and unpacks it by the worker's unpacker and by GNU tar. Returns the outcome. Not compared are times, the
 * mode of the root, and GNU tar's complaints about fields that Kiln does not read.
 * @throws Error if the gate and the unpacker, or Kiln and GNU tar, disagree about the tree; if anything outside is written; and for any error
 * other than a `TarFault`
 */
export async function readThrice(tar: Buffer): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-tars-'));
  try {
    const gate = await judged(() => indexTar(Readable.from([tar])));
    const gzipped = await judged(() => indexTar(Readable.from([gzipSync(tar, { level: 1 })])));
    const [ours, theirs] = [join(dir, 'in', 'ours'), join(dir, 'in', 'theirs')];
    await mkdir(ours, { recursive: true });
    await mkdir(theirs);
    const unpacked = await judged(async () => (await unpackTar(Readable.from([tar]), ours)).tree);
    for (const other of [gzipped, unpacked]) {
      if ((typeof other === 'string') !== (typeof gate === 'string'))
        throw new Error(`the gate: ${said(gate)}; another reader: ${said(other)}`);
    }
    if ((await readdir(dir)).join() !== 'in' || (await readdir(join(dir, 'in'))).sort().join() !== 'ours,theirs')
      throw new Error('something was written outside of the target directory');
    if (typeof gate === 'string') return 'refused';
    const mine = await listed(ours);
    const promised = [...gate.nodes()].map(([path, { type, target = '' }]) => `${type} ${path} ${target}`).sort();
    const kept = mine.map(({ type, path, target }) => `${type} ${path} ${target}`).sort();
    sameLists('the gate and the unpacker', promised, kept);
    await writeFile(join(dir, 'in.tar'), tar);
    const extract = ['-x', '-p', '--no-same-owner', '-f', join(dir, 'in.tar'), '-C', theirs];
    // The exit code is not checked, because GNU tar also complains about fields that Kiln does not read.
    await promisify(execFile)('sh', ['-c', 'umask 022; exec tar "$@"', 'tar', ...extract]).catch(() => undefined);
    const text = (all: Awaited<ReturnType<typeof listed>>) => all.map((one) => JSON.stringify(one)).sort();
    sameLists('Kiln and GNU tar', text(mine), text(await listed(theirs)));
    return 'the same';
  } finally {
    execFileSync('chmod', ['-R', 'u+rwx', dir]);
    await rm(dir, { recursive: true });
  }
}

async function judged(read: () => Promise<EntryTree>): Promise<EntryTree | string> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof TarFault) return error.message;
    throw error;
  }
}

function said(outcome: EntryTree | string): string {
  return typeof outcome === 'string' ? outcome : `accepted, ${outcome.size} entries`;
}

function sameLists(whose: string, a: readonly string[], b: readonly string[]): void {
  const [first, second] = [a.filter((one) => !b.includes(one)), b.filter((one) => !a.includes(one))];
  if (first.length + second.length > 0)
    throw new Error(
      `${whose} differ: only the first has ${first.join('; ')}; only the second has ${second.join('; ')}`,
    );
}

interface Listed {
  readonly path: string;
  readonly type: string;
  readonly mode: number;
  readonly target: string;
  readonly content: string;
}

async function listed(root: string, below = ''): Promise<Listed[]> {
  const found: Listed[] = [];
  for (const entry of await readdir(join(root, below))) {
    const path = below === '' ? entry : `${below}/${entry}`;
    const stats = await lstat(join(root, path));
    const type = stats.isSymbolicLink() ? 'symlink' : stats.isDirectory() ? 'directory' : 'file';
    found.push({
      ...{ path, type, mode: type === 'symlink' ? 0 : stats.mode & 0o7777 },
      target: type === 'symlink' ? await readlink(join(root, path)) : '',
      content: type === 'file' ? await readFile(join(root, path), 'latin1') : '',
    });
    if (type === 'directory') found.push(...(await listed(root, path)));
  }
  return found;
}
