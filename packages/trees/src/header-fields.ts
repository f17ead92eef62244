import { quoted, TarFault } from './tar-fault.ts';

export const BLOCK_BYTES = 512;

/** The fields of a header block. */
export interface HeaderFields {
  /** The byte at 156, as a character. */
  readonly type: string;
  readonly name: string;
  readonly target: string;
  readonly sizeBytes: number;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Parses a header block (POSIX ustar, GNU, or older). Rejects what tar readers interpret differently: bytes after the end of a field, numbers that
 * aren't plainly octal, names that aren't UTF-8.
 * @throws TarFault
 */
export function headerFields(block: Buffer): HeaderFields {
  if (checksum(block) !== octal(block.subarray(148, 156))) {
    throw new TarFault('a block that is not a tar header', 'a tar header with its checksum');
  }
  const name = text(block.subarray(0, 100), 'a name');
  const target = text(block.subarray(157, 257), 'the target of a link');
  checkNumber(block.subarray(100, 108), 'the mode', name);
  checkNumber(block.subarray(136, 148), 'the time', name);
  const prefix = isPosix(block) ? text(block.subarray(345, 500), 'a name') : '';
  return {
    type: String.fromCharCode(block[156] as number),
    name: prefix === '' ? name : `${prefix}/${name}`,
    target,
    sizeBytes: size(block.subarray(124, 136), name),
  };
}

export function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}

/** Decodes UTF-8. @throws TarFault if the bytes aren't UTF-8 */
export function decoded(bytes: Buffer, what: string): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new TarFault(`${what} that is not UTF-8: ${quoted(bytes.toString('latin1'))}`, 'names in UTF-8');
  }
}

function checksum(block: Buffer): number {
  let sum = 8 * 0x20;
  for (let i = 0; i < BLOCK_BYTES; i += 1) sum += i >= 148 && i < 156 ? 0 : (block[i] as number);
  return sum;
}

/** Whether the header has POSIX's magic. Old tars write no magic. @throws TarFault at an unknown one */
function isPosix(block: Buffer): boolean {
  const magic = block.toString('latin1', 257, 265);
  if (magic === 'ustar\x0000') return true;
  if (magic === 'ustar  \0' || magic === '\0\0\0\0\0\0\0\0') return false;
  throw new TarFault(`a header of an unknown format, ${JSON.stringify(magic)}`, 'POSIX (ustar, pax) or GNU tar');
}

/** Decodes the text up to the first zero byte, which only zero bytes may follow. */
function text(field: Buffer, what: string): string {
  const end = field.indexOf(0);
  if (end < 0) return decoded(field, what);
  if (!isZero(field.subarray(end)))
    throw new TarFault(`${what} with a zero byte in it`, 'zero bytes only at the end of a field');
  return decoded(field.subarray(0, end), what);
}

function octal(field: Buffer): number {
  const digits = /^ *([0-7]+)[ \0]*$/.exec(field.toString('latin1'))?.[1];
  return digits === undefined ? Number.NaN : Number.parseInt(digits, 8);
}

/** Rejects invalid numbers, which tar readers repair in different ways. */
function checkNumber(field: Buffer, what: string, name: string): void {
  const isBase256 = field[0] === 0x80 || field[0] === 0xff;
  if (isZero(field) || isBase256 || !Number.isNaN(octal(field))) return;
  throw new TarFault(`${what} ${JSON.stringify(field.toString('latin1'))}`, 'an octal number', name);
}

/** Parses a size: octal, or GNU's base 256 for larger ones. */
function size(field: Buffer, name: string): number {
  if (field[0] !== 0x80) {
    // Old tars leave the field empty for entries without content.
    const value = isZero(field) ? 0 : octal(field);
    if (Number.isNaN(value))
      throw new TarFault(`the size ${JSON.stringify(field.toString('latin1'))}`, 'an octal number', name);
    return value;
  }
  const value = field.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0);
  if (!Number.isSafeInteger(value)) throw new TarFault('a size beyond 2^53', 'a smaller file', name);
  return value;
}
