/** One entry of a tar, as its headers say. Names as they stand there, not normalised. */
export interface TarEntry {
  readonly name: string;
  /** Target of a link. */
  readonly target: string;
  readonly type: 'file' | 'directory' | 'symlink' | 'hardlink' | 'character device' | 'block device' | 'fifo';
  readonly sizeBytes: number;
}

/** What a tar may not be, or hold. */
export class TarFault extends Error {
  readonly code = 'tar_fault';
}

const BLOCK = 512;
/** Extended headers are held in memory: a real one takes a few hundred bytes. */
const MAX_META_BYTES = 1024 * 1024;

const TYPES: Readonly<Record<string, TarEntry['type']>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'character device',
  '4': 'block device',
  '5': 'directory',
  '6': 'fifo',
};
/** Headers that speak of the next entry (`g`: of all that follow), in their content. */
const META_TYPES = 'xgLK';

interface Header {
  readonly type: string;
  readonly name: string;
  readonly target: string;
  readonly size: number;
}

/** Fields of the next entry that an extended header gives. */
interface Overrides {
  name?: string;
  target?: string;
  size?: number;
}

/**
 * Reads the headers out of a tar (POSIX ustar and pax, GNU long names) that is pushed in piece by piece, and skips the content.
 * Holds one block, or one extended header, at a time. An archive has to close with its block of zeros, so a cut-off one is
 * told from a whole one.
 */
export class TarWalker {
  readonly #onEntry: (entry: TarEntry) => void;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #skipBytes = 0;
  #meta: Header | undefined;
  #overrides: Overrides = {};
  #closed = false;

  constructor(onEntry: (entry: TarEntry) => void) {
    this.#onEntry = onEntry;
  }

  /** @throws TarFault, and whatever `onEntry` throws */
  write(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#skipBytes > 0) {
        const skipped = Math.min(this.#skipBytes, chunk.length - at);
        this.#skipBytes -= skipped;
        at += skipped;
        continue;
      }
      const wanted = this.#meta ? padded(this.#meta.size) : BLOCK;
      const taken = chunk.subarray(at, at + wanted - this.#heldBytes);
      at += taken.length;
      this.#held.push(taken);
      this.#heldBytes += taken.length;
      if (this.#heldBytes === wanted) this.#take();
    }
  }

  /** Whether what was written is a whole archive. */
  isWhole(): boolean {
    return this.#closed && this.#skipBytes === 0 && this.#heldBytes === 0 && this.#meta === undefined;
  }

  #take(): void {
    const bytes = this.#held.length === 1 ? (this.#held[0] as Buffer) : Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    if (this.#meta) {
      const meta = this.#meta;
      this.#meta = undefined;
      this.#apply(meta.type, bytes.subarray(0, meta.size));
    } else if (isZero(bytes)) {
      this.#closed = true;
    } else {
      this.#closed = false;
      this.#header(parseHeader(bytes));
    }
  }

  #header(header: Header): void {
    if (META_TYPES.includes(header.type)) {
      if (header.size > MAX_META_BYTES) throw new TarFault(`an extended header of ${header.size} bytes`);
      if (header.size > 0) this.#meta = header;
      return;
    }
    const { name = header.name, target = header.target, size = header.size } = this.#overrides;
    this.#overrides = {};
    const known = TYPES[header.type];
    if (!known)
      throw new TarFault(
        `entry ${JSON.stringify(shortened(name))} is of the unknown type ${JSON.stringify(header.type)}`,
      );
    // Before POSIX, a directory was a file whose name ends in a slash.
    const type = known === 'file' && name.endsWith('/') ? 'directory' : known;
    // Only files have content, whatever the size field of a link says.
    if (known === 'file') this.#skipBytes = padded(size);
    this.#onEntry({ name, target, type, sizeBytes: known === 'file' ? size : 0 });
  }

  #apply(type: string, content: Buffer): void {
    if (type === 'L') this.#overrides.name = text(content);
    else if (type === 'K') this.#overrides.target = text(content);
    else if (type === 'x') Object.assign(this.#overrides, paxOverrides(content));
  }
}

export function shortened(name: string): string {
  return name.length > 120 ? `${name.slice(0, 120)}…` : name;
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}

function parseHeader(block: Buffer): Header {
  const expected = number(block.subarray(148, 156));
  let sum = 8 * 0x20;
  for (let i = 0; i < BLOCK; i += 1) sum += i >= 148 && i < 156 ? 0 : (block[i] as number);
  if (sum !== expected) throw new TarFault('a block that should be a header is none');
  const isPosix = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isPosix ? text(block.subarray(345, 500)) : '';
  const name = text(block.subarray(0, 100));
  return {
    type: String.fromCharCode(block[156] as number),
    name: prefix ? `${prefix}/${name}` : name,
    target: text(block.subarray(157, 257)),
    size: number(block.subarray(124, 136)),
  };
}

/** Octal text, or GNU's base 256 where the first bit is set. */
function number(field: Buffer): number {
  const first = field[0] as number;
  if (first & 0x80) {
    const value = field.subarray(1).reduce((sum, byte) => sum * 256 + byte, first & 0x7f);
    if (!Number.isSafeInteger(value)) throw new TarFault('a size beyond 2^53');
    return value;
  }
  const octal = /^ *([0-7]*)[ \0]*$/.exec(field.toString('latin1'));
  if (!octal) throw new TarFault('a number that is not octal');
  return Number.parseInt(octal[1] || '0', 8);
}

function text(field: Buffer): string {
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end < 0 ? field.length : end);
}

/** Records `<length> <key>=<value>\n`; the length counts itself. */
function paxOverrides(content: Buffer): Overrides {
  const overrides: Overrides = {};
  for (let at = 0; at < content.length; ) {
    const space = content.indexOf(0x20, at);
    const length = space < 0 ? Number.NaN : Number(content.toString('latin1', at, space));
    const end = at + length;
    if (!Number.isInteger(length) || length < 5 || end > content.length)
      throw new TarFault('a damaged extended header');
    const record = content.toString('utf8', space + 1, end - 1);
    const equals = record.indexOf('=');
    take(overrides, record.slice(0, equals), record.slice(equals + 1));
    at = end;
  }
  return overrides;
}

function take(overrides: Overrides, key: string, value: string): void {
  // A sparse file's real name and size stand elsewhere: what is checked here would not be what is unpacked.
  if (key.startsWith('GNU.sparse.')) throw new TarFault('a sparse file: pack it without --sparse');
  if (value.includes('\0')) throw new TarFault('an extended header with a zero byte');
  if (key === 'path') overrides.name = value;
  else if (key === 'linkpath') overrides.target = value;
  else if (key === 'size') {
    const size = Number(value);
    if (!/^\d+$/.test(value) || !Number.isSafeInteger(size))
      throw new TarFault('an extended header with a size that is none');
    overrides.size = size;
  }
}
